"""Bin edges of a region: as configured, or quantiles of simulated events merged until every bin holds enough of them.

Data are not used, so that the edges do not follow fluctuations of the data that are fitted in them.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL, BinningConfig, RegionsConfig
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.histograms import sensitivity

if TYPE_CHECKING:
    from cascadebdt.events import Events

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Requirement:
    """Events of which every bin must hold a positive sum of weights and enough effective events, (sum w)^2 / sum w^2.

    Attributes
    ----------
    values : (n_events,) float32, the observable
    weights : (n_events,) float64
    min_effective_events : per bin
    """

    values: FeatureArray
    weights: FloatArray
    min_effective_events: float

    def sums(self, edges: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the sums of weights and of squared weights, ``(n_bins,) float64`` each."""
        index, n_bins = bin_index(self.values, edges), len(edges) - 1
        sumw, sumw2 = (np.bincount(index, weights, n_bins) for weights in (self.weights, np.square(self.weights)))
        return np.asarray(sumw, np.float64), np.asarray(sumw2, np.float64)

    def is_met(self, edges: FloatArray) -> bool:
        """Return whether every bin holds enough."""
        sumw, sumw2 = self.sums(edges)
        return bool(_is_enough(sumw, sumw2, self.min_effective_events).all())


def choose_edges(
    events: "Events", values: FeatureArray, in_region: BoolArray, region: str, config: RegionsConfig, signal: str
) -> FloatArray:
    """Return the edges of a region's bins as its configuration asks for them, from nominal simulation.

    Parameters
    ----------
    events : selected events
    values : (n_events,) float32, the region's observable
    in_region : (n_events,) bool
    region, signal : names of the region and of the signal process

    Returns
    -------
    (n_bins + 1,) float64, increasing
    """
    binning = config.binning(region)
    simulated = in_region & events.is_nominal & ~events.is_data
    background = simulated & ~events.of_process(signal)
    if binning.edges is None:
        quantiles_of = binning.quantiles or ("signal" if region == SIGNAL_REGION else "background")
        source = simulated & events.of_process(signal) if quantiles_of == "signal" else background
        requirements = _requirements(events, values, simulated, background, binning)
        edges = _automatic_edges(
            values, events.weights[NOMINAL], simulated, source, binning.n_bins, requirements, region
        )
        return _with_enough_of_each(edges, events, values, in_region, signal, binning)
    edges = np.array(binning.edges)
    if config.empty_bins == "merge":
        return _merged_edges(edges, Requirement(values[background], events.weights[NOMINAL][background], 0.0), region)
    return edges


def fine_edges(events: "Events", values: FeatureArray, in_region: BoolArray, signal: str, n_fine: int) -> FloatArray:
    """Return quantiles of the simulated signal and of the background, `n_fine` bins of each, the extremes included."""
    simulated = in_region & events.is_nominal & ~events.is_data
    if not simulated.any():
        return np.array([0.0, 1.0])
    parts = [simulated & (events.of_process(signal) == is_signal) for is_signal in (True, False)]
    inner = [quantile_edges(values[rows], events.weights[NOMINAL][rows], n_fine) for rows in parts]
    low, high = values[simulated].min(), values[simulated].max()
    if low == high:
        high = np.nextafter(low, np.float32(np.inf))
    return np.unique(np.concatenate([[low, high], *inner]).astype(np.float64))


def cells(
    events: "Events", values: FeatureArray, in_region: BoolArray, signal: str, edges: FloatArray
) -> sensitivity.Cells:
    """Return the sums of nominal simulation in bins, the signal first."""
    rows = np.flatnonzero(in_region & events.is_nominal & ~events.is_data)
    names = [signal, *(name for name in events.processes if name not in (signal, DATA))]
    order = np.array([names.index(name) if name in names else -1 for name in events.processes])
    n_bins = len(edges) - 1
    cell = order[events.process[rows]] * n_bins + bin_index(values[rows], edges)
    weights = events.weights[NOMINAL][rows]
    sumw, sumw2 = (
        np.bincount(cell, factors, len(names) * n_bins).reshape(len(names), n_bins)
        for factors in (weights, np.square(weights))
    )
    totals = sumw.sum(axis=1)
    weight = np.divide(sumw2.sum(axis=1), totals, out=np.zeros(len(names)), where=totals > 0)
    return sensitivity.Cells(np.asarray(sumw, np.float64), np.asarray(sumw2, np.float64), weight)


def _requirements(
    events: "Events", values: FeatureArray, simulated: BoolArray, background: BoolArray, binning: BinningConfig
) -> list[Requirement]:
    """Return what every automatic bin must hold: enough background, and enough of single processes."""
    weights = events.weights[NOMINAL]
    requirements = [Requirement(values[background], weights[background], binning.min_effective_events)]
    for process, minimum in binning.min_effective_events_per_process.items():
        rows = simulated & events.of_process(process)
        requirements.append(Requirement(values[rows], weights[rows], minimum))
    return requirements


def _automatic_edges(
    values: FeatureArray,
    weights: FloatArray,
    simulated: BoolArray,
    source: BoolArray,
    n_bins: int,
    requirements: Sequence[Requirement],
    region: str,
) -> FloatArray:
    """Return quantiles of the events in `source` between the extremes of all simulated ones, merged as required."""
    if not simulated.any():
        return np.array([0.0, 1.0])
    low, high = float(values[simulated].min()), float(values[simulated].max())
    if low == high:
        high = float(np.nextafter(np.float32(low), np.float32(np.inf)))
    inner = quantile_edges(values[source], weights[source], n_bins)
    edges = merge_edges(np.array([low, *inner[(inner > low) & (inner < high)], high]), requirements)
    if len(edges) == 2 and not all(requirement.is_met(edges) for requirement in requirements):
        logger.warning(
            "region '%s': even a single bin holds fewer effective events than its configuration asks for", region
        )
    return edges


