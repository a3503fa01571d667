"""Whether a HistFactory workspace can be fitted at all; what is wrong is said in one sentence."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cascadebdt.errors import FitError, did_you_mean

logger = logging.getLogger(__name__)

Json = Mapping[str, Any]

PARTS = ("channels", "observations", "measurements")

LARGEST = 1e50
"""Products of a few such numbers are finite."""


def check(workspace: Any) -> None:
    """Require all that a fit needs of a workspace.

    Raises
    ------
    FitError
        In one sentence that names, where they exist, region, process, bin and modifier.
    """
    config = check_parts(workspace)
    check_model(workspace["channels"], config["poi"], config.get("parameters") or [])
    n_bins = {channel["name"]: len(channel["samples"][0]["data"]) for channel in workspace["channels"]}
    check_observations(workspace["observations"], n_bins)


def check_parts(workspace: Any) -> Json:
    """Require the parts of a workspace; return the configuration of its first measurement.

    Raises
    ------
    FitError
        If a part is missing or has another form.
    """
    if not isinstance(workspace, Mapping):
        raise FitError(f"workspace: expected an object with {', '.join(PARTS)}, got {type(workspace).__name__}")
    for part in PARTS:
        value = workspace.get(part)
        if not isinstance(value, Sequence) or not all(isinstance(item, Mapping) for item in value):
            raise FitError(f"workspace: not a HistFactory workspace, '{part}' must be a list of objects")
        if not value and part != "observations":  # of which there are none if everything is blind
            raise FitError(f"workspace: not a HistFactory workspace, '{part}' is empty")
    config = workspace["measurements"][0].get("config")
    if not isinstance(config, Mapping) or not config.get("poi"):
        raise FitError("workspace: the measurement names no parameter of interest (measurements[0].config.poi)")
    if not isinstance(config["poi"], str):
        raise FitError(f"workspace: expected the name of one parameter of interest, got {_shown(config['poi'])}")
    return config


def check_model(channels: Sequence[Json], poi: str, settings: Any = ()) -> None:
    """Require channels, samples and modifiers with finite numbers of the right size and sign.

    Parameters
    ----------
    channels : of the workspace
    poi : parameter of interest
    settings : what the measurement says of parameters

    Raises
    ------
    FitError
        Naming region, process, bin and modifier.
    """
    regions = _unique("workspace", "region", channels)
    parameters: dict[str, str] = {}
    for region, channel in regions.items():
        samples = _unique(f"region '{region}'", "process", channel.get("samples"))
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
        cure = did_you_mean(poi, parameters) or "; a workspace of the background alone needs the patch of a signal"
        raise FitError(f"workspace: no modifier of the parameter of interest '{poi}'{cure}")
    if parameters[poi] in ONE_PER_BIN:
        raise FitError(f"workspace: the parameter of interest '{poi}' has one value per bin ({parameters[poi]})")
    check_settings(settings, poi, parameters)


def check_settings(settings: Any, poi: str, parameters: Mapping[str, str]) -> None:
    """Require that what a measurement says of parameters makes sense; unknown ones are logged.

    Raises
    ------
    FitError
        Naming the parameter.
    """
    for name, setting in _unique("measurement", "parameter", settings).items():
        where = f"measurement, parameter '{name}'"
        if name not in parameters:
            logger.warning("%s: the model has none of that name%s", where, did_you_mean(name, parameters))
        for low, high in (_pair(f"{where}, bounds", pair) for pair in _list(f"{where}, bounds", setting.get("bounds"))):
            if not low < high:
                raise FitError(f"{where}, bounds: must increase, got [{low:g}, {high:g}]")
        for part in ("inits", "auxdata", "sigmas"):
            lowest = 0.0 if part == "sigmas" else -math.inf
            values = _numbers(f"{where}, {part}", _list(f"{where}, {part}", setting.get(part)), lowest, each="value")
            if values and len(values) != 1 and parameters.get(name) not in (None, *ONE_PER_BIN):
                raise FitError(f"{where}, {part}: expected one value, got {len(values)}")
        if name == poi and setting.get("fixed"):
            raise FitError(f"{where}: the parameter of interest is held constant; set 'fixed' to false")


def check_observations(observations: Any, n_bins: Mapping[str, int]) -> dict[str, list[float]]:
    """Return the observed events, one number per bin, of the regions that are not blind: that have an observation.

    Parameters
    ----------
    observations : of the workspace
    n_bins : number of bins of each region of the model

    Raises
    ------
    FitError
        Naming the region.
    """
    observed = _unique("observations", "region", observations)
    events = {}
    # Patches of published likelihoods remove regions from the model and leave their observations.
    extra = [region for region in observed if region not in n_bins]
    for region, size in n_bins.items():
        if region not in observed:
            if close := did_you_mean(region, extra):  # a misspelled name rather than a blind region
                raise FitError(f"region '{region}': there are no observed events{close}")
            continue
        events[region] = _numbers(f"region '{region}', observed events", observed[region].get("data"), 0.0)
        if len(events[region]) != size:
            raise FitError(f"region '{region}': expected {size} observed bins, got {len(events[region])}")
    if extra:
        logger.warning("observations: the model has no region %s; these data are not used", ", ".join(map(repr, extra)))
    return events


def _unique(where: str, what: str, items: Any) -> dict[str, Json]:
    """Return objects by name."""
    found: dict[str, Json] = {}
    if not isinstance(items, Sequence) or isinstance(items, str):
        raise FitError(f"{where}: expected a list of objects, one per {what}, got {_shown(items)}")
    for number, item in enumerate(items):
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or not name:
            raise FitError(f"{where}: {what} {number} has no name")
        if name in found:
            raise FitError(f"{where}: {what} '{name}' appears twice")
        found[name] = item
    return found


def _numbers(where: str, values: Any, lowest: float = -math.inf, *, each: str = "bin") -> list[float]:
    """Return numbers that are finite and not too low."""
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise FitError(f"{where}: expected a list with one number per {each}, got {_shown(values)}")
    for number, value in enumerate(values):
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < math.inf:
            raise FitError(f"{where}, {each} {number}: expected a finite number, got {_shown(value)}")
        if abs(value) > LARGEST:
            raise FitError(f"{where}, {each} {number}: expected a number below {LARGEST:g}, got {_shown(value)}")
        if value < lowest:
            raise FitError(f"{where}, {each} {number}: expected no negative number, got {value:g}")
    return [float(value) for value in values]


def _list(where: str, values: Any) -> Sequence[Any]:
    """Return a list that may be missing."""
    if values is None:
        return ()
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise FitError(f"{where}: expected a list, got {_shown(values)}")
    return values


def _pair(where: str, values: Any) -> tuple[float, float]:
    numbers = _numbers(where, values, each="side")
    if len(numbers) != 2:
        raise FitError(f"{where}: expected a lower and an upper one, got {len(numbers)}")
    return numbers[0], numbers[1]


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
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST:
            raise FitError(f"{where}: expected a positive number as '{side}', got {_shown(value)}")


def _shapes(where: str, data: Any, n_bins: int) -> None:
    for side in ("hi_data", "lo_data"):
        _per_bin(f"{where}, {side}", data.get(side) if isinstance(data, Mapping) else None, n_bins)


def _nothing(where: str, data: Any, n_bins: int) -> None:
    """Accept a modifier without data."""


ONE_PER_BIN = ("shapefactor", "shapesys", "staterror")

MODIFIERS: dict[str, Callable[[str, Any, int], None]] = {
    "histosys": _shapes,
    "lumi": _nothing,
    "normfactor": _nothing,
    "normsys": _factors,
    "shapefactor": _nothing,
    "shapesys": _uncertainties,
    "staterror": _uncertainties,
}


def _check_modifiers(where: str, sample: Json, n_bins: int) -> dict[str, str]:
    """Check the modifiers of a sample; return the type of each name."""
    types = {}
    for number, modifier in enumerate(_list(f"{where}, modifiers", sample.get("modifiers"))):
        if not isinstance(modifier, Mapping) or not isinstance(modifier.get("name"), str):
            raise FitError(f"{where}: modifier {number} has no name")
        name, kind = modifier["name"], modifier.get("type")
        if not isinstance(kind, str) or kind not in MODIFIERS:
            close = did_you_mean(str(kind), MODIFIERS)
            raise FitError(f"{where}: modifier '{name}' has the unknown type '{kind}'{close}")
        MODIFIERS[kind](f"{where}, modifier '{name}'", modifier.get("data"), n_bins)
        types[name] = kind
    return types
