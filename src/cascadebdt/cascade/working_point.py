"""Working points: the threshold of a stage from a target signal efficiency, with signed weights."""

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray


def threshold_at(efficiency: float, *, scores: FeatureArray, weights: FloatArray) -> np.float32:
    """Return the largest score t for which events with ``score >= t`` keep at least this efficiency.

    Parameters
    ----------
    efficiency : target, 0 < efficiency < 1
    scores : (n_events,) float32, out-of-fold scores of the signal that reaches the stage
    weights : (n_events,) float64, true weights, some may be negative, with a positive sum

    Returns
    -------
    float32, one of the scores

    Notes
    -----
    The efficiency is a cumulative sum of signed weights from the highest score down, taken at the end of each group of
    equal scores. Negative weights make it non-monotone; the first score to reach the target counts.
    """
    order = np.argsort(-scores, kind="stable")
    descending, kept = scores[order], np.cumsum(weights[order])
    ends = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))
    reached = kept[ends] >= efficiency * kept[-1]
    return np.float32(descending[ends[np.argmax(reached)]])


def efficiency_of(threshold: np.float32, *, scores: FeatureArray, weights: FloatArray) -> float:
    """Return the weighted fraction of events with ``score >= threshold``; NaN if the weights sum to zero."""
    total = float(weights.sum())
    return float(weights[scores >= threshold].sum()) / total if total else float("nan")
