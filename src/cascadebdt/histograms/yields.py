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
from cascadebdt.histograms.binning import bin_index, choose_edges

Histogram: TypeAlias = "hist.Hist[Any]"
Yields: TypeAlias = "dict[str, Histogram]"

CLOSURE_TOLERANCE = 1e-9
"""Relative difference of two sums of the same float64 weights: far above rounding, far below one event."""


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
    edges : bin edges of each region; chosen as `config` says if not given

    Returns
    -------
    region -> histogram

    Raises
    ------
    YieldError
        If an observable is NaN, or if the regions' yields do not sum to the selected yield.
    """
    yields = {}
    for code, region in enumerate(scores.regions):
        in_region = scores.region == code
        binning = config.binning(region)
        # The signal region has no stage of its own: its score is the last stage's.
        stage = min(int(scores.stage_of_region[code]), len(scores.stages) - 1)
        values = _observable(events, scores, binning.observable, region, stage=stage)
        _require_numbers(events, values, in_region, binning.observable, region)
        region_edges = (
            edges[region] if edges else choose_edges(events, values, in_region, region, config, scores.signal)
        )
        yields[region] = _histogram(events, values, in_region, region_edges, binning.observable)
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
        raise YieldError(
            f"region '{region}': its observable is 'final', but the cascade has no final discriminant; choose another "
            "observable or add cascade.final"
        )
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
    index, n_bins = bin_index(values, edges), len(edges) - 1
    for p, process in enumerate(events.processes):
        for v, variation in enumerate(variations):
            if process == DATA and variation != NOMINAL:
                continue
            # A weight variation weighs the nominal events anew; any other has events of its own and nominal weights.
            is_weight = variation in weight_variations
            code = events.variations.index(NOMINAL if is_weight else variation)
            rows = np.flatnonzero(in_region & (events.process == p) & (events.variation == code))
            weight = events.weights[variation if is_weight else NOMINAL][rows]
            cells["value"][p, v] = np.bincount(index[rows], weight, n_bins)
            cells["variance"][p, v] = np.bincount(index[rows], np.square(weight), n_bins)
    return histogram


def _require_numbers(events: Events, values: FeatureArray, in_region: BoolArray, observable: str, region: str) -> None:
    bad = in_region & np.isnan(values)
    if bad.any():
        process = events.processes[int(events.process[np.argmax(bad)])]
        raise YieldError(
            f"region '{region}': the observable '{observable}' has no value for {int(bad.sum())} events, the first of "
            f"process '{process}'; expected a number for every event: choose another observable or cut on what it needs"
        )


def _require_closure(events: Events, scores: Scores, yields: Yields) -> None:
    """Require that every selected event is in exactly one region, by the sums of weights of all regions."""
    in_any_region = scores.region >= 0
    weight = events.weights[NOMINAL]
    for p, process in enumerate(events.processes):
        for v, variation in enumerate(events.variations):
            rows = in_any_region & (events.process == p) & (events.variation == v)
            filled = sum(total(histogram, process, variation)[0] for histogram in yields.values())
            # Sums per bin and over all events round differently. The scale is the sum of absolute weights, because
            # with signed weights the sum itself may cancel.
            if abs(filled - weight[rows].sum()) > CLOSURE_TOLERANCE * max(np.abs(weight[rows]).sum(), 1.0):
                raise YieldError(
                    f"regions: process '{process}', variation '{variation}': the regions' yields sum to {filled:.9g}, "
                    f"expected the selected yield, {weight[rows].sum():.9g}; score the events again with this cascade"
                )
