"""Factors with a Gaussian constraint: HistFactory's ``lumi``, which pyhf knows under that name alone.

Data cards and HS3 documents have such factors under any name; fits of this package take them as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from cascadebdt.errors import FitError

LUMI = "lumi"
Json = Mapping[str, Any]


def named_for_pyhf(workspace: Json) -> dict[str, Any]:
    """Return a workspace that pyhf reads: its only Gaussian factor has the name that pyhf requires.

    Raises
    ------
    FitError
        If there are several.
    """
    names = _names(workspace["channels"])
    if names <= {LUMI}:
        return dict(workspace)
    if len(names) > 1:
        listed = ", ".join(f"'{name}'" for name in sorted(names))
        raise FitError(f"export: pyhf has one factor with a Gaussian constraint, the workspace has {listed}")
    return {
        **workspace,
        "channels": renamed(workspace["channels"]),
        "measurements": [_measurement(measurement, names) for measurement in workspace["measurements"]],
    }


def _measurement(measurement: Json, names: set[str]) -> dict[str, Any]:
    """Return a measurement with the settings of the factor under its new name."""
    config = measurement["config"]
    settings = [{**s, "name": LUMI} if s["name"] in names else s for s in config.get("parameters", ())]
    return {**measurement, "config": {**config, "parameters": settings}}


def renamed(channels: Sequence[Json]) -> Sequence[Json]:
    """Return channels in which all Gaussian factors have the name that pyhf requires."""
    if _names(channels) <= {LUMI}:
        return channels
    return [{**channel, "samples": [_sample(sample) for sample in channel["samples"]]} for channel in channels]


def _sample(sample: Json) -> Json:
    modifiers = [{**item, "name": LUMI} if item["type"] == "lumi" else item for item in sample["modifiers"]]
    return {**sample, "modifiers": modifiers}


def _names(channels: Sequence[Json]) -> set[str]:
    """Return the names of all Gaussian factors."""
    samples = (sample for channel in channels for sample in channel["samples"])
    return {item["name"] for sample in samples for item in sample.get("modifiers", ()) if item["type"] == "lumi"}
