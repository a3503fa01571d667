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
from cascadebdt.cascade.weights import effective_number
from cascadebdt.config import DATA, NOMINAL, BinningConfig, RegionsConfig
from cascadebdt.errors import YieldError
from cascadebdt.events import Events

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
    config : binning of control regions and signal region
    edges : bins of each region, found as `config` says if not given

    Raises
    ------
    YieldError
        If an observable is NaN, or if the regions' yields do not sum to the selected yield.
    """
    yields = {}
    for code, region in enumerate(scores.regions):
        in_region = scores.region == code
        is_signal_region = code == scores.signal_region
        binning = config.signal if is_signal_region else config.control
        values = _observable(events, scores, binning.observable, stage=min(code, len(scores.regions) - 2))
        _require_numbers(events, values, in_region, binning.observable, region)
        reference = events.of_process(scores.signal) if is_signal_region else ~events.of_process(scores.signal)
        found = edges or {region: _edges(events, values, in_region, reference, binning, scores.signal)}
        yields[region] = _histogram(events, values, in_region, found[region], binning.observable)
    _require_closure(events, scores, yields)
    return yields


def total(histogram: Histogram, process: str, variation: str = NOMINAL) -> tuple[float, float]:
    """Return the sum of weights of a process in a region and its statistical uncertainty."""
    axes = histogram.axes
    cells = histogram.view(flow=False)[axes[0].index(process), axes[1].index(variation)]
    return float(cells["value"].sum()), float(np.sqrt(cells["variance"].sum()))


def quantile_edges(values: FeatureArray, weights: FloatArray, n_bins: int) -> FloatArray:
    """Return inner edges that cut events into `n_bins` parts of equal weight, ``(<= n_bins - 1,) float64``.

    Negative weights count by their absolute value: edges are a choice, not a yield.
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(np.abs(weights[order]))
    if not len(cumulative) or cumulative[-1] == 0:
        return np.empty(0)
    wanted = np.arange(1, n_bins) / n_bins * cumulative[-1]
    return np.unique(values[order][np.searchsorted(cumulative, wanted)]).astype(np.float64)


def merge_edges(edges: FloatArray, values: FeatureArray, weights: FloatArray, *, minimum: float) -> FloatArray:
    """Drop inner edges, from the right, until every bin holds enough effective events and a positive sum.

    Parameters
    ----------
    edges : (n,) float64, increasing, the outermost included
    values, weights : (n_events,) of the background
    minimum : effective number of events, (sum w)^2 / sum w^2, per bin

    Returns
    -------
    (<= n,) float64, the outermost edges kept
    """
    bins = _bin_of(values, edges)
    kept, above = [edges[-1]], len(edges) - 1
    for lower in range(len(edges) - 2, 0, -1):
        inside = weights[(bins >= lower) & (bins < above)]
        if inside.sum() > 0 and effective_number(inside) >= minimum:
            kept.append(edges[lower])
            above = lower
    lowest = weights[bins < above]
    if len(kept) > 1 and (lowest.sum() <= 0 or effective_number(lowest) < minimum):
        kept.pop()
    return np.array([edges[0], *reversed(kept)])


def _observable(events: Events, scores: Scores, name: str, *, stage: int) -> FeatureArray:
    if name == "score":
        return np.asarray(scores.scores[:, stage])
    if name != "final":
        return events.columns[name]
    if scores.final is None:
        raise YieldError("regions.signal.observable: 'final' was asked for, but the cascade has no final discriminant")
    return scores.final


def _edges(
    events: Events,
    values: FeatureArray,
    in_region: BoolArray,
    reference: BoolArray,
    binning: BinningConfig,
    signal: str,
) -> FloatArray:
    """Return the edges configured, or find them from nominal simulation; data have no say."""
    if binning.bins != "auto":
        return np.array(binning.bins)
    simulated = in_region & events.is_nominal & ~events.is_data
    if not simulated.any():
        return np.array([0.0, 1.0])
    weights = events.weights[NOMINAL]
    inner = quantile_edges(values[simulated & reference], weights[simulated & reference], binning.n_bins)
    low, high = float(values[simulated].min()), float(values[simulated].max())
    high = high if high > low else float(np.nextafter(np.float32(low), np.float32(np.inf)))
    edges = np.array([low, *inner[(inner > low) & (inner < high)], high])
    background = simulated & ~events.of_process(signal)
    return merge_edges(edges, values[background], weights[background], minimum=binning.min_effective_events)


def _bin_of(values: FeatureArray, edges: FloatArray) -> FloatArray:
    """Return bin indices, values outside the edges in the outermost bins."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)


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
    bins, n_bins = _bin_of(values, edges), len(edges) - 1
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
