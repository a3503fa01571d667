"""The scores of every event at every stage, whatever the working points: what no change of a threshold changes.

A cascade scores an event at a stage only if it passes the earlier ones. With all stages open every event has all
scores, the final discriminant and the sorter's answer, once; regions of any working points follow from comparisons.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import REGION, AnyArray, FeatureArray, IntArray, RegionArray
from cascadebdt.cascade import Cascade, Scores, WorkingPoint, sorter
from cascadebdt.config import region_names
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.borders import Thresholds


@dataclass(frozen=True, eq=False)
class OpenScores:
    """Simulated events with the scores of all stages.

    Attributes
    ----------
    cascade : that scored them
    events : without data
    margins : (n_events, n_stages) float32
    scores : (n_events, n_stages) float32, in [0, 1]
    final_margin : (n_events,) float32; None without a final discriminant
    sorted_to : (n_events,) the stage whose control region the sorter chooses for an event, should it be rejected; None
        without a sorter
    sorted_as : (n_events,) float32, the sorter's probability of that; None without a sorter
    """

    cascade: Cascade
    events: Events
    margins: FeatureArray
    scores: FeatureArray
    final_margin: FeatureArray | None
    sorted_to: RegionArray | None
    sorted_as: FeatureArray | None

    @classmethod
    def of(cls, cascade: Cascade, events: Events, *, jobs: int = 1) -> Self:
        """Score all simulated events at all stages, out of fold.

        Parameters
        ----------
        cascade : trained
        events : selected events; data are left out, and so is simulation that took part in the training of a holdout
        jobs : threads; they do not change the result
        """
        simulation = cascade.unseen(events.take(~events.is_data))
        everything_passes = WorkingPoint(np.float32(0.0), None, {})
        stages = tuple(replace(stage, working_point=everything_passes) for stage in cascade.stages)
        scores = replace(cascade, stages=stages, sorter=None).score(simulation, jobs=jobs)
        sorted_to, sorted_as = _sorted(cascade, simulation)
        return cls(cascade, simulation, scores.margins, scores.scores, scores.final_margin, sorted_to, sorted_as)

    def take(self, rows: AnyArray) -> Self:
        """Return the events of a mask or of an index array."""
        return replace(
            self,
            events=self.events.take(rows),
            margins=self.margins[rows],
            scores=self.scores[rows],
            final_margin=None if self.final_margin is None else self.final_margin[rows],
            sorted_to=None if self.sorted_to is None else self.sorted_to[rows],
            sorted_as=None if self.sorted_as is None else self.sorted_as[rows],
        )

    def weighted(self, factor: float) -> Self:
        """Return the events with all weights multiplied, such as those of a half that stands for all."""
        weights = {name: weight * factor for name, weight in self.events.weights.items()}
        return replace(self, events=replace(self.events, weights=weights))

    def at(self, thresholds: Sequence[Thresholds]) -> Scores:
        """Return the scores and regions that the cascade gives at other working points.

        Parameters
        ----------
        thresholds : of each stage

        Notes
        -----
        Regions, observables of regions and the final discriminant are those of ``cascade.with_working_points``. The
        margins are not NaN at stages that an event does not reach.
        """
        stages = [stage.name for stage in self.cascade.stages]
        is_validated = [point.validation is not None for point in thresholds]
        regions = region_names.names(zip(stages, is_validated, strict=True))
        control = np.array([regions.index(f"{region_names.CONTROL}{name}") for name in stages], REGION)
        rejecting = first_rejecting(self.scores, thresholds)
        region = np.full(len(self.events), len(regions) - 1, REGION)
        for k, point in enumerate(thresholds):
            rows = np.flatnonzero(rejecting == k)
            region[rows] = control[k if self.sorted_to is None else self.sorted_to[rows]]
            if point.validation is not None:
                region[rows[self.scores[rows, k] >= point.validation]] = control[k] + 1
        return Scores(self.margins, self.final_margin, region, regions, self.cascade.signal, self.sorted_as)


def first_rejecting(scores: FeatureArray, thresholds: Sequence[Thresholds]) -> IntArray:
    """Return the first stage that rejects each event, n_stages if none does, ``(n_events,)``."""
    rejects = np.stack([scores[:, k] < point.passing for k, point in enumerate(thresholds)], axis=1)
    return np.where(rejects.any(axis=1), rejects.argmax(axis=1), len(thresholds))


def _sorted(cascade: Cascade, events: Events) -> tuple[RegionArray | None, FeatureArray | None]:
    """Return the stage that the sorter chooses for every event, and its probability."""
    if cascade.sorter is None:
        return None, None
    folds = fold_of(events.event_id, 1 if cascade.mode == "holdout" else cascade.n_folds)
    rejected_by_first = np.zeros(len(events), REGION)
    stages = np.arange(len(cascade.stages), dtype=REGION)
    return sorter.assign(cascade.sorter, events.columns, folds, rejected_by_first, stages)
