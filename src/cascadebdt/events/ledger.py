"""The ledger: what became of every entry of every file, and the checks that nothing was lost or counted twice."""

from collections.abc import Iterable, Sequence
from typing import TypeAlias

import awkward as ak
import numpy as np

from cascadebdt.arrays import AnyArray, IdArray
from cascadebdt.config import Config
from cascadebdt.errors import InputError
from cascadebdt.events.events import Events, FileRecord, identify
from cascadebdt.events.selection import Counts
from cascadebdt.events.sources import Source
from cascadebdt.ntuple import EntryRange, Reader, ranges

Place: TypeAlias = tuple[int | str, ...]


def identity(chunk: ak.Array, part: EntryRange, source: Source, config: Config) -> IdArray:
    """Return the identity of the events of a chunk, ``(n_events,) uint64``."""
    salt = "" if source.is_data else source.name
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


def records(source: Source, counted: Iterable[tuple[EntryRange, Counts]]) -> list[FileRecord]:
    """Return what became of every file of a source, in order.

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
    done = [
        FileRecord(source.name, file.location, file.entries, read[file.location], selected[file.location])
        for file in source.files
    ]
    return done + [FileRecord(source.name, location, 0, 0, 0, why) for location, why in source.skipped.items()]


def require_unique(events: Events, sources: Sequence[Source], config: Config, reader: Reader) -> None:
    """Require that no event of data was selected twice.

    Only if one was, the places are looked up by reading the identities again; an event that fails the selection
    fails it in every copy.

    Raises
    ------
    InputError
        Naming the event and the two places.
    """
    ids = np.sort(events.event_id[events.is_data & events.is_nominal])
    twice = np.unique(ids[1:][ids[1:] == ids[:-1]])
    if not len(twice):
        return
    seen: dict[Place, str] = {}
    for source in (source for source in sources if source.is_data):
        for part in (part for file in source.files for part in ranges(file, entries=config.ntuples.chunk_entries)):
            _require_new(part, source, config, reader, twice, seen)


def _require_new(
    part: EntryRange,
    source: Source,
    config: Config,
    reader: Reader,
    twice: IdArray,
    seen: dict[Place, str],
) -> None:
    """Note the places of the suspects in one range of entries; raise at the second place of an event."""
    names = config.ntuples.event_id
    chunk = reader.read(part, names)
    rows = np.flatnonzero(np.isin(identity(chunk, part, source, config), twice))
    columns = numbers(chunk, part, config) if names else [np.arange(part.start, part.stop)]
    for row in rows:
        event = tuple(int(column[row]) for column in columns)
        key: Place = (*event, *(() if names else (part.file.identity, part.file.tree)))
        place = f"{part.file.location} entry {part.start + row}"
        if key in seen:
            label = ", ".join(f"{name} {value}" for name, value in zip(names or ("entry",), event, strict=True))
            raise InputError(
                f"data: the event ({label}) appears twice, at {seen[key]} and at {place}; "
                "expected each event once: remove the copy from samples.files or from the file"
            )
        seen[key] = place
