"""The parts of a cascade: a classifier of one booster per fold, and a stage, a classifier with its working point."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xgboost as xgb


@dataclass(frozen=True)
class Classifier:
    """One boosted decision tree per fold, signal against some processes.

    Attributes
    ----------
    name : of the stage, or ``final``
    against : background processes
    features : in the order the boosters expect
    boosters : one per fold, cut to its best iteration; the booster of fold f never saw an event of fold f. With a
        holdout it is one, that of fold 0
    summary : numbers about the training, for ``cascade.json``
    """

    name: str
    against: tuple[str, ...]
    features: tuple[str, ...]
    boosters: tuple[xgb.Booster, ...]
    summary: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkingPoint:
    """The threshold of a stage, the signal efficiency asked for (if any) and the efficiencies found.

    `efficiencies` are weighted fractions of each simulated process that reaches the stage with out-of-fold
    ``score >= threshold``. Events between `validation_threshold`, where there is one, and the threshold are in the
    stage's validation region.
    """

    threshold: np.float32
    signal_efficiency: float | None
    efficiencies: Mapping[str, float]
    validation_threshold: np.float32 | None = None


@dataclass(frozen=True)
class Stage:
    """A classifier with its working point: an event passes if its float32 ``score >= threshold``."""

    classifier: Classifier
    working_point: WorkingPoint

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.classifier.name
