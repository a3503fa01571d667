"""The discriminant of the signal region, where it is more than one binary BDT: a mean of margins.

Each part estimates the logarithm of the likelihood ratio of the signal to the sum of the backgrounds:

- ``binary``: BDTs, signal against all backgrounds;
- ``multiclass``: a BDT with a class per process, log p_s - log sum_k y_k p_k with the expected yields y_k;
- ``stages``: the stages alone, -log sum_k y_k exp(-m_k), as the margin m_k of a stage is the logarithm of the
  likelihood ratio of the signal to its background.

A BDT is trained with weights T of its classes that are not the yields; its margins hold log T, which the offsets take
out again. The mean of several estimates has less variance than each of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, FloatArray, IntArray
from cascadebdt.cascade.multiclass import Multiclass, log_sum_exp
from cascadebdt.cascade.stage import Classifier
from cascadebdt.forest.reference import out_of_fold


@dataclass(frozen=True)
class LikelihoodRatio:
    """A multiclass BDT with the signal as its first class, and the yields of the others.

    Attributes
    ----------
    model : its classes are the signal and background processes
    offsets : (n_classes,) float64, to be added to the margins: minus log T of the signal, log y_k / T_k of background k
    """

    model: Multiclass
    offsets: tuple[float, ...]

    def margin(self, columns: Mapping[str, AnyArray], folds: IntArray, rows: IntArray) -> FloatArray:
        """Return the logarithm of the likelihood ratio of some events, ``(n_rows,) float64``."""
        margins = self.model.margins(columns, folds, rows).astype(np.float64) + np.array(self.offsets)
        return np.asarray(margins[:, 0] - log_sum_exp(margins[:, 1:]))


@dataclass(frozen=True)
class StageRatio:
    """The likelihood ratio that follows from the margins of the stages.

    Attributes
    ----------
    processes : the backgrounds of each stage
    offsets : (n_stages,) float64, to be added to the negative margins: log y_k T_s / (y_s T_k) of those that reach the
        stage
    """

    processes: tuple[tuple[str, ...], ...]
    offsets: tuple[float, ...]

    def margin(self, margins: FeatureArray) -> FloatArray:
        """Return the logarithm of the likelihood ratio, ``(n_rows,) float64``, from ``(n_rows, n_stages)``."""
        return np.asarray(-log_sum_exp(np.array(self.offsets) - margins.astype(np.float64)))


@dataclass(frozen=True)
class Discriminant:
    """The mean of the margins of its parts.

    Attributes
    ----------
    binary : BDTs, the signal against all backgrounds; the first is the cascade's own, whose margins are given
    ratios : multiclass BDTs; together they are one part
    stages : the part that follows from the stages
    """

    binary: tuple[Classifier, ...] = ()
    ratios: tuple[LikelihoodRatio, ...] = ()
    stages: StageRatio | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of the parts."""
        parts = {"binary": bool(self.binary), "multiclass": bool(self.ratios), "stages": self.stages is not None}
        return tuple(name for name, is_part in parts.items() if is_part)

    def margin(
        self,
        columns: Mapping[str, AnyArray],
        folds: IntArray,
        rows: IntArray,
        *,
        stages: FeatureArray,
        binary: FeatureArray | None,
    ) -> FeatureArray:
        """Return the discriminant of some events, ``(n_rows,) float32``.

        Parameters
        ----------
        columns : feature -> (n_events,)
        folds : (n_events,)
        rows : (n_rows,) int64, events that reached all stages
        stages : (n_rows, n_stages), margins of the stages
        binary : (n_rows,), margin of the binary BDT, if it is a part
        """
        parts: list[FloatArray] = []
        if binary is not None:
            further = [_margins(classifier, columns, folds, rows) for classifier in self.binary[1:]]
            parts.append(np.mean([binary.astype(np.float64), *further], axis=0))
        if self.ratios:
            parts.append(np.mean([ratio.margin(columns, folds, rows) for ratio in self.ratios], axis=0))
        if self.stages is not None:
            parts.append(self.stages.margin(stages))
        return np.asarray(np.mean(parts, axis=0), FEATURE)

    def with_normalisations(self, factors: Mapping[str, float]) -> Self:
        """Return the discriminant with other expected yields: those of some processes times a factor.

        Nothing is trained anew; the binary BDT, which knows no processes, stays as it is. A stage against several
        processes takes the factor only where all of them have the same.
        """
        ratios = tuple(
            replace(ratio, offsets=_scaled(ratio.offsets, [(name,) for name in ratio.model.classes], factors))
            for ratio in self.ratios
        )
        stages = self.stages and replace(
            self.stages, offsets=_scaled(self.stages.offsets, self.stages.processes, factors)
        )
        return replace(self, ratios=ratios, stages=stages)


def _margins(classifier: Classifier, columns: Mapping[str, AnyArray], folds: IntArray, rows: IntArray) -> FloatArray:
    mask = np.zeros(len(folds), np.bool_)
    mask[rows] = True
    found = out_of_fold(classifier.boosters, columns, classifier.features, folds, mask, as_margin=True)
    return found[rows].astype(np.float64)


def _scaled(
    offsets: tuple[float, ...],
    processes: Sequence[tuple[str, ...]],
    factors: Mapping[str, float],
) -> tuple[float, ...]:
    found = [{factors.get(name, 1.0) for name in names} for names in processes]
    return tuple(
        offset + float(np.log(known.pop() if len(known) == 1 else 1.0))
        for offset, known in zip(offsets, found, strict=True)
    )
