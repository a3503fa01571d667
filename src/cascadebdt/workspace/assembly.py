"""Yields -> HistFactory workspace: the only code with HistFactory's vocabulary.

A region becomes a channel, a process a sample, a systematic one nuisance parameter that all regions and processes
share by name unless it is decorrelated. `templates` edits bins that a fit cannot use, `treatment` smooths, symmetrises
and prunes variations; `Workspace.notes` records what both did.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.config import DATA, NOMINAL, Config, NormalisationSystematic, applies, parameter
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.errors import FitError, YieldError, did_you_mean
from cascadebdt.records import Json, Record
from cascadebdt.workspace import borrowing, checks, treatment
from cascadebdt.workspace.templates import BinNote, Template, Templates, content, of_region
from cascadebdt.workspace.treatment import Effect, VariationNote

if TYPE_CHECKING:
    from cascadebdt.histograms.yields import Histogram


logger = logging.getLogger(__name__)

POI = "mu"
NORM_BOUNDS = (0.0, 10.0)
"""Of the free normalisations, in units of the expectation."""
MANY = 20.0
"""Expected events of which to observe none, by chance once in 5e8 regions, means that data are missing."""
KEYS_PER_REGION = ("channels", "observations")


@dataclass(frozen=True)
class Notes(Record):
    """The edits of yields on their way into a workspace: ``treatment.json``.

    Attributes
    ----------
    merged : region -> edges that are left, where configured bins were merged
    bins : bins without positive expectation, and those with a borrowed shape
    variations : effects of the systematics that are found from events
    """

    merged: dict[str, tuple[float, ...]] = field(default_factory=dict)
    bins: tuple[BinNote, ...] = ()
    variations: tuple[VariationNote, ...] = ()

    @property
    def floors(self) -> tuple[str, ...]:
        """The bins of processes that have nothing but the conservative floor, such as ``SR bin 7: floor for zee``."""
        return tuple(
            f"{note.region} {'bin' if len(note.bins) == 1 else 'bins'} {', '.join(map(str, note.bins))}: "
            f"floor for {note.process}"
            for note in self.bins
            if note.action == "floored"
        )


class Workspace(dict[str, Any]):
    """A HistFactory workspace, valid against pyhf's schema.

    Parameters
    ----------
    content : the workspace itself
    notes : what was done to the yields in it

    Examples
    --------
    >>> workspace = cb.build_workspace(yields, config)
    >>> model = pyhf.Workspace(workspace).model()
    """

    notes: Notes

    def __init__(self, content: Mapping[str, Any], *, notes: Notes | None = None) -> None:
        super().__init__(content)
        self.notes = notes or Notes()

    @property
    def blind(self) -> tuple[str, ...]:
        """Regions without an observation."""
        return blind_regions(self)

    def to_json(self) -> Json:
        """Return the workspace as other programs read it; the notes are not part of it."""
        return dict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Workspace":
        """Return the workspace of any program."""
        return cls(content)

    def blinded(self, *regions: str) -> "Workspace":
        """Return the workspace without the observation of these regions.

        Raises
        ------
        FitError
            If there is no such region.
        """
        known = [channel["name"] for channel in self["channels"]]
        for region in regions:
            if region not in known:
                raise FitError(f"workspace: the model has no region '{region}'{did_you_mean(region, known)}")
        observations = [item for item in self["observations"] if item["name"] not in regions]
        return Workspace({**self, "observations": observations}, notes=self.notes)

    def fitted(self) -> "Workspace":
        """Return the workspace without the validation regions, for a fit."""
        fitted = {key: [item for item in self[key] if not is_validation(item["name"])] for key in KEYS_PER_REGION}
        return Workspace({**self, **fitted}, notes=self.notes)


def blind_regions(workspace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the regions of a workspace that have no observation.

    Being blind is part of the content, so that no copy of a workspace loses it: pyhf finds no data for them.
    """
    observed = {item["name"] for item in workspace["observations"]}
    return tuple(channel["name"] for channel in workspace["channels"] if channel["name"] not in observed)


