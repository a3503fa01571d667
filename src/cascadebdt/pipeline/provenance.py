"""What a cascade tells of the events it was trained on, and whether a configuration may apply it to its own.

In the folder of a run the keys of the products say all this. A cascade from elsewhere has only what it tells itself.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cascadebdt import features
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.products.keys import ABSENT, differences
from cascadebdt.products.manifest import versions
from cascadebdt.records import Json

TOLD = {"versions", "event_id", "samples", "selection", "working_points", "features"}


def provenance(config: Config, cascade: Cascade) -> Json:
    """Return what a saved cascade says of its making."""
    return {
        "config_hash": config.hash,
        "seed": config.seed,
        "versions": versions(),
        "event_id": list(config.ntuples.event_id),
        "samples": [sample.name for sample in config.samples if not sample.is_data],
        "selection": _selection(config),
        "working_points": _working_points(config),
        "features": features.definition(cascade.features, features=config.features, objects=config.objects),
    }


def load_cascade(config: Config, folder: Path) -> Cascade:
    """Read a trained cascade for events that this configuration selects.

    Raises
    ------
    InputError
        If it is damaged, if a feature has another definition now, if the identity of events would give them other
        folds, so that models score events that they trained on, or if the configuration has other working points or
        makes other regions.
    """
    cascade = Cascade.load(folder)
    if change := next(_changes(cascade, config), None):
        raise InputError(
            f"{folder / 'cascade.json'}: {change} since the cascade was trained; undo that, or train it again: "
            "'cascadebdt train'"
        )
    return cascade


def remarks(cascade: Cascade, config: Config) -> tuple[str, ...]:
    """Return, a sentence each, what differs from the training and does not make the scores wrong."""
    told = _told(cascade)
    if not told:
        return ("the cascade does not tell on which events it was trained; make sure that these are others",)
    changes = [
        *(f"the cut '{name}' {change}" for name, change in _different(told["selection"], _selection(config))),
        *(f"the version of {name} {change}" for name, change in _different(told["versions"], versions())),
    ]
    return tuple(f"{change} since the cascade was trained" for change in changes)


def _told(cascade: Cascade) -> Mapping[str, Any]:
    """Return what a cascade tells of its making; nothing if it was not saved by a run."""
    return cascade.provenance if cascade.provenance.keys() >= TOLD else {}


def _changes(cascade: Cascade, config: Config) -> Iterator[str]:
    """Yield in words what makes a cascade unusable."""
    if told := _told(cascade):
        if change := features.difference(told["features"], features=config.features, objects=config.objects):
            yield change
        yield from _other_folds(told, config)
        for stage, change in _different(told["working_points"], _working_points(config)):
            yield f"the working point of stage '{stage}' {change}"
    if cascade.regions != config.cascade.regions:
        yield f"the regions were {', '.join(cascade.regions)} and are {', '.join(config.cascade.regions)}"
    if (cascade.sorter is not None) != config.cascade.is_sorted:
        yield f"cascade.control.assign has become '{config.cascade.control.assign}'"


def _other_folds(told: Mapping[str, Any], config: Config) -> Iterator[str]:
    """Yield in words why events would be in other folds than in the training.

    The fold follows from the branches that identify an event and, for simulation, the name of its sample.
    """
    before, now = told["event_id"], list(config.ntuples.event_id)
    if before != now:
        yield f"ntuples.event_id was {before} and is {now}"
    names = [sample.name for sample in config.samples if not sample.is_data]
    gone = [name for name in told["samples"] if name not in names]
    new = [name for name in names if name not in told["samples"]]
    if gone and new:
        yield f"the sample '{gone[0]}' is gone and '{new[0]}' is new"


def _selection(config: Config) -> dict[str, str]:
    """Return the cuts as text with single spaces: how an expression is spaced changes nothing."""
    return {cut.name: " ".join(str(cut.cut).split()) for cut in config.selection}


def _working_points(config: Config) -> dict[str, Any]:
    return {stage.name: stage.working_point.model_dump(mode="json") for stage in config.cascade.stages}


def _different(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the name of everything that differs, and in words how."""
    for path, earlier, later in differences(before, now):
        if earlier is ABSENT or later is ABSENT:
            yield path[0], "is new" if earlier is ABSENT else "is gone"
        else:
            yield path[0], f"was {earlier} and is {later}"
