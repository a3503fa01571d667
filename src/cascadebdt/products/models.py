"""Trained models in the folder of a run that need not be trained again.

They are those of the trained cascade of which the key is still right, and those that an interrupted training left in
``.training``: a folder per key and a file per fold, with its hash and learning curves beside it.
"""

import hashlib
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cascadebdt.atomic import write_bytes, write_text
from cascadebdt.forest import boosters
from cascadebdt.products.inventory import HASH, Inventory
from cascadebdt.products.keys import Origin, digest
from cascadebdt.records import read_json
from cascadebdt.training.boosting import Fitted
from cascadebdt.training.kept import Place

FOLDER = ".training"
CASCADE = "cascade"


class KeptModels:
    """The models of a folder, as `training.kept.Kept` wants them.

    Parameters
    ----------
    inventory : of the folder
    origins : folder of the models -> what they are made from now
    """

    def __init__(self, inventory: Inventory, origins: Mapping[str, Origin]) -> None:
        self.inventory = inventory
        self.origins = origins
        self.drafts = inventory.folder / FOLDER
        self._curves = _curves(inventory)

    def recall(self, place: Place) -> Fitted | None:
        """Return a model of the trained cascade or of an interrupted training; None if there is none to be trusted."""
        return self._finished(place) or self._interrupted(place)

    def has(self, wanted: Iterable[Place]) -> bool:
        """Return whether all of some models are there."""
        return all(self.recall(place) is not None for place in wanted)

    def keep(self, place: Place, fitted: Fitted) -> None:
        """Write a model."""
        raw = bytes(fitted.booster.save_raw("ubj"))
        path = write_bytes(self._path(place), raw)
        curves = {name: [float(value) for value in curve] for name, curve in fitted.curves.items()}
        # Written after the model: without it the model does not count.
        about = {"model": _sha256(raw), "curves": curves}
        write_text(path.with_suffix(".json"), json.dumps({**about, HASH: digest(about)}))

    def wants(self, place: Place) -> bool:
        """Return True: all models are to be trained."""
        return True

    def forget(self) -> None:
        """Remove what an interrupted training left."""
        shutil.rmtree(self.drafts, ignore_errors=True)

    def _path(self, place: Place) -> Path:
        lineage = "" if place.held_out is None else f"_without_{place.held_out}"
        return self.drafts / self.origins[place.stage].key / f"{place.stage}{lineage}_fold_{place.fold}.ubj"

    def _interrupted(self, place: Place) -> Fitted | None:
        path = self._path(place)
        try:
            raw, about = path.read_bytes(), read_json(path.with_suffix(".json"))
        except (OSError, ValueError):
            return None
        is_whole = isinstance(about, dict) and about.pop(HASH, None) == digest(about)
        return Fitted(boosters.load(raw), about["curves"]) if is_whole and about["model"] == _sha256(raw) else None

    def _finished(self, place: Place) -> Fitted | None:
        """Return a deployed model; those of other lineages are not part of a cascade."""
        name = f"{CASCADE}/{place.stage}/fold_{place.fold}.ubj"
        made = self.inventory.products.get(name)
        curves = self._curves.get(place.stage, ())
        is_deployed = place.held_out in (None, place.fold) and place.fold < len(curves)
        if made is None or made.key != self.origins[place.stage].key or not is_deployed:
            return None
        try:
            raw = (self.inventory.folder / name).read_bytes()
        except OSError:
            return None
        return Fitted(boosters.load(raw), curves[place.fold]) if _sha256(raw) == made.sha256 else None


def _curves(inventory: Inventory) -> dict[str, Sequence[Mapping[str, Sequence[float]]]]:
    """Return the learning curves that the saved cascade tells: stage -> per fold; empty if it was altered."""
    name = f"{CASCADE}/cascade.json"
    path = inventory.folder / name
    try:
        if name not in inventory.products or inventory.alteration(name):
            return {}
        content: Any = read_json(path)
        discriminant = content["discriminant"] or {"binary": [], "multiclass": []}
        classifiers = [*content["stages"], content["final"], *discriminant["binary"]]
        curves = {one["name"]: one["training"].get("learning_curves", ()) for one in classifiers if one}
        several = [content["sorter"], *discriminant["multiclass"]]  # of several classes, which have none
        return curves | {one["name"]: [{}] * len(one["models"]) for one in several if one}
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _sha256(raw: bytes) -> str:
    return hashlib.sha256(raw).hexdigest()
