"""Whether rows with equal identity, weights and features are copies: only if every branch of their files is equal.

With few features two rows of one generated event, such as two hypotheses of its objects, look the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import awkward as ak
import numpy as np

from cascadebdt.arrays import IdArray, IntArray
from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError
from cascadebdt.events.events import mix
from cascadebdt.events.marks import bits, repeated
from cascadebdt.events.sources import Source
from cascadebdt.ntuple import EntryRange, Reader


@dataclass(frozen=True, eq=False)
class Suspects:
    """Rows of a range of entries whose marks other rows have, too.

    Attributes
    ----------
    source, part : where they are
    rows : (n,) int64, within the range
    marks : (n,) uint64
    """

    source: Source
    part: EntryRange
    rows: IntArray
    marks: IdArray

    def among(self, marks: IdArray) -> "Suspects":
        """Return those with one of some marks."""
        chosen = np.isin(self.marks, marks)
        return replace(self, rows=self.rows[chosen], marks=self.marks[chosen])


def copies(suspects: Sequence[Suspects], config: NtupleConfig) -> list[Suspects]:
    """Return the rows that have a copy: every branch that all their files have, and that can be read, is equal.

    Branches are read one after the other, and only until all rows differ.
    """
    left = _with_equal_marks(suspects)
    names = set.intersection(*(set(one.part.file.branches.values()) for one in suspects)) if suspects else set()
    with Reader(config) as reader:  # of its own: what it reads is no part of the checksums of the selection
        for name in sorted(names):
            if not left:
                break
            try:
                left = _with_equal_marks([_told_apart(one, name, reader) for one in left])
            except FileError:
                continue  # a branch that no expression can use, such as objects
    return left


def _with_equal_marks(suspects: Sequence[Suspects]) -> list[Suspects]:
    marks = repeated(np.concatenate([np.zeros(0, np.uint64), *(one.marks for one in suspects)]))
    return [chosen for one in suspects if len((chosen := one.among(marks)).rows)]


def _told_apart(suspects: Suspects, name: str, reader: Reader) -> Suspects:
    """Return rows with marks into which a branch went."""
    values = reader.read(suspects.part, [name])[name][suspects.rows]
    return replace(suspects, marks=mix(suspects.marks ^ _hashes(values)))


def _hashes(values: ak.Array) -> IdArray:
    """Return a hash of the numbers of each row, in their order: ``(n_rows,) uint64``; 0 for what are no numbers."""
    if not _are_numbers(values):
        return np.zeros(len(values), np.uint64)
    while values.ndim > 2:
        values = ak.flatten(values, axis=2)
    if values.ndim == 1:
        return mix(bits(ak.to_numpy(values)))
    counts = ak.to_numpy(ak.num(values, axis=1))
    places = ak.to_numpy(ak.flatten(ak.local_index(values, axis=1))).astype(np.uint64)
    hashes = mix(bits(ak.to_numpy(ak.flatten(values))) ^ mix(places))
    return np.asarray(ak.sum(ak.unflatten(hashes, counts), axis=1), np.uint64)


def _are_numbers(values: ak.Array) -> bool:
    """Return whether values are numbers in lists of any depth; a text is a list of characters with a name."""
    kind = values.type.content
    while isinstance(kind, ak.types.ListType | ak.types.RegularType) and not kind.parameters:
        kind = kind.content
    return isinstance(kind, ak.types.NumpyType)
