"""Events and regions -> weighted histograms per process and variation.

`Yields` maps a region's name to a histogram with axes ``process``, ``variation`` and the region's observable, and with
sums of weights and of squared weights (`hist` storage ``Weight``). Values outside the outermost edges count in the
outermost bins, so that a region's yield is the yield of its events.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias

import hist
import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.cascade import Scores
from cascadebdt.config import DATA, NOMINAL, RegionsConfig
from cascadebdt.config.region_names import is_control
from cascadebdt.errors import YieldError
from cascadebdt.events import Events
from cascadebdt.histograms.binning import bin_of, choose

Histogram: TypeAlias = "hist.Hist[Any]"
Yields: TypeAlias = "dict[str, Histogram]"


def fill(
    events: Events, scores: Scores, config: RegionsConfig, *, edges: Mapping[str, FloatArray] | None = None
) -> Yields:
    """Fill every region's histogram.

    Data of the signal region that `scores` dropped while blind are in no histogram.

    Parameters
    ----------
    events : selected events
    scores : of the same events
    config : binning of the regions
    edges : bins of each region, found as `config` says if not given

    Raises
    ------
    YieldError
        If an observable is NaN, or if the regions' yields do not sum to the selected yield.
    """
    yields = {}
    for code, region in enumerate(scores.regions):
        in_region = scores.region == code
        binning = config.binning(region)
        stage = min(int(scores.stage_of_region[code]), len(scores.stages) - 1)
        values = _observable(events, scores, binning.observable, region, stage=stage)
        _require_numbers(events, values, in_region, binning.observable, region)
        found = edges[region] if edges else choose(events, values, in_region, region, config, scores.signal)
        yields[region] = _histogram(events, values, in_region, found, binning.observable)
    _require_closure(events, scores, yields)
    return yields


def total(histogram: Histogram, process: str, variation: str = NOMINAL) -> tuple[float, float]:
    """Return the sum of weights of a process in a region and its statistical uncertainty."""
    axes = histogram.axes
    cells = histogram.view(flow=False)[axes[0].index(process), axes[1].index(variation)]
    return float(cells["value"].sum()), float(np.sqrt(cells["variance"].sum()))


def _observable(events: Events, scores: Scores, name: str, region: str, *, stage: int) -> FeatureArray:
    if name == "score" and scores.sorted_as is not None and is_control(region):
        return scores.sorted_as
    if name == "score":
        return np.asarray(scores.scores[:, stage])
    if name != "final":
        return events.columns[name]
    if scores.final is None:
        raise YieldError(f"region {region}: 'final' was asked for, but the cascade has no final discriminant")
    return scores.final


def _histogram(
    events: Events, values: FeatureArray, in_region: BoolArray, edges: FloatArray, observable: str
) -> Histogram:
    weight_variations = [name for name in events.weights if name != NOMINAL]
    variations = [*events.variations, *weight_variations]
    histogram = hist.Hist(
        hist.axis.StrCategory(events.processes, name="process"),
        hist.axis.StrCategory(variations, name="variation"),
        hist.axis.Variable(edges, name=observable, flow=False),
        storage=hist.storage.Weight(),
    )
    cells = histogram.view()
    bins, n_bins = bin_of(values, edges), len(edges) - 1
    for p, process in enumerate(events.processes):
        for v, variation in enumerate(variations):
            is_weight = variation in weight_variations
            if process == DATA and variation != NOMINAL:
                continue
            rows_of = events.variations.index(NOMINAL if is_weight else variation)
            rows = np.flatnonzero(in_region & (events.process == p) & (events.variation == rows_of))
            weight = events.weights[variation if is_weight else NOMINAL][rows]
            cells["value"][p, v] = np.bincount(bins[rows], weight, n_bins)
            cells["variance"][p, v] = np.bincount(bins[rows], np.square(weight), n_bins)
    return histogram


def _require_numbers(events: Events, values: FeatureArray, in_region: BoolArray, observable: str, region: str) -> None:
    bad = in_region & np.isnan(values)
    if bad.any():
        process = events.processes[int(events.process[np.argmax(bad)])]
        raise YieldError(
            f"region {region}: observable '{observable}' has no value for {int(bad.sum())} events, the first of "
            f"process {process}; expected a number for every event: choose another observable or cut on what it needs"
        )


def _require_closure(events: Events, scores: Scores, yields: Yields) -> None:
    """Require that every selected event is in exactly one region, by the sums of weights of all regions."""
    kept = scores.region >= 0
    weight = events.weights[NOMINAL]
    for p, process in enumerate(events.processes):
        for v, variation in enumerate(events.variations):
            rows = kept & (events.process == p) & (events.variation == v)
            filled = sum(total(histogram, process, variation)[0] for histogram in yields.values())
            if abs(filled - weight[rows].sum()) > 1e-9 * max(np.abs(weight[rows]).sum(), 1.0):
                raise YieldError(f"regions: {process} {variation} sums to {filled}, selected {weight[rows].sum()}")
