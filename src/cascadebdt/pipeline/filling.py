"""Scored events, block by block -> what the step `apply` makes; the blocks may be one, of all events."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, FloatArray, IntArray, RegionArray
from cascadebdt.cascade import BLINDED, Cascade, Scores
from cascadebdt.config import DATA, NOMINAL, Config
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.corrections import Corrections, learn, normalisation
from cascadebdt.errors import YieldError
from cascadebdt.events import Events, StoredEvents, joined
from cascadebdt.events.selection import Cutflow
from cascadebdt.histograms import contents, migration, yields
from cascadebdt.histograms.contents import Flow, Histograms
from cascadebdt.histograms.inputs import InputFilling, Inputs, edges_of_features
from cascadebdt.histograms.migration import Migrations, MigrationTable
from cascadebdt.histograms.shapes import Shapes
from cascadebdt.histograms.yields import Filling, Histogram, Yields
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

    @property
    def hidden(self) -> dict[str, FloatArray]:
        """Sample -> number, sum of weights and of squared weights of its data events that were dropped while blind."""
        rows = np.flatnonzero((self.scores.region == BLINDED) & self.events.is_nominal)
        samples, weights = self.events.sample[rows], self.events.weights[NOMINAL][rows]
        powers = np.stack([np.ones_like(weights), weights, weights**2])
        return {self.events.samples[code]: powers[:, samples == code].sum(axis=1) for code in np.unique(samples)}


class Totals:
    """Histograms and counts of the blocks so far.

    Sums of weights are made in the order of the events: whatever the blocks, events in canonical order give the same
    bits (of migrations and cutflow: the same 12 digits).

    Parameters
    ----------
    config : the analysis
    cascade : that scores
    edges : bin edges of every region
    inputs : filled with the features, too; None to leave them out
    """

    def __init__(
        self,
        config: Config,
        cascade: Cascade,
        edges: Mapping[str, FloatArray],
        *,
        inputs: InputFilling | None = None,
    ) -> None:
        self._config = config
        self._cascade = cascade
        self._filling = Filling(config.regions, edges)
        self._shapes = Shapes(config, cascade, edges[SIGNAL_REGION])
        self._scores: dict[str, Histogram] | None = None
        self._migrations: Migrations | None = None
        self._ends: dict[str, FloatArray] | None = None
        self._ranges: dict[str, Range] = {}
        self._cutflow: Cutflow | None = None
        self._hidden: dict[str, FloatArray] = {}
        self._selected: dict[str, int] = {}
        self._missing: dict[str, IntArray] = {}
        self._inputs = inputs

    def add(self, block: Block) -> None:
        """Add a block."""
        events, scores = block.events, block.scores
        self._cutflow = self._cutflow.plus(events.cutflow) if self._cutflow else events.cutflow
        for name, removed in block.hidden.items():
            self._hidden[name] = self._hidden.get(name, np.zeros(3)) + removed
        for name, values in data_ranges(events, self._cascade.features).items():
            self._ranges[name] = self._ranges[name].plus(values) if name in self._ranges else values
        self._filling.add(events, scores, block.values)
        self._shapes.add(events, scores, block.values)
        self._migrations = migration.table(events, scores, self._config.systematics, onto=self._migrations)
        self._scores = contents.score_histograms(events, scores, onto=self._scores)
        self._ends = contents.ends(events, scores, onto=self._ends)
        self._count_missing(events)
        if self._inputs is not None:
            self._inputs.add(events, scores)

    def _count_missing(self, events: Events) -> None:
        rows = {name: np.flatnonzero(events.is_nominal & events.of_process(name)) for name in events.processes}
        for name, of_process in rows.items():
            self._selected[name] = self._selected.get(name, 0) + len(of_process)
        for feature, column in events.columns.items():
            is_missing = np.isnan(column)
            counts = np.array([np.count_nonzero(is_missing[of_process]) for of_process in rows.values()])
            self._missing[feature] = self._missing[feature] + counts if feature in self._missing else counts

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
        return Histograms(regions, self._scores or {}, self._shapes.histograms)

    @property
    def inputs(self) -> Inputs:
        """Histograms of the features; none where they were left out."""
        return Inputs({}, {}) if self._inputs is None else self._inputs.inputs

    @property
    def migrations(self) -> MigrationTable:
        """Of events between regions."""
        return MigrationTable(self._migrations or {})

    @property
    def cutflow(self) -> Cutflow:
        """What the cuts left, hidden data included."""
        if self._cutflow is None:
            raise YieldError("regions: no events to fill them with")
        return self._cutflow

    @property
    def visible(self) -> Cutflow:
        """The cutflow without the data of the signal region that were dropped while blind.

        Otherwise the selected data less the data of the control regions would tell how many there are.
        """
        cutflow = self.cutflow
        for sample, removed in self._hidden.items():
            cutflow = cutflow.without(sample, removed)
        return cutflow

    @property
    def flow(self) -> Flow:
        """What the stages leave."""
        return contents.flow_of(self._ends or {}, [stage.name for stage in self._cascade.stages])

    @property
    def missing(self) -> dict[str, dict[str, float]]:
        """Feature -> process -> fraction of selected events without a value; of data only after unblinding."""
        shown = [name for name in self._selected if name != DATA or self._config.fit.unblind]
        return {
            feature: {
                name: float(count / self._selected[name]) if self._selected[name] else 0.0
                for name, count in zip(self._selected, counts, strict=True)
                if name in shown
            }
            for feature, counts in self._missing.items()
        }


def fill(
    events: Events | StoredEvents, cascade: Cascade, config: Config, *, jobs: int = 1
) -> tuple[Totals, Corrections]:
    """Score events and fill the regions, in bins as `config` says, with the corrections that it asks for.

    Events on disk are scored once more for each of what depends on all of them: the bins, and the corrections.
    """
    if isinstance(events, Events):
        whole = [Block.of(events, cascade, config, jobs=jobs)]
        return _filled(lambda: whole, lambda: whole, cascade, config)
    depends = any(config.regions.depends_on_events(region) for region in cascade.regions)
    account = [Block.of(events.account, cascade, config)]

    def scored() -> Iterator[Block]:
        return (Block.of(block, cascade, config, jobs=jobs) for block in events.blocks())

    return _filled(scored, scored if depends else lambda: account, cascade, config)


def _filled(
    blocks: Callable[[], Iterable[Block]],
    for_bins: Callable[[], Iterable[Block]],
    cascade: Cascade,
    config: Config,
) -> tuple[Totals, Corrections]:
    edges = _Observed.of(for_bins()).edges(cascade, config)
    corrections = _learnt(blocks(), cascade, config, edges) if config.corrections else Corrections({})
    systematics = corrections.added_to(config).systematics
    totals = Totals(config, cascade, edges, inputs=InputFilling(edges_of_features(cascade), systematics))
    for block in blocks():
        totals.add(block.corrected(corrections))
    return totals, corrections


def _learnt(blocks: Iterable[Block], cascade: Cascade, config: Config, edges: Mapping[str, FloatArray]) -> Corrections:
    """Learn corrections from nominal events, of which the variables of the corrections are kept."""
    variables = dict.fromkeys(name for one in config.corrections for name in one.variables)
    filling = Filling(config.regions, edges)
    parts: list[Events] = []
    regions: list[RegionArray] = []
    for block in blocks:
        rows = np.flatnonzero(block.events.is_nominal)
        weights = {NOMINAL: block.events.weights[NOMINAL]}
        columns = {name: block.events.columns[name] for name in variables}
        thin = replace(block.events, columns=columns, weights=weights)
        filling.add(thin, block.scores, block.values)
        parts.append(thin.take(rows))
        regions.append(block.scores.region[rows])
    events, region = joined(parts), np.concatenate(regions)
    keys: list[AnyArray] = [events.event_id, events.sample]
    order = np.lexsort(keys)  # the same bits whatever the blocks
    scores = Scores(np.empty((len(order), 0), FEATURE), None, region[order], cascade.regions, cascade.signal)
    normalisations = normalisation.fit(filling.yields(), config.fit.free)
    return learn(events.take(order), scores, config.corrections, normalisations, seed=config.seed)


@dataclass(frozen=True, eq=False)
class _Observed:
    """Nominal simulation without its features: what the bins of the regions may depend on, 27 bytes an event.

    Attributes
    ----------
    events : without columns
    values : (n_events,) float32, the observable of the region of each event
    region : (n_events,) int8
    """

    events: Events
    values: FeatureArray
    region: RegionArray

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> "_Observed":
        """Keep what is needed of blocks."""
        parts: list[Events] = []
        values: list[FeatureArray] = []
        regions: list[RegionArray] = []
        for block in blocks:
            rows = np.flatnonzero(block.events.is_nominal & ~block.events.is_data)
            thin = replace(block.events, columns={}, weights={NOMINAL: block.events.weights[NOMINAL]})
            parts.append(thin.take(rows))
            values.append(block.values[rows])
            regions.append(block.scores.region[rows])
        return cls(joined(parts), np.concatenate(values), np.concatenate(regions))

    def edges(self, cascade: Cascade, config: Config) -> dict[str, FloatArray]:
        """Return the bin edges of every region."""
        return yields.edges_of_regions(
            self.events, self.values, self.region, cascade.regions, cascade.signal, config.regions
        )
