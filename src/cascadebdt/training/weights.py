"""Training weights: the treatment of negative weights, and the balance of the two classes.

Only training uses these weights; every yield, efficiency and threshold uses the true, signed weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import BoolArray, CodeArray, FloatArray
from cascadebdt.config import ClassBalance, NegativeWeights
from cascadebdt.errors import TrainingError


@dataclass(frozen=True)
class NegativeWeightReport:
    """The effect of a policy on one process.

    `events` are those of the process at the stage, `used_events` those that train; the sums are of the true weights,
    of the negative ones, and of those used. `bias` is ``sum_used / sum_true - 1``, None if the true sum is 0.
    """

    events: int
    negative_events: int
    used_events: int
    sum_true: float
    sum_negative: float
    sum_used: float
    bias: float | None


def effective_number(weights: FloatArray) -> float:
    """Return the effective number of events, (sum w)^2 / sum w^2, which is 0 for no events."""
    sumw, sumw2 = float(weights.sum()), float(np.square(weights).sum())
    return sumw * sumw / sumw2 if sumw2 > 0 else 0.0  # a product, which a power of two in the weights leaves exact


def without_negative(weights: FloatArray, policy: NegativeWeights, *, where: str) -> FloatArray:
    """Return non-negative weights by a policy for single events, ``(n_events,) float64``.

    ``absolute`` takes the absolute value, ``drop`` and ``zero`` give a negative weight the value 0. The caller leaves
    dropped events out of the training sample and keeps zeroed ones (see `preparation`). For ``pair``, which needs
    neighbours, see `pairing.cancelled`.

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
            "'error'; expected 'absolute', 'drop', 'zero' or 'pair' to train with them"
        )
    return np.maximum(weights, 0.0)


def balanced(weights: FloatArray, is_signal: BoolArray, process: CodeArray, balance: ClassBalance) -> FloatArray:
    """Scale the weights of each class, so that cross sections and units do not change the trees unless asked to.

    Parameters
    ----------
    weights : (n_events,) float64, none negative
    is_signal : (n_events,) bool
    process : (n_events,) codes
    balance : what the total weight of a class becomes

        ``events``
            its number of events: the mean weight is 1 in each class
        ``effective``
            its effective number of events, (sum w)^2 / sum w^2
        ``equal``
            half of the number of events of both classes
        ``processes``
            its number of events, shared equally among its processes
        ``yields``
            in proportion to its yield; the mean weight of both classes together is 1
        ``none``
            unchanged: the trees then depend on the unit of the weights
    """
    if balance == "none":
        return weights
    if balance == "yields":
        return np.asarray(weights * (len(weights) / weights.sum()))
    result = np.zeros(len(weights))
    for mask in (is_signal, ~is_signal):
        codes = np.unique(process[mask & (weights > 0)]) if balance == "processes" else [None]
        for code in codes:
            part = mask if code is None else mask & (process == code)
            found = weights[part]
            result[part] = found * (_target(found, mask, len(codes), balance) / found.sum())
    return result


def _target(weights: FloatArray, mask: BoolArray, n_parts: int, balance: ClassBalance) -> float:
    """Return the total weight that a class, or a process of it, is scaled to."""
    if balance == "effective":
        return effective_number(weights)
    return len(mask) / 2 if balance == "equal" else int(mask.sum()) / n_parts


def report(
    weights: FloatArray, used: FloatArray, kept: BoolArray, processes: Mapping[str, BoolArray]
) -> dict[str, NegativeWeightReport]:
    """Return the effect of a policy on each process.

    Parameters
    ----------
    weights, used : (n_events,) true weights and those that train
    kept : (n_events,) bool, events that are part of the training sample
    processes : name -> (n_events,) bool
    """
    return {name: _report(weights[mask], used[mask], kept[mask]) for name, mask in processes.items()}


def _report(weights: FloatArray, used: FloatArray, kept: BoolArray) -> NegativeWeightReport:
    true = float(weights.sum())
    return NegativeWeightReport(
        events=len(weights),
        negative_events=int((weights < 0).sum()),
        used_events=int(kept.sum()),
        sum_true=true,
        sum_negative=float(weights[weights < 0].sum()),
        sum_used=float(used.sum()),
        bias=float(used.sum()) / true - 1 if true else None,
    )
