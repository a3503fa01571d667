"""The parts of a cascade as entries of ``cascade.json``, with their models in files beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascadebdt.cascade import boosters
from cascadebdt.cascade.discriminant import Discriminant, LikelihoodRatio, StageRatio
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.stage import Classifier


def save_classifier(classifier: Classifier, directory: Path) -> dict[str, Any]:
    """Write the models of a classifier and return its entry."""
    return {
        "name": classifier.name,
        "against": list(classifier.against),
        "features": list(classifier.features),
        "models": boosters.save(classifier.boosters, classifier.name, directory),
        "training": dict(classifier.summary),
    }


def load_classifier(entry: Mapping[str, Any], directory: Path) -> Classifier:
    """Read the classifier of an entry; raises as `boosters.load`."""
    models = boosters.load(entry["models"], entry["name"], directory)
    return Classifier(entry["name"], tuple(entry["against"]), tuple(entry["features"]), models, entry["training"])


def save_multiclass(model: Multiclass, directory: Path) -> dict[str, Any]:
    """Write the models of a multiclass BDT and return its entry."""
    return {
        "name": model.name,
        "classes": list(model.classes),
        "features": list(model.features),
        "models": boosters.save(model.boosters, model.name, directory),
        "training": dict(model.summary),
    }


def load_multiclass(entry: Mapping[str, Any], directory: Path) -> Multiclass:
    """Read the multiclass BDT of an entry; raises as `boosters.load`."""
    models = boosters.load(entry["models"], entry["name"], directory)
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
    """Read the discriminant of an entry; `own` is the cascade's own binary BDT. Raises as `boosters.load`."""
    further = [load_classifier(classifier, directory) for classifier in entry["binary"]]
    stages = entry["stages"]
    return Discriminant(
        binary=() if own is None else (own, *further),
        ratios=tuple(
            LikelihoodRatio(load_multiclass(ratio, directory), tuple(ratio["offsets"])) for ratio in entry["multiclass"]
        ),
        stages=stages and StageRatio(tuple(map(tuple, stages["processes"])), tuple(stages["offsets"])),
    )


def files(content: Mapping[str, Any]) -> set[str]:
    """Return the files of all models that ``cascade.json`` names."""
    discriminant = content["discriminant"] or {"binary": [], "multiclass": []}
    entries = [*content["stages"], content["final"], content["sorter"], *discriminant["binary"]]
    entries += discriminant["multiclass"]
    return {model["file"] for entry in entries if entry for model in entry["models"]}
