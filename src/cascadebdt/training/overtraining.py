"""Overtraining: scores of events by a model that trained on them, against scores by a model that did not.

All uncertainties are of the difference of the two. They are sums over events of squared differences of influences, so
that what an event changes in both alike drops out.
"""

from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.training.quality import Curve, number, rounded

N_BINS = 40
N_RANDOMISATIONS = 99
MAX_EVENTS = 20_000  # of a class in the randomisations, evenly chosen


def compare(
    *,
    seen: FeatureArray,
    unseen: FeatureArray,
    weights: FloatArray,
    is_signal: BoolArray,
    threshold: np.float32 | None,
    seed: int,
) -> dict[str, Any]:
    """Compare scores in training (``train``) with those out of fold.

    Parameters
    ----------
    seen, unseen : (n_events,) scores by a model that trained on the event, and by one that never saw it; NaN without
    weights : (n_events,) float64, true weights
    is_signal : (n_events,)
    threshold : the working point, None without one
    seed : of the randomisations

    Returns
    -------
    ``auc``, ``signal_efficiency`` and ``background_efficiency`` (with a threshold), each with the two values, their
    difference and its uncertainty; ``distance`` of the score distributions and its p-value, and ``scores``, their
    histograms, for either class
    """
    classes = {"signal": is_signal, "background": ~is_signal}
    pairs = {"auc": [_auc(scores, weights, is_signal) for scores in (seen, unseen)]}
    if threshold is not None:
        pairs |= {
            f"{name}_efficiency": [_efficiency(scores, weights, mask, threshold) for scores in (seen, unseen)]
            for name, mask in classes.items()
        }
    rng = np.random.default_rng(seed)
    return {
        **{name: _difference(*pair) for name, pair in pairs.items()},
        "distance": {name: distance(seen[mask], unseen[mask], weights[mask], rng) for name, mask in classes.items()},
        "scores": {
            name: {
                "train": _histogram(seen[mask], weights[mask]),
                "out_of_fold": _histogram(unseen[mask], weights[mask]),
            }
            for name, mask in classes.items()
        },
    }


def distance(
    seen: FeatureArray, unseen: FeatureArray, weights: FloatArray, rng: np.random.Generator
) -> dict[str, float | None]:
    """Return the largest difference of two weighted distribution functions, and its p-value.

    The distance is Kolmogorov's and Smirnov's with signed weights. The p-value is that of a randomisation test: without
    overtraining the two scores of an event are exchangeable, whatever the weights, so they are swapped at random. For
    events with only one score its sign is drawn, which makes the p-value larger rather than smaller.

    Parameters
    ----------
    seen, unseen : (n_events,) scores of one class, NaN where there is none
    weights : (n_events,)

    Returns
    -------
    ``distance`` and ``p_value``, None where the weights of a sample do not sum to a positive number
    """
    rows = np.arange(0, len(weights), -(-len(weights) // MAX_EVENTS) or 1)
    parts = [(scores[rows], sign) for scores, sign in ((seen, 1.0), (unseen, -1.0))]
    events, scores, shares = [], [], []
    for found, sign in parts:
        there = np.flatnonzero(~np.isnan(found))
        total = weights[rows][there].sum()
        if not total > 0:
            return {"distance": None, "p_value": None}
        events.append(there)
        scores.append(found[there])
        shares.append(sign * weights[rows][there] / total)
    order = np.argsort(np.concatenate(scores), kind="stable")
    event, share = np.concatenate(events)[order], np.concatenate(shares)[order]
    ends = np.flatnonzero(np.append(np.diff(np.concatenate(scores)[order]) != 0, True))

    def largest(signs: FloatArray) -> float:
        return float(np.abs(np.cumsum(share * signs[event])[ends]).max())

    found_distance = largest(np.ones(len(rows)))
    as_large = sum(
        largest(rng.choice([-1.0, 1.0], len(rows))) >= found_distance * (1 - 1e-12) for _ in range(N_RANDOMISATIONS)
    )
    return {"distance": found_distance, "p_value": (1 + as_large) / (1 + N_RANDOMISATIONS)}


def _auc(scores: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> tuple[float, FloatArray]:
    """Return the area of the events that have a score, and the influence of every event on it."""
    there = ~np.isnan(scores)
    curve = Curve.of(scores[there], weights[there], is_signal[there])
    influence = np.zeros(len(scores))
    if curve.exists:
        influence[there] = curve.auc_influence(weights[there], is_signal[there])
    return curve.auc, influence


def _efficiency(
    scores: FeatureArray, weights: FloatArray, mask: BoolArray, threshold: np.float32
) -> tuple[float, FloatArray]:
    """Return the share of a class that passes, and the influence of every event on it."""
    weights = np.where(mask & ~np.isnan(scores), weights, 0.0)
    total = weights.sum()
    if not total > 0:
        return float("nan"), np.zeros(len(scores))
    passes = scores >= threshold
    efficiency = float(weights[passes].sum() / total)
    return efficiency, np.asarray(weights / total * (passes - efficiency))


def _difference(seen: tuple[float, FloatArray], unseen: tuple[float, FloatArray]) -> dict[str, float | None]:
    uncertainty = float(np.sqrt(np.square(seen[1] - unseen[1]).sum()))
    values = {"train": seen[0], "out_of_fold": unseen[0], "difference": seen[0] - unseen[0], "uncertainty": uncertainty}
    return {name: number(value) for name, value in values.items()}


def _histogram(scores: FeatureArray, weights: FloatArray) -> dict[str, list[float]]:
    """Return the shares of equal bins in [0, 1] and their uncertainties; empty without positive weight."""
    there = ~np.isnan(scores)
    bins = np.minimum((scores[there] * N_BINS).astype(np.int64), N_BINS - 1)
    sums = np.bincount(bins, weights[there], N_BINS)
    if not sums.sum() > 0:
        return {"shares": [], "uncertainties": []}
    errors = np.sqrt(np.bincount(bins, np.square(weights[there]), N_BINS))
    return {"shares": rounded(sums / sums.sum()), "uncertainties": rounded(errors / sums.sum())}
