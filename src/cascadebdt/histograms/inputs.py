"""What the BDTs read: histograms of the features, in every region and of what reaches every stage."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import hist
import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL, SystematicConfig, sides
from cascadebdt.events import Events
from cascadebdt.forest import trees
from cascadebdt.forest.trees import UnsupportedModelError
from cascadebdt.histograms.binning import bin_index
from cascadebdt.histograms.deviations import Deviations
from cascadebdt.histograms.stored import Stored
from cascadebdt.histograms.sums import Sums
from cascadebdt.histograms.yields import Histogram, histogram_of

if TYPE_CHECKING:
    from cascadebdt.cascade import Cascade, Scores

N_BINS = 20
CORE = (0.02, 0.98)  # quantiles of the values where trees split, which the bins reach beyond
MARGIN = 0.15  # of their distance
ROUNDING = 1e-6  # how far a split is from a multiple of 1/2, of a feature that counts


@dataclass(frozen=True, eq=False)
class Inputs(Stored):
    """Histograms of the features: ``inputs.json``.

    Values beyond the bins count in the outermost ones; events without a value are in none.

    Attributes
    ----------
    regions : feature -> histogram with axes region, process and the feature; data of the signal region while blind are
        not in it
    stages : feature -> histogram with axes stage, process and the feature, of the simulated events that reach a stage
    systematics : feature -> histogram with axes region and the feature: the standard deviation of the total background
        by all systematics as they are configured, before they are smoothed, symmetrised or pruned for the fit
    """

    regions: dict[str, Histogram]
    stages: dict[str, Histogram]
    systematics: dict[str, Histogram] = field(default_factory=dict)


def edges_of_features(cascade: "Cascade") -> dict[str, FloatArray]:
    """Return bins of equal width for every feature that a tree of a stage splits on, around the values where they do.

    They depend on the trained models alone, so that events may come in any blocks. A feature that counts, whose trees
    split at whole and half numbers only, has bins of width 1.
    """
    splits: dict[str, list[AnyArray]] = {}
    for classifier in cascade.classifiers:
        for booster in classifier.boosters[:1]:  # those of other folds split at much the same values
            try:
                read = trees.read(booster)
            except UnsupportedModelError:
                continue
            for index, name in enumerate(classifier.features):
                chosen = read.value[read.is_split & (read.feature == index)]
                if len(chosen):
                    splits.setdefault(name, []).append(chosen)
    return {name: _edges(np.concatenate(parts).astype(np.float64)) for name, parts in splits.items()}


def _edges(splits: FloatArray) -> FloatArray:
    """Return bins around the values where trees split."""
    low, high = np.quantile(splits, CORE)
    if np.abs(2 * splits - np.round(2 * splits)).max() < ROUNDING and high - low < N_BINS:
        return np.arange(np.floor(low) - 1.5, np.ceil(high) + 1.0)
    reach = MARGIN * (high - low) if high > low else max(abs(low), 1.0)
    return np.linspace(low - reach, high + reach, N_BINS + 1)


class InputFilling:
    """Histograms of features that are filled block by block, with the same bits whatever the blocks.

    Parameters
    ----------
    edges : bins of every feature
    systematics : whose effects on the total background of the regions are filled, too
    sums : where the weights are added
    """

    def __init__(
        self,
        edges: Mapping[str, FloatArray],
        systematics: Sequence[SystematicConfig] = (),
        sums: Sums | None = None,
    ) -> None:
        self._edges = edges
        self._systematics = systematics
        self._sums = Sums() if sums is None else sums
        self._varied: dict[str, None] = {}
        self._axes: dict[str, list[str]] = {}
        self._signal = ""

    def add(self, events: Events, scores: "Scores") -> None:
        """Add the events of a block."""
        self._axes = {"region": [*scores.regions], "stage": [*scores.stages], "process": [*events.processes]}
        self._signal = scores.signal
        n_processes = len(events.processes)
        in_region = np.flatnonzero(events.is_nominal & (scores.region >= 0))
        simulated = np.flatnonzero(events.is_nominal & ~events.is_data)
        groups = (
            ("region", in_region, scores.region[in_region].astype(np.int64) * n_processes + events.process[in_region]),
            ("stage", simulated, scores.reached[simulated].astype(np.int64) * n_processes + events.process[simulated]),
        )
        n_groups = max(len(scores.regions), len(scores.stages) + 1) * n_processes
        varied = list(self._rows(events, scores))
        for name, edges in self._edges.items():
            n_cells = n_groups * (len(edges) - 1)
            for axis, rows, group in groups:
                self._add(axis, name, events, *_cells(events, name, rows, group, edges), n_cells)
            for rows, group, variations in varied:
                kept, cells = _cells(events, name, rows, group, edges)
                for variation, weight in variations.items():
                    self._varied[variation] = None
                    self._sums.add(f"{name} varied by {variation}", n_cells, cells, weight[kept])

    def _rows(self, events: Events, scores: "Scores") -> Iterator[tuple[IntArray, IntArray, dict[str, FloatArray]]]:
        """Yield rows of the backgrounds in the regions and the cells of their groups, with the variations they tell.

        Weight variations weigh the nominal events anew; others have events of their own and nominal weights.
        """
        wanted = [variation for systematic in self._systematics for variation in sides(systematic)]
        is_background = (scores.region >= 0) & ~events.is_data & ~events.of_process(scores.signal)
        weighted = {name: events.weights[name] for name in wanted if name in events.weights}
        parts = [(NOMINAL, weighted)] if weighted else []
        parts += [(name, {name: events.weights[NOMINAL]}) for name in wanted if name not in weighted]
        for variation, weights in parts:
            rows = np.flatnonzero(is_background & (events.variation == events.variations.index(variation)))
            group = scores.region[rows].astype(np.int64) * len(events.processes) + events.process[rows]
            yield rows, group, weights

    def _add(self, axis: str, name: str, events: Events, rows: IntArray, cells: IntArray, n_cells: int) -> None:
        weights = events.weights[NOMINAL][rows]
        self._sums.add(f"{name} by {axis}, weights", n_cells, cells, weights)
        self._sums.add(f"{name} by {axis}, squared weights", n_cells, cells, np.square(weights))

    @property
    def inputs(self) -> Inputs:
        """The histograms of what was added."""
        regions, stages = (
            {name: self._histogram(axis, name) for name in self._edges if self._axes} for axis in ("region", "stage")
        )
        return Inputs(regions, stages, self._deviations())

    def _deviations(self) -> dict[str, Histogram]:
        """Return the standard deviation of the total background by all systematics, in every region."""
        if not self._systematics or not self._axes:
            return {}
        regions, processes = self._axes["region"], self._axes["process"]
        backgrounds = ["" if name in (DATA, self._signal) else name for name in processes]
        deviations = Deviations.of(self._systematics, regions, backgrounds)
        made: dict[str, Histogram] = {}
        for name, edges in self._edges.items():
            shape = (-1, len(processes), len(edges) - 1)
            nominal = self._sums.of(f"{name} by region, weights").reshape(shape)[: len(regions)]
            of_feature = {
                variation: self._sums.of(f"{name} varied by {variation}").reshape(shape)[: len(regions)]
                for variation in self._varied
            }
            made[name] = hist.Hist(
                hist.axis.StrCategory(regions, name="region"),
                hist.axis.Variable(edges, name=name, flow=False),
                data=np.sqrt(deviations.variance(nominal, of_feature)),
            )
        return made

    def _histogram(self, axis: str, name: str) -> Histogram:
        processes, edges = self._axes["process"], self._edges[name]
        shape = (-1, len(processes), len(edges) - 1)
        sums, variances = (
            self._sums.of(f"{name} by {axis}, {what}").reshape(shape) for what in ("weights", "squared weights")
        )
        if axis == "stage":  # what ends at a later one has reached those before it
            sums, variances = (np.cumsum(part[::-1], axis=0)[::-1] for part in (sums, variances))
            kept = [index for index, process in enumerate(processes) if process != DATA]
            processes, sums, variances = [processes[index] for index in kept], sums[:, kept], variances[:, kept]
        axes = (
            hist.axis.StrCategory(self._axes[axis], name=axis),
            hist.axis.StrCategory(processes, name="process"),
            hist.axis.Variable(edges, name=name, flow=False),
        )
        n_names = len(self._axes[axis])
        return histogram_of(axes, sums[:n_names], variances[:n_names])


def _cells(events: Events, name: str, rows: IntArray, group: IntArray, edges: FloatArray) -> tuple[IntArray, IntArray]:
    """Return the rows that have a value of a feature, and their cells."""
    values = events.columns[name][rows]
    kept = np.flatnonzero(~np.isnan(values))
    return rows[kept], group[kept] * (len(edges) - 1) + bin_index(values[kept], edges)
