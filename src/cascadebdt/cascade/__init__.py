"""The cascade: boosted decision trees in stages, each against one background, each fed by what earlier ones pass."""

from cascadebdt.cascade.model import Cascade
from cascadebdt.cascade.scores import BLINDED, Scores
from cascadebdt.cascade.stage import FINAL, Classifier, Stage
from cascadebdt.cascade.working_point import WorkingPoint, efficiency_of, threshold_at

__all__ = [
    "BLINDED",
    "FINAL",
    "Cascade",
    "Classifier",
    "Scores",
    "Stage",
    "WorkingPoint",
    "efficiency_of",
    "threshold_at",
]
