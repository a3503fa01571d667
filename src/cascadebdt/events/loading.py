"""Files -> chunks -> selected `Events`, with every variation that changes them."""

from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import awkward as ak
import numpy as np

from cascadebdt.arrays import CODE, AnyArray, FloatArray, IdArray
from cascadebdt.config import NOMINAL, Config, SampleConfig, SampleSystematic
from cascadebdt.errors import FileError, InputError, TrainingError
from cascadebdt.events import disk, ledger, selection
from cascadebdt.events.events import Events, concatenate
from cascadebdt.events.read_ahead import outcomes
from cascadebdt.events.selection import Counts, Cutflow
from cascadebdt.events.sources import Source, all_sources, sources_of, without
from cascadebdt.events.variations import alternative_samples, variations_with_rows, weight_factors
from cascadebdt.features import Branches, FeatureTable
from cascadebdt.ntuple import EntryRange, Reader, ranges
from cascadebdt.progress import Progress, silent


@dataclass(frozen=True, eq=False)
class _Part:
    """What a range of entries gave: selected events of every variation, and the counts of the nominal one."""

    entries: EntryRange
    events: list[Events]
    counts: Counts


def select(config: Config, *, jobs: int = 1, nominal_only: bool = False, progress: Progress = silent) -> Events:
    """Read every sample, apply objects and selection, and compute the features of what passes.

    Parameters
    ----------
    config : the analysis
    jobs : chunks computed at a time, while the next ones are read; it does not change the result
    nominal_only : leave out variations that have events of their own
    progress : wraps the chunks and shows how many are done

    Raises
    ------
    ConfigError
        If an expression is wrong or names what the files do not hold.
    InputError
        If a file, a weight or a feature is not usable, or if an event of data appears twice.

    Examples
    --------
    >>> events = cb.select(config, jobs=2)
    >>> met, weight = events.columns["met"], events.weights["nominal"]
    """
    names = _Names.of(config, nominal_only=nominal_only)
    with Reader(config.ntuples) as reader:
        done = _read_all(all_sources(config, nominal_only=nominal_only), config, names, reader, jobs, progress)
        events = concatenate(events for _, parts in done for part in parts for events in part.events)
        ledger.require_unique(events, [source for source, _ in done], config, reader)
    return replace(
        events,
        cutflow=_cutflow(config, done),
        files={source.name: source.files for source, _ in done},
        ledger=tuple(
            record
            for source, parts in done
            for record in ledger.records(source, [(part.entries, part.counts) for part in parts])
        ),
    )


def _read_all(
    wanted: list[Source], config: Config, names: "_Names", reader: Reader, jobs: int, progress: Progress
) -> list[tuple[Source, list[_Part]]]:
    """Read all sources; those that turn out to have a bad file that may be skipped are read again without it."""
    done: dict[str, tuple[Source, list[_Part]]] = {source.name: (source, []) for source in wanted}
    while wanted:
        items = _items(wanted, config)
        bad: dict[str, Source] = {}
        for source in wanted:
            done[source.name] = (source, [])
        with closing(
            _parts(items, config, names, reader, jobs=jobs, progress=progress, description="reading and selecting")
        ) as outcomes_in_order:
            for (source, _), outcome in zip(items, outcomes_in_order, strict=True):
                if isinstance(outcome, FileError):
                    known = bad.get(source.name, source)
                    if outcome.location not in known.skipped:
                        bad[source.name] = without(known, outcome, config)
                else:
                    done[source.name][1].append(outcome)
        wanted = list(bad.values())
    return list(done.values())


def _items(wanted: Sequence[Source], config: Config) -> list[tuple[Source, EntryRange]]:
    return [
        (source, part)
        for source in wanted
        for file in source.files
        for part in ranges(file, entries=config.ntuples.chunk_entries)
    ]


def _parts(
    items: Sequence[tuple[Source, EntryRange]],
    config: Config,
    names: "_Names",
    reader: Reader,
    *,
    jobs: int,
    progress: Progress,
    description: str,
) -> Generator[_Part | FileError, None, None]:
    """Yield what each range of entries gives, in order, or why its file cannot be read if it may be skipped."""

    def compute(item: tuple[Source, EntryRange], chunk: ak.Array | FileError) -> _Part | FileError:
        return chunk if isinstance(chunk, FileError) else _select(*item, chunk, config, names)

    return outcomes(
        items,
        lambda item: _read(*item, config, reader),
        compute,
        jobs=jobs,
        progress=progress,
        description=description,
    )


