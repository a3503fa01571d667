"""Events -> bins, corrections and `Totals`; events come in blocks, which may be one, of all events."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cascadebdt.arrays import CODE, EVENT_ID, FEATURE, AnyArray, FeatureArray, FloatArray, RegionArray
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import NOMINAL, Config
from cascadebdt.corrections import Corrections, learn, normalisation
from cascadebdt.events import Events, StoredEvents, joined
from cascadebdt.histograms import yields
from cascadebdt.histograms.inputs import edges_of_features
from cascadebdt.histograms.yields import Filling
from cascadebdt.pipeline.totals import Block, Totals


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
    edges = Observed.of(for_bins()).edges(cascade, config)
    corrections = _learnt(blocks(), cascade, config, edges) if config.corrections else Corrections({})
    systematics = corrections.added_to(config).systematics
    totals = Totals(config, cascade, edges, inputs=edges_of_features(cascade), systematics=systematics)
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
class Observed:
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
    def of(cls, blocks: Iterable[Block]) -> "Observed":
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

    @classmethod
    def joined(cls, parts: Sequence["Observed"]) -> "Observed":
        """Return the events of several parts."""
        return cls(
            joined([part.events for part in parts]),
            np.concatenate([part.values for part in parts]),
            np.concatenate([part.region for part in parts]),
        )

    def to_arrays(self) -> dict[str, AnyArray]:
        """Return what the bins depend on but for the process, 13 bytes an event."""
        return {"values": self.values, "region": self.region, "weights": self.events.weights[NOMINAL]}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, AnyArray], like: Events, process: str) -> "Observed":
        """Return what `to_arrays` made of events of a process, but for their samples and identities.

        Parameters
        ----------
        like : no events, with the names behind all codes
        """
        none = np.zeros(len(arrays["values"]), CODE)
        events = replace(
            like,
            columns={},
            weights={NOMINAL: arrays["weights"]},
            event_id=np.zeros(len(none), EVENT_ID),
            process=np.full(len(none), like.processes.index(process), CODE),
            sample=none,
            variation=none,
        )
        return cls(events, arrays["values"], arrays["region"])

    def edges(self, cascade: Cascade, config: Config) -> dict[str, FloatArray]:
        """Return the bin edges of every region."""
        return yields.edges_of_regions(
            self.events, self.values, self.region, cascade.regions, cascade.signal, config.regions
        )
