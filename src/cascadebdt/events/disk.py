"""Selected events on disk: put there chunk by chunk in any order, they leave in the canonical one, block by block.

The rows of a sample go to files by the leading bits of their identity, which is a hash and fills them evenly; sorting
each file on its own sorts them all, without all events ever being in memory together. A file holds every variation of
its events. The features of what trains are written once more, as columns, which are read when their rows are asked for.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, IntArray
from cascadebdt.config import NOMINAL
from cascadebdt.errors import TrainingError
from cascadebdt.events.events import Events, in_order, joined
from cascadebdt.events.selection import Cutflow

TREE = "Events"
ROWS_PER_FILE = 1 << 18  # at most, on average
MAX_FILES = 1 << 10  # of a sample
BLOCK = 1 << 20  # entries of a column read at a time


class Store:
    """Rows of events in a folder, by sample and identity.

    Parameters
    ----------
    folder : empty, of these files alone
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._bits: dict[str, int] = {}  # of the identity that choose the file, by sample
        self._like: Events | None = None

    def begin(self, sample: str, *, n_rows: int) -> None:
        """Begin a sample of at most `n_rows` rows; what there was of it is removed."""
        for path in self._files(sample):
            path.unlink(missing_ok=True)
        n_files = min(max(1, -(-n_rows // ROWS_PER_FILE)), MAX_FILES)
        self._bits[sample] = (n_files - 1).bit_length()

    def add(self, sample: str, events: Events) -> None:
        """Add events of a sample that was begun."""
        self._like = events.take(np.arange(0))
        rows, number = _packed(events), _leading(events.event_id, self._bits[sample])
        for k in np.unique(number):
            with self._file(sample, int(k)).open("ab") as file:
                rows[number == k].tofile(file)

    def blocks(self) -> Iterator[Events]:
        """Yield all events: sample by sample as they were begun, the rows of a sample and a variation in order."""
        for path in (path for sample in self._bits for path in self._files(sample)):
            if self._like is not None and path.exists():
                yield in_order(_unpacked(np.fromfile(path, _packed(self._like).dtype), self._like))

    def _files(self, sample: str) -> list[Path]:
        return [self._file(sample, k) for k in range(1 << self._bits[sample])] if sample in self._bits else []

    def _file(self, sample: str, number: int) -> Path:
        return self._folder / f"{list(self._bits).index(sample)}.{number}"


@dataclass(frozen=True, eq=False)
class StoredEvents:
    """Selected events on disk, as `loading.select` returns them in memory.

    Attributes
    ----------
    account : no event, but the names, the cutflow, the files, the ledger and the warnings of all
    store : the events
    """

    account: Events
    store: Store

    def blocks(self) -> Iterator[Events]:
        """Yield the events block by block; the cutflow of all is that of the first, which holds no event.

        The rows of a process and a variation come in canonical order, and all variations of an event are in one block.
        """
        yield self.account
        nothing = Cutflow.empty(self.account.cutflow.cuts[1:], self.account.cutflow.samples)
        for block in self.store.blocks():
            yield replace(block, cutflow=nothing)

    def training(self, path: Path) -> Events:
        """Return the nominal simulated events in order, with their features in a ROOT file at `path`.

        Returns
        -------
        `Events` whose columns are `DiskColumns`; a row takes 22 bytes of memory

        Raises
        ------
        TrainingError
            If there is no event.
        """
        return write(path, (block.take(block.is_nominal & ~block.is_data) for block in self.store.blocks()))


@dataclass(frozen=True)
class DiskColumn:
    """One column on disk."""

    branch: Any

    def __len__(self) -> int:
        return int(self.branch.num_entries)

    def __getitem__(self, rows: AnyArray) -> FeatureArray:
        """Read the values of some rows, which a mask or increasing indices choose, ``(n_rows,) float32``."""
        entries: IntArray = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        values = np.empty(len(entries), FEATURE)
        for first in range(0, len(self), BLOCK):
            begin, end = np.searchsorted(entries, (first, first + BLOCK))
            if begin < end:
                low, high = int(entries[begin]), int(entries[end - 1]) + 1
                block = self.branch.array(entry_start=low, entry_stop=high, library="np")
                values[begin:end] = block[entries[begin:end] - low]
        return values


class DiskColumns(Mapping[str, DiskColumn]):
    """The features of a file that `write` made."""

    def __init__(self, path: Path, names: Iterable[str]) -> None:
        import uproot  # events without files need none

        self._tree = uproot.open(path, array_cache=None)[TREE]
        self._path, self._names = path, tuple(names)

    def __reduce__(self) -> tuple[type, tuple[Path, tuple[str, ...]]]:
        """Let another process open the file for itself."""
        return DiskColumns, (self._path, self._names)

    def __getitem__(self, name: str) -> DiskColumn:
        if name not in self._names:
            raise KeyError(name)
        return DiskColumn(self._tree[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def write(path: Path, blocks: Iterable[Events]) -> Events:
    """Write the features of events, block by block, and return the events with their columns left on disk.

    Raises
    ------
    TrainingError
        If there is no event.
    """
    import uproot

    parts: list[Events] = []
    with uproot.recreate(path, compression=None) as file:
        for part in filter(len, blocks):
            if not parts:
                file.mktree(TREE, dict.fromkeys(part.columns, FEATURE))
            file[TREE].extend(dict(part.columns))
            parts.append(replace(part, columns={}, weights={NOMINAL: part.weights[NOMINAL]}))
            names = tuple(part.columns)
    if not parts:
        raise TrainingError("no simulated event passes the selection; loosen it or add simulation")
    return replace(joined(parts), columns=cast(Mapping[str, FeatureArray], DiskColumns(path, names)))


def _leading(event_id: AnyArray, bits: int) -> AnyArray:
    """Return the number that the leading bits of an identity make, ``(n_rows,)``."""
    return event_id >> np.uint64(64 - bits) if bits else np.zeros(len(event_id), np.int64)


def _packed(events: Events) -> AnyArray:
    """Return the rows of events as records; every weight is there, since ties are broken by all of them."""
    fields = _fields(events)
    rows = np.empty(len(events), [(f"{kind} {name}", column.dtype) for (kind, name), column in fields.items()])
    for (kind, name), column in fields.items():
        rows[f"{kind} {name}"] = column
    return rows


def _unpacked(rows: AnyArray, like: Events) -> Events:
    """Return records as events with the names of others."""
    fields = {key: rows[f"{key[0]} {key[1]}"].copy() for key in _fields(like)}
    return replace(
        like,
        columns={name: fields["column", name] for name in like.columns},
        weights={name: fields["weight", name] for name in like.weights},
        event_id=fields["row", "event_id"],
        process=fields["row", "process"],
        sample=fields["row", "sample"],
        variation=fields["row", "variation"],
    )


def _fields(events: Events) -> dict[tuple[str, str], AnyArray]:
    return {
        **{("row", name): getattr(events, name) for name in ("event_id", "process", "sample", "variation")},
        **{("weight", name): values for name, values in events.weights.items()},
        **{("column", name): values for name, values in events.columns.items()},
    }
