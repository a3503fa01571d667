"""Yields -> HistFactory workspace: the only code with HistFactory's vocabulary.

A region becomes a channel, a process a sample, a systematic one nuisance parameter that all regions and processes
share by name. What a fit cannot digest is settled here, once:

- A bin of a background without positive yield gets a thousandth of that background's mean weight, and the variance
  that one event of mean weight would have if it could be in any of the process's empty bins of that region.
- A bin without positive total background gets the background it cannot exclude: its own uncertainty, +- 100 %.
- A negative signal bin is set to zero. A process without any event in a region is left out of that region.

Each is logged with region, process and bins: the first, which is common in the tails, as information, the others as
warnings.
"""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.config import DATA, NOMINAL, Config, NormalisationSystematic, SampleSystematic, SystematicConfig
from cascadebdt.errors import YieldError, did_you_mean
from cascadebdt.regions import SIGNAL_REGION
from cascadebdt.systematics import applies
from cascadebdt.yields import Histogram

logger = logging.getLogger(__name__)

POI = "mu"
FLOOR = 1e-3
LARGEST_RATIO = 10.0
NORM_BOUNDS = (0.0, 10.0)


class Workspace(dict[str, Any]):
    """A HistFactory workspace, valid against pyhf's schema.

    Parameters
    ----------
    content : the workspace itself
    blind : regions whose observation is not data
    """

    blind: tuple[str, ...]

    def __init__(self, content: Mapping[str, Any], *, blind: tuple[str, ...] = ()) -> None:
        super().__init__(content)
        self.blind = blind


@dataclass(frozen=True)
class _Templates:
    """The simulated yields of one process in one region, ready for a fit.

    `values` and `variances` are (n_bins,) float64; `edited` marks bins that the policy changed; `varied` has the raw
    yields per variation.
    """

    values: FloatArray
    variances: FloatArray
    edited: BoolArray
    varied: dict[str, FloatArray]


def build(yields: Mapping[str, Histogram], config: Config) -> Workspace:
    """Write yields as a HistFactory workspace; equal input gives equal bytes.

    The signal carries the normalisation `mu`, each process of ``config.fit.free`` a free `norm_<process>`. Systematics
    of kind normalisation are log-normal: hi = 1 + size, lo = 1 / (1 + size). All others are split into a normalisation
    (`normsys`) and a shape of the nominal yield (`histosys`) of the same name; one-sided ones (kind sample) are
    mirrored, lo = 1 / hi for the normalisation and 2 nominal - up for the shape. The statistical uncertainty of the
    simulated background is one parameter per bin, `mcstat_<region>` (Barlow-Beeston light); the signal's is left out,
    because in relation to signal plus background it would hide that of the background. While blind, the signal
    region is observed to be the nominal background and its data are not looked at.

    Parameters
    ----------
    yields : per region a histogram with axes process, variation and the observable, storage Weight
    config : of the analysis; `fit` and `systematics` are used

    Raises
    ------
    YieldError
        If a region, process or bin cannot be used.
    """
    if not yields:
        raise YieldError("yields: there is no region")
    blind = (SIGNAL_REGION,) if config.fit.unblind is False and SIGNAL_REGION in yields else ()
    for region, histogram in yields.items():
        _check(region, histogram, needs_data=region not in blind)
    regions = {region: _templates(region, histogram, config.fit.signal) for region, histogram in yields.items()}
    _check_normalised(regions, config)
    _check_variations(regions, config)
    channels = [
        {
            "name": region,
            "samples": [_sample(region, process, templates, config) for process, templates in processes.items()],
        }
        for region, processes in regions.items()
    ]
    observations = [
        {"name": region, "data": _observation(yields[region], regions[region], config, is_blind=region in blind)}
        for region in yields
    ]
    parameters = [{"name": POI, "bounds": [_mu_bounds(regions, config.fit.signal)], "inits": [1.0]}]
    parameters += [
        {"name": f"norm_{process}", "bounds": [list(NORM_BOUNDS)], "inits": [1.0]} for process in config.fit.free
    ]
    measurement = {"name": config.analysis, "config": {"poi": POI, "parameters": parameters}}
    content = {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}
    return Workspace(content, blind=blind)


