"""Events and regions -> weighted histograms per process and variation.

`Yields` maps a region's name to a histogram with axes ``process``, ``variation`` and the region's observable, and with
sums of weights and of squared weights (`hist` storage ``Weight``). Values outside the outermost edges count in the
outermost bins, so that a region's yield is the yield of its events.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import hist
import numpy as np

from cascadebdt.arrays import FEATURE, BoolArray, FeatureArray, FloatArray, IntArray, RegionArray
from cascadebdt.config import DATA, NOMINAL, BinChoiceConfig, BinningConfig, RegionsConfig
from cascadebdt.config.region_names import is_control, is_validation
from cascadebdt.errors import YieldError
from cascadebdt.events import Events
from cascadebdt.histograms import sensitivity
from cascadebdt.histograms.binning import bin_index, cells, choose_edges, fine_edges

if TYPE_CHECKING:
    from cascadebdt.cascade import Scores


Histogram: TypeAlias = "hist.Hist[Any]"
Yields: TypeAlias = "dict[str, Histogram]"

N_FINE = 40
"""Quantiles of the signal, and as many of the background, that bins by sensitivity are merged from."""
CLOSURE_TOLERANCE = 1e-9
"""Relative difference of two sums of the same float64 weights: far above rounding, far below one event."""


def fill(
    events: Events, scores: "Scores", config: RegionsConfig, *, edges: Mapping[str, FloatArray] | None = None
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
    values = observables(events, scores, config)
    if edges is None:
        edges = edges_of_regions(events, values, scores.region, scores.regions, scores.signal, config)
    filling = Filling(config, edges)
    filling.add(events, scores, values)
    return filling.yields()


class Filling:
    """Histograms of regions that are filled block by block.

    Weights are added in the order of their events, so that blocks give the bits of all their events at once.

    Parameters
    ----------
    config : binning of the regions
    edges : bin edges of each region
    """

    def __init__(self, config: RegionsConfig, edges: Mapping[str, FloatArray]) -> None:
        self._config = config
        self._edges = edges
        self._yields: Yields = {}
        self._selected: dict[tuple[str, str], tuple[float, float]] = {}  # sums of weights, and of absolute ones

    def add(self, events: Events, scores: "Scores", values: FeatureArray) -> None:
        """Add the events of a block with the `observables` of their regions."""
        for code, region in enumerate(scores.regions):
            edges = self._edges[region]
            if region not in self._yields:
                self._yields[region] = _empty(events, edges, self._config.binning(region).observable)
            rows = np.flatnonzero(scores.region == code)
            _add(self._yields[region], events, rows, bin_index(values[rows], edges))
        for key, sums in _sums(events, scores).items():
            before = self._selected.get(key, (0.0, 0.0))
            self._selected[key] = (before[0] + sums[0], before[1] + sums[1])

    def yields(self) -> Yields:
        """Return the histograms of what was added.

        Raises
        ------
        YieldError
            If they do not sum to the selected yield.
        """
        _require_closure(self._selected, self._yields)
        return self._yields


def total(histogram: Histogram, process: str, variation: str = NOMINAL) -> tuple[float, float]:
    """Return the sum of weights of a process in a region and its statistical uncertainty."""
    axes = histogram.axes
    cells = histogram.view(flow=False)[axes[0].index(process), axes[1].index(variation)]
    return float(cells["value"].sum()), float(np.sqrt(cells["variance"].sum()))


def observables(events: Events, scores: "Scores", config: RegionsConfig) -> FeatureArray:
    """Return the observable of the region that each event is in, ``(n_events,) float32``.

    Raises
    ------
    YieldError
        If one is NaN.
    """
    values = np.full(len(events), np.nan, FEATURE)
    for code, region in enumerate(scores.regions):
        rows = np.flatnonzero(scores.region == code)
        # The signal region has no stage of its own: its score is the last stage's.
        stage = min(int(scores.stage_of_region[code]), len(scores.stages) - 1)
        name = config.binning(region).observable
        values[rows] = _observable(events, scores, name, region, stage=stage)[rows]
        _require_numbers(events, values[rows], rows, name, region)
    return values


def edges_of_regions(
    events: Events,
    values: FeatureArray,
    region_of: RegionArray,
    regions: Sequence[str],
    signal: str,
    config: RegionsConfig,
) -> dict[str, FloatArray]:
    """Return the bin edges of every region as `config` says.

    Parameters
    ----------
    events : nominal simulation counts; columns are not needed
    values : (n_events,) float32, see `observables`
    region_of : (n_events,) int8, codes into `regions`
    signal : name of the signal process
    """
    edges = {
        region: choose_edges(events, values, region_of == code, region, config, signal)
        for code, region in enumerate(regions)
    }
    for code, region in enumerate(regions):
        choice = config.binning(region).bins
        if isinstance(choice, BinChoiceConfig):
            elsewhere = _information(events, values, region_of, regions, signal, edges, without=region)
            edges[region] = _sensitive(
                events, values, region_of == code, signal, elsewhere, config.binning(region), choice
            )
    return edges


def _information(
    events: Events,
    values: FeatureArray,
    region_of: RegionArray,
    regions: Sequence[str],
    signal: str,
    edges: Mapping[str, FloatArray],
    *,
    without: str,
) -> FloatArray:
    """Return the information of all regions that are fitted but one, ``(n_processes, n_processes)``."""
    others = [(code, name) for code, name in enumerate(regions) if name != without and not is_validation(name)]
    parts = [
        cells(events, values, region_of == code, signal, edges[name]).information.sum(axis=0) for code, name in others
    ]
    n_processes = len([name for name in events.processes if name != DATA])
    return np.asarray(np.sum(parts, axis=0)) if parts else np.zeros((n_processes, n_processes))


def _sensitive(
    events: Events,
    values: FeatureArray,
    in_region: BoolArray,
    signal: str,
    elsewhere: FloatArray,
    binning: BinningConfig,
    choice: BinChoiceConfig,
) -> FloatArray:
    """Return the edges of the bins that measure the signal best."""
    fine = fine_edges(events, values, in_region, signal, N_FINE)
    floors = sensitivity.Floors(binning.min_effective_events, choice.min_effective_events_each)
    starts = sensitivity.choose(
        cells(events, values, in_region, signal, fine), elsewhere, binning.n_bins, floors, monotone=choice.monotone
    )
    return np.append(fine[starts], fine[-1])


def _observable(events: Events, scores: "Scores", name: str, region: str, *, stage: int) -> FeatureArray:
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


def _empty(events: Events, edges: FloatArray, observable: str) -> Histogram:
    return hist.Hist(
        hist.axis.StrCategory(events.processes, name="process"),
        hist.axis.StrCategory(_variations(events), name="variation"),
        hist.axis.Variable(edges, name=observable, flow=False),
        storage=hist.storage.Weight(),
    )


def _variations(events: Events) -> list[str]:
    return [*events.variations, *(name for name in events.weights if name != NOMINAL)]


def _add(histogram: Histogram, events: Events, rows: IntArray, index: IntArray) -> None:
    """Add the events of some rows, whose bins are `index`, to the histogram of their region."""
    cells: Any = histogram.view()
    values, variances = cells["value"], cells["variance"]
    process_of_row, variation_of_row = events.process[rows], events.variation[rows]
    for p, process in enumerate(events.processes):
        for v, variation in enumerate(_variations(events)):
            if process == DATA and variation != NOMINAL:
                continue
            # A weight variation weighs the nominal events anew; any other has events of its own and nominal weights.
            is_weight = v >= len(events.variations)
            code = events.variations.index(NOMINAL if is_weight else variation)
            chosen = np.flatnonzero((process_of_row == p) & (variation_of_row == code))
            weight = events.weights[variation if is_weight else NOMINAL][rows[chosen]]
            values[p, v] = added(values[p, v], index[chosen], weight)
            variances[p, v] = added(variances[p, v], index[chosen], np.square(weight))


def added(total: FloatArray, index: IntArray, weights: FloatArray) -> FloatArray:
    """Add weights to the cells of a total one after the other, ``(n_cells,) float64``.

    `numpy.bincount` does so from zero; sums that are there come first. Blocks added in turn thus give the bits of all
    of their weights at once.
    """
    if total.any():
        index, weights = np.concatenate([np.arange(len(total)), index]), np.concatenate([total, weights])
    return np.asarray(np.bincount(index, weights, len(total)), np.float64)


def _require_numbers(events: Events, values: FeatureArray, rows: IntArray, observable: str, region: str) -> None:
    bad = np.isnan(values)
    if bad.any():
        process = events.processes[int(events.process[rows[np.argmax(bad)]])]
        raise YieldError(
            f"region '{region}': the observable '{observable}' has no value for {int(bad.sum())} events, the first of "
            f"process '{process}'; expected a number for every event: choose another observable or cut on what it needs"
        )


def _sums(events: Events, scores: "Scores") -> dict[tuple[str, str], tuple[float, float]]:
    """Return process, variation -> sum of the nominal weights of the events in any region, and of absolute ones."""
    in_any_region = scores.region >= 0
    sums = {}
    for p, process in enumerate(events.processes):
        for v, variation in enumerate(events.variations):
            weight = events.weights[NOMINAL][in_any_region & (events.process == p) & (events.variation == v)]
            sums[process, variation] = (float(weight.sum()), float(np.abs(weight).sum()))
    return sums


def _require_closure(selected: Mapping[tuple[str, str], tuple[float, float]], yields: Yields) -> None:
    """Require that every selected event is in exactly one region, by the sums of weights of all regions."""
    for (process, variation), (expected, scale) in selected.items():
        filled = sum(total(histogram, process, variation)[0] for histogram in yields.values())
        # Sums per bin and over all events round differently. The scale is the sum of absolute weights, because with
        # signed weights the sum itself may cancel.
        if abs(filled - expected) > CLOSURE_TOLERANCE * max(scale, 1.0):
            raise YieldError(
                f"regions: process '{process}', variation '{variation}': the regions' yields sum to {filled:.9g}, "
                f"expected the selected yield, {expected:.9g}; score the events again with this cascade"
            )
