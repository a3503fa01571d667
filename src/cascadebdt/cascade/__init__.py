"""The cascade: boosted decision trees in stages, each against one background, each fed by what earlier ones pass."""

from cascadebdt.cascade.model import Cascade, Classifier, Stage, WorkingPoint
from cascadebdt.cascade.scores import BLINDED, Scores

__all__ = ["BLINDED", "Cascade", "Classifier", "Scores", "Stage", "WorkingPoint"]
