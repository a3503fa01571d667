"""`Events`: selected events as flat columns, with weights per variation and an identity that no order changes."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, CodeArray, FeatureArray, FloatArray, IdArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.events.selection import Cutflow

if TYPE_CHECKING:  # events without files need no uproot
    from cascadebdt.ntuple import NtupleFile


@dataclass(frozen=True)
class FileRecord:
    """What became of the entries of one file in the nominal selection (or in that of its variation).

    `entries` is what the file says, `read` what came out of it; `read - selected` were cut. `skipped` is why the file
    was left out, None if it was not. `bytes_read` and `checksum` are those of the events that were read from it.
    """

    sample: str
    location: str
    entries: int
    read: int
    selected: int
    skipped: str | None = None
    bytes_read: int = 0
    checksum: str | None = None


@dataclass(frozen=True, eq=False)
class Events:
    """Selected events of every sample, in canonical order.

    A kinematic or sample variation has rows of its own; a weight variation is one more weight of the nominal rows.

    Attributes
    ----------
    columns : feature name -> (n_events,) float32, NaN where a feature has no value
    weights : "nominal" and each weight variation -> (n_events,) float64, normalised to the luminosity
    event_id : (n_events,) uint64, see `identify`
    process, sample, variation : (n_events,) int16, codes into the tuples of names below
    cutflow : of the nominal selection
    files : the files read, by sample
    ledger : what became of each file, those left out included
    warnings : what is remarkable in the input, a sentence each

    Examples
    --------
    >>> events = cb.select(config)
    >>> met = events.columns["met"][events.of_process("zee")]
    >>> expected = events.weights["nominal"][events.of_process("zee")].sum()
    """

    columns: Mapping[str, FeatureArray]
    weights: Mapping[str, FloatArray]
    event_id: IdArray
    process: CodeArray
    sample: CodeArray
    variation: CodeArray
    processes: tuple[str, ...]
    samples: tuple[str, ...]
    variations: tuple[str, ...] = (NOMINAL,)
    cutflow: Cutflow = field(default_factory=lambda: Cutflow.empty((), ()))
    files: Mapping[str, "tuple[NtupleFile, ...]"] = field(default_factory=dict)
    ledger: tuple[FileRecord, ...] = ()
    warnings: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.event_id)

    @property
    def is_nominal(self) -> BoolArray:
        """Mask of the rows that are no variation, ``(n_events,)``."""
        return np.asarray(self.variation == self.variations.index(NOMINAL))

    @property
    def is_data(self) -> BoolArray:
        """Mask of recorded data, ``(n_events,)``."""
        return self.of_process(DATA)

    def of_process(self, *names: str) -> BoolArray:
        """Return the mask of the events of these processes, ``(n_events,)``; an unknown process has none."""
        codes = [self.processes.index(name) for name in names if name in self.processes]
        return np.isin(self.process, codes)

    def take(self, rows: AnyArray) -> "Events":
        """Return the rows of a mask or of an index array."""
        return replace(
            self,
            columns={name: column[rows] for name, column in self.columns.items()},
            weights={name: weight[rows] for name, weight in self.weights.items()},
            event_id=self.event_id[rows],
            process=self.process[rows],
            sample=self.sample[rows],
            variation=self.variation[rows],
        )


def identify(numbers: Sequence[AnyArray], *, salt: str) -> IdArray:
    """Hash the integers that identify an event to 64 bits.

    The hash is a chain of splitmix64 finalisers, so that every bit of every number counts and its remainder is evenly
    spread. It is part of every trained cascade: with another hash, events would be scored by models that saw them.

    Parameters
    ----------
    numbers : integer arrays of shape (n_events,), such as run, luminosity block, event
    salt : the sample's name for simulation, whose numbers repeat between samples; empty for data

    Returns
    -------
    (n_events,) uint64

    References
    ----------
    G.L. Steele, D. Lea, C.H. Flood, OOPSLA 2014, doi:10.1145/2660193.2660195.
    """
    # Python's own hash of a text differs from process to process.
    start = np.frombuffer(hashlib.sha256(salt.encode()).digest()[:8], np.uint64)[0] if salt else np.uint64(0)
    identity = np.full(len(numbers[0]), start, np.uint64)
    for number in numbers:
        identity = mix(identity ^ number.astype(np.uint64))
    return identity


def mix(z: IdArray) -> IdArray:
    """Apply one step of splitmix64: the increment, then the finaliser; uint64 arithmetic wraps as intended."""
    # Without the increment 0 would be a fixed point, and in a chain run and luminosity block are often 0.
    z = z + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def concatenate(parts: Iterable[Events]) -> Events:
    """Join parts with equal columns, weights and names, and bring their rows into canonical order."""
    return in_order(joined(list(parts)))


def joined(parts: Sequence[Events]) -> Events:
    """Join parts with equal columns, weights and names in the order they have."""
    first = parts[0]
    return replace(
        first,
        columns={name: np.concatenate([part.columns[name] for part in parts]) for name in first.columns},
        weights={name: np.concatenate([part.weights[name] for part in parts]) for name in first.weights},
        event_id=np.concatenate([part.event_id for part in parts]),
        process=np.concatenate([part.process for part in parts]),
        sample=np.concatenate([part.sample for part in parts]),
        variation=np.concatenate([part.variation for part in parts]),
    )


def in_order(events: Events) -> Events:
    """Return the events in canonical order.

    The order is by variation, sample and identity, then by weights and features: rows that still tie are equal, so
    the result does not depend on the order the rows had.
    """
    most_to_least: list[AnyArray] = [events.variation, events.sample, events.event_id]
    if _increases(most_to_least):
        return events
    order = np.lexsort(most_to_least[::-1])
    if not _increases([key[order] for key in most_to_least]):
        ties: list[AnyArray] = [*events.columns.values(), *events.weights.values()]
        order = np.lexsort([*ties, *reversed(most_to_least)])
    return events.take(order)


def _increases(keys: Sequence[AnyArray]) -> bool:
    """Whether every row is above the one before it, by the first key that differs."""
    tied = np.ones(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        if (tied & (key[1:] < key[:-1])).any():
            return False
        tied &= key[1:] == key[:-1]
    return not tied.any()
