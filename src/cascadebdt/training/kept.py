"""Models of an earlier training that this one would train again, bit for bit."""

from dataclasses import dataclass
from typing import Protocol

from cascadebdt.training.boosting import Fitted


@dataclass(frozen=True)
class Place:
    """Where a model stands: its stage (or ``final``), its fold, and the fold that its lineage holds out, if any."""

    stage: str
    fold: int
    held_out: int | None


class Kept(Protocol):
    """Where a training finds models that it need not train, and leaves those that it has trained.

    Whoever implements it answers for the models being those of the same events, configuration and versions.
    """

    def recall(self, place: Place) -> Fitted | None:
        """Return a model, None if it is not there."""

    def keep(self, place: Place, fitted: Fitted) -> None:
        """Keep a model."""


class Nothing:
    """Keeps nothing."""

    def recall(self, place: Place) -> Fitted | None:
        """Return None."""
        return None

    def keep(self, place: Place, fitted: Fitted) -> None:
        """Do nothing."""


NOTHING = Nothing()
