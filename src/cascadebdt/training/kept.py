"""Models of an earlier training that this one would train again, bit for bit."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cascadebdt.cascade.stage import FINAL, LIKELIHOOD, SORTER, repeated
from cascadebdt.config import CascadeConfig
from cascadebdt.training.boosting import Fitted
from cascadebdt.training.lineage import lineages


@dataclass(frozen=True)
class Place:
    """Where a model stands: its stage (or other folder), its fold, and the fold that its lineage holds out, if any."""

    stage: str
    fold: int
    held_out: int | None


def places(config: CascadeConfig) -> dict[str, tuple[Place, ...]]:
    """Return the places of all models, in the order of their training: folder of the models -> places.

    The folders are the stages, then ``final``, ``likelihood`` and their repeats, then ``sorter``.
    """
    every = lineages(config.mode, config.folds, np.empty(0, np.int64))
    members = [(lineage.held_out, fold) for lineage in every for fold in lineage.members]
    deployed = [(lineage.held_out, fold) for lineage in every for fold in lineage.deployed]
    wanted = {stage.name: members for stage in config.stages}
    if final := config.final:
        kinds = [name for name, kind in ((FINAL, "binary"), (LIKELIHOOD, "multiclass")) if kind in final.kind]
        wanted |= {repeated(name, repeat): deployed for name in kinds for repeat in range(final.repeats)}
    if config.is_sorted:
        wanted[SORTER] = deployed
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


def completed(
    places: Mapping[int, Place], kept: Kept, fit: Callable[[Sequence[int]], Iterable[Fitted]]
) -> dict[int, Fitted]:
    """Return the models of a lineage, fold -> model: those kept from an earlier training, and those trained now.

    Parameters
    ----------
    places : fold -> place
    kept : where models are kept, and which are wanted
    fit : trains the models of some folds
    """
    models = {fold: fitted for fold, place in places.items() if (fitted := kept.recall(place)) is not None}
    left = [fold for fold, place in places.items() if fold not in models and kept.wants(place)]
    if left:
        for fold, fitted in zip(left, fit(left), strict=True):
            kept.keep(places[fold], fitted)
            models[fold] = fitted
    return {fold: models[fold] for fold in places if fold in models}


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