def build(
    yields: Mapping[str, "Histogram"],
    config: Config,
    *,
    shapes: Mapping[str, "Histogram"] | None = None,
    with_validation: bool = False,
    with_data: bool = True,
) -> Workspace:
    """Write yields as a HistFactory workspace; equal input gives equal bytes.

    The signal carries the normalisation `mu`, each process of ``config.fit.free`` a free `norm_<process>`. Systematics
    of kind normalisation are log-normal: hi = 1 + size, lo = 1 / (1 + size). All others are split into a normalisation
    (`normsys`) and a shape of the nominal yield (`histosys`) of the same name; one-sided ones are mirrored, lo = 1 / hi
    for the normalisation and 2 nominal - up for the shape. The statistical uncertainty of the simulated background is
    one parameter per bin, `mcstat_<region>` (Barlow-Beeston light: Conway, arXiv:1103.0354); the signal's is left out.
    While blind, the signal region has no observation and its data are not read. Without data (``config.data`` is
    ``asimov``) the observation of every other region is its background, the signal region has none, and the name of the
    measurement says so.

    Parameters
    ----------
    yields : per region a histogram with axes process, variation and the observable, storage Weight
    config : of the analysis; `fit`, `regions`, `templates` and `systematics` are used
    shapes : region -> the shapes that its backgrounds borrow, if ``config.templates.shapes`` is not ``own``
    with_validation : keep the validation regions, which are not to be fitted; those without background are left out
    with_data : whether to read data; without, no region has an observation

    Raises
    ------
    YieldError
        If a region, process or bin cannot be used.

    Examples
    --------
    >>> workspace = cb.build_workspace(yields, config)
    >>> names = [channel["name"] for channel in workspace["channels"]]
    """
    chosen = {name: histogram for name, histogram in yields.items() if with_validation or not is_validation(name)}
    if not chosen:
        raise YieldError("yields: there is no region")
    # An expectation has nothing that could be unblinded: without data the signal region stays without observation.
    is_asimov = config.data == "asimov"
    is_blind = (is_asimov or config.fit.unblind is False) and SIGNAL_REGION in chosen
    hidden = (SIGNAL_REGION,) if is_blind else ()
    blind = hidden if with_data else tuple(chosen)
    for region, histogram in chosen.items():
        checks.require_usable(region, histogram, needs_data=region not in blind and not is_asimov)
    regions, bin_notes = _all_templates(chosen, config, checks.shapes_of(chosen, config, shapes or {}))
    fitted = {region: templates for region, templates in regions.items() if not is_validation(region)}
    checks.require_normalised(fitted, config)
    checks.require_variations(fitted, config)
    variation_notes: list[VariationNote] = []
    channels = [
        {
            "name": region,
            "samples": [
                _sample(region, process, template, config, variation_notes) for process, template in templates.items()
            ],
        }
        for region, templates in regions.items()
    ]
    observations = [
        {"name": region, "data": _observation(region, chosen[region], templates, config)}
        for region, templates in regions.items()
        if region not in blind
    ]
    content = {
        "channels": channels,
        "observations": observations,
        "measurements": [_measurement(fitted, config)],
        "version": "1.0.0",
    }
    notes = Notes(_merged(chosen, config), tuple(bin_notes), tuple(variation_notes))
    return Workspace(content, notes=notes)


def _measurement(regions: Mapping[str, Templates], config: Config) -> dict[str, Any]:
    """Write the parameter of interest, and the bounds and initial values of the free normalisations."""
    parameters = [{"name": POI, "bounds": [_mu_bounds(regions, config.fit.signal)], "inits": [1.0]}]
    parameters += [
        {"name": f"norm_{process}", "bounds": [list(NORM_BOUNDS)], "inits": [1.0]} for process in config.fit.free
    ]
    name = f"{config.analysis}_asimov" if config.data == "asimov" else config.analysis
    return {"name": name, "config": {"poi": POI, "parameters": parameters}}


