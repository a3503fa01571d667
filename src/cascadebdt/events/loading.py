"""Files -> chunks -> selected `Events`, with every variation that changes them."""

import logging
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import reduce
from pathlib import Path

import awkward as ak

from cascadebdt.config import NOMINAL, Config, SampleConfig, SampleSystematic
from cascadebdt.errors import FileError, TrainingError
from cascadebdt.events import chunks, ledger
from cascadebdt.events.disk import Store, StoredEvents
from cascadebdt.events.events import Events, concatenate
from cascadebdt.events.marks import Marks, joined, largest_share
from cascadebdt.events.parts import NOTHING, KeptParts, Names, Part, fits, packed, sums, unpacked
from cascadebdt.events.read_ahead import outcomes
from cascadebdt.events.selection import Cutflow
from cascadebdt.events.sources import Source, all_sources, sources_of, without
from cascadebdt.ntuple import EntryRange, Reader, ranges
from cascadebdt.progress import Progress, silent

log = logging.getLogger(__name__)


def select(
    config: Config,
    *,
    jobs: int = 1,
    nominal_only: bool = False,
    kept: KeptParts = NOTHING,
    progress: Progress = silent,
) -> Events:
    """Read every sample, apply objects and selection, and compute the features of what passes.

    Parameters
    ----------
    config : the analysis
    jobs : chunks computed at a time, while the next ones are read; it does not change the result
    nominal_only : leave out variations that have events of their own
    kept : chunks that were selected before and need not be read again
    progress : wraps the chunks and shows how many are done

    Raises
    ------
    ConfigError
        If an expression is wrong or names what the files do not hold.
    InputError
        If a file, a weight or a feature is not usable, or if a file or an event appears twice.

    Examples
    --------
    >>> events = cb.select(config, jobs=2)
    >>> met, weight = events.columns["met"], events.weights["nominal"]
    """
    done: dict[str, list[Events]] = {}

    def keep(source: Source, events: Sequence[Events]) -> None:
        done[source.name].extend(events)

    sources = all_sources(config, nominal_only=nominal_only)
    sink = _Sink(lambda source: done.update({source.name: []}), keep, kept)
    account = _select_all(sources, config, sink, nominal_only=nominal_only, jobs=jobs, progress=progress)
    rows = concatenate(events for of_sample in done.values() for events in of_sample)
    return replace(rows, cutflow=account.cutflow, warnings=account.warnings, files=account.files, ledger=account.ledger)


def select_to_disk(
    config: Config,
    folder: Path,
    *,
    training_only: bool = False,
    jobs: int = 1,
    kept: KeptParts = NOTHING,
    progress: Progress = silent,
) -> StoredEvents:
    """Do as `select` does, but put the events into files in an empty folder; memory holds some chunks of them.

    Besides, memory grows by 8 bytes an event, which find those that appear twice.

    Parameters
    ----------
    training_only : leave out data, and variations that have events of their own
    """
    store = Store(folder)

    def begin(source: Source) -> None:
        store.begin(source.name, n_rows=sum(file.entries for file in source.files) * len(source.plans))

    def keep(source: Source, events: Sequence[Events]) -> None:
        store.add(source.name, concatenate(events))

    sources = [
        source for source in all_sources(config, nominal_only=training_only) if not (training_only and source.is_data)
    ]
    sink = _Sink(begin, keep, kept)
    account = _select_all(sources, config, sink, nominal_only=training_only, jobs=jobs, progress=progress)
    return StoredEvents(account, store)


def account(config: Config, *, kept: KeptParts, jobs: int = 1, progress: Progress = silent) -> Events:
    """Do as `select` does for the events that are kept, and return everything about them but their rows.

    Raises
    ------
    ConfigError, InputError
        As `select`.
    """
    sink = _Sink(lambda source: None, lambda source, events: None, kept, rows=False)
    sources = all_sources(config, nominal_only=False)
    return _select_all(sources, config, sink, nominal_only=False, jobs=jobs, progress=progress)


def nothing(config: Config) -> Events:
    """Return no events of an analysis, with the names behind all codes."""
    return replace(Names.of(config, nominal_only=False).no_events(config), cutflow=_no_cutflow(config))


@dataclass(frozen=True)
class _Sink:
    """Where selected events go.

    Attributes
    ----------
    begin : begins a source, perhaps anew; None if no source can begin anew
    keep : takes the events of a range of entries of a source, one for each of its variations
    kept : ranges that need not be read
    rows : whether their events are wanted
    """

    begin: Callable[[Source], None] | None
    keep: Callable[[Source, Sequence[Events]], None]
    kept: KeptParts = NOTHING
    rows: bool = True


