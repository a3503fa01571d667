"""What the stages of a training share: the events, their folds, the configuration, and where it runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.config import NOMINAL, CascadeConfig
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.columns import require_features
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.training import inputs
from cascadebdt.training.boosting import Fitted, Runtime
from cascadebdt.training.kept import Kept
from cascadebdt.training.problem import Problem


@dataclass(frozen=True, eq=False)
class Context:
    """Nominal simulated events with what does not change from stage to stage.

    Attributes
    ----------
    events : nominal simulation, in order
    folds : (n_events,) int64
    repetition : feature -> share of its most frequent value, see `inputs.repetition`
    kept : models that need not be trained again
    """

    events: Events
    folds: IntArray
    config: CascadeConfig
    runtime: Runtime
    repetition: Mapping[str, float]
    kept: Kept

    @classmethod
    def of(cls, events: Events, config: CascadeConfig, runtime: Runtime, kept: Kept) -> Self:
        """Return the context of all that a configuration trains."""
        require_features(events.columns, config.features)
        columns = {name: events.columns[name] for name in config.features}
        masks = [events.of_process(name) for name in events.processes]
        repetition = inputs.repetition(columns, masks)
        return cls(events, fold_of(events.event_id, config.folds), config, runtime, repetition, kept)

    @property
    def weights(self) -> FloatArray:
        """The true weights, ``(n_events,)``."""
        return self.events.weights[NOMINAL]

    def scores(self, models: Mapping[int, Fitted], problem: Problem, mask: BoolArray) -> FeatureArray:
        """Score the events of a mask, each by the model of its fold, ``(n_events,)``; NaN without one."""
        position = np.full(self.config.folds, -1)
        position[list(models)] = np.arange(len(models))
        boosters = [fitted.booster for fitted in models.values()]
        return out_of_fold(boosters, self.events.columns, problem.features, position[self.folds], mask)
