"""HistFactory workspaces of any program, and their patches: JSON of pyhf or HS3, or Combine data cards."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonpatch
import numpy as np
import pyhf

from cascadebdt import inference
from cascadebdt.errors import FitError, InputError, did_you_mean
from cascadebdt.interchange import card_model, gaussian_factors, hs3_model
from cascadebdt.workspace import Workspace, blind_regions, lacks_data

logger = logging.getLogger(__name__)

Json = Mapping[str, Any]

LARGE_MB = 20.0
"""Files above this size take seconds to read, and more to check."""


def read_workspace(
    path: Path,
    *,
    patch: str | None = None,
    measurement: str | None = None,
    poi: str | None = None,
    blind: tuple[str, ...] = (),
    mass: str = card_model.MASS,
) -> Workspace:
    """Read a workspace, ready to be fitted.

    Parameters
    ----------
    path : JSON file in the formats of pyhf or HS3, or a Combine data card, whose name ends otherwise
    patch : JSON patch to apply, or ``FILE:NAME`` for one of a patch set
    measurement : name of the one to use; the first if not given
    poi : parameter of interest; that of the measurement if not given
    blind : regions whose data are not to be looked at, as those are not that have no observation
    mass : what takes the place of ``$MASS`` in a data card

    Raises
    ------
    InputError
        If a file is missing, has another format, cannot be fitted, or has no such patch or measurement.
    """
    content = load(path, measurement=measurement, mass=mass)
    if patch is not None:
        content = patched(content, *_operations(patch))
    return ready(content, path, measurement=measurement, poi=poi, blind=blind)


def ready(
    content: dict[str, Any],
    path: Path,
    *,
    measurement: str | None = None,
    poi: str | None = None,
    blind: tuple[str, ...] = (),
) -> Workspace:
    """Return the content of a file as a workspace, ready to be fitted; see `read_workspace`."""
    content = _measured(content, path, measurement, poi)
    if _is_large(path):
        logger.info("%s: read, checking %d regions", path, len(_listed(content, "channels")))
    _check(content, path)
    if _is_large(path):
        logger.info("%s: checked", path)
    workspace = Workspace(content).blinded(*blind)
    _require_data(workspace, path)
    _require_names(content, path)
    if workspace.blind:
        logger.info("%s: blind, without data of %s", path, ", ".join(workspace.blind))
    return workspace


def load(path: Path, *, measurement: str | None = None, mass: str = card_model.MASS) -> dict[str, Any]:
    """Read a file of any format as a workspace that is not checked yet; see `read_workspace`."""
    if path.suffix != ".json":
        return card_model.read_card(path, mass=mass)
    content = _json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object with a HistFactory workspace, got {type(content).__name__}")
    if hs3_model.is_hs3(content):
        return hs3_model.from_hs3(content, where=str(path), analysis=measurement)
    return content


def _json(path: Path) -> Any:
    """Read a JSON file; the log says so of a large one.

    Text and content are in memory together, between three and four times the size of the file; the content stays.
    """
    try:
        if _is_large(path):
            logger.info("%s: reading %.0f MB", path, path.stat().st_size / 1e6)
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repetition)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable text file ({error})") from None
    except ValueError as error:  # a number may have too many digits, too
        raise InputError(f"{path}: not valid JSON, {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply for a workspace or a patch") from None


def _is_large(path: Path) -> bool:
    """Return whether reading takes so long that the log says how far it is."""
    return path.stat().st_size > LARGE_MB * 1e6


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one that says two things of one key, of which readers take either, is refused."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(repeated)} appears twice in one object")
    return content


@dataclass(frozen=True)
class PatchSet:
    """The patches of a set.

    Attributes
    ----------
    path : of the file
    labels : what the values of a patch are, such as masses
    values : of each patch, one per label
    operations : of each patch
    """

    path: Path
    labels: tuple[str, ...]
    values: Mapping[str, tuple[Any, ...]]
    operations: Mapping[str, Any]

    @classmethod
    def read(cls, path: Path) -> "PatchSet":
        """Read a patch set.

        Raises
        ------
        InputError
            If the file is missing or no patch set.
        """
        content = _json(path)
        if not isinstance(content, Mapping) or not isinstance(content.get("patches"), list):
            raise InputError(f"{path}: neither a JSON patch, which is a list, nor a patch set")
        about = _named(content["patches"], path)
        values = {name: tuple(_listed(item["metadata"], "values")) for name, item in about.items()}
        unnamed = [f"value_{number}" for number in range(1, len(next(iter(values.values()), ())) + 1)]
        labels = tuple(map(str, _listed(content.get("metadata"), "labels") or unnamed))
        if wrong := [name for name, numbers in values.items() if len(numbers) != len(labels)]:
            raise InputError(f"{path}: patch '{wrong[0]}' has {len(values[wrong[0]])} values for {len(labels)} labels")
        return cls(path, labels, values, {name: item["patch"] for name, item in about.items()})

    def find(self, name: str | None) -> Any:
        """Return the operations of a patch.

        Raises
        ------
        InputError
            If there is none of that name, or no name.
        """
        if name is None:
            example = next(iter(self.operations), "NAME")
            text = f"a set of {len(self.operations)} patches; choose one of them, such as '{self.path}:{example}'"
            raise InputError(f"{self.path}: {text}, or --all")
        if name not in self.operations:
            raise InputError(f"{self.path}: no patch '{name}'{did_you_mean(name, self.operations)}")
        return self.operations[name]


def _operations(patch: str) -> tuple[Any, Path]:
    """Return the operations of a JSON patch, or of one of a patch set, and their file."""
    path, name = Path(patch), None
    if not path.exists() and ":" in patch:
        before, _, name = patch.rpartition(":")
        path = Path(before)
    content = _json(path)
    return (PatchSet.read(path).find(name) if isinstance(content, Mapping) else content), path


def patched(content: Json, operations: Any, path: Path) -> dict[str, Any]:
    """Return a workspace with the operations of a JSON patch, which come from a file, applied."""
    try:
        result: dict[str, Any] = jsonpatch.JsonPatch(operations).apply(content)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise InputError(f"{path}: the patch does not fit the workspace, {error}") from None
    return result


def _listed(content: Any, name: str) -> Sequence[Any]:
    """Return a list in an object, empty if it is not there."""
    values = content.get(name) if isinstance(content, Mapping) else None
    return values if isinstance(values, list) else ()


def _named(patches: list[Any], path: Path) -> dict[str, Json]:
    """Return the patches of a set by name."""
    found: dict[str, Json] = {}
    for number, item in enumerate(patches):
        metadata = item.get("metadata") if isinstance(item, Mapping) else None
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not isinstance(name, str) or not isinstance(item.get("patch"), list):
            raise InputError(f"{path}: patches[{number}]: expected an object with a 'patch' and 'metadata' with a name")
        if name in found:
            raise InputError(f"{path}: patches[{number}]: the name '{name}' appears twice")
        found[name] = item
    return found


def _measured(content: dict[str, Any], path: Path, name: str | None, poi: str | None) -> dict[str, Any]:
    """Put the chosen measurement first, with the chosen parameter of interest."""
    if name is None and poi is None:
        return content
    measurements = content.get("measurements")
    if not isinstance(measurements, list) or not measurements:
        raise InputError(f"{path}: there are no measurements")
    known = [str(item.get("name")) for item in measurements]
    if name is not None and name not in known:
        raise InputError(f"{path}: no measurement '{name}'{did_you_mean(name, known)}")
    place = 0 if name is None else known.index(name)
    chosen = measurements[place]
    if poi is not None:
        chosen = {**chosen, "config": {**chosen.get("config", {}), "poi": poi}}
    return {**content, "measurements": [chosen, *measurements[:place], *measurements[place + 1 :]]}


def _check(content: dict[str, Any], path: Path) -> None:
    """Require what a fit needs, and the structure that pyhf's schema prescribes."""
    try:
        inference.check(content)
        # The schema requires some observation, and a workspace of which everything is blind has none.
        observations = content["observations"] or [{"name": "none", "data": [0.0]}]
        channels = gaussian_factors.renamed(content["channels"])
        shape = _shape({**content, "channels": channels, "observations": observations})
        pyhf.schema.validate(shape, "workspace.json")
    except FitError as error:
        raise InputError(f"{path}: {error}") from None
    except pyhf.exceptions.InvalidSpecification as error:
        # The message goes on with the content itself.
        message, _, _ = " ".join(str(error).split()).partition(" Instance: ")
        raise InputError(f"{path}: not valid against the HistFactory schema, {message}") from None


