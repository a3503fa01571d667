"""The parts of a cascade on disk: entries of ``cascade.json``, and one ``<stage>/fold_<f>.ubj`` per booster."""

import hashlib
import json
import math
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cascadebdt.atomic import write_bytes, write_text
from cascadebdt.cascade.discriminant import Discriminant, LikelihoodRatio, StageRatio
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.stage import Classifier, Stage
from cascadebdt.cascade.summary import TrainingSummary
from cascadebdt.cascade.working_point import WorkingPoint
from cascadebdt.errors import InputError
from cascadebdt.forest import boosters
from cascadebdt.records import read_json

if TYPE_CHECKING:
    import xgboost as xgb

FORMAT = 5
FILE_NAME = "cascade.json"


def write_content(directory: Path, content: Mapping[str, Any]) -> None:
    """Write the JSON file, whose models are there already, then remove models that an earlier cascade left."""
    whole = {"format": FORMAT, **content}
    write_text(directory / FILE_NAME, json.dumps({**whole, "sha256": _digest(whole)}, indent=2) + "\n")
    discriminant = content["discriminant"] or {"binary": [], "multiclass": []}
    entries = [*content["stages"], content["final"], content["sorter"]]
    entries += [*discriminant["binary"], *discriminant["multiclass"]]
    _remove_models(directory, except_for={model["file"] for entry in entries if entry for model in entry["models"]})