def stream(
    config: Config,
    samples: Sequence[SampleConfig | SampleSystematic],
    *,
    jobs: int = 1,
    nominal_only: bool = False,
    progress: Progress = silent,
) -> Iterator[tuple[str, Events]]:
    """Read some samples as `select` does, but give the events of one chunk after the other.

    Parameters
    ----------
    config : the analysis, whose names stand behind all codes
    samples : what to read, with the files to read; alternative samples give events of their variation
    jobs : chunks computed at a time, while the next ones are read; it does not change the result
    nominal_only : leave out variations that have events of their own
    progress : wraps the chunks and shows how many are done

    Yields
    ------
    name of the sample, selected events of a chunk in all variations, with the cutflow of the chunk

    Raises
    ------
    FileError
        If a file fails while it is read: chunks already given cannot be normalised anew without it.
    """
    names = _Names.of(config, nominal_only=nominal_only)
    empty = Cutflow.empty(tuple(cut.name for cut in config.selection), tuple(s.name for s in config.samples))
    items = _items(sources_of(config, samples, nominal_only=nominal_only), config)
    with (
        Reader(config.ntuples) as reader,
        closing(
            _parts(items, config, names, reader, jobs=jobs, progress=progress, description="reading and scoring")
        ) as parts,
    ):
        for (source, _), part in zip(items, parts, strict=True):
            if isinstance(part, FileError):
                raise part
            cutflow = empty.add(source.name, part.counts) if NOMINAL in source.plans else empty
            yield source.name, replace(concatenate(part.events), cutflow=cutflow)


def select_for_training(config: Config, file: Path, *, jobs: int = 1, progress: Progress = silent) -> Events:
    """Select what the cascade trains on: nominal events, in memory or, if `cascade.memory` says so, in a file.

    Parameters
    ----------
    config : the analysis
    file : where the features go, unless they stay in memory; data are then left out

    Raises
    ------
    ConfigError, InputError
        As `select` does.
    """
    if config.cascade.memory == "ram":
        return select(config, jobs=jobs, nominal_only=True, progress=progress)
    chunks = (
        (events for _, events in stream(config, [sample], jobs=jobs, nominal_only=True, progress=progress))
        for sample in config.samples
        if not sample.is_data
    )
    return disk.write(file, chunks)


def _cutflow(config: Config, done: list[tuple[Source, list[_Part]]]) -> Cutflow:
    """Return the cutflow of the nominal selection of all samples."""
    cutflow = Cutflow.empty(tuple(cut.name for cut in config.selection), tuple(s.name for s in config.samples))
    counted = [(source.name, part.counts) for source, parts in done if NOMINAL in source.plans for part in parts]
    return reduce(lambda total, item: total.add(*item), counted, cutflow)


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


def _read(source: Source, part: EntryRange, config: Config, reader: Reader) -> ak.Array | FileError:
    """Read what the plans of a source need of a range of entries."""
    try:
        return reader.read(part, source.branches | set(config.ntuples.event_id), exact=source.exact)
    except FileError as error:
        if config.ntuples.on_bad_file == "error":
            raise
        return error


def _select(source: Source, part: EntryRange, chunk: ak.Array, config: Config, names: _Names) -> _Part:
    """Select the events of a range of entries in every variation."""
    event_id = ledger.identity(chunk, part, source, config)
    selected: list[Events] = []
    counted: list[Counts] = []
    (first, plan), *others = source.plans.items()
    nominal, varied = plan.apply_with(dict(others), Branches(chunk, n_events=part.stop - part.start))
    for variation, table in {first: nominal, **{name: _varied(table) for name, table in varied.items()}}.items():
        weights = _weights(table, source, part, list(weight_factors(config)))
        _, counts = selection.apply(table.passed, weights[NOMINAL])
        _require_finite(table, part)
        selected.append(_events(table, weights, event_id, source, variation, names))
        counted.append(counts)
    return _Part(part, selected, counted[0])


def _varied(table: FeatureTable) -> FeatureTable:
    """Return a table without weight variations: these are of the nominal events."""
    return replace(table, weights={name: weight for name, weight in table.weights.items() if name == NOMINAL})


def _weights(table: FeatureTable, source: Source, part: EntryRange, factors: list[str]) -> dict[str, FloatArray]:
    """Return the normalised nominal weights and, for every weight variation of the analysis, the varied ones."""
    for name, values in table.weights.items():
        bad = ~np.isfinite(values)
        if bad.any():
            entry = part.start + int(np.argmax(bad))
            raise InputError(
                f"{part.file.location}: weight '{name}' is {values[bad][0]} at entry {entry} ({int(bad.sum())} such "
                "entries in this chunk), expected finite numbers"
            )
    nominal = source.scale * table.weights.get(NOMINAL, np.ones(part.stop - part.start))
    varied = {name: nominal * table.weights[name] if name in table.weights else nominal for name in factors}
    return {NOMINAL: nominal, **varied}


def _require_finite(table: FeatureTable, part: EntryRange) -> None:
    for name, column in table.columns.items():
        bad = np.isinf(column)
        if bad.any():
            entry = part.start + int(table.rows[np.argmax(bad)])
            raise InputError(
                f"{part.file.location}: feature '{name}' is infinite at entry {entry}; check its expression"
            )


def _events(
    table: FeatureTable,
    weights: Mapping[str, FloatArray],
    event_id: IdArray,
    source: Source,
    variation: str,
    names: _Names,
) -> Events:
    rows = table.rows

    def code(known: tuple[str, ...], name: str) -> AnyArray:
        return np.full(len(rows), known.index(name), CODE)

    return Events(
        columns=table.columns,
        weights={name: weight[rows] for name, weight in weights.items()},
        event_id=event_id[rows],
        process=code(names.processes, source.process),
        sample=code(names.samples, source.name),
        variation=code(names.variations, variation),
        processes=names.processes,
        samples=names.samples,
        variations=names.variations,
    )
