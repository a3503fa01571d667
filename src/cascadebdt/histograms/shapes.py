"""Shapes that the backgrounds of the signal region may borrow: of a looser selection, or of all simulation.

A process that has few simulated events in the signal region has a template with large steps. `config.templates` says
which other events tell its shape; `workspace` scales the shape to the yield of the process and gives it uncertainties.
"""

from dataclasses import replace
from functools import cached_property

import hist
import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import Cascade, Scores, WorkingPoint
from cascadebdt.cascade.densities import weights_as
from cascadebdt.config import DATA, NOMINAL, Config
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.events import Events
from cascadebdt.histograms.binning import bin_index
from cascadebdt.histograms.sums import Sums
from cascadebdt.histograms.yields import Yields, histogram_of, observables


class Shapes:
    """Sums of weights of the events that tell shapes, block by block with the same bits whatever the blocks.

    Parameters
    ----------
    config : the analysis
    cascade : that scores
    edges : bin edges of the signal region
    sums : where the weights are added
    """

    def __init__(self, config: Config, cascade: Cascade, edges: FloatArray, sums: Sums | None = None) -> None:
        self._config = config
        self._cascade = cascade
        self._edges = edges
        self._sums = Sums() if sums is None else sums
        self._names: dict[str, None] = {}

    def add(self, events: Events, scores: Scores, values: FeatureArray) -> None:
        """Add the nominal simulation of a block with the observables of its regions."""
        simulated = events.is_nominal & ~events.is_data
        if self._config.templates.shapes == "likelihood":
            rows = np.flatnonzero(simulated & (scores.region == scores.signal_region))
            weights = weights_as(self._cascade, events, scores, rows)
            total = np.sum(list(weights.values()), axis=0)
            for name, weight in weights.items():
                # All processes share these events. The covariance with the sum, and not the variance, makes the
                # variances of the processes add up to that of the sum, the only one that a fit needs.
                self._add(name, bin_index(values[rows], self._edges), weight, weight * total)
        elif self._config.templates.shapes == "selection":
            loose = events.take(simulated)
            index = bin_index(self._loose_observable(loose), self._edges)
            for name in (name for name in events.processes if name not in (scores.signal, DATA)):
                rows = np.flatnonzero(loose.of_process(name))
                weight = loose.weights[NOMINAL][rows]
                self._add(name, index[rows], weight, np.square(weight))

    def _add(self, process: str, index: IntArray, weights: FloatArray, squares: FloatArray) -> None:
        self._names[process] = None
        self._sums.add(f"shape of {process}, weights", len(self._edges) - 1, index, weights)
        self._sums.add(f"shape of {process}, squared weights", len(self._edges) - 1, index, squares)

    def _loose_observable(self, events: Events) -> FeatureArray:
        """Return the observable of the signal region for all events, as if every one passed all stages."""
        name = self._config.regions.signal.observable
        if name in events.columns:
            return events.columns[name]
        return observables(events, self._uncut.score(events, unblind=True), self._config.regions)

    @cached_property
    def _uncut(self) -> Cascade:
        everything = WorkingPoint(np.float32(0), None, {}, None)
        stages = tuple(replace(stage, working_point=everything) for stage in self._cascade.stages)
        return replace(self._cascade, stages=stages)

    @property
    def histograms(self) -> Yields:
        """The sums of each background in the bins of the signal region; nothing if shapes are a process's own."""
        if not self._names:
            return {}
        axes = (
            hist.axis.StrCategory(list(self._names), name="process"),
            hist.axis.StrCategory([NOMINAL], name="variation"),
            hist.axis.Variable(self._edges, name=self._config.regions.signal.observable, flow=False),
        )
        sumw, sumw2 = (
            np.concatenate([self._sums.of(f"shape of {name}, {what}") for name in self._names])
            for what in ("weights", "squared weights")
        )
        return {SIGNAL_REGION: histogram_of(axes, sumw, sumw2)}