def read_content(directory: Path) -> dict[str, Any]:
    """Read the JSON file.

    Raises
    ------
    InputError
        If it is missing, not of this format, or not what was written.
    """
    path = directory / FILE_NAME
    try:
        content: dict[str, Any] = read_json(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not a saved cascade: {error}") from error
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a saved cascade, it holds a {type(content).__name__}")
    if content.get("format") != FORMAT:
        raise InputError(
            f"{path}: format {content.get('format')}, expected {FORMAT}; train it again: 'cascadebdt train'"
        )
    if content.pop("sha256", None) != _digest(content):
        raise InputError(
            f"{path}: altered since it was written; take the original, or train it again: 'cascadebdt train'"
        )
    return content


def _digest(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 of plain content."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def save_stage(stage: Stage, directory: Path) -> dict[str, Any]:
    """Write the models of a stage and return its entry."""
    point, looser = stage.working_point, stage.working_point.validation_threshold
    return {
        **save_classifier(stage.classifier, directory),
        "threshold": _exact(point.threshold),
        "signal_efficiency": point.signal_efficiency,
        "efficiencies": dict(point.efficiencies),
        **({} if looser is None else {"validation_threshold": _exact(looser)}),
    }


def load_stage(entry: Mapping[str, Any], directory: Path) -> Stage:
    """Read the stage of an entry; raises as `load_classifier`."""
    looser = entry.get("validation_threshold")
    point = WorkingPoint(
        _from_exact(entry["threshold"]),
        entry["signal_efficiency"],
        entry["efficiencies"],
        None if looser is None else _from_exact(looser),
    )
    return Stage(load_classifier(entry, directory), point)


def save_classifier(classifier: Classifier, directory: Path) -> dict[str, Any]:
    """Write the models of a classifier and return its entry."""
    return {
        "name": classifier.name,
        "against": list(classifier.against),
        "features": list(classifier.features),
        "models": _save_models(classifier.boosters, classifier.name, directory),
        "training": classifier.summary.to_json(),
    }


def load_classifier(entry: Mapping[str, Any], directory: Path) -> Classifier:
    """Read the classifier of an entry.

    Raises
    ------
    InputError
        If a model is missing or is not the one that was saved.
    """
    models = _load_models(entry, directory)
    return Classifier(
        entry["name"], tuple(entry["against"]), tuple(entry["features"]), models, _summary(entry, directory)
    )


def save_multiclass(model: Multiclass, directory: Path) -> dict[str, Any]:
    """Write the models of a multiclass BDT and return its entry."""
    return {
        "name": model.name,
        "classes": list(model.classes),
        "features": list(model.features),
        "models": _save_models(model.boosters, model.name, directory),
        "training": dict(model.summary),
    }


def load_multiclass(entry: Mapping[str, Any], directory: Path) -> Multiclass:
    """Read the multiclass BDT of an entry; raises as `load_classifier`."""
    models = _load_models(entry, directory)
    return Multiclass(entry["name"], tuple(entry["classes"]), tuple(entry["features"]), models, entry["training"])


def save_discriminant(discriminant: Discriminant, directory: Path) -> dict[str, Any]:
    """Write the models of a discriminant, but for the cascade's own binary BDT, and return its entry."""
    stages = discriminant.stages
    return {
        "parts": list(discriminant.parts),
        "binary": [save_classifier(classifier, directory) for classifier in discriminant.binary[1:]],
        "multiclass": [
            {**save_multiclass(ratio.model, directory), "offsets": list(ratio.offsets)} for ratio in discriminant.ratios
        ],
        "stages": stages
        and {"processes": [list(names) for names in stages.processes], "offsets": list(stages.offsets)},
    }


def load_discriminant(entry: Mapping[str, Any], own: Classifier | None, directory: Path) -> Discriminant:
    """Read the discriminant of an entry; `own` is the cascade's own binary BDT. Raises as `load_classifier`."""
    further = [load_classifier(classifier, directory) for classifier in entry["binary"]]
    stages = entry["stages"]
    return Discriminant(
        binary=() if own is None else (own, *further),
        ratios=tuple(
            LikelihoodRatio(load_multiclass(ratio, directory), tuple(ratio["offsets"])) for ratio in entry["multiclass"]
        ),
        stages=stages and StageRatio(tuple(map(tuple, stages["processes"])), tuple(stages["offsets"])),
    )


def _save_models(boosters: "Sequence[xgb.Booster]", name: str, directory: Path) -> list[dict[str, str]]:
    """Write one file per booster and return their entries."""
    entries = []
    for fold, booster in enumerate(boosters):
        raw = bytes(booster.save_raw("ubj"))
        path = write_bytes(directory / name / f"fold_{fold}.ubj", raw)
        entries.append({"file": path.relative_to(directory).as_posix(), "sha256": hashlib.sha256(raw).hexdigest()})
    return entries


def _load_models(entry: Mapping[str, Any], directory: Path) -> "tuple[xgb.Booster, ...]":
    """Read the boosters of an entry."""
    models = []
    for model in entry["models"]:
        path = directory / model["file"]
        if not path.is_file():
            raise InputError(f"{path}: a model of stage '{entry['name']}' is missing")
        raw = path.read_bytes()
        if hashlib.sha256(raw).hexdigest() != model["sha256"]:
            raise InputError(f"{path}: not the model that {FILE_NAME} describes (its SHA-256 differs)")
        try:
            models.append(boosters.load(raw))
        except ValueError as error:  # also of XGBoost, whose text has several lines
            raise InputError(f"{path}: not a model of XGBoost; train it again: 'cascadebdt train'") from error
    return tuple(models)


def _summary(entry: Mapping[str, Any], directory: Path) -> TrainingSummary:
    try:
        return TrainingSummary.from_json(entry["training"])
    except InputError as error:
        raise InputError(f"{directory / FILE_NAME}: stage '{entry['name']}': training: {error}") from None


def _remove_models(directory: Path, *, except_for: Collection[str]) -> None:
    """Remove ``<stage>/fold_<f>.ubj`` that are not named, and folders left empty by that; nothing else is touched."""
    for path in directory.glob("*/fold_*.ubj"):
        if path.relative_to(directory).as_posix() not in except_for:
            path.unlink()
            if not any(path.parent.iterdir()):
                path.parent.rmdir()


def _exact(threshold: np.float32) -> dict[str, Any]:
    """Return a threshold for people, and in hexadecimal digits, which every reader turns into the same bits."""
    return {"value": float(threshold), "hex": float(threshold).hex()}


def _from_exact(threshold: Mapping[str, Any]) -> np.float32:
    value = float.fromhex(threshold["hex"])
    if not math.isfinite(value):
        raise ValueError(f"a threshold is {value}")
    return np.float32(value)
