"""The ledger: what became of every entry of every file, and the checks that nothing was lost or counted twice."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeAlias

import awkward as ak
import numpy as np

from cascadebdt.arrays import AnyArray, IdArray, IntArray
from cascadebdt.config import NOMINAL, Config
from cascadebdt.errors import InputError
from cascadebdt.events.copies import Suspects, copies
from cascadebdt.events.events import FileRecord, identify
from cascadebdt.events.marks import Marks, identifies, repeated
from cascadebdt.events.selection import Counts
from cascadebdt.events.sources import Source
from cascadebdt.ntuple import EntryRange, Reader, ranges

Again: TypeAlias = Callable[[Source, EntryRange], tuple[ak.Array, IntArray, IdArray]]  # chunk, its rows, their marks


def identity(chunk: ak.Array, part: EntryRange, source: Source, config: Config) -> IdArray:
    """Return the identity of the events of a chunk, ``(n_events,) uint64``."""
    salt = "" if source.is_recorded else source.name
    if not config.ntuples.event_id:
        entries = np.arange(part.start, part.stop)
        return identify([entries], salt=f"{salt}/{part.file.identity}/{part.file.tree}")
    return identify(numbers(chunk, part, config), salt=salt)


def numbers(chunk: ak.Array, part: EntryRange, config: Config) -> list[AnyArray]:
    """Return the branches that identify the events of a chunk."""
    columns = [ak.to_numpy(chunk[name]) for name in config.ntuples.event_id]
    for name, column in zip(config.ntuples.event_id, columns, strict=True):
        if not np.issubdtype(column.dtype, np.integer):
            raise InputError(
                f"{part.file.location}:{part.file.tree}: branch '{name}' of ntuples.event_id is {column.dtype}, "
                "expected integers: a floating-point number loses large event numbers"
            )
    return columns


def records(source: Source, counted: Iterable[tuple[EntryRange, Counts]], reader: Reader) -> list[FileRecord]:
    """Return what became of every file of a source that `reader` read, in order.

    Raises
    ------
    InputError
        If not every entry of a file was read.
    """
    read = dict.fromkeys((file.location for file in source.files), 0)
    selected = dict(read)
    for part, counts in counted:
        read[part.file.location] += int(counts.entries[0])
        selected[part.file.location] += int(counts.entries[-1])
    for file in source.files:
        if read[file.location] != file.entries:
            raise InputError(f"{file.location}: {read[file.location]} of {file.entries} entries were read")
    done = []
    for file in source.files:
        n_bytes, checksum = reader.sum(file)
        n_read, n_selected = read[file.location], selected[file.location]
        done.append(FileRecord(source.name, file.location, file.entries, n_read, n_selected, None, n_bytes, checksum))
    return done + [FileRecord(source.name, location, 0, 0, 0, why) for location, why in source.skipped.items()]


def require_distinct(sources: Sequence[Source]) -> None:
    """Require that no file appears twice, under whatever name, where its events would count twice.

    Simulation may serve two samples if these weight it differently, and so divide its events between them. Alternative
    samples are compared with nothing but themselves: they replace other events.

    Raises
    ------
    InputError
        Naming both places.
    """
    known: dict[tuple[object, ...], list[tuple[Source, str]]] = {}
    for source in sources:
        world = NOMINAL if NOMINAL in source.plans else source.name
        for file in source.files:
            # ROOT files that were made reproducible all have the identifier zero.
            content = (file.identity, file.size_bytes, file.entries) if file.identity.strip("0-") else file.location
            others = known.setdefault((world, content, file.tree), [])
            for other, place in others:
                if source.is_data or other.is_data or source.name == other.name or source.weight == other.weight:
                    raise InputError(_twice(other, place, source, file.location))
            others.append((source, file.location))


def _twice(first: Source, place: str, second: Source, other_place: str) -> str:
    if first.name == second.name:
        return (
            f"sample '{first.name}': {place} and {other_place} are one file, or copies of it, so that its events would "
            "count twice; remove one of them from samples.files"
        )
    stands_for_data = (first.is_data or second.is_data) and not (first.is_recorded or second.is_recorded)
    cure = "; without a sample of data, the expectation stands for them" if stands_for_data else ""
    return (
        f"{place} of sample '{first.name}' (process {first.process}) and {other_place} of sample '{second.name}' "
        f"(process {second.process}) are one file, or copies of it, so that its events would count twice; remove it "
        f"from one of the samples{cure}"
    )


def require_unique(found: Mapping[str, Marks], sources: Sequence[Source], config: Config, again: Again) -> None:
    """Require that no event of data, and no row of simulation with equal values of all branches, was selected twice.

    Only if one was, the places are looked up by selecting again.

    Parameters
    ----------
    found : source -> the marks of its rows
    again : selects a range of entries again

    Raises
    ------
    InputError
        Naming the event and the two places, or a sample whose events have hardly any identities.
    """
    for source in sources:
        _require_identities(source, found[source.name], config)
    recorded = [source for source in sources if source.is_recorded]
    groups = [recorded, *([source] for source in sources if not source.is_recorded)]
    for group in filter(None, groups):
        suspects = repeated(np.concatenate([found[source.name].rows for source in group]))
        if len(suspects):
            _look_up(suspects, group, config, again)


def _require_identities(source: Source, marks: Marks, config: Config) -> None:
    """Require that the events of simulation do not nearly all have the same identity; those of data then repeat."""
    if not source.is_recorded and not identifies(marks):
        names, n_values = ", ".join(config.ntuples.event_id), int(marks.occupied.sum())
        raise InputError(
            f"sample '{source.name}': its {marks.n_entries} events have only about {n_values} different values of "
            f"{names}, so that they cannot be divided into folds; name the branches that identify an event in "
            "ntuples.event_id, or 'entry' if there are none"
        )


def _look_up(suspects: IdArray, sources: Sequence[Source], config: Config, again: Again) -> None:
    """Raise at the second place of a row; rows of simulation may still differ in what no feature reads."""
    places = [
        Suspects(source, part, rows, marks).among(suspects)
        for source in sources
        for file in source.files
        for part in ranges(file, entries=config.ntuples.chunk_entries)
        for _, rows, marks in [again(source, part)]
    ]
    if not sources[0].is_recorded:
        places = copies([place for place in places if len(place.rows)], config.ntuples)
    seen: dict[int, str] = {}
    for place in places:
        for mark, row in zip(place.marks.tolist(), place.rows.tolist(), strict=True):
            where = f"{place.part.file.location} entry {place.part.start + row}"
            if mark in seen:
                raise InputError(_copied(place, row, (seen[mark], where), config, again))
            seen[mark] = where


def _copied(place: Suspects, row: int, places: tuple[str, str], config: Config, again: Again) -> str:
    source = place.source
    what = "data: the event" if source.is_recorded else f"sample '{source.name}': with equal values, the event"
    chunk, _, _ = again(source, place.part)
    return (
        f"{what} ({_label(chunk, row, place.part, config)}) appears twice, at {places[0]} and at {places[1]}; "
        "expected it once: remove the copy from samples.files or from the file"
    )


def _label(chunk: ak.Array, row: int, part: EntryRange, config: Config) -> str:
    """Return what identifies an event, as a person writes it."""
    names = config.ntuples.event_id
    columns = numbers(chunk, part, config) if names else [np.arange(part.start, part.stop)]
    return ", ".join(f"{name} {int(column[row])}" for name, column in zip(names or ("entry",), columns, strict=True))
