"""Events and regions -> weighted histograms per process and variation.

`Yields` maps a region's name to a histogram with axes ``process``, ``variation`` and the region's observable, and with
sums of weights and of squared weights (`hist` storage ``Weight``). Values outside the outermost edges count in the
outermost bins, so that a region's yield is the yield of its events.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeAlias

import hist
import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, BoolArray, FeatureArray, FloatArray, IntArray, RegionArray
from cascadebdt.config import DATA, NOMINAL, BinChoiceConfig, BinningConfig, RegionsConfig
from cascadebdt.config.region_names import is_control, is_validation
from cascadebdt.errors import YieldError
from cascadebdt.events import Events
from cascadebdt.histograms import sensitivity
from cascadebdt.histograms.binning import bin_index, cells, choose_edges, fine_edges
from cascadebdt.histograms.sums import Sums

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
    """Histograms of regions that are filled block by block, with the same bits whatever the blocks.

    Parameters
    ----------
    config : binning of the regions
    edges : bin edges of each region
    sums : where the weights are added
    """

    def __init__(self, config: RegionsConfig, edges: Mapping[str, FloatArray], sums: Sums | None = None) -> None:
        self._config = config
        self._edges = edges
        self._sums = Sums() if sums is None else sums
        self._names: tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]] = ((), (), ())

    def add(self, events: Events, scores: "Scores", values: FeatureArray) -> None:
        """Add the events of a block with the `observables` of their regions."""
        self._names = (events.processes, events.variations, tuple(name for name in events.weights if name != NOMINAL))
        for code, region in enumerate(scores.regions):
            rows = np.flatnonzero(scores.region == code)
            self._add(region, events, rows, bin_index(values[rows], self._edges[region]))
        rows = np.flatnonzero(scores.region >= 0)
        weights = events.weights[NOMINAL][rows]
        cells = events.process[rows].astype(np.int64) * len(events.variations) + events.variation[rows]
        n_cells = len(events.processes) * len(events.variations)
        self._sums.add("selected", n_cells, cells, weights)
        self._sums.add("selected, absolute", n_cells, cells, np.abs(weights))

    def _add(self, region: str, events: Events, rows: IntArray, index: IntArray) -> None:
        """Add the events of some rows, whose bins are `index`, to the histogram of their region.

        A weight variation weighs the nominal events anew; any other has events of its own and nominal weights.
        """
        variations, n_bins = [*events.variations, *self._names[2]], len(self._edges[region]) - 1
        first_of_process = events.process[rows].astype(np.int64) * (len(variations) * n_bins)
        is_nominal, is_data = events.is_nominal[rows], events.is_data[rows]
        own = np.flatnonzero(is_nominal | ~is_data)
        nominal = np.flatnonzero(is_nominal & ~is_data)
        parts = [(own, events.variation[rows[own]].astype(np.int64), NOMINAL)]
        parts += [(nominal, np.full(len(nominal), variations.index(name)), name) for name in self._names[2]]
        for chosen, variation, name in parts:
            cells = first_of_process[chosen] + variation * n_bins + index[chosen]
            weight = events.weights[name][rows[chosen]]
            n_cells = len(events.processes) * len(variations) * n_bins
            self._sums.add(f"{region}, weights", n_cells, cells, weight)
            self._sums.add(f"{region}, squared weights", n_cells, cells, np.square(weight))

    def yields(self) -> Yields:
        """Return the histograms of what was added.

        Raises
        ------
        YieldError
            If they do not sum to the selected yield.
        """
        processes, variations, _ = self._names
        regions = list(self._edges) if processes else []
        filled = {region: self._histogram(region) for region in regions}
        keys = [(process, variation) for process in processes for variation in variations]
        sums = (self._sums.of(table).tolist() for table in ("selected", "selected, absolute")) if keys else ([], [])
        _require_closure(dict(zip(keys, zip(*sums, strict=True), strict=True)), filled)
        return filled

    def _histogram(self, region: str) -> Histogram:
        processes, variations, weights = self._names
        axes = (
            hist.axis.StrCategory(processes, name="process"),
            hist.axis.StrCategory([*variations, *weights], name="variation"),
            hist.axis.Variable(self._edges[region], name=self._config.binning(region).observable, flow=False),
        )
        return histogram_of(axes, self._sums.of(f"{region}, weights"), self._sums.of(f"{region}, squared weights"))


def histogram_of(axes: Sequence[Any], sumw: FloatArray, sumw2: FloatArray) -> Histogram:
    """Return a histogram of sums of weights and of squared weights, ``(n_cells,)`` each."""
    histogram: Histogram = hist.Hist(*axes, storage=hist.storage.Weight())
    cells: Any = histogram.view()
    cells["value"], cells["variance"] = sumw.reshape(cells.shape), sumw2.reshape(cells.shape)
    return histogram


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
    """Return the bin edges of every region as `config` says, the same bits in whatever order the events come.

    Parameters
    ----------
    events : nominal simulation counts; columns are not needed
    values : (n_events,) float32, see `observables`
    region_of : (n_events,) int8, codes into `regions`
    signal : name of the signal process
    """
    events, values, region_of = _in_order(events, values, region_of)
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


def _in_order(events: Events, values: FeatureArray, region_of: RegionArray) -> tuple[Events, FeatureArray, RegionArray]:
    """Return nominal simulation in an order in which only rows tie that are equal in all that counts."""
    rows = np.flatnonzero(events.is_nominal & ~events.is_data)
    weights = {NOMINAL: events.weights[NOMINAL]}
    keys: list[AnyArray] = [weights[NOMINAL][rows], values[rows], events.process[rows], region_of[rows]]
    rows = rows[np.lexsort(keys)]
    return replace(events, columns={}, weights=weights).take(rows), values[rows], region_of[rows]


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


def _require_numbers(events: Events, values: FeatureArray, rows: IntArray, observable: str, region: str) -> None:
    bad = np.isnan(values)
    if bad.any():
        process = events.processes[int(events.process[rows[np.argmax(bad)]])]
        raise YieldError(
            f"region '{region}': the observable '{observable}' has no value for {int(bad.sum())} events, the first of "
            f"process '{process}'; expected a number for every event: choose another observable or cut on what it needs"
        )


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
