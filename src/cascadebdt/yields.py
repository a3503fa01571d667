"""Events and regions -> weighted histograms per process and variation.

`Yields` maps a region's name to a histogram with axes ``process``, ``variation`` and the region's observable, and with
sums of weights and of squared weights (`hist` storage ``Weight``). Values outside the outermost edges count in the
outermost bins, so that a region's yield is the yield of its events.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import hist
import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.cascade import Scores
from cascadebdt.config import DATA, NOMINAL, RegionsConfig
from cascadebdt.errors import YieldError
from cascadebdt.events import Events
from cascadebdt.regions import SIGNAL_REGION

logger = logging.getLogger(__name__)

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
        found = edges[region] if edges else _edges(events, values, in_region, region, config, scores.signal)
        yields[region] = _histogram(events, values, in_region, found, binning.observable)
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


@dataclass(frozen=True)
class Demand:
    """What every bin must hold: a positive sum of weights, and effective events, (sum w)^2 / sum w^2.

    Attributes
    ----------
    values, weights : (n_events,) of the events that count
    minimum : effective number of events per bin
    """

    values: FeatureArray
    weights: FloatArray
    minimum: float

    def contents(self, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the sums of weights and of squared weights in bins, ``(n_bins,)`` each."""
        bins, n_bins = _bin_of(self.values, edges), len(edges) - 1
        sums, squares = (np.bincount(bins, by, n_bins) for by in (self.weights, np.square(self.weights)))
        return np.asarray(sums, np.float64), np.asarray(squares, np.float64)

    def is_met(self, edges: FloatArray) -> bool:
        """Whether every bin holds enough."""
        sums, squares = self.contents(edges)
        return bool(np.all((sums > 0) & (sums**2 >= self.minimum * squares)))


def merge_edges(edges: FloatArray, demands: Sequence[Demand]) -> FloatArray:
    """Drop inner edges, from the right, until every bin meets every demand, or only one bin is left.

    Parameters
    ----------
    edges : (n,) float64, increasing, the outermost included
    demands : on the background, and on single processes

    Returns
    -------
    (<= n,) float64, the outermost edges kept
    """
    contents = [np.stack(demand.contents(edges)) for demand in demands]
    minima = np.array([demand.minimum for demand in demands])

    def is_enough(first: int, stop: int) -> bool:
        sums, squares = np.array([content[:, first:stop].sum(axis=1) for content in contents]).T
        return bool(np.all((sums > 0) & (sums**2 >= minima * squares)))

    kept, above = [edges[-1]], len(edges) - 1
    for lower in range(len(edges) - 2, 0, -1):
        if is_enough(lower, above):
            kept.append(edges[lower])
            above = lower
    if len(kept) > 1 and not is_enough(0, above):
        kept.pop()
    return np.array([edges[0], *reversed(kept)])


def _observable(events: Events, scores: Scores, name: str, region: str, *, stage: int) -> FeatureArray:
    if name == "score":
        return np.asarray(scores.scores[:, stage])
    if name != "final":
        return events.columns[name]
    if scores.final is None:
        raise YieldError(f"region {region}: 'final' was asked for, but the cascade has no final discriminant")
    return scores.final


def _edges(
    events: Events, values: FeatureArray, in_region: BoolArray, region: str, config: RegionsConfig, signal: str
) -> FloatArray:
    """Return the edges configured, or find them from nominal simulation; data have no say."""
    binning = config.binning(region)
    simulated = in_region & events.is_nominal & ~events.is_data
    background = simulated & ~events.of_process(signal)
    weights = events.weights[NOMINAL]
    if binning.bins != "auto":
        edges = np.array(binning.bins)
        if config.empty_bins != "merge":
            return edges
        return _merged(edges, [Demand(values[background], weights[background], 0.0)], region)
    if not simulated.any():
        return np.array([0.0, 1.0])
    reference = simulated & events.of_process(signal) if region == SIGNAL_REGION else background
    inner = quantile_edges(values[reference], weights[reference], binning.n_bins)
    low, high = float(values[simulated].min()), float(values[simulated].max())
    high = high if high > low else float(np.nextafter(np.float32(low), np.float32(np.inf)))
    edges = np.array([low, *inner[(inner > low) & (inner < high)], high])
    demands = [Demand(values[background], weights[background], binning.min_effective_events)]
    for process, minimum in binning.min_effective_events_per_process.items():
        rows = simulated & events.of_process(process)
        demands.append(Demand(values[rows], weights[rows], minimum))
    found = merge_edges(edges, demands)
    if len(found) == 2 and not all(demand.is_met(found) for demand in demands):
        logger.warning("region '%s': even a single bin holds fewer effective events than regions asks for", region)
    return found


def _merged(edges: FloatArray, demands: Sequence[Demand], region: str) -> FloatArray:
    """Merge configured bins, and say so."""
    found = merge_edges(edges, demands)
    if len(found) < len(edges):
        logger.warning(
            "region '%s': bins %s have no positive background and are merged with their neighbours; edges left: %s",
            region,
            np.flatnonzero(~(demands[0].contents(edges)[0] > 0)).tolist(),
            found.tolist(),
        )
    return found


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
