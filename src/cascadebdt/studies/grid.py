"""The working points that an optimisation tries, and one choice of them and of the numbers of bins."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray
from cascadebdt.cascade import Stage, efficiency_of, threshold_at
from cascadebdt.config import NOMINAL
from cascadebdt.forest.borders import Thresholds
from cascadebdt.studies.open_scores import OpenScores

EFFICIENCIES = (0.999, 0.995, 0.99, 0.98, 0.97, 0.96, 0.95, 0.93, 0.90, 0.87, 0.83, 0.80, 0.75, 0.70, 0.60, 0.50)
"""Of all signal at a stage alone: close to each other where a cut costs little signal."""
NO_CUT = Thresholds(np.float32(0.0))


@dataclass(frozen=True)
class Setting:
    """What an optimisation chooses.

    Attributes
    ----------
    levels : per stage, which of the points of its grid
    n_signal, n_control : bins of the signal region and of each control region, at most
    """

    levels: tuple[int, ...]
    n_signal: int
    n_control: int

    def with_level(self, stage: int, level: int) -> Self:
        """Return the setting with another working point of one stage."""
        return replace(self, levels=(*self.levels[:stage], level, *self.levels[stage + 1 :]))


@dataclass(frozen=True)
class StageGrid:
    """The working points tried at a stage, the loosest first, and which of them is the configured one."""

    points: tuple[Thresholds, ...]
    configured: int

    @classmethod
    def of(cls, stage: Stage, scores: FeatureArray, weights: FloatArray, *, may_be_open: bool) -> Self:
        """Choose thresholds at `EFFICIENCIES` of the signal, and the configured one.

        A validation region stays: the signal lost to its looser threshold is the same share of that lost to the
        threshold. A stage that was not trained keeps its only working point.

        Parameters
        ----------
        scores, weights : (n_signal,) of the signal
        may_be_open : whether the stage may cut nothing
        """
        own = stage.working_point.thresholds
        if not stage.classifier.is_trained:
            return cls((own,), 0)
        points = {own.passing: own}
        share = _share_of_the_loss(own, scores, weights)
        for efficiency in EFFICIENCIES:
            passing = threshold_at(efficiency, scores=scores, weights=weights)
            looser = 1 - share * (1 - efficiency)
            validation = threshold_at(looser, scores=scores, weights=weights) if own.validation is not None else None
            if validation is None or validation < passing:
                points.setdefault(passing, Thresholds(passing, validation))
        if may_be_open and own.validation is None:
            points.setdefault(NO_CUT.passing, NO_CUT)
        ordered = tuple(points[passing] for passing in sorted(points))
        return cls(ordered, ordered.index(own))


def _share_of_the_loss(point: Thresholds, scores: FeatureArray, weights: FloatArray) -> float:
    """Return the signal that a validation threshold loses over what the threshold does; 0 without one."""
    lost = 1 - efficiency_of(point.passing, scores=scores, weights=weights)
    if point.validation is None or lost <= 0:
        return 0.0
    return (1 - efficiency_of(point.validation, scores=scores, weights=weights)) / lost


@dataclass(frozen=True)
class Grid:
    """The working points tried at all stages."""

    stages: tuple[StageGrid, ...]

    @classmethod
    def of(cls, scores: OpenScores) -> Self:
        """Choose them by the signal of these events.

        Without a sorter every stage cuts, because its control region holds what it rejects.
        """
        events, cascade = scores.events, scores.cascade
        signal = events.is_nominal & events.of_process(cascade.signal)
        weights = events.weights[NOMINAL][signal]
        return cls(
            tuple(
                StageGrid.of(stage, scores.scores[signal, k], weights, may_be_open=scores.sorted_to is not None)
                for k, stage in enumerate(cascade.stages)
            )
        )

    @property
    def configured(self) -> tuple[int, ...]:
        """The level of the configured working point of each stage."""
        return tuple(stage.configured for stage in self.stages)

    def thresholds(self, levels: Sequence[int]) -> tuple[Thresholds, ...]:
        """Return the thresholds of each stage."""
        return tuple(stage.points[level] for stage, level in zip(self.stages, levels, strict=True))

    def cuts(self, levels: Sequence[int]) -> tuple[bool, ...]:
        """Return whether each stage cuts."""
        return tuple(bool(point.passing > 0) for point in self.thresholds(levels))
