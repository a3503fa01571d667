"""The border to Awkward Array: the branches of a chunk as flat arrays, and branches replaced by a variation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from cascadebdt.arrays import OFFSET, WEIGHT, AnyArray, FloatArray, IntArray
from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.expression import Program, Value
from cascadebdt.kernels.ragged import element, of_events

Flat = tuple[IntArray | None, AnyArray]


class Branches:
    """The branches of one chunk as flat arrays, converted once.

    Parameters
    ----------
    chunk : (n_events,) records with a field per branch, each a number or a list of numbers
    n_events : needed for a chunk without any branch
    """

    def __init__(self, chunk: ak.Array, *, n_events: int | None = None) -> None:
        self.chunk = chunk
        self.layout = ak.to_layout(chunk)
        self.n_events = len(chunk) if n_events is None else n_events
        self.rows: IntArray | None = None
        self.source: Branches | None = None
        self.known: dict[str, Flat] = {}
        self._offsets: list[IntArray] = []
        self._taken: dict[int, tuple[IntArray, IntArray]] = {}

    def replaced(self, branches: Mapping[str, Flat]) -> "Branches":
        """Return these branches with other values for some."""
        other = Branches(self.chunk, n_events=self.n_events)
        other.source, other.known = self, dict(branches)
        return other

    def take(self, rows: IntArray) -> "Branches":
        """Return the branches of some events, ``(n_rows,)`` increasing indices."""
        other = Branches(self.chunk, n_events=len(rows))
        other.source, other.rows = self, rows
        return other

    def flat(self, name: str) -> Flat:
        """Return the offsets (None for one number per event) and the content of a branch.

        Branches of equal offsets return the same array.
        """
        if name not in self.known:
            if self.source is not None:
                self.known[name] = self._take(self.source.flat(name))
            elif name not in self.layout.fields:
                raise InputError(f"no branch '{name}' in the events{did_you_mean(name, self.layout.fields)}")
            else:
                offsets, content = _flat(self.layout[name], name)
                self.known[name] = None if offsets is None else self._shared(offsets), content
        return self.known[name]

    def _shared(self, offsets: IntArray) -> IntArray:
        """Return offsets that were seen before, if these are equal to them."""
        for known in self._offsets:
            if known is offsets or (known[-1] == offsets[-1] and np.array_equal(known, offsets)):
                return known
        self._offsets.append(offsets)
        return offsets

    def _take(self, flat: Flat) -> Flat:
        """Return some events of a branch, all of them if there are no rows."""
        offsets, content = flat
        if self.rows is None:
            return flat
        if offsets is None:
            return None, content[self.rows]
        if id(offsets) not in self._taken:  # the source keeps its offsets alive
            self._taken[id(offsets)] = of_events(offsets, self.rows)
        new_offsets, index = self._taken[id(offsets)]
        return new_offsets, content[index]

    def is_flag(self, name: str) -> bool:
        """Return whether a branch holds true and false."""
        return name in self.layout.fields and self.flat(name)[1].dtype == np.bool_

    def require_bits(self, name: str) -> None:
        """Require that a branch holds whole numbers, apart from missing ones.

        Raises
        ------
        InputError
            If it holds anything else.
        """
        content = self.flat(name)[1]
        if content.dtype == np.bool_:
            raise InputError(f"branch '{name}' is true or false and has no bits; use 'and', 'or', 'not'")
        is_whole = np.isnan(content) | ((np.floor(content) == content) & (np.abs(content) <= 2.0**53))
        if not is_whole.all():
            value = content[np.argmin(is_whole)]
            raise InputError(f"branch '{name}': its bits are taken, expected whole numbers up to 2^53, found {value:g}")

    def numbers(self, name: str) -> AnyArray:
        """Return a branch with one number per event: (n_events,)."""
        offsets, content = self.flat(name)
        if offsets is not None:
            raise self._unexpected(name, "one number per event", f"; take one element, {name}[0], or define an object")
        return content

    def lists(self, name: str) -> tuple[IntArray, AnyArray]:
        """Return the offsets and content of a branch with a list per event."""
        offsets, content = self.flat(name)
        if offsets is None and self.n_events > 0:
            raise self._unexpected(name, "a list of numbers per event")
        return np.zeros(1, OFFSET) if offsets is None else offsets, content

    def candidates(self, name: str) -> tuple[IntArray, AnyArray]:
        """Return the offsets and content of a branch; one number per event is one candidate per event."""
        offsets, content = self.flat(name)
        return np.arange(len(content) + 1, dtype=OFFSET) if offsets is None else offsets, content

    def table(self, values: Sequence[Value]) -> FloatArray:
        """Return a table of bare names: (n_values, n_events) float64."""
        table = np.empty((len(values), self.n_events), WEIGHT)
        for row, value in enumerate(values):
            if value.index is None:
                table[row] = self.numbers(value.name)
            else:
                offsets, content = self.lists(value.name)
                table[row] = element(offsets, np.require(content, WEIGHT, ["C", "W"]), value.index)
        return table

    def _unexpected(self, name: str, expected: str, cure: str = "") -> InputError:
        return InputError(f"branch '{name}': expected {expected}, found {self.chunk[name].type.content}{cure}")


def _flat(layout: Any, name: str) -> Flat:
    """Return the offsets and content of an Awkward layout: offsets start at 0, the content has no gaps."""
    whole = layout
    if not (isinstance(layout, ak.contents.ListOffsetArray) and layout.content.is_numpy):
        layout = ak.to_packed(layout, highlevel=False)
    if layout.is_regular:
        layout = layout.to_ListOffsetArray64(True)
    offsets = None
    if layout.is_list and layout.parameter("__array__") is None:
        offsets = np.require(layout.offsets.data, OFFSET, ["C", "W"])
        layout = layout.content[offsets[0] : offsets[-1]]
        offsets = offsets - offsets[0] if offsets[0] else offsets
    if layout.is_unknown:
        return offsets, np.empty(0, WEIGHT)
    if not layout.is_numpy or layout.data.ndim != 1 or layout.data.dtype.kind not in "biuf":
        raise InputError(f"branch '{name}': expected numbers or lists of numbers, found {whole.form.type}")
    return offsets, layout.data


@dataclass(frozen=True)
class Shift:
    """A branch replaced by an expression over branches, for a kinematic variation."""

    branch: str
    values: tuple[Value, ...]
    program: Program

    def apply(self, branches: Branches) -> Flat:
        """Return the new values of the branch."""
        offsets, content = branches.flat(self.branch)
        table = np.empty((len(self.values), content.size), WEIGHT)
        for row, value in enumerate(self.values):
            table[row] = self._like(branches, offsets, value)
        return offsets, self.program.run(content.size, table)[2][0]

    def _like(self, branches: Branches, offsets: IntArray | None, value: Value) -> AnyArray:
        """Return a value for each element of the branch, spreading what has one number per event."""
        own = branches.flat(value.name)[0] if value.index is None else None
        if own is None:
            per_event = branches.table([value])[0]
            return per_event if offsets is None else np.repeat(per_event, np.diff(offsets))
        if offsets is None:
            raise InputError(f"shift of '{self.branch}': it has one number per event, but '{value}' has a list")
        is_same_collection = value.name.partition("_")[0] == self.branch.partition("_")[0]
        if not is_same_collection or not np.array_equal(own, offsets):
            raise InputError(f"shift of '{self.branch}': '{value}' does not belong to the same collection")
        return branches.lists(value.name)[1]
