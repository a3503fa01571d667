"""Selected events on disk: columns that are read when their rows are asked for, and how such a file is written.

Events come in any order and leave in the canonical one without ever being in memory together: the rows of a sample go
to `N_BUCKETS` files by the leading bits of their identity, which is a hash and fills them evenly; each is then sorted
on its own and appended to a ROOT file.
"""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import uproot

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, IntArray
from cascadebdt.atomic import draft
from cascadebdt.config import NOMINAL
from cascadebdt.errors import TrainingError
from cascadebdt.events.events import Events, in_order

TREE = "Events"
N_BUCKETS = 64
BLOCK = 1 << 20  # entries of a column read at a time


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
        self._tree = uproot.open(path, array_cache=None)[TREE]
        self._names = tuple(names)

    def __getitem__(self, name: str) -> DiskColumn:
        if name not in self._names:
            raise KeyError(name)
        return DiskColumn(self._tree[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def write(path: Path, samples: Iterable[Iterable[Events]]) -> Events:
    """Write the nominal simulated events of some samples and return them with their columns left on disk.

    Parameters
    ----------
    path : of the ROOT file
    samples : for each sample, in the order of their codes, its events chunk by chunk in any order

    Returns
    -------
    `Events` in canonical order whose columns are `DiskColumns`; a row takes 22 bytes of memory

    Raises
    ------
    TrainingError
        If there is no event.
    """
    parts: list[Events] = []
    with draft(path) as place, uproot.recreate(place, compression=None) as file:
        for chunks in samples:
            for part in _sorted(chunks, place.parent):
                if not parts:
                    file.mktree(TREE, dict.fromkeys(part.columns, FEATURE))
                file[TREE].extend(dict(part.columns))
                parts.append(replace(part, columns={}, weights={NOMINAL: part.weights[NOMINAL]}))
                names = tuple(part.columns)
        if not parts:
            raise TrainingError("no simulated event passes the selection; loosen it or add simulation")
    return replace(
        parts[0],
        columns=cast(Mapping[str, FeatureArray], DiskColumns(path, names)),
        weights={NOMINAL: np.concatenate([part.weights[NOMINAL] for part in parts])},
        event_id=np.concatenate([part.event_id for part in parts]),
        process=np.concatenate([part.process for part in parts]),
        sample=np.concatenate([part.sample for part in parts]),
        variation=np.concatenate([part.variation for part in parts]),
    )


def _sorted(chunks: Iterable[Events], directory: Path) -> Iterator[Events]:
    """Yield the nominal simulated events of one sample in canonical order, a bucket at a time."""
    with tempfile.TemporaryDirectory(dir=directory, prefix=".buckets.") as folder:
        buckets = [Path(folder) / str(number) for number in range(N_BUCKETS)]
        for chunk in chunks:
            events = chunk.take(chunk.is_nominal & ~chunk.is_data)
            rows, number = _packed(events), events.event_id >> np.uint64(64 - N_BUCKETS.bit_length() + 1)
            for k in np.unique(number):
                with buckets[int(k)].open("ab") as file:
                    rows[number == k].tofile(file)
        for bucket in buckets:
            if bucket.exists():
                yield in_order(_unpacked(np.fromfile(bucket, rows.dtype), events))
                bucket.unlink()


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