def _select_all(
    sources: list[Source], config: Config, sink: _Sink, *, nominal_only: bool, jobs: int, progress: Progress
) -> Events:
    """Select the events of samples into a sink, check them, and return everything about them but their rows."""
    names = Names.of(config, nominal_only=nominal_only)
    ledger.require_distinct(sources)
    with Reader(config.ntuples) as reader:
        done = _read_all(sources, config, names, reader, sink, jobs=jobs, progress=progress)
        marks = {source.name: joined([part.marks for part in parts]) for source, parts in done}
        ledger.require_unique(marks, [source for source, _ in done], config, chunks.again(config, names, reader))
    return replace(
        names.no_events(config),
        cutflow=_cutflow(config, done),
        warnings=_warnings(done, marks),
        files={source.name: source.files for source, _ in done},
        ledger=tuple(
            record
            for source, parts in done
            for record in ledger.records(source, [(part.entries, part.counts) for part in parts], reader)
        ),
    )


def _warnings(done: list[tuple[Source, list[Part]]], marks: Mapping[str, Marks]) -> tuple[str, ...]:
    """Return what is remarkable in the input, and log it."""
    sentences = sorted({note for _, parts in done for part in parts for note in part.notes})
    for source, _ in done:
        found = marks[source.name]
        share = None if source.is_recorded else largest_share(found)
        if share is not None:
            sentences.append(
                f"sample '{source.name}': one of {len(found.rows)} selected events has {share:.1%} of the sum of all "
                f"weights, {found.largest:.3g} of {found.weight:.3g}; look at the event, or cut on the weight"
            )
    for sentence in sentences:
        log.warning("%s", sentence)
    return tuple(sentences)


def _read_all(
    wanted: list[Source],
    config: Config,
    names: Names,
    reader: Reader,
    sink: _Sink,
    *,
    jobs: int,
    progress: Progress,
) -> list[tuple[Source, list[Part]]]:
    """Read all sources; those that turn out to have a bad file that may be skipped are read again without it.

    The parts that are returned hold no events any more.
    """
    done: dict[str, tuple[Source, list[Part]]] = {source.name: (source, []) for source in wanted}
    while wanted:
        items = _items(wanted, config)
        bad: dict[str, Source] = {}
        for source in wanted:
            done[source.name] = (source, [])
            if sink.begin is not None:
                sink.begin(source)
        with closing(
            _parts(
                items,
                config,
                names,
                reader,
                kept=sink.kept,
                rows=sink.rows,
                jobs=jobs,
                progress=progress,
                description="reading and selecting",
            )
        ) as outcomes_in_order:
            for (source, _), outcome in zip(items, outcomes_in_order, strict=True):
                if isinstance(outcome, FileError):
                    if sink.begin is None:
                        raise outcome
                    known = bad.get(source.name, source)
                    if outcome.location not in known.skipped:
                        bad[source.name] = without(known, outcome, config)
                else:
                    sink.keep(source, outcome.events)
                    done[source.name][1].append(replace(outcome, events=[]))
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
    names: Names,
    reader: Reader,
    *,
    kept: KeptParts,
    rows: bool = True,
    jobs: int,
    progress: Progress,
    description: str,
) -> Generator[Part | FileError, None, None]:
    """Yield what each range of entries gives, in order, or why its file cannot be read if it may be skipped.

    Parameters
    ----------
    rows : whether those of ranges that are kept are wanted
    """
    like = names.no_events(config)

    def read(item: tuple[Source, EntryRange]) -> ak.Array | Part | FileError:
        source, entries = item
        arrays = kept.recall(source.name, entries, rows=rows)
        if arrays is None or not fits(arrays, source):
            return chunks.read(source, entries, config, reader)
        reader.note(entries.file, sums(arrays))
        return unpacked(arrays, entries, source, like, rows=rows)

    def compute(item: tuple[Source, EntryRange], chunk: ak.Array | Part | FileError) -> Part | FileError:
        return chunk if isinstance(chunk, Part | FileError) else chunks.selected(*item, chunk, config, names)

    return outcomes(
        items,
        read,
        compute,
        jobs=jobs,
        progress=progress,
        description=description,
    )


def select_each(
    config: Config,
    samples: Sequence[SampleConfig | SampleSystematic],
    take: Callable[[str, Events], None],
    *,
    jobs: int = 1,
    nominal_only: bool = False,
    progress: Progress = silent,
) -> Events:
    """Select the events of some samples as `select` does, but give those of one chunk after the other to a function.

    Parameters
    ----------
    config : the analysis, whose names stand behind all codes
    samples : what to read, with the files to read; alternative samples give events of their variation
    take : is called with the name of the sample and the selected events of a chunk in all variations, whose cutflow is
        empty
    jobs : chunks computed at a time, while the next ones are read; it does not change the result
    nominal_only : leave out variations that have events of their own
    progress : wraps the chunks and shows how many are done

    Returns
    -------
    No events, but the names, the cutflow, the files, the ledger and the warnings of all

    Raises
    ------
    FileError
        If a file fails while it is read: chunks already given cannot be normalised anew without it.
    InputError
        As `select` does; that an event appears twice is known after the last chunk.
    """
    nothing = _no_cutflow(config)
    sources = sources_of(config, samples, nominal_only=nominal_only)
    sink = _Sink(None, lambda source, events: take(source.name, replace(concatenate(events), cutflow=nothing)))
    return _select_all(sources, config, sink, nominal_only=nominal_only, jobs=jobs, progress=progress)


