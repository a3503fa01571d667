"""HistFactory workspaces and their patches, from JSON files of any program."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonpatch
import numpy as np
import pyhf

from cascadebdt import inference
from cascadebdt.errors import FitError, InputError, did_you_mean
from cascadebdt.workspace import Workspace, lacks_data

logger = logging.getLogger(__name__)

Json = Mapping[str, Any]


def read_workspace(
    path: Path,
    *,
    patch: str | None = None,
    measurement: str | None = None,
    poi: str | None = None,
    blind: tuple[str, ...] = (),
) -> Workspace:
    """Read a workspace, ready to be fitted.

    Parameters
    ----------
    path : JSON file
    patch : JSON patch to apply, or ``FILE:NAME`` for one of a patch set
    measurement : name of the one to use; the first if not given
    poi : parameter of interest; that of the measurement if not given
    blind : regions whose data are not to be looked at, as those are not that have no observation

    Raises
    ------
    InputError
        If a file is missing, is not JSON, cannot be fitted, or has no such patch or measurement.
    """
    content = _json(path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: expected a JSON object with a HistFactory workspace, got {type(content).__name__}")
    if patch is not None:
        content = _patched(content, patch)
    content = _measured(content, path, measurement, poi)
    _check(content, path)
    workspace = Workspace(content).blinded(*blind)
    _require_data(workspace, path)
    if workspace.blind:
        logger.info("%s: blind, without data of %s", path, ", ".join(workspace.blind))
    return workspace


def _json(path: Path) -> Any:
    """Read a JSON file."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_without_repetition)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable text file ({error})") from None
    except ValueError as error:  # a number may have too many digits, too
        raise InputError(f"{path}: not valid JSON, {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply for a workspace or a patch") from None


def _without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object; one that says two things of one key, of which readers take either, is refused."""
    content = dict(pairs)
    if len(content) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {json.dumps(repeated)} appears twice in one object")
    return content


def _patched(content: dict[str, Any], patch: str) -> dict[str, Any]:
    """Apply a JSON patch, or one of a patch set."""
    path, name = Path(patch), None
    if not path.exists() and ":" in patch:
        before, _, name = patch.rpartition(":")
        path = Path(before)
    operations = _json(path)
    if isinstance(operations, Mapping):
        operations = _of_set(operations, path, name)
    try:
        patched: dict[str, Any] = jsonpatch.JsonPatch(operations).apply(content)
    except (jsonpatch.JsonPatchException, jsonpatch.JsonPointerException, TypeError) as error:
        raise InputError(f"{path}: the patch does not fit the workspace, {error}") from None
    return patched


def _of_set(patches: Json, path: Path, name: str | None) -> Any:
    """Return the operations of a patch in a set."""
    if not isinstance(patches.get("patches"), list):
        raise InputError(f"{path}: neither a JSON patch, which is a list, nor a patch set")
    found = _named(patches["patches"], path)
    if name is None:
        example = next(iter(found), "NAME")
        raise InputError(f"{path}: a set of {len(found)} patches; choose one of them, such as '{path}:{example}'")
    if name not in found:
        raise InputError(f"{path}: no patch '{name}'{did_you_mean(name, found)}")
    return found[name]


def _named(patches: list[Any], path: Path) -> dict[str, list[Any]]:
    """Return the operations of every patch of a set, by its name."""
    found: dict[str, list[Any]] = {}
    for number, item in enumerate(patches):
        metadata = item.get("metadata") if isinstance(item, Mapping) else None
        name = metadata.get("name") if isinstance(metadata, Mapping) else None
        if not isinstance(name, str) or not isinstance(item.get("patch"), list):
            raise InputError(f"{path}: patches[{number}]: expected an object with a 'patch' and 'metadata' with a name")
        if name in found:
            raise InputError(f"{path}: patches[{number}]: the name '{name}' appears twice")
        found[name] = item["patch"]
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
        pyhf.schema.validate({**content, "observations": observations}, "workspace.json")
    except FitError as error:
        raise InputError(f"{path}: {error}") from None
    except pyhf.exceptions.InvalidSpecification as error:
        # The message goes on with the content itself.
        message, _, _ = " ".join(str(error).split()).partition(" Instance: ")
        raise InputError(f"{path}: not valid against the HistFactory schema, {message}") from None


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
