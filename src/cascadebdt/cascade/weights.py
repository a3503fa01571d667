"""Training weights: what becomes of negative weights, and the balance of the two classes.

Only training sees these weights; every yield, efficiency and threshold uses the true, signed weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.config import NegativeWeights
from cascadebdt.errors import TrainingError


@dataclass(frozen=True)
class NegativeWeightReport:
    """What a policy did to one class: sums of the true weights, of the negative ones, and of those used."""

    events: int
    negative_events: int
    sum_true: float
    sum_negative: float
    sum_used: float


def effective_number(weights: FloatArray) -> float:
    """Return the effective number of events, (sum w)^2 / sum w^2, which is 0 for no events."""
    sumw2 = float(np.square(weights).sum())
    return float(weights.sum()) ** 2 / sumw2 if sumw2 > 0 else 0.0


def without_negative(weights: FloatArray, policy: NegativeWeights, *, where: str) -> FloatArray:
    """Return non-negative weights, ``(n_events,) float64``; an event of weight zero does not train.

    Raises
    ------
    TrainingError
        If the policy is ``error`` and a weight is negative.
    """
    if policy == "absolute":
        return np.abs(weights)
    n_negative = int((weights < 0).sum())
    if policy == "error" and n_negative:
        raise TrainingError(
            f"{where}: {n_negative} of {len(weights)} events have negative weights and cascade.negative_weights is "
            "'error'; expected 'absolute' or 'drop' to train with them"
        )
    return np.maximum(weights, 0.0)


def balanced(weights: FloatArray, is_signal: BoolArray) -> FloatArray:
    """Scale the weights of each class to mean 1, so that neither cross sections nor units change the trees."""
    result = np.empty(len(weights))
    for mask in (is_signal, ~is_signal):
        result[mask] = weights[mask] * (mask.sum() / weights[mask].sum())
    return result


def report(weights: FloatArray, used: FloatArray, classes: Mapping[str, BoolArray]) -> dict[str, NegativeWeightReport]:
    """Report per class what the policy did."""
    return {
        name: NegativeWeightReport(
            events=int(mask.sum()),
            negative_events=int((weights[mask] < 0).sum()),
            sum_true=float(weights[mask].sum()),
            sum_negative=float(weights[mask & (weights < 0)].sum()),
            sum_used=float(used[mask].sum()),
        )
        for name, mask in classes.items()
    }
