"""Edges of bins: quantiles of simulated events, merged until every bin holds enough background; data have no say."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.config import NOMINAL, RegionsConfig
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.events import Events

logger = logging.getLogger(__name__)


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
        bins, n_bins = bin_of(self.values, edges), len(edges) - 1
        sums, squares = (np.bincount(bins, by, n_bins) for by in (self.weights, np.square(self.weights)))
        return np.asarray(sums, np.float64), np.asarray(squares, np.float64)

    def is_met(self, edges: FloatArray) -> bool:
        """Whether every bin holds enough."""
        sums, squares = self.contents(edges)
        return bool(np.all((sums > 0) & (sums**2 >= self.minimum * squares)))


def choose(
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
    quantiles_of = binning.quantiles or ("signal" if region == SIGNAL_REGION else "background")
    reference = simulated & events.of_process(signal) if quantiles_of == "signal" else background
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
    starts = merge_bins([demand.contents(edges) for demand in demands], [demand.minimum for demand in demands])
    return np.append(edges[starts], edges[-1])


def merge_bins(contents: Sequence[tuple[FloatArray, FloatArray]], minima: Sequence[float]) -> IntArray:
    """Merge bins with their neighbours, from the right, until each holds enough, or only one is left.

    Parameters
    ----------
    contents : sums of weights and of squared weights, ``(n_bins,)`` each, of everything that is to be enough
    minima : effective number of events, (sum w)^2 / sum w^2, that each of these needs; its sum must be positive, too

    Returns
    -------
    (<= n_bins,) int64, the first of the bins that each merged bin is made of; the first of all is 0
    """
    stacked, n_bins = np.array(contents), len(contents[0][0])

    def is_enough(first: int, stop: int) -> bool:
        sums, squares = stacked[:, :, first:stop].sum(axis=2).T
        return bool(np.all((sums > 0) & (sums**2 >= np.array(minima) * squares)))

    starts, above = [], n_bins
    for lower in range(n_bins - 1, 0, -1):
        if is_enough(lower, above):
            starts.append(lower)
            above = lower
    if starts and not is_enough(0, above):
        starts.pop()
    return np.array([0, *reversed(starts)])


def bin_of(values: FeatureArray, edges: FloatArray) -> FloatArray:
    """Return bin indices, values outside the edges in the outermost bins."""
    return np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
