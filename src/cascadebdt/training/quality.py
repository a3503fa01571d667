"""How well a stage separates, with signed weights.

Efficiencies are cumulative sums of signed weights from the highest score down, taken at the end of each group of equal
scores. Without negative weights they are the usual ones; with them a curve may turn back, and areas count with sign.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray

N_POINTS = 100  # of a curve that is kept, per class
EFFICIENCIES = np.linspace(0.02, 1.0, 50)  # of the signal, where curves of folds are kept
DIGITS = 6


@dataclass(frozen=True, eq=False)
class Curve:
    """Signal and background kept from the highest score down.

    Attributes
    ----------
    signal, background : (n_groups,) float64, sums of weights with at least the score of a group of equal scores
    group : (n_events,) int64, the group of each event, the highest score first
    """

    signal: FloatArray
    background: FloatArray
    group: IntArray

    @classmethod
    def of(cls, scores: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> "Curve":
        """Sum the weights of scored events, all ``(n_events,)``."""
        order = np.argsort(-scores, kind="stable")
        is_last = np.ones(len(order), np.bool_)  # of a group of equal scores
        is_last[:-1] = scores[order][1:] != scores[order][:-1]
        ends = np.flatnonzero(is_last)
        group = np.empty(len(order), np.int64)
        group[order] = np.cumsum(is_last) - is_last
        signal, background = (np.cumsum(np.where(mask, weights, 0.0)[order])[ends] for mask in (is_signal, ~is_signal))
        return cls(signal, background, group)

    @property
    def exists(self) -> bool:
        """Whether the weights of both classes sum to a positive number."""
        return len(self.signal) > 0 and bool(self.signal[-1] > 0) and bool(self.background[-1] > 0)

    @cached_property
    def auc(self) -> float:
        """The area under the ROC curve, the trapezoidal integral; NaN if a class has no positive weight."""
        if not self.exists:
            return float("nan")
        x, y = (np.concatenate([[0.0], kept / kept[-1]]) for kept in (self.background, self.signal))
        return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))

    @property
    def average_precision(self) -> float:
        """The area under the precision-recall curve by steps, sum of (R_n - R_{n-1}) P_n; NaN without positive weight.

        Precision is that of the yields themselves, without any balance of the classes.
        """
        if not self.exists:
            return float("nan")
        return float(np.sum(np.diff(self.signal, prepend=0.0) / self.signal[-1] * self.precision))

    @property
    def precision(self) -> FloatArray:
        """The signal's share of what is kept, ``(n_groups,)`` in [0, 1].

        A sum of weights below zero counts as zero, as the yield it stands for cannot be negative; 0 where nothing is
        kept.
        """
        signal, background = np.maximum(self.signal, 0.0), np.maximum(self.background, 0.0)
        kept = signal + background
        return np.asarray(np.divide(signal, kept, out=np.zeros(len(kept)), where=kept > 0))

    def auc_influence(self, weights: FloatArray, is_signal: BoolArray) -> FloatArray:
        """Return the influence of each event on the area, ``(n_events,)``: the sum of squares is the area's variance.

        References
        ----------
        DeLong, DeLong, Clarke-Pearson, Biometrics 44 (1988) 837. Their placement values, the fraction of the other
        class that an event is ranked above, are computed here with weights; a tie counts one half. They divide by
        n - 1, we by n: with weights n - 1 has no meaning.
        """
        above = [np.concatenate([[0.0], kept / kept[-1]]) for kept in (self.background, self.signal)]
        background, signal = ((kept[1:] + kept[:-1]) / 2 for kept in above)
        placement = np.where(is_signal, 1 - background[self.group], signal[self.group])
        total = np.where(is_signal, self.signal[-1], self.background[-1])
        return np.asarray(weights / total * (placement - self.auc))

    def points(self) -> dict[str, list[float]]:
        """Return some points of the curve for figures, dense where either class has its events."""
        if not self.exists:
            return {"signal_efficiency": [], "background_efficiency": [], "precision": []}
        chosen = np.unique(np.concatenate([_spaced(self.signal), _spaced(self.background)]))
        return {
            "signal_efficiency": rounded(self.signal[chosen] / self.signal[-1]),
            "background_efficiency": rounded(self.background[chosen] / self.background[-1]),
            "precision": rounded(self.precision[chosen]),
        }

    def at_efficiencies(self) -> dict[str, list[float]]:
        """Return the curve at `EFFICIENCIES`, each at the highest cut that keeps at least this share of the signal."""
        if not self.exists:
            return {"signal_efficiency": [], "background_efficiency": [], "precision": []}
        wanted = EFFICIENCIES * (1 - 1e-12) * self.signal[-1]  # that rounding does not move a cut
        chosen = np.searchsorted(np.maximum.accumulate(self.signal), wanted)
        return {
            "signal_efficiency": rounded(EFFICIENCIES),
            "background_efficiency": rounded(self.background[chosen] / self.background[-1]),
            "precision": rounded(self.precision[chosen]),
        }


def roc_auc(scores: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> float:
    """Return the area under the ROC curve of scored events, all ``(n_events,)``; see `Curve.auc`."""
    return Curve.of(scores, weights, is_signal).auc


def separation(scores: FeatureArray, weights: FloatArray, is_signal: BoolArray, folds: IntArray) -> dict[str, Any]:
    """Summarise out-of-fold scores: areas, their statistical uncertainty and spread over folds, and curves.

    Parameters
    ----------
    scores, weights, is_signal, folds : (n_events,)
    """
    curve = Curve.of(scores, weights, is_signal)
    uncertainty = float(np.sqrt(np.square(curve.auc_influence(weights, is_signal)).sum())) if curve.exists else None
    masks = [folds == fold for fold in np.unique(folds)]
    curves = [Curve.of(scores[mask], weights[mask], is_signal[mask]) for mask in masks]
    of_folds = [of_fold.auc for of_fold in curves]
    return {
        "auc": number(curve.auc),
        "auc_uncertainty": uncertainty,
        "auc_of_folds": [number(area) for area in of_folds],
        "auc_spread": number(float(np.std(of_folds, ddof=1))) if len(of_folds) > 1 else None,
        "average_precision": number(curve.average_precision),
        "curve": curve.points(),
        "curves_of_folds": [of_fold.at_efficiencies() for of_fold in curves],
    }


def shares(gains: Mapping[str, float], features: tuple[str, ...]) -> dict[str, float]:
    """Return each feature's share of the total gain of all splits, the largest first."""
    total = sum(gains.values()) or 1.0
    found = {name: gains.get(name, 0.0) / total for name in features}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def number(value: float) -> float | None:
    """Return a number, or None for NaN and infinities, which JSON does not have."""
    return value if np.isfinite(value) else None


def rounded(values: FloatArray) -> list[float]:
    """Return numbers for figures, rounded to a few digits."""
    return [float(f"{value:.{DIGITS}g}") for value in values]


def _spaced(kept: FloatArray) -> IntArray:
    """Return groups at equal steps of what is kept, the first and the last included."""
    monotone = np.maximum.accumulate(kept)
    return np.append(np.searchsorted(monotone, np.linspace(0.0, 1.0, N_POINTS) * monotone[-1]), len(kept) - 1)
