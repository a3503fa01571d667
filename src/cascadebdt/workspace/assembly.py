"""Yields -> HistFactory workspace: the only code with HistFactory's vocabulary.

A region becomes a channel, a process a sample, a systematic one nuisance parameter that all regions and processes
share by name unless it is decorrelated. `templates` settles what a fit cannot digest, `treatment` what is done to
variations; what both did is told by `Workspace.notes`.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.config import DATA, NOMINAL, Config, NormalisationSystematic, applies, parameter, sides
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.errors import YieldError, did_you_mean
from cascadebdt.histograms.yields import Histogram
from cascadebdt.records import Json, Record
from cascadebdt.workspace import templates, treatment
from cascadebdt.workspace.templates import BinNote, Template, Templates
from cascadebdt.workspace.treatment import Effect, VariationNote

logger = logging.getLogger(__name__)

POI = "mu"
NORM_BOUNDS = (0.0, 10.0)
PER_REGION = ("channels", "observations")


@dataclass(frozen=True)
class Notes(Record):
    """What was done to yields on their way into a workspace: ``treatment.json``.

    Attributes
    ----------
    merged : region -> edges that are left, where configured bins were merged
    bins : bins without positive expectation
    variations : effects of the systematics that are found from events
    """

    merged: dict[str, tuple[float, ...]] = field(default_factory=dict)
    bins: tuple[BinNote, ...] = ()
    variations: tuple[VariationNote, ...] = ()


class Workspace(dict[str, Any]):
    """A HistFactory workspace, valid against pyhf's schema.

    Parameters
    ----------
    content : the workspace itself
    blind : regions whose observation is not data
    notes : what was done to the yields in it
    """

    blind: tuple[str, ...]
    notes: Notes

    def __init__(self, content: Mapping[str, Any], *, blind: tuple[str, ...] = (), notes: Notes | None = None) -> None:
        super().__init__(content)
        self.blind = blind
        self.notes = notes or Notes()

    def to_json(self) -> Json:
        """Return the workspace as other programs read it; what is blind and the notes are not part of it."""
        return dict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Workspace":
        """Return the workspace of any program, with nothing blind."""
        return cls(content)

    def observing(self, other: Mapping[str, Any]) -> "Workspace":
        """Return the workspace with the observations of another one, where that has them."""
        found = {item["name"]: item["data"] for item in other["observations"]}
        observations = [{**item, "data": found.get(item["name"], item["data"])} for item in self["observations"]]
        return Workspace({**self, "observations": observations}, blind=self.blind, notes=self.notes)

    def fitted(self) -> "Workspace":
        """Return the workspace without the validation regions, for a fit."""
        kept = {key: [item for item in self[key] if not is_validation(item["name"])] for key in PER_REGION}
        return Workspace({**self, **kept}, blind=self.blind, notes=self.notes)


def build(yields: Mapping[str, Histogram], config: Config, *, with_validation: bool = False) -> Workspace:
    """Write yields as a HistFactory workspace; equal input gives equal bytes.

    The signal carries the normalisation `mu`, each process of ``config.fit.free`` a free `norm_<process>`. Systematics
    of kind normalisation are log-normal: hi = 1 + size, lo = 1 / (1 + size). All others are split into a normalisation
    (`normsys`) and a shape of the nominal yield (`histosys`) of the same name; one-sided ones are mirrored, lo = 1 / hi
    for the normalisation and 2 nominal - up for the shape. The statistical uncertainty of the simulated background is
    one parameter per bin, `mcstat_<region>` (Barlow-Beeston light); the signal's is left out, because in relation to
    signal plus background it would hide that of the background. While blind, the signal region is observed to be the
    nominal background and its data are not looked at.

    Parameters
    ----------
    yields : per region a histogram with axes process, variation and the observable, storage Weight
    config : of the analysis; `fit`, `regions` and `systematics` are used
    with_validation : keep the validation regions, which are not to be fitted; those without background are left out

    Raises
    ------
    YieldError
        If a region, process or bin cannot be used.
    """
    chosen = {name: histogram for name, histogram in yields.items() if with_validation or not is_validation(name)}
    if not chosen:
        raise YieldError("yields: there is no region")
    blind = (SIGNAL_REGION,) if config.fit.unblind is False and SIGNAL_REGION in chosen else ()
    for region, histogram in chosen.items():
        _check(region, histogram, needs_data=region not in blind)
    regions, bins = _all_templates(chosen, config)
    fitted = {region: found for region, found in regions.items() if not is_validation(region)}
    _check_normalised(fitted, config)
    _check_variations(fitted, config)
    variations: list[VariationNote] = []
    channels = [
        {
            "name": region,
            "samples": [_sample(region, process, template, config, variations) for process, template in found.items()],
        }
        for region, found in regions.items()
    ]
    observations = [
        {"name": region, "data": _observation(chosen[region], found, config, is_blind=region in blind)}
        for region, found in regions.items()
    ]
    parameters = [{"name": POI, "bounds": [_mu_bounds(fitted, config.fit.signal)], "inits": [1.0]}]
    parameters += [
        {"name": f"norm_{process}", "bounds": [list(NORM_BOUNDS)], "inits": [1.0]} for process in config.fit.free
    ]
    measurement = {"name": config.analysis, "config": {"poi": POI, "parameters": parameters}}
    content = {"channels": channels, "observations": observations, "measurements": [measurement], "version": "1.0.0"}
    return Workspace(content, blind=blind, notes=Notes(_merged(chosen, config), tuple(bins), tuple(variations)))


def _merged(yields: Mapping[str, Histogram], config: Config) -> dict[str, tuple[float, ...]]:
    """Return the edges of the regions whose configured bins were merged."""
    edges = {region: tuple(histogram.axes[2].edges.tolist()) for region, histogram in yields.items()}
    configured = {region: config.regions.binning(region).bins for region in yields}
    return {region: left for region, left in edges.items() if configured[region] not in ("auto", left)}


def _all_templates(yields: Mapping[str, Histogram], config: Config) -> tuple[dict[str, Templates], list[BinNote]]:
    """Return the templates of every region, and what was done to their bins."""
    regions: dict[str, Templates] = {}
    notes: list[BinNote] = []
    for region, histogram in yields.items():
        try:
            regions[region], made = templates.of_region(
                region, histogram, signal=config.fit.signal, strict=config.regions.empty_bins == "error"
            )
        except YieldError as error:
            if not is_validation(region):
                raise
            logger.warning("left out: %s", error)
        else:
            notes += made
    return regions, notes


def _check(region: str, histogram: Histogram, *, needs_data: bool) -> None:
    """Check what does not depend on a process's role: axes, numbers, data."""
    axes = [axis.name for axis in histogram.axes]
    if axes[:2] != ["process", "variation"] or len(axes) != 3:
        raise YieldError(f"region '{region}': expected the axes process, variation and an observable, got {axes}")
    if NOMINAL not in templates.names(histogram, "variation"):
        raise YieldError(f"region '{region}': there is no variation '{NOMINAL}'")
    processes = templates.names(histogram, "process")
    if needs_data and DATA not in processes:
        raise YieldError(f"region '{region}': there are no data, got the processes {processes}")
    for process in processes:
        if process == DATA and not needs_data:
            continue
        for variation in templates.names(histogram, "variation"):
            bad = ~np.isfinite(np.stack(templates.content(histogram, process, variation))).all(axis=0)
            if bad.any():
                raise YieldError(
                    f"region '{region}', process '{process}', bin {int(np.argmax(bad))}: "
                    f"the yield of variation '{variation}' is not a finite number"
                )
    if needs_data:
        data, _ = templates.content(histogram, DATA, NOMINAL)
        if (data < 0).any():
            bin_index = int(np.argmin(data))
            raise YieldError(f"region '{region}', process '{DATA}', bin {bin_index}: negative, got {data[bin_index]:g}")