def _names(histogram: Histogram, axis: str) -> list[str]:
    return [str(name) for name in histogram.axes[axis]]


def _content(histogram: Histogram, process: str, variation: str) -> tuple[FloatArray, FloatArray]:
    """Return the sum of weights and of squared weights per bin, zeros if the variation is not filled."""
    if variation not in _names(histogram, "variation"):
        empty = np.zeros(histogram.axes[2].size)
        return empty, empty
    view = cast("Any", histogram[{"process": process, "variation": variation}]).view()
    return np.array(view["value"], dtype=np.float64), np.array(view["variance"], dtype=np.float64)


def _check(region: str, histogram: Histogram, *, needs_data: bool) -> None:
    """Check what does not depend on a process's role: axes, numbers, data."""
    axes = [axis.name for axis in histogram.axes]
    if axes[:2] != ["process", "variation"] or len(axes) != 3:
        raise YieldError(f"region '{region}': expected the axes process, variation and an observable, got {axes}")
    if NOMINAL not in _names(histogram, "variation"):
        raise YieldError(f"region '{region}': there is no variation '{NOMINAL}'")
    processes = _names(histogram, "process")
    if needs_data and DATA not in processes:
        raise YieldError(f"region '{region}': there are no data, got the processes {processes}")
    for process in processes:
        if process == DATA and not needs_data:
            continue
        for variation in _names(histogram, "variation"):
            bad = ~np.isfinite(np.stack(_content(histogram, process, variation))).all(axis=0)
            if bad.any():
                raise YieldError(
                    f"region '{region}', process '{process}', bin {int(np.argmax(bad))}: "
                    f"the yield of variation '{variation}' is not a finite number"
                )
    if needs_data:
        data, _ = _content(histogram, DATA, NOMINAL)
        if (data < 0).any():
            bin_index = int(np.argmin(data))
            raise YieldError(f"region '{region}', process '{DATA}', bin {bin_index}: negative, got {data[bin_index]:g}")


def _templates(region: str, histogram: Histogram, signal: str) -> dict[str, _Templates]:
    """Return the templates of every simulated process that has events in a region."""
    found: dict[str, _Templates] = {}
    for process in _names(histogram, "process"):
        if process == DATA:
            continue
        values, variances = _content(histogram, process, NOMINAL)
        if not values.any() and not variances.any():
            logger.info("region '%s': process '%s' has no events and is left out", region, process)
            continue
        varied = {
            name: _content(histogram, process, name)[0] for name in _names(histogram, "variation") if name != NOMINAL
        }
        floored = _floored_signal if process == signal else _floored_background
        found[process] = _Templates(*floored(region, process, values, variances), varied)
    _check_background(region, histogram, found, signal)
    return _filled(region, found, signal)


