"""What other scores of one stage do to the expected uncertainty of the signal strength, all else as it was trained.

The other stages, the sorter and the multiclass part of the final discriminant keep their scores; the part of the final
discriminant that follows from the stages gets the new ones. The working point keeps its signal efficiency.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import threshold_at
from cascadebdt.config import NOMINAL, BinningConfig, Config
from cascadebdt.events.events import mix
from cascadebdt.forest.borders import Thresholds
from cascadebdt.forest.logistic import probability
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.studies.grid import Grid, Setting, StageGrid
from cascadebdt.studies.open_scores import OpenScores, first_rejecting
from cascadebdt.studies.surrogate import Surrogate

N_GROUPS = 20
"""Of events, one of which is left out at a time: the uncertainty is known to a sixth of itself."""


@dataclass(frozen=True, eq=False)
class StageSensitivity:
    """The scored events in which the scores of one stage are exchanged.

    Attributes
    ----------
    scores : of the trained cascade, in all variations
    config : of the cascade; `regions`, `systematics` and `fit` are used, too
    stage : whose scores are exchanged, from 0
    folds : (n_events,) of the study
    n_folds : of the study
    """

    scores: OpenScores
    config: Config
    stage: int
    folds: IntArray
    n_folds: int

    def sigma_mu(self, boosters: Mapping[int, xgb.Booster]) -> tuple[float, FloatArray]:
        """Return the uncertainty of the signal strength, and the same without one group of events at a time.

        The events of some folds stand for all, and their floors of effective events are smaller by as much: bins are
        as wide as those of all events.

        Parameters
        ----------
        boosters : fold -> the booster of the stage that scores its events, which it never saw

        Returns
        -------
        float
            infinity where a floor of effective events is not met
        (N_GROUPS,) float64
        """
        chosen = np.isin(self.folds, list(boosters))
        share = len(boosters) / self.n_folds
        scores = self._exchanged(boosters).take(chosen).weighted(1 / share)
        regions = self.config.regions
        setting = Setting((0,) * len(scores.cascade.stages), regions.signal.n_bins, regions.control.n_bins)
        surrogate = Surrogate.of(scores, _with_floors(self.config, share), self._grid(scores))
        group = mix(scores.events.event_id) % np.uint64(N_GROUPS)
        scale = N_GROUPS / (N_GROUPS - 1)
        without = [surrogate.resampled(np.where(group == one, 0.0, scale)).sigma_mu(setting) for one in range(N_GROUPS)]
        return surrogate.sigma_mu(setting), np.array(without)

    def _exchanged(self, boosters: Mapping[int, xgb.Booster]) -> OpenScores:
        """Return the scores with those of other boosters at the stage."""
        margins = self.scores.margins.copy()
        columns = self.scores.events.columns
        for fold, booster in boosters.items():
            in_fold = self.folds == fold
            own = np.zeros(len(in_fold), np.int64)
            features = tuple(booster.feature_names or ())
            of_fold = out_of_fold([booster], columns, features, own, in_fold, as_margin=True)
            margins[in_fold, self.stage] = of_fold[in_fold]
        return replace(
            self.scores, margins=margins, scores=probability(margins), final_margin=self._final_margin(margins)
        )

    def _final_margin(self, margins: FeatureArray) -> FeatureArray | None:
        """Return the final discriminant with other margins of the stages, if they are a part of it."""
        before, discriminant = self.scores.final_margin, self.scores.cascade.discriminant
        if before is None or discriminant is None or discriminant.stages is None:
            return before
        ratio = discriminant.stages
        change = (ratio.margin(margins) - ratio.margin(self.scores.margins)) / len(discriminant.parts)
        return np.asarray(before + change, FEATURE)

    def _grid(self, scores: OpenScores) -> Grid:
        """Return the configured working points, that of the stage for its new scores."""
        points = [stage.working_point.thresholds for stage in scores.cascade.stages]
        points[self.stage] = self._point(scores, points)
        return Grid(tuple(StageGrid((point,), 0) for point in points))

    def _point(self, scores: OpenScores, points: list[Thresholds]) -> Thresholds:
        """Return the thresholds of the stage that keep the configured efficiencies of the signal that reaches it."""
        wanted, before = self.config.cascade.stages[self.stage].working_point, points[self.stage]
        if wanted.signal_efficiency is None:
            return before
        events = scores.events
        signal = events.is_nominal & events.of_process(scores.cascade.signal) & self._reaching(scores, points)
        own, weights = scores.scores[signal, self.stage], events.weights[NOMINAL][signal]
        passing = threshold_at(wanted.signal_efficiency, scores=own, weights=weights)
        if wanted.validation_efficiency is None:
            return Thresholds(passing)
        return Thresholds(passing, threshold_at(wanted.validation_efficiency, scores=own, weights=weights))

    def _reaching(self, scores: OpenScores, points: list[Thresholds]) -> BoolArray:
        """Return the events that pass the earlier stages."""
        if self.stage == 0:
            return np.ones(len(scores.events), np.bool_)
        earlier = first_rejecting(scores.scores[:, : self.stage], points[: self.stage])
        return np.asarray(earlier == self.stage)


def _with_floors(config: Config, share: float) -> Config:
    """Return the configuration with the floors of effective events for a share of the events."""

    def scaled(binning: BinningConfig) -> BinningConfig:
        own = {name: share * floor for name, floor in binning.min_effective_events_per_process.items()}
        floors = {
            "min_effective_events": share * binning.min_effective_events,
            "min_effective_events_per_process": own,
        }
        return binning.model_copy(update=floors)

    regions = config.regions
    changed = {
        "control": scaled(regions.control),
        "signal": scaled(regions.signal),
        "own": {name: scaled(binning) for name, binning in regions.own.items()},
    }
    return config.model_copy(update={"regions": regions.model_copy(update=changed)})