def _merged(yields: Mapping[str, "Histogram"], config: Config) -> dict[str, tuple[float, ...]]:
    """Return the edges of the regions whose configured bins were merged."""
    edges = {region: tuple(histogram.axes[2].edges.tolist()) for region, histogram in yields.items()}
    configured = {region: config.regions.binning(region).edges for region in yields}
    return {region: left for region, left in edges.items() if configured[region] not in (None, left)}


def _all_templates(
    yields: Mapping[str, "Histogram"], config: Config, shapes: Mapping[str, "Histogram"]
) -> tuple[dict[str, Templates], list[BinNote]]:
    """Return the templates of every region, and the edits of their bins."""
    regions: dict[str, Templates] = {}
    notes: list[BinNote] = []
    for region, histogram in yields.items():
        try:
            regions[region], edits = of_region(
                region,
                histogram,
                signal=config.fit.signal,
                strict=config.regions.empty_bins == "error",
                borrow=partial(borrowing.borrow, region, shapes=shapes[region], config=config.templates)
                if region in shapes
                else None,
            )
        except YieldError as error:
            if not is_validation(region):
                raise
            logger.warning("left out: %s", error)
        else:
            notes += edits
    return regions, notes


def _sample(
    region: str, process: str, template: Template, config: Config, notes: list[VariationNote]
) -> dict[str, Any]:
    """Write one process of one region with its modifiers, and add the effects of the systematics to `notes`."""
    modifiers: list[dict[str, Any]] = []
    if process == config.fit.signal:
        modifiers.append({"name": POI, "type": "normfactor", "data": None})
    else:
        if process in config.fit.free:
            modifiers.append({"name": f"norm_{process}", "type": "normfactor", "data": None})
        # Barlow-Beeston light (arXiv:1103.0354) has one parameter per bin for the sum of the samples that carry the
        # modifier. The signal carries none: pyhf takes the sum at the nominal signal, so that a large signal
        # would dilute the relative uncertainty of the background, also where a fit finds no signal.
        errors = np.sqrt(template.variances).tolist()
        modifiers.append({"name": f"mcstat_{region}", "type": "staterror", "data": errors})
        modifiers += borrowing.modifiers(template)
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
    """Return the largest change of a bin beyond the normalisation."""
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


def _observation(region: str, histogram: "Histogram", templates: Templates, config: Config) -> list[float]:
    """Return the data of a region, its background where there are none at all."""
    background = _background(templates, config.fit.signal)
    if config.data == "asimov":
        return cast("list[float]", background.tolist())
    data = content(histogram, DATA, NOMINAL)[0]
    expected = float(background.sum())
    if lacks_data(data, expected):
        raise YieldError(
            f"region '{region}': there are no data where {expected:.4g} events are expected; "
            "were they selected, and the histograms filled after unblinding?"
        )
    return cast("list[float]", data.tolist())


def lacks_data(data: FloatArray, expected: float) -> bool:
    """Return whether a region without any event expects so many that its data must be missing."""
    return expected > MANY and not data.any()


def _background(templates: Templates, signal: str) -> FloatArray:
    """Return the total nominal background per bin."""
    return np.asarray(np.sum([template.values for process, template in templates.items() if process != signal], axis=0))


def _mu_bounds(regions: Mapping[str, Templates], signal: str) -> list[float]:
    """Bound mu below where an expected rate would turn negative, above where the signal outweighs everything.

    Only nominal predictions enter, so that the bounds do not depend on data.
    """
    ratios = [
        _background(templates, signal)[positive] / templates[signal].values[positive]
        for templates in regions.values()
        if signal in templates
        for positive in [templates[signal].values > 0]
    ]
    background = sum(float(_background(templates, signal).sum()) for templates in regions.values())
    total = sum(float(templates[signal].values.sum()) for templates in regions.values() if signal in templates)
    # 1 % above the bound where a rate is 0, whose logarithm the likelihood takes. The upper bound is far beyond any
    # limit: ten times the background, 10 events for regions with hardly any, in units of the signal.
    return [-0.99 * float(np.concatenate(ratios).min()), max(100.0, 10 * (background + 10) / total)]