def _check_normalised(regions: Mapping[str, Templates], config: Config) -> None:
    """Check that the signal and what floats have events somewhere."""
    for role, processes in (("fit.signal", (config.fit.signal,)), ("fit.free", config.fit.free)):
        for process in processes:
            if not any(process in found and found[process].values.any() for found in regions.values()):
                known = {name for found in regions.values() for name in found}
                raise YieldError(
                    f"process '{process}' of {role} has no events in any region{did_you_mean(process, sorted(known))}"
                )


def _check_variations(regions: Mapping[str, Templates], config: Config) -> None:
    """Check that every process a systematic affects was filled with it."""
    processes = dict.fromkeys(process for found in regions.values() for process in found)
    for systematic in config.systematics:
        for side in sides(systematic):
            for process in processes:
                varied = [found[process].varied.get(side) for found in regions.values() if process in found]
                if applies(systematic, process) and not any(v is not None and v.any() for v in varied):
                    raise YieldError(f"process '{process}': the variation '{side}' is empty in every region")


def _sample(
    region: str, process: str, template: Template, config: Config, notes: list[VariationNote]
) -> dict[str, Any]:
    """Write one process of one region with its modifiers, and note what the systematics do to it."""
    modifiers: list[dict[str, Any]] = []
    if process == config.fit.signal:
        modifiers.append({"name": POI, "type": "normfactor", "data": None})
    else:
        if process in config.fit.free:
            modifiers.append({"name": f"norm_{process}", "type": "normfactor", "data": None})
        errors = np.sqrt(template.variances).tolist()
        modifiers.append({"name": f"mcstat_{region}", "type": "staterror", "data": errors})
    for systematic in config.systematics:
        if not applies(systematic, process, region):
            continue
        name = parameter(systematic, process, region)
        up, down, actions = treatment.effects(region, process, template, systematic, config.fit.prune)
        modifiers += _modifiers(name, template, up, down)
        if not isinstance(systematic, NormalisationSystematic):
            notes.append(
                VariationNote(
                    region=region,
                    process=process,
                    systematic=systematic.name,
                    parameter=name,
                    normalisation=(up.normalisation, down.normalisation),
                    shape=(_largest(up), _largest(down)),
                    actions=actions,
                )
            )
    return {"name": process, "data": template.values.tolist(), "modifiers": modifiers}


