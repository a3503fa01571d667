"""The cascade: boosted decision trees in stages, each against one background, each fed by what earlier ones pass."""

from cascadebdt.cascade.model import Cascade
from cascadebdt.cascade.scores import BLINDED, Scores
from cascadebdt.cascade.stage import Classifier, Stage, WorkingPoint

__all__ = ["BLINDED", "Cascade", "Classifier", "Scores", "Stage", "WorkingPoint"]
