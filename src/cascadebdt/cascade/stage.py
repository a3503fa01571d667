"""The parts of a cascade: a classifier of one booster per fold, and a stage, a classifier with its working point."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cascadebdt.cascade.summary import TrainingSummary
from cascadebdt.cascade.working_point import WorkingPoint
from cascadebdt.errors import InputError
from cascadebdt.forest.engines import Member

if TYPE_CHECKING:
    import xgboost as xgb

LIKELIHOOD = "likelihood"  # name of the multiclass BDT of the final discriminant, and of the folder of its models
SORTER = "sorter"  # name of the BDT that sorts rejected events, and of the folder of its models
FINAL = "final"  # name of the final discriminant, in messages and as a folder of models


def repeated(name: str, repeat: int) -> str:
    """Return the name of a repeat of a BDT of the final discriminant; the first, number 0, has the plain name."""
    return f"{name}_{repeat}" if repeat else name


@dataclass(frozen=True)
class Classifier:
    """One boosted decision tree per fold, signal against some processes.

    Attributes
    ----------
    name : of the stage, or `FINAL`
    against : background processes
    features : in the order the boosters expect
    boosters : one per fold, cut to its best iteration; the booster of fold f never saw an event of fold f. With a
        holdout it is one, that of fold 0
    summary : what is told of its training
    """

    name: str
    against: tuple[str, ...]
    features: tuple[str, ...]
    boosters: "tuple[xgb.Booster, ...]"
    summary: TrainingSummary = field(default_factory=TrainingSummary)

    @property
    def is_trained(self) -> bool:
        """Whether there were enough events to train it; if not, every event has the same score."""
        return self.summary.untrained is None

    @property
    def member(self) -> Member:
        """What evaluates it."""
        return Member(self.name, self.features, self.boosters)


@dataclass(frozen=True)
class Stage:
    """A classifier with its working point: an event passes if its float32 ``score >= threshold``."""

    classifier: Classifier
    working_point: WorkingPoint

    @property
    def name(self) -> str:
        """The stage's name."""
        return self.classifier.name


def require_distinct(names: Sequence[str]) -> None:
    """Require that no two stages have the same name, and none that of the final discriminant or of the sorter.

    Regions and folders of models are named after the stages.

    Raises
    ------
    InputError
        Naming the stage.
    """
    for name in names:
        if name in (FINAL, SORTER) or names.count(name) > 1:
            raise InputError(
                f"cascade: the stage name '{name}' is taken; expected a name for each stage, neither '{FINAL}' nor "
                f"'{SORTER}', which are the names of the final discriminant and of the sorter"
            )
