"""Whether a HistFactory workspace can be fitted at all; what is wrong is said in one sentence."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cascadebdt.errors import FitError, did_you_mean

Json = Mapping[str, Any]

PARTS = ("channels", "observations", "measurements")


def check(workspace: Any) -> None:
    """Require all that a fit needs of a workspace.

    Raises
    ------
    FitError
        In one sentence that names, where they exist, region, process, bin and modifier.
    """
    config = check_parts(workspace)
    check_model(workspace["channels"], config["poi"])
    observed = {str(item.get("name")): item.get("data") for item in workspace["observations"]}
    for channel in workspace["channels"]:
        check_observation(channel["name"], observed, len(channel["samples"][0]["data"]))


def check_parts(workspace: Any) -> Json:
    """Require the parts of a workspace; return the configuration of its first measurement."""
    if not isinstance(workspace, Mapping):
        raise FitError(f"workspace: expected an object with {', '.join(PARTS)}, got {type(workspace).__name__}")
    for part in PARTS:
        value = workspace.get(part)
        if not isinstance(value, Sequence) or not value or not all(isinstance(item, Mapping) for item in value):
            raise FitError(f"workspace: not a HistFactory workspace, '{part}' must be a list of objects, not empty")
    config = workspace["measurements"][0].get("config")
    if not isinstance(config, Mapping) or not config.get("poi"):
        raise FitError("workspace: the measurement names no parameter of interest (measurements[0].config.poi)")
    return config


def check_model(channels: Sequence[Json], poi: str) -> None:
    """Require channels, samples and modifiers with finite numbers of the right size and sign.

    Raises
    ------
    FitError
        Naming region, process, bin and modifier.
    """
    regions = _unique("workspace", "region", channels)
    parameters: set[str] = set()
    for region, channel in regions.items():
        samples = _unique(f"region '{region}'", "process", channel.get("samples") or [])
        if not samples:
            raise FitError(f"region '{region}': there are no processes")
        sizes = {process: len(_numbers(f"region '{region}', process '{process}'", sample.get("data")))
                 for process, sample in samples.items()}  # fmt: skip
        n_bins = next(iter(sizes.values()))
        for process, size in sizes.items():
            where = f"region '{region}', process '{process}'"
            if size != n_bins or not size:
                raise FitError(f"{where}: expected {max(n_bins, 1)} bins as its other processes, got {size}")
            parameters |= _check_modifiers(where, samples[process], n_bins)
    if poi not in parameters:
        raise FitError(f"workspace: no modifier of the parameter of interest '{poi}'{did_you_mean(poi, parameters)}")


def check_observation(region: str, observed: Mapping[str, Any], n_bins: int) -> list[float]:
    """Return the observed events of a region, one per bin of the model."""
    if region not in observed:
        raise FitError(f"region '{region}': there are no observed events{did_you_mean(region, observed)}")
    events = _numbers(f"region '{region}', observed events", observed[region], 0.0)
    if len(events) != n_bins:
        raise FitError(f"region '{region}': expected {n_bins} observed bins, got {len(events)}")
    return events


def _unique(where: str, what: str, items: Any) -> dict[str, Json]:
    """Return objects by name."""
    found: dict[str, Json] = {}
    for number, item in enumerate(items):
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name:
            raise FitError(f"{where}: {what} {number} has no name")
        if name in found:
            raise FitError(f"{where}: {what} '{name}' is there twice")
        found[name] = item
    return found


def _numbers(where: str, values: Any, lowest: float = -math.inf) -> list[float]:
    """Return numbers that are finite and not too low."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise FitError(f"{where}: expected a list with one number per bin, got {_shown(values)}")
    for number, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise FitError(f"{where}, bin {number}: expected a finite number, got {_shown(value)}")
        if value < lowest:
            raise FitError(f"{where}, bin {number}: expected no negative number, got {value:g}")
    return [float(value) for value in values]


def _shown(value: Any) -> str:
    return "nothing" if value is None else repr(value)[:60]


def _per_bin(where: str, data: Any, n_bins: int, lowest: float = -math.inf) -> None:
    if len(_numbers(where, data, lowest)) != n_bins:
        raise FitError(f"{where}: expected {n_bins} numbers, one per bin, got {len(data)}")


def _uncertainties(where: str, data: Any, n_bins: int) -> None:
    _per_bin(where, data, n_bins, 0.0)


def _factors(where: str, data: Any, n_bins: int) -> None:
    for side in ("hi", "lo"):
        value = data.get(side) if isinstance(data, Mapping) else None
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise FitError(f"{where}: expected a positive number as '{side}', got {_shown(value)}")


def _shapes(where: str, data: Any, n_bins: int) -> None:
    for side in ("hi_data", "lo_data"):
        _per_bin(f"{where}, {side}", data.get(side) if isinstance(data, Mapping) else None, n_bins)


def _nothing(where: str, data: Any, n_bins: int) -> None:
    """Accept a modifier without data."""


MODIFIERS: dict[str, Callable[[str, Any, int], None]] = {
    "histosys": _shapes,
    "lumi": _nothing,
    "normfactor": _nothing,
    "normsys": _factors,
    "shapefactor": _nothing,
    "shapesys": _uncertainties,
    "staterror": _uncertainties,
}


def _check_modifiers(where: str, sample: Json, n_bins: int) -> set[str]:
    """Check the modifiers of a sample; return their names."""
    names = set()
    for number, modifier in enumerate(sample.get("modifiers") or []):
        if not isinstance(modifier, Mapping) or not isinstance(modifier.get("name"), str):
            raise FitError(f"{where}: modifier {number} has no name")
        name, kind = modifier["name"], modifier.get("type")
        if kind not in MODIFIERS:
            close = did_you_mean(str(kind), MODIFIERS)
            raise FitError(f"{where}: modifier '{name}' has the unknown type '{kind}'{close}")
        MODIFIERS[kind](f"{where}, modifier '{name}'", modifier.get("data"), n_bins)
        names.add(name)
    return names
