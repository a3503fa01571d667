"""Files -> chunks -> selected `Events`, with every variation that changes them."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import reduce

import awkward as ak
import numpy as np

from cascadebdt import features, ntuple, selection
from cascadebdt.arrays import CODE, AnyArray, FloatArray, IdArray, IntArray
from cascadebdt.config import NOMINAL, Config, SampleConfig, SampleSystematic
from cascadebdt.errors import InputError, TrainingError
from cascadebdt.events import Events, concatenate, identify
from cascadebdt.features import FeaturePlan, FeatureTable
from cascadebdt.ntuple import EntryRange, NtupleFile
from cascadebdt.progress import Progress, silent
from cascadebdt.selection import Counts, Cutflow
from cascadebdt.systematics import alternative_samples, applies, shifts, variations_with_rows, weight_factors

PB_PER_FB = 1000.0


@dataclass(frozen=True)
class _Source:
    """A sample ready to be read: its files, its normalisation, and one plan per variation of its events."""

    name: str
    process: str
    is_data: bool
    files: tuple[NtupleFile, ...]
    scale: float
    plans: Mapping[str, FeaturePlan]

    @property
    def branches(self) -> frozenset[str]:
        return frozenset().union(*(plan.branches for plan in self.plans.values()))


def select(config: Config, *, jobs: int = 1, nominal_only: bool = False, progress: Progress = silent) -> Events:
    """Read every sample, apply objects and selection, and compute the features of what passes.

    Parameters
    ----------
    config : the analysis
    jobs : chunks read at a time; it does not change the result
    nominal_only : leave out variations that have events of their own
    progress : told of every chunk

    Raises
    ------
    ConfigError
        If an expression is wrong or names what the files do not hold.
    InputError
        If a file, a weight or a feature is not usable.
    """
    sources = _sources(config, nominal_only=nominal_only)
    names = _Names.of(config, nominal_only=nominal_only)
    tasks = [
        (source, part)
        for source in sources
        for part in ntuple.ranges(source.files, entries=config.ntuples.chunk_entries)
    ]
    with ThreadPoolExecutor(jobs) as pool:
        futures = [pool.submit(_read, source, part, config, names) for source, part in tasks]
        results = [future.result() for future in progress(futures, "reading and selecting")]
    cutflow = Cutflow.empty(tuple(cut.name for cut in config.selection), tuple(s.name for s in config.samples))
    counted = [(source.name, counts) for (source, _), (_, counts) in zip(tasks, results, strict=True) if counts]
    events = concatenate(part for parts, _ in results for part in parts)
    return replace(
        events,
        cutflow=reduce(lambda total, item: total.add(*item), counted, cutflow),
        files={source.name: source.files for source in sources},
    )


def stream(
    config: Config, samples: Sequence[SampleConfig], *, jobs: int = 1, progress: Progress = silent
) -> Iterator[tuple[str, Events]]:
    """Read some samples as `select` does, but give the events of one chunk after the other.

    Parameters
    ----------
    config : the analysis, whose names stand behind all codes
    samples : what to read, with the files to read
    jobs : chunks in memory at a time; it does not change the result
    progress : told of every chunk

    Yields
    ------
    name of the sample, selected events of a chunk in all variations, with the cutflow of the chunk
    """
    sources = [_source(config, sample, NOMINAL, with_shifts=True) for sample in samples]
    names = _Names.of(config, nominal_only=False)
    cutflow = Cutflow.empty(tuple(cut.name for cut in config.selection), tuple(s.name for s in config.samples))
    tasks = [
        (source, part)
        for source in sources
        for part in ntuple.ranges(source.files, entries=config.ntuples.chunk_entries)
    ]
    waiting: deque[tuple[str, Future[tuple[list[Events], Counts | None]]]] = deque()

    def first() -> tuple[str, Events]:
        name, future = waiting.popleft()
        parts, counts = future.result()
        return name, replace(concatenate(parts), cutflow=cutflow.add(name, counts) if counts else cutflow)

    with ThreadPoolExecutor(jobs) as pool:
        for source, part in progress(tasks, "reading and scoring"):
            waiting.append((source.name, pool.submit(_read, source, part, config, names)))
            if len(waiting) > jobs:
                yield first()
        while waiting:
            yield first()


def require_trainable(events: Events, config: Config) -> None:
    """Require that the signal and every stage's background have selected events.

    Raises
    ------
    TrainingError
        If one has none, or if its weights do not sum to a positive number.
    """
    nominal = events.is_nominal
    wanted = [(f"stage '{stage.name}'", name) for stage in config.cascade.stages for name in stage.against]
    for where, name in [("cascade.signal", config.cascade.signal), *wanted]:
        rows = nominal & events.of_process(name)
        total = float(events.weights[NOMINAL][rows].sum())
        if not rows.any() or total <= 0:
            raise TrainingError(
                f"{where}: process {name} has {int(rows.sum())} selected events with a sum of weights of {total:g}, "
                "expected more than 0; loosen the selection or add simulation"
            )


@dataclass(frozen=True)
class _Names:
    """The names behind the codes of `Events`."""

    processes: tuple[str, ...]
    samples: tuple[str, ...]
    variations: tuple[str, ...]

    @classmethod
    def of(cls, config: Config, *, nominal_only: bool) -> "_Names":
        rows = () if nominal_only else variations_with_rows(config)
        alternatives = () if nominal_only else tuple(s.name for s in alternative_samples(config).values())
        samples = (*(sample.name for sample in config.samples), *alternatives)
        return cls(config.processes, samples, (NOMINAL, *rows))


def _sources(config: Config, *, nominal_only: bool) -> list[_Source]:
    sources = [_source(config, sample, NOMINAL, with_shifts=not nominal_only) for sample in config.samples]
    if not nominal_only:
        alternatives = alternative_samples(config).items()
        sources += [_source(config, sample, variation, with_shifts=False) for variation, sample in alternatives]
    return sources


def _source(config: Config, sample: SampleConfig | SampleSystematic, variation: str, *, with_shifts: bool) -> _Source:
    """Open a sample's files, normalise it and plan its variations."""
    is_data = isinstance(sample, SampleConfig) and sample.is_data
    paths = ntuple.find(sample.files, directory=config.directory)
    files = tuple(ntuple.describe(path, config.ntuples) for path in paths)
    branches = set.intersection(*(set(file.branches) for file in files))
    weights = {} if is_data else _weight_expressions(config, sample, with_factors=variation == NOMINAL)
    nominal_weight = {name: text for name, text in weights.items() if name == NOMINAL}
    scale = 1.0
    if sample.cross_section_pb is not None and config.ntuples.sum_of_weights is not None:
        produced = ntuple.sum_of_weights(files, source=config.ntuples.sum_of_weights)
        scale = sample.cross_section_pb * config.luminosity_fb * PB_PER_FB / produced

    def plan(expressions: Mapping[str, str], replaced: Mapping[str, str]) -> FeaturePlan:
        return features.plan(
            objects=config.objects,
            selection=config.selection,
            features=config.features,
            weights=expressions,
            branches=branches,
            shifts=replaced,
        )

    shifted = shifts(config, sample.process) if with_shifts and not is_data else {}
    plans = {variation: plan(weights, {}), **{name: plan(nominal_weight, by) for name, by in shifted.items()}}
    return _Source(sample.name, sample.process, is_data, files, scale, plans)