def _floored_signal(
    region: str, process: str, values: FloatArray, variances: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Set negative bins of the signal to zero."""
    edited = values < 0
    if edited.any():
        logger.warning(
            "region '%s', process '%s', bins %s: negative signal is set to zero, which adds %.3g",
            region, process, np.flatnonzero(edited).tolist(), -values[edited].sum(),
        )  # fmt: skip
    return np.where(edited, 0.0, values), variances, edited


def _floored_background(
    region: str, process: str, values: FloatArray, variances: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Give bins without positive yield a tiny one with the uncertainty of an event that could be in any of them."""
    edited = values <= 0
    if not edited.any():
        return values, variances, edited
    weight = _mean_weight(values, variances)
    logger.info(
        "region '%s', process '%s', bins %s: no positive yield; set to %.3g with uncertainty of at least %.3g",
        region, process, np.flatnonzero(edited).tolist(), FLOOR * weight, weight / math.sqrt(edited.sum()),
    )  # fmt: skip
    unseen = weight**2 / edited.sum()
    return np.where(edited, FLOOR * weight, values), np.where(edited, np.maximum(variances, unseen), variances), edited


def _mean_weight(values: FloatArray, variances: FloatArray) -> float:
    """Return the mean weight of a process, sum w^2 / sum w; where cancellation spoils it, the error of the sum."""
    total, squared = float(values.sum()), float(variances.sum())
    return min(squared / total, math.sqrt(squared)) if total > 0 and squared > 0 else math.sqrt(squared) or abs(total)


def _check_background(region: str, histogram: Histogram, found: Mapping[str, _Templates], signal: str) -> None:
    """Check that there is something to fit at all."""
    backgrounds = [process for process in found if process != signal]
    total = sum((_content(histogram, process, NOMINAL)[0] for process in backgrounds), np.zeros(histogram.axes[2].size))
    if not (total > 0).any():
        raise YieldError(
            f"region '{region}': no bin has a positive background, processes {backgrounds or 'none'}; "
            "merge regions or simulate more events"
        )


def _filled(region: str, found: dict[str, _Templates], signal: str) -> dict[str, _Templates]:
    """Give bins in which every background was floored a background as large as its uncertainty."""
    backgrounds = {process: templates for process, templates in found.items() if process != signal}
    empty = np.all([templates.edited for templates in backgrounds.values()], axis=0)
    for bin_index in np.flatnonzero(empty):
        process = max(backgrounds, key=lambda name: float(backgrounds[name].variances[bin_index]))
        error = math.sqrt(sum(float(templates.variances[bin_index]) for templates in backgrounds.values()))
        logger.warning(
            "region '%s', process '%s', bin %d: no background at all; set to %.3g +- 100 %%",
            region, process, bin_index, error,
        )  # fmt: skip
        values = backgrounds[process].values.copy()
        values[bin_index] = error
        backgrounds[process] = replace(backgrounds[process], values=values)
    return found | backgrounds


def _check_normalised(regions: Mapping[str, Mapping[str, _Templates]], config: Config) -> None:
    """Check that the signal and what floats have events somewhere."""
    for role, processes in (("fit.signal", (config.fit.signal,)), ("fit.free", config.fit.free)):
        for process in processes:
            if not any(process in found and found[process].values.any() for found in regions.values()):
                known = {name for found in regions.values() for name in found}
                raise YieldError(
                    f"process '{process}' of {role} has no events in any region{did_you_mean(process, sorted(known))}"
                )


def _sides(systematic: SystematicConfig) -> list[str]:
    """List the variations in the yields that belong to a systematic."""
    if isinstance(systematic, NormalisationSystematic):
        return []
    return [f"{systematic.name}_up"] + ([] if isinstance(systematic, SampleSystematic) else [f"{systematic.name}_down"])


def _check_variations(regions: Mapping[str, Mapping[str, _Templates]], config: Config) -> None:
    """Check that every process a systematic affects was filled with it."""
    processes = dict.fromkeys(process for found in regions.values() for process in found)
    for systematic in config.systematics:
        for side in _sides(systematic):
            for process in processes:
                varied = [found[process].varied.get(side) for found in regions.values() if process in found]
                if applies(systematic, process) and not any(v is not None and v.any() for v in varied):
                    raise YieldError(f"process '{process}': the variation '{side}' is empty in every region")


def _sample(region: str, process: str, templates: _Templates, config: Config) -> dict[str, Any]:
    """Write one process of one region with its modifiers."""
    modifiers: list[dict[str, Any]] = []
    if process == config.fit.signal:
        modifiers.append({"name": POI, "type": "normfactor", "data": None})
    else:
        if process in config.fit.free:
            modifiers.append({"name": f"norm_{process}", "type": "normfactor", "data": None})
        errors = np.sqrt(templates.variances).tolist()
        modifiers.append({"name": f"mcstat_{region}", "type": "staterror", "data": errors})
    for systematic in config.systematics:
        if not applies(systematic, process):
            continue
        if isinstance(systematic, NormalisationSystematic):
            modifiers.append(_normsys(systematic.name, up=1 + systematic.size, down=1 / (1 + systematic.size)))
        else:
            modifiers += _shape_modifiers(region, process, templates, systematic)
    return {"name": process, "data": templates.values.tolist(), "modifiers": modifiers}


def _normsys(name: str, *, up: float, down: float) -> dict[str, Any]:
    return {"name": name, "type": "normsys", "data": {"hi": up, "lo": down}}


def _shape_modifiers(
    region: str, process: str, templates: _Templates, systematic: SystematicConfig
) -> list[dict[str, Any]]:
    """Split a variation into normalisation and shape; a part without effect is left out."""
    up = _ratio(region, process, templates, f"{systematic.name}_up")
    down = (
        (1 / up[0], np.maximum(2 - up[1], 1 / LARGEST_RATIO))
        if isinstance(systematic, SampleSystematic)
        else _ratio(region, process, templates, f"{systematic.name}_down")
    )
    modifiers = []
    if not np.allclose([up[0], down[0]], 1.0, rtol=0, atol=1e-9):
        modifiers.append(_normsys(systematic.name, up=up[0], down=down[0]))
    if not np.allclose([up[1], down[1]], 1.0, rtol=0, atol=1e-9):
        shapes = {
            "hi_data": (templates.values * up[1]).tolist(),
            "lo_data": (templates.values * down[1]).tolist(),
        }
        modifiers.append({"name": systematic.name, "type": "histosys", "data": shapes})
    return modifiers


def _ratio(region: str, process: str, templates: _Templates, variation: str) -> tuple[float, FloatArray]:
    """Return a variation over the nominal: of the whole region, and per bin with that divided out."""
    fine = ~templates.edited
    nominal = templates.values[fine]
    varied = templates.varied[variation][fine]
    ratio = np.ones(len(fine))
    if not nominal.sum() > 0:
        return 1.0, ratio
    total = _limited(float(varied.sum() / nominal.sum()))
    ratio[fine] = np.divide(varied / total, nominal, out=np.ones(len(nominal)), where=nominal > 0)
    limited = np.clip(ratio, 1 / LARGEST_RATIO, LARGEST_RATIO)
    if (limited != ratio).any() or total in (1 / LARGEST_RATIO, LARGEST_RATIO):
        logger.warning(
            "region '%s', process '%s', bins %s: variation '%s' changes the yield more than %g-fold, which is limited",
            region, process, np.flatnonzero(limited != ratio).tolist(), variation, LARGEST_RATIO,
        )  # fmt: skip
    return total, limited


def _limited(ratio: float) -> float:
    return min(max(ratio, 1 / LARGEST_RATIO), LARGEST_RATIO)


def _observation(
    histogram: Histogram, found: Mapping[str, _Templates], config: Config, *, is_blind: bool
) -> list[float]:
    """Return the data of a region, or its nominal background while blind."""
    if not is_blind:
        return cast("list[float]", _content(histogram, DATA, NOMINAL)[0].tolist())
    return cast("list[float]", _background(found, config.fit.signal).tolist())


def _background(found: Mapping[str, _Templates], signal: str) -> FloatArray:
    return np.asarray(np.sum([templates.values for process, templates in found.items() if process != signal], axis=0))


def _mu_bounds(regions: Mapping[str, Mapping[str, _Templates]], signal: str) -> list[float]:
    """Bound mu below where an expected rate would turn negative, above where the signal outweighs everything.

    Only nominal predictions enter, so that the bounds do not depend on data.
    """
    ratios = [
        _background(found, signal)[positive] / found[signal].values[positive]
        for found in regions.values()
        if signal in found
        for positive in [found[signal].values > 0]
    ]
    background = sum(float(_background(found, signal).sum()) for found in regions.values())
    total = sum(float(found[signal].values.sum()) for found in regions.values() if signal in found)
    return [-0.99 * float(np.concatenate(ratios).min()), max(100.0, 10 * (background + 10) / total)]
