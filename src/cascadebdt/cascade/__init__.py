"""The cascade: boosted decision trees in stages, each against one background, each fed by what earlier ones pass."""

from cascadebdt.cascade.model import Cascade, Classifier, Stage, WorkingPoint
from cascadebdt.cascade.scoring import BLINDED, Scores
from cascadebdt.cascade.training import train

__all__ = ["BLINDED", "Cascade", "Classifier", "Scores", "Stage", "WorkingPoint", "train"]
