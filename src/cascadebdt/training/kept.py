"""Models of an earlier training that this one would train again, bit for bit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cascadebdt.cascade.stage import FINAL
from cascadebdt.config import CascadeConfig
from cascadebdt.training.boosting import Fitted
from cascadebdt.training.lineage import lineages


@dataclass(frozen=True)
class Place:
    """Where a model stands: its stage (or ``final``), its fold, and the fold that its lineage holds out, if any."""

    stage: str
    fold: int
    held_out: int | None


def places(config: CascadeConfig) -> dict[str, tuple[Place, ...]]:
    """Return the places of all models, in the order of their training: stage, or repeat of ``final`` -> places.

    Models of several classes, which are trained in one piece, have none.
    """
    every = lineages(config.mode, config.folds, np.empty(0, np.int64))
    members = [(lineage.held_out, fold) for lineage in every for fold in lineage.members]
    deployed = [(lineage.held_out, fold) for lineage in every for fold in lineage.deployed]
    final = config.final
    repeats = range(final.repeats if final and "binary" in final.kind else 0)
    wanted = {stage.name: members for stage in config.stages}
    wanted |= {f"{FINAL}_{repeat}" if repeat else FINAL: deployed for repeat in repeats}
    return {name: tuple(Place(name, fold, held_out) for held_out, fold in of_name) for name, of_name in wanted.items()}


class Unfinished(Exception):  # noqa: N818 - no error: a training of some models alone ends so
    """A training has come to models that are not there and that it is not to train."""

    def __init__(self, places: Sequence[Place]) -> None:
        super().__init__(f"stage '{places[0].stage}', fold {places[0].fold}")
        self.places = tuple(places)


class Kept(Protocol):
    """Where a training finds models that it need not train, and leaves those that it has trained.

    Whoever implements it answers for the models being those of the same events, configuration and versions.
    """

    def recall(self, place: Place) -> Fitted | None:
        """Return a model, None if it is not there."""

    def keep(self, place: Place, fitted: Fitted) -> None:
        """Keep a model."""

    def wants(self, place: Place) -> bool:
        """Return whether a model that is not there is to be trained."""


class Nothing:
    """Keeps nothing."""

    def recall(self, place: Place) -> Fitted | None:
        """Return None."""
        return None

    def keep(self, place: Place, fitted: Fitted) -> None:
        """Do nothing."""

    def wants(self, place: Place) -> bool:
        """Return True: all models are to be trained."""
        return True


@dataclass(frozen=True)
class Chosen:
    """The models of a folder, of which those of one fold of one stage are trained.

    The other folds of the stage count as missing, so that the training ends there.

    Attributes
    ----------
    kept : where all models are
    stage, fold : of those that are trained
    """

    kept: Kept
    stage: str
    fold: int

    def recall(self, place: Place) -> Fitted | None:
        """Return a model of another stage, or of the fold itself."""
        return self.kept.recall(place) if place.stage != self.stage or place.fold == self.fold else None

    def keep(self, place: Place, fitted: Fitted) -> None:
        """Keep a model."""
        self.kept.keep(place, fitted)

    def wants(self, place: Place) -> bool:
        """Return whether a model is of the fold and the stage."""
        return (place.stage, place.fold) == (self.stage, self.fold)


NOTHING = Nothing()
