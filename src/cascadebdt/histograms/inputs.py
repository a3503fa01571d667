"""What the BDTs read: histograms of the features, in every region and of what reaches every stage."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import hist
import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.events import Events
from cascadebdt.forest import trees
from cascadebdt.forest.trees import UnsupportedModelError
from cascadebdt.histograms.binning import bin_index
from cascadebdt.histograms.contents import from_uhi, to_uhi
from cascadebdt.histograms.yields import Histogram, added
from cascadebdt.records import Json

if TYPE_CHECKING:
    from cascadebdt.cascade import Cascade, Scores

N_BINS = 20
CORE = (0.02, 0.98)  # quantiles of the values where trees split, which the bins reach beyond
MARGIN = 0.15  # of their distance
ROUNDING = 1e-6  # how far a split is from a multiple of 1/2, of a feature that counts


@dataclass(frozen=True, eq=False)
class Inputs:
    """Histograms of the features: ``inputs.json``.

    Values beyond the bins count in the outermost ones; events without a value are in none.

    Attributes
    ----------
    regions : feature -> histogram with axes region, process and the feature; data of the signal region while blind are
        not in it
    stages : feature -> histogram with axes stage, process and the feature, of the simulated events that reach a stage
    """

    regions: dict[str, Histogram]
    stages: dict[str, Histogram]

    def to_json(self) -> Json:
        """Return the histograms as the JSON of the Unified Histogram Interface."""
        return to_uhi(vars(self))

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the histograms that `to_json` wrote.

        Raises
        ------
        InputError
            If they are not histograms.
        """
        return cls(*from_uhi(content, "regions", "stages"))


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
    """

    def __init__(self, edges: Mapping[str, FloatArray]) -> None:
        self._edges = edges
        self._sums: dict[tuple[str, str], tuple[FloatArray, FloatArray]] = {}
        self._axes: dict[str, list[str]] = {}

    def add(self, events: Events, scores: "Scores") -> None:
        """Add the nominal events of a block."""
        self._axes = {"region": [*scores.regions], "stage": [*scores.stages], "process": [*events.processes]}
        n_processes = len(events.processes)
        in_region = np.flatnonzero(events.is_nominal & (scores.region >= 0))
        simulated = np.flatnonzero(events.is_nominal & ~events.is_data)
        groups = (
            ("region", in_region, scores.region[in_region].astype(np.int64) * n_processes + events.process[in_region]),
            ("stage", simulated, scores.reached[simulated].astype(np.int64) * n_processes + events.process[simulated]),
        )
        n_groups = max(len(scores.regions), len(scores.stages) + 1) * n_processes
        for name, edges in self._edges.items():
            for axis, rows, group in groups:
                self._add(axis, name, events, rows, group, edges, n_groups)

    def _add(
        self,
        axis: str,
        name: str,
        events: Events,
        rows: IntArray,
        group: IntArray,
        edges: FloatArray,
        n_groups: int,
    ) -> None:
        values, weights = events.columns[name][rows], events.weights[NOMINAL][rows]
        kept = np.flatnonzero(~np.isnan(values))
        cells = group[kept] * (len(edges) - 1) + bin_index(values[kept], edges)
        empty = np.zeros(n_groups * (len(edges) - 1))
        before = self._sums.get((axis, name), (empty, empty))
        self._sums[axis, name] = (
            added(before[0], cells, weights[kept]),
            added(before[1], cells, np.square(weights[kept])),
        )

    @property
    def inputs(self) -> Inputs:
        """The histograms of what was added."""
        return Inputs(
            *(
                {name: self._histogram(axis, name) for of_axis, name in self._sums if of_axis == axis}
                for axis in ("region", "stage")
            )
        )

    def _histogram(self, axis: str, name: str) -> Histogram:
        processes, edges = self._axes["process"], self._edges[name]
        shape = (-1, len(processes), len(edges) - 1)
        sums, variances = (part.reshape(shape) for part in self._sums[axis, name])
        if axis == "stage":  # what ends at a later one has reached those before it
            sums, variances = (np.cumsum(part[::-1], axis=0)[::-1] for part in (sums, variances))
            kept = [index for index, process in enumerate(processes) if process != DATA]
            processes, sums, variances = [processes[index] for index in kept], sums[:, kept], variances[:, kept]
        made: Histogram = hist.Hist(
            hist.axis.StrCategory(self._axes[axis], name=axis),
            hist.axis.StrCategory(processes, name="process"),
            hist.axis.Variable(edges, name=name, flow=False),
            storage=hist.storage.Weight(),
        )
        cells: Any = made.view()
        n_names = len(self._axes[axis])
        cells["value"], cells["variance"] = sums[:n_names], variances[:n_names]
        return made
