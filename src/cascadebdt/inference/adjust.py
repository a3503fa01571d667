"""Variants of a workspace: constant or bounded parameters, some regions alone, Asimov data."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError, did_you_mean
from cascadebdt.inference.checks import check_parts
from cascadebdt.inference.likelihood import Likelihood, objective
from cascadebdt.workspace import Workspace


def adjusted(
    workspace: Mapping[str, Any],
    *,
    poi: str | None = None,
    fixed: Mapping[str, float] | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    regions: Sequence[str] = (),
    asimov: Mapping[str, float] | None = None,
) -> Workspace:
    """Return a variant of a workspace, of which everything can be asked that can be asked of a workspace.

    Parameters
    ----------
    poi : parameter of interest in the place of the workspace's
    fixed : values of parameters that become constants; the name of a set with one parameter per bin stands for all
    bounds : lower and upper bounds of parameters; the upper one of the parameter of interest is not applied
    regions : the only ones to keep; all if not given
    asimov : values of parameters at which the expectation replaces the data, all others being where the model starts;
        auxiliary data stay as they are, so that a constrained parameter with a value of its own is pulled

    Raises
    ------
    FitError
        If the workspace has no such parameter or region, or cannot have this value.

    Examples
    --------
    >>> from cascadebdt import inference
    >>> expected = inference.adjusted(workspace, asimov={"mu": 1.0})
    >>> cb.fit(expected).mu[0]
    1.0...
    """
    content = dict(workspace)
    if regions:
        content = _of_regions(content, regions)
    if poi is not None:
        content = _with_config(content, {"poi": poi})
    if fixed or bounds:
        content = _with_settings(content, fixed or {}, bounds or {})
    if asimov is not None:
        content = _with_asimov_data(content, asimov)
    notes = workspace.notes if isinstance(workspace, Workspace) else None
    return Workspace(content, notes=notes)


def _with_config(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a workspace with changes of the configuration of its first measurement, which is the one that counts."""
    config = check_parts(content)
    first, *others = content["measurements"]
    return {**content, "measurements": [{**first, "config": {**config, **changes}}, *others]}


def _of_regions(content: Mapping[str, Any], regions: Sequence[str]) -> dict[str, Any]:
    """Return a workspace of some regions, without settings of parameters that no other region has."""
    known = [channel["name"] for channel in content["channels"]]
    for region in regions:
        if region not in known:
            raise FitError(f"workspace: the model has no region '{region}'{did_you_mean(region, known)}")
    kept = {part: [item for item in content[part] if item["name"] in regions] for part in ("channels", "observations")}
    names = {
        modifier["name"]
        for channel in kept["channels"]
        for sample in channel["samples"]
        for modifier in sample["modifiers"]
    }
    settings = [item for item in check_parts(content).get("parameters") or [] if item["name"] in names]
    return _with_config({**content, **kept}, {"parameters": settings})


def _with_settings(
    content: Mapping[str, Any], fixed: Mapping[str, float], bounds: Mapping[str, tuple[float, float]]
) -> dict[str, Any]:
    """Return a workspace with constants and bounds."""
    likelihood, config = objective(content).likelihood, check_parts(content)
    settings = {item["name"]: dict(item) for item in config.get("parameters") or []}
    for name, value in fixed.items():
        if name == config["poi"]:
            raise FitError(f"fix: {name} is the parameter of interest; choose another one, or test a value of it")
        size = len(_components(likelihood, name))
        settings.setdefault(name, {"name": name}).update(fixed=True, inits=[float(value)] * size)
    for name, (low, high) in bounds.items():
        if not low < high:
            raise FitError(f"bound: the bounds of {name} must increase, got {low:g} and {high:g}")
        places = _components(likelihood, name)
        setting = settings.setdefault(name, {"name": name})
        starts = setting.get("inits") or likelihood.start[places].tolist()
        setting.update(bounds=[[low, high]] * len(places), inits=np.clip(starts, low, high).tolist())
    return _with_config(content, {"parameters": list(settings.values())})


def _components(likelihood: Likelihood, name: str) -> list[int]:
    """Return the positions of a parameter, or of all of a set with one per bin."""
    places = [i for i, known in enumerate(likelihood.names) if name in (known, known.rpartition("[")[0])]
    if name.endswith("]") and places:
        raise FitError(f"parameter '{name}' belongs to a set with one per bin, which can only be changed as a whole")
    return places or [likelihood.index(name)]


def _with_asimov_data(content: Mapping[str, Any], values: Mapping[str, float]) -> dict[str, Any]:
    """Return a workspace that observes its expectation."""
    likelihood = objective(content).likelihood
    theta = likelihood.start.copy()
    for name, value in values.items():
        theta[[likelihood.index(name)] if name in likelihood.names else _components(likelihood, name)] = value
    events = likelihood.totals(theta)
    observations = [
        {"name": region, "data": _possible(region, events[bins])} for region, bins in likelihood.regions.items()
    ]
    return {**content, "observations": observations}


def _possible(region: str, events: FloatArray) -> list[float]:
    if not (events >= 0).all():
        number = int(np.argmin(events))
        raise FitError(f"asimov: region '{region}', bin {number} would expect {events[number]:g} events")
    return [float(number) for number in events]