def _with_enough_of_each(
    edges: FloatArray,
    events: "Events",
    values: FeatureArray,
    in_region: BoolArray,
    signal: str,
    binning: BinningConfig,
) -> FloatArray:
    """Merge bins until every process that matters in one has enough effective events there."""
    if not binning.min_effective_events_each:
        return edges
    floors = sensitivity.Floors(binning.min_effective_events, binning.min_effective_events_each)
    starts = enough_of_each(cells(events, values, in_region, signal, edges), floors)
    return np.append(edges[starts], edges[-1])


def enough_of_each(found: sensitivity.Cells, floors: sensitivity.Floors) -> IntArray:
    """Return the first of the bins that each bin is made of, merged from the right as the floors ask."""
    n_bins = found.sumw.shape[1]
    return merged_from_right(n_bins, lambda first, stop: bool(found.joined(first, stop).has_enough(floors).all()))


def _merged_edges(edges: FloatArray, background: Requirement, region: str) -> FloatArray:
    """Merge configured bins without positive background with their neighbours, and log which."""
    merged = merge_edges(edges, [background])
    if len(merged) < len(edges):
        logger.warning(
            "region '%s': bins %s have no positive background and are merged with their neighbours; edges left: %s",
            region,
            np.flatnonzero(~(background.sums(edges)[0] > 0)).tolist(),
            merged.tolist(),
        )
    return merged


def quantile_edges(values: FeatureArray, weights: FloatArray, n_bins: int) -> FloatArray:
    """Return inner edges that cut events into `n_bins` parts of equal weight, ``(<= n_bins - 1,) float64``.

    Equal quantiles give one edge.
    """
    order = np.argsort(values, kind="stable")
    # Absolute weights: with signed ones the cumulative sum does not increase and a quantile is not unique. Edges only
    # place the bins; yields in them use the signed weights.
    cumulative = np.cumsum(np.abs(weights[order]))
    if not len(cumulative) or cumulative[-1] == 0:
        return np.empty(0)
    targets = np.arange(1, n_bins) / n_bins * cumulative[-1]
    return np.unique(values[order][np.searchsorted(cumulative, targets)]).astype(np.float64)


def merge_edges(edges: FloatArray, requirements: Sequence[Requirement]) -> FloatArray:
    """Drop inner edges, from the right, until every bin meets every requirement, or only one bin is left.

    Parameters
    ----------
    edges : (n,) float64, increasing, the outermost included
    requirements : on the background, and on single processes

    Returns
    -------
    (<= n,) float64, the outermost edges kept
    """
    starts = merge_bins(
        [requirement.sums(edges) for requirement in requirements],
        [requirement.min_effective_events for requirement in requirements],
    )
    return np.append(edges[starts], edges[-1])


def merge_bins(sums: Sequence[tuple[FloatArray, FloatArray]], min_effective_events: Sequence[float]) -> IntArray:
    """Merge bins with their neighbours, from the right, until each holds enough, or only one is left.

    Parameters
    ----------
    sums : sums of weights and of squared weights, ``(n_bins,)`` each, per requirement
    min_effective_events : (sum w)^2 / sum w^2 that a bin needs, per requirement; the sum of weights must be positive

    Returns
    -------
    (<= n_bins,) int64, the first of the bins that each merged bin is made of; the first of all is 0
    """
    stacked = np.array(sums)
    minima = np.array(min_effective_events)

    def holds_enough(first: int, stop: int) -> bool:
        sumw, sumw2 = stacked[:, :, first:stop].sum(axis=2).T
        return bool(_is_enough(sumw, sumw2, minima).all())

    return merged_from_right(len(sums[0][0]), holds_enough)


def merged_from_right(n_bins: int, holds_enough: Callable[[int, int], bool]) -> IntArray:
    """Return the first of the bins that each merged bin is made of, ``(<= n_bins,) int64``; the first of all is 0.

    Parameters
    ----------
    holds_enough : whether the bins from a first one up to, but without, another hold enough together
    """
    # From the right, because the rightmost bins are the purest in signal and the poorest in background: each becomes
    # as narrow as the requirements allow, and what is left over goes to the leftmost bin.
    starts, stop = [], n_bins
    for first in range(n_bins - 1, 0, -1):
        if holds_enough(first, stop):
            starts.append(first)
            stop = first
    if starts and not holds_enough(0, stop):
        starts.pop()
    return np.array([0, *reversed(starts)])


def _is_enough(sumw: FloatArray, sumw2: FloatArray, min_effective_events: FloatArray | float) -> BoolArray:
    """Compare (sum w)^2 / sum w^2 with its minimum, without a division by an empty bin's zero."""
    return np.asarray((sumw > 0) & (sumw**2 >= min_effective_events * sumw2))


def bin_index(values: FeatureArray, edges: FloatArray) -> IntArray:
    """Return the bin of each value; values outside the edges are in the outermost bins.

    A value on an inner edge is in the bin above it, as in NumPy, hist and ROOT. A value on the last edge is in the
    last bin, as in NumPy; hist and ROOT count it as overflow.
    """
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
