"""Scored events, block by block -> sums that do not depend on the blocks -> what the step `apply` makes."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, replace

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray
from cascadebdt.cascade import BLINDED, Cascade, Scores
from cascadebdt.config import DATA, NOMINAL, Config, SystematicConfig
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.corrections import Corrections
from cascadebdt.errors import YieldError
from cascadebdt.events import Events
from cascadebdt.events.selection import UNSEEN, Cutflow
from cascadebdt.histograms import yields
from cascadebdt.histograms.contents import Flow, Histograms, StageFilling
from cascadebdt.histograms.inputs import InputFilling, Inputs
from cascadebdt.histograms.migration import MigrationFilling, MigrationTable
from cascadebdt.histograms.shapes import Shapes
from cascadebdt.histograms.sums import Packed, Sums
from cascadebdt.histograms.yields import Filling, Yields
from cascadebdt.training.inputs import Range, data_ranges, require_alive


@dataclass(frozen=True, eq=False)
class Block:
    """Some events that are no training events of the models that scored them, their scores and observables."""

    events: Events
    scores: Scores
    values: FeatureArray

    @classmethod
    def of(cls, events: Events, cascade: Cascade, config: Config, *, jobs: int = 1) -> "Block":
        """Score events, without those that took part in training where there is a holdout."""
        unseen = cascade.unseen(events)
        scores = cascade.score(unseen, unblind=bool(config.fit.unblind), jobs=jobs)
        return cls(unseen, scores, yields.observables(unseen, scores, config.regions))

    def corrected(self, corrections: Corrections) -> "Block":
        """Return the block with the weights of corrections, and with their variations."""
        return replace(self, events=corrections.applied(self.events, self.scores)) if corrections.processes else self


@dataclass(frozen=True)
class _Names:
    """The names behind the cells of counts."""

    processes: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


class Totals:
    """Histograms and counts of the blocks so far; their order and their borders change no bit.

    Parameters
    ----------
    config : the analysis
    cascade : that scores
    edges : bin edges of every region
    inputs : bins of the features; none to leave them out
    systematics : those of corrections included; of `config` if not given
    """

    def __init__(
        self,
        config: Config,
        cascade: Cascade,
        edges: Mapping[str, FloatArray],
        *,
        inputs: Mapping[str, FloatArray] | None = None,
        systematics: Sequence[SystematicConfig] | None = None,
    ) -> None:
        self._config = config
        self._cascade = cascade
        self._sums = Sums()
        self._filling = Filling(config.regions, edges, self._sums)
        self._shapes = Shapes(config, cascade, edges[SIGNAL_REGION], self._sums)
        self._migrations = MigrationFilling(config.systematics, self._sums)
        self._stages = StageFilling(sums=self._sums)
        varied = config.systematics if systematics is None else systematics
        self._inputs = InputFilling(inputs or {}, varied, self._sums)
        self._ranges: dict[str, Range] = {}
        self._cutflow: Cutflow | None = None
        self._names = _Names()

    def add(self, block: Block) -> None:
        """Add a block."""
        events, scores = block.events, block.scores
        self._cutflow = self._cutflow.plus(events.cutflow) if self._cutflow else events.cutflow
        for name, values in data_ranges(events, self._cascade.features).items():
            self._ranges[name] = self._ranges[name].plus(values) if name in self._ranges else values
        self._filling.add(events, scores, block.values)
        self._shapes.add(events, scores, block.values)
        self._migrations.add(events, scores)
        self._stages.add(events, scores)
        self._inputs.add(events, scores)
        self._count(events, scores)

    def _count(self, events: Events, scores: Scores) -> None:
        """Count the nominal events of every sample and process, those that are hidden, and features without a value."""
        self._names = _Names(events.processes, events.samples, tuple(events.columns))
        rows = np.flatnonzero(events.is_nominal)
        process, n_processes = events.process[rows], len(events.processes)
        self._sums.count("selected", np.bincount(process, minlength=n_processes))
        for feature, column in events.columns.items():
            without = process[np.isnan(column[rows])]
            self._sums.count(f"{feature} missing", np.bincount(without, minlength=n_processes))
        for table, chosen in (("seen", rows), ("hidden", rows[scores.region[rows] == BLINDED])):
            sample, weights, n_samples = events.sample[chosen], events.weights[NOMINAL][chosen], len(events.samples)
            self._sums.count(table, np.bincount(sample, minlength=n_samples))
            self._sums.add(f"{table}, weights", n_samples, sample, weights)
            self._sums.add(f"{table}, squared weights", n_samples, sample, np.square(weights))

    def packed(self) -> tuple[Packed, FloatArray]:
        """Return the sums of the blocks, and the ranges of the features in data; see `products.partials.Partial`."""
        ranges = [astuple(self._ranges[name]) for name in self._cascade.features]
        return self._sums.packed(), np.array(ranges, np.float64).reshape(-1, 4)

    def take(self, sums: Packed, ranges: FloatArray) -> None:
        """Add what `packed` has told of other blocks; their cutflow is that of a block which was added."""
        self._sums.take(sums)
        for name, (events, missing, low, high) in zip(self._cascade.features, ranges.tolist(), strict=True):
            self._ranges[name] = self._ranges[name].plus(Range(int(events), int(missing), low, high))

    @property
    def histograms(self) -> Histograms:
        """Those of the regions that are not empty by construction, and of the scores.

        Raises
        ------
        InputError
            If a feature has one value in all data, but not in the simulation that trained.
        YieldError
            If the regions' yields do not sum to the selected yield.
        """
        require_alive(self._ranges, self._cascade.repetition)
        filled = self._filling.yields()
        regions: Yields = {name: filled[name] for name in filled if name not in self._cascade.empty_regions}
        return Histograms(regions, self._stages.histograms, self._shapes.histograms)

    @property
    def inputs(self) -> Inputs:
        """Histograms of the features; none where they were left out."""
        return self._inputs.inputs

    @property
    def migrations(self) -> MigrationTable:
        """Of events between regions."""
        return MigrationTable(self._migrations.migrations)

    @property
    def cutflow(self) -> Cutflow:
        """Events after each cut, hidden data included."""
        if self._cutflow is None:
            raise YieldError("regions: no events to fill them with")
        if self._cutflow.cuts[-1:] != (UNSEEN,):
            return self._cutflow
        rows = [self._names.samples.index(name) for name in self._cutflow.samples]  # alternative samples have none
        return self._cutflow.ending(self._of_samples("seen")[:, rows])

    @property
    def visible(self) -> Cutflow:
        """The cutflow without the data of the signal region that were dropped while blind.

        Otherwise the selected data less the data of the control regions would tell how many there are.
        """
        cutflow = self.cutflow
        for sample, removed in zip(self._names.samples, self._of_samples("hidden").T, strict=True):
            if removed[0]:
                cutflow = cutflow.without(sample, removed)
        return cutflow

    def _of_samples(self, table: str) -> FloatArray:
        """Return the number, the sum of weights and that of squared weights of the events of every sample."""
        sums = self._sums
        return np.stack([sums.counts(table), sums.of(f"{table}, weights"), sums.of(f"{table}, squared weights")])

    @property
    def flow(self) -> Flow:
        """Sums of weights that reach each stage."""
        return self._stages.flow

    @property
    def missing(self) -> dict[str, dict[str, float]]:
        """Feature -> process -> fraction of selected events without a value; of data only after unblinding."""
        selected = self._sums.counts("selected").tolist()
        shown = [k for k, name in enumerate(self._names.processes) if name != DATA or self._config.fit.unblind]

        def fractions(missing: list[int]) -> dict[str, float]:
            return {self._names.processes[k]: missing[k] / selected[k] if selected[k] else 0.0 for k in shown}

        return {name: fractions(self._sums.counts(f"{name} missing").tolist()) for name in self._names.features}