def _shape(content: Any) -> Any:
    """Return content with one number for each list of numbers.

    The schema is about names and types. Its validation takes minutes for the numbers of a large workspace, which
    `inference.check` has looked at.
    """
    if isinstance(content, dict):
        return {key: _shape(value) for key, value in content.items()}
    if isinstance(content, list):
        is_numeric = all(type(value) in (int, float) for value in content)
        return content[:1] if is_numeric else [_shape(value) for value in content]
    return content


def _require_names(content: Json, path: Path) -> None:
    """Refuse data of an unknown region beside a region without any, which are one that has two names."""
    missing = blind_regions(content)
    names = {channel["name"] for channel in content["channels"]}
    unknown = [item["name"] for item in content["observations"] if item["name"] not in names]
    if missing and unknown:
        raise InputError(
            f"{path}: region '{missing[0]}' has no observation and the observation of '{unknown[0]}' no region; "
            "give both the same name, or remove that observation if the region is blind"
        )


def _require_data(workspace: Workspace, path: Path) -> None:
    """Refuse a region that is not blind and has nothing where much is expected."""
    observed = {item["name"]: item["data"] for item in workspace["observations"]}
    poi = workspace["measurements"][0]["config"]["poi"]
    for channel in workspace["channels"]:
        samples = [sample["data"] for sample in channel["samples"] if not has_modifier(sample, poi)]
        expected = float(np.sum(samples))
        if lacks_data(np.asarray(observed.get(channel["name"], [1.0])), expected):
            raise InputError(
                f"{path}: region '{channel['name']}': no events were observed where {expected:.4g} are expected, "
                f"so that data are missing; if they must not be seen, say '--blind {channel['name']}'"
            )


def has_modifier(sample: Json, name: str) -> bool:
    """Return whether a parameter acts on a sample."""
    return any(modifier["name"] == name for modifier in sample["modifiers"])