def _weight_expressions(
    config: Config, sample: SampleConfig | SampleSystematic, *, with_factors: bool
) -> dict[str, str]:
    """Return the nominal weight of a sample, and its weight variations as factors on it."""
    nominal = sample.weight or config.ntuples.weight
    expressions = {NOMINAL: nominal} if nominal else {}
    if with_factors:
        for variation, systematic in weight_factors(config).items():
            if applies(systematic, sample.process):
                expressions[variation] = systematic.up if variation.endswith("_up") else systematic.down
    return expressions


def _read(source: _Source, part: EntryRange, config: Config, names: _Names) -> tuple[list[Events], Counts | None]:
    """Read a range of entries and select it in every variation; counts are of the nominal selection."""
    chunk = ntuple.read(part, source.branches | set(config.ntuples.event_id), tree=config.ntuples.tree)
    event_id = identify(_identity_columns(chunk, part, config), salt="" if source.is_data else source.name)
    found, nominal_counts = [], None
    for variation, plan in source.plans.items():
        table = plan.apply(chunk)
        weights = _weights(table, source, part, list(weight_factors(config)))
        mask, counts = selection.apply(table.passed, weights[NOMINAL])
        rows = np.flatnonzero(mask)
        _require_finite(table, rows, part)
        found.append(_events(table, weights, event_id, rows, source, variation, names))
        nominal_counts = counts if variation == NOMINAL else nominal_counts
    return found, nominal_counts


def _identity_columns(chunk: ak.Array, part: EntryRange, config: Config) -> list[AnyArray]:
    columns = [ak.to_numpy(chunk[name]) for name in config.ntuples.event_id]
    for name, column in zip(config.ntuples.event_id, columns, strict=True):
        if not np.issubdtype(column.dtype, np.integer):
            raise InputError(
                f"{part.file.path}:{config.ntuples.tree}: branch '{name}' of ntuples.event_id is {column.dtype}, "
                "expected integers: a floating-point number loses large event numbers"
            )
    return columns


def _weights(table: FeatureTable, source: _Source, part: EntryRange, factors: list[str]) -> dict[str, FloatArray]:
    """Return the normalised nominal weights and, for every weight variation of the analysis, the varied ones."""
    for name, values in table.weights.items():
        bad = ~np.isfinite(values)
        if bad.any():
            entry = part.start + int(np.argmax(bad))
            raise InputError(
                f"{part.file.path}: weight '{name}' is {values[bad][0]} at entry {entry} ({int(bad.sum())} such "
                "entries in this chunk), expected finite numbers"
            )
    n_events = len(next(iter(table.columns.values())))
    nominal = source.scale * table.weights.get(NOMINAL, np.ones(n_events))
    varied = {name: nominal * table.weights[name] if name in table.weights else nominal for name in factors}
    return {NOMINAL: nominal, **varied}


def _require_finite(table: FeatureTable, rows: IntArray, part: EntryRange) -> None:
    for name, column in table.columns.items():
        bad = np.isinf(column[rows])
        if bad.any():
            entry = part.start + int(rows[np.argmax(bad)])
            raise InputError(f"{part.file.path}: feature '{name}' is infinite at entry {entry}; check its expression")


def _events(
    table: FeatureTable,
    weights: Mapping[str, FloatArray],
    event_id: IdArray,
    rows: IntArray,
    source: _Source,
    variation: str,
    names: _Names,
) -> Events:
    def code(known: tuple[str, ...], name: str) -> AnyArray:
        return np.full(len(rows), known.index(name), CODE)

    return Events(
        columns={name: column[rows] for name, column in table.columns.items()},
        weights={name: weight[rows] for name, weight in weights.items()},
        event_id=event_id[rows],
        process=code(names.processes, source.process),
        sample=code(names.samples, source.name),
        variation=code(names.variations, variation),
        processes=names.processes,
        samples=names.samples,
        variations=names.variations,
    )