def _largest(effect: Effect) -> float:
    return float(np.abs(effect.shape - 1).max(initial=0.0))


def _modifiers(name: str, template: Template, up: Effect, down: Effect) -> list[dict[str, Any]]:
    """Write the effects of a systematic; a part without effect is left out."""
    modifiers: list[dict[str, Any]] = []
    if not np.allclose([up.normalisation, down.normalisation], 1.0, rtol=0, atol=treatment.NO_EFFECT):
        factors = {"hi": up.normalisation, "lo": down.normalisation}
        modifiers.append({"name": name, "type": "normsys", "data": factors})
    if not np.allclose([up.shape, down.shape], 1.0, rtol=0, atol=treatment.NO_EFFECT):
        shapes = {
            "hi_data": (template.values * up.shape).tolist(),
            "lo_data": (template.values * down.shape).tolist(),
        }
        modifiers.append({"name": name, "type": "histosys", "data": shapes})
    return modifiers


def _observation(histogram: Histogram, found: Templates, config: Config, *, is_blind: bool) -> list[float]:
    """Return the data of a region, or its nominal background while blind."""
    if not is_blind:
        return cast("list[float]", templates.content(histogram, DATA, NOMINAL)[0].tolist())
    return cast("list[float]", _background(found, config.fit.signal).tolist())


def _background(found: Templates, signal: str) -> FloatArray:
    return np.asarray(np.sum([template.values for process, template in found.items() if process != signal], axis=0))


def _mu_bounds(regions: Mapping[str, Templates], signal: str) -> list[float]:
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