def select_part(
    config: Config,
    sample: SampleConfig | SampleSystematic,
    chosen: Sequence[str],
    *,
    kept: KeptParts,
    jobs: int = 1,
    progress: Progress = silent,
) -> None:
    """Select the events of some files of a sample, and keep them for `select` and `select_to_disk`.

    The normalisation is that of all files of the sample. What may be left out is decided where all files are together.

    Parameters
    ----------
    config : the analysis
    sample : with all its files
    chosen : locations of the files to read

    Raises
    ------
    ConfigError, InputError
        As `select`.
    """
    (source,) = sources_of(config, [sample], nominal_only=False)
    with (
        Reader(config.ntuples) as reader,
        closing(_of_files(source, chosen, config, reader, kept=kept, jobs=jobs, progress=progress)) as parts,
    ):
        for part in parts:
            if not isinstance(part, FileError):
                kept.keep(source.name, part.entries, packed(part, source, reader.noted(part.entries.file)))


@dataclass(frozen=True, eq=False)
class ChosenFiles:
    """The events of some files of a sample, normalised as those of all its files.

    Attributes
    ----------
    used : locations of all files of the sample that count
    chunks : the selected events of the chosen files, chunk by chunk, in all variations; their cutflow is empty
    """

    used: tuple[str, ...]
    chunks: Generator[Events, None, None]


def chosen_files(
    config: Config,
    sample: SampleConfig | SampleSystematic,
    chosen: Sequence[str],
    *,
    kept: KeptParts,
    jobs: int = 1,
    progress: Progress = silent,
) -> ChosenFiles:
    """Take the events of some files of a sample that `select_part` kept, or select them.

    A file that fails while it is read is an error here, even if it may be skipped: other parts count on it.

    Parameters
    ----------
    config, sample, chosen : as for `select_part`

    Raises
    ------
    ConfigError, InputError
        As `select`; some only while chunks are taken.
    """
    (source,) = sources_of(config, [sample], nominal_only=False)
    empty = _no_cutflow(config)

    def selected() -> Generator[Events, None, None]:
        with (
            Reader(config.ntuples) as reader,
            closing(_of_files(source, chosen, config, reader, kept=kept, jobs=jobs, progress=progress)) as parts,
        ):
            for part in parts:
                if isinstance(part, FileError):
                    raise part
                yield replace(concatenate(part.events), cutflow=empty)

    return ChosenFiles(tuple(file.location for file in source.files), selected())


def _of_files(
    source: Source,
    chosen: Sequence[str],
    config: Config,
    reader: Reader,
    *,
    kept: KeptParts,
    jobs: int,
    progress: Progress,
) -> Generator[Part | FileError, None, None]:
    """Yield what each range of entries of some files gives, or why its file cannot be read if it may be skipped."""
    of_chosen = replace(source, files=tuple(file for file in source.files if file.location in chosen))
    outcomes_in_order = _parts(
        _items([of_chosen], config),
        config,
        Names.of(config, nominal_only=False),
        reader,
        kept=kept,
        jobs=jobs,
        progress=progress,
        description=f"reading and selecting {source.name}",
    )
    with closing(outcomes_in_order) as parts:
        yield from parts


def _cutflow(config: Config, done: list[tuple[Source, list[Part]]]) -> Cutflow:
    """Return the cutflow of the nominal selection of all samples."""
    counted = [(source.name, part.counts) for source, parts in done if NOMINAL in source.plans for part in parts]
    return reduce(lambda total, item: total.add(*item), counted, _no_cutflow(config))


def _no_cutflow(config: Config) -> Cutflow:
    return Cutflow.empty(tuple(cut.name for cut in config.selection), tuple(sample.name for sample in config.samples))


def require_trainable(events: Events, config: Config) -> None:
    """Require that the signal and every stage's background have selected events.

    Raises
    ------
    TrainingError
        If one has none, or if its weights do not sum to a positive number.
    """
    nominal = events.is_nominal
    wanted = [(f"stage '{stage.name}'", name) for stage in config.cascade.stages for name in stage.against]
    faults = []
    for where, name in [("cascade.signal", config.cascade.signal), *wanted]:
        rows = nominal & events.of_process(name)
        total = float(events.weights[NOMINAL][rows].sum())
        if not rows.any() or total <= 0:
            faults.append(
                f"{where}: process {name} has {int(rows.sum())} selected events with a sum of weights of {total:g}"
            )
    if faults:
        raise TrainingError(f"{', '.join(faults)}, expected more than 0; loosen the selection or add simulation")
