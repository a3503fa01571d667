"""Working points: the thresholds of a stage, found for a target signal efficiency with signed weights."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray
from cascadebdt.forest.borders import Thresholds


@dataclass(frozen=True)
class WorkingPoint:
    """The thresholds of a stage, on float32 scores; what else needs them reads them here.

    An event passes if its ``score >= threshold``. A rejected event with ``score >= validation_threshold``, where there
    is one, is in the stage's validation region.

    Attributes
    ----------
    threshold, validation_threshold : float32
    signal_efficiency : what was asked for in training; None if the threshold was
    efficiencies : process -> weighted fraction of its simulated events that passes, of those that reach the stage, by
        scores of models that never saw them; empty if the threshold was changed after the training
    """

    threshold: np.float32
    signal_efficiency: float | None
    efficiencies: Mapping[str, float]
    validation_threshold: np.float32 | None = None

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds alone."""
        return Thresholds(self.threshold, self.validation_threshold)


def threshold_at(efficiency: float, *, scores: FeatureArray, weights: FloatArray) -> np.float32:
    """Return the largest score t for which the events with ``score >= t`` have at least this efficiency.

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
    equal scores. Negative weights make it non-monotone; the first score that reaches the target counts.

    Examples
    --------
    >>> scores = np.array([0.2, 0.9, 0.4, 0.6], np.float32)
    >>> print(threshold_at(0.5, scores=scores, weights=np.ones(4)))
    0.6
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
