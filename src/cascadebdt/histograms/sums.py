"""Sums of weights that do not depend on the order of the events, nor on who added which of them."""

import hashlib
import json
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, Int32Array, IntArray
from cascadebdt.errors import YieldError
from cascadebdt.kernels import limbs

ALL = "all"


@dataclass(frozen=True, eq=False)
class Packed:
    """All numbers of `Sums` that are not 0, in the only way to write them.

    Attributes
    ----------
    layout : hash of names and sizes of the tables
    n_cells, n_counts : cells of all tables of sums, and of all tables of counts
    cells : (n,) int64, increasing: those whose sum is not 0
    digits : (n, n_digits) int32, their sums in units of 2^(32 k), see `kernels.limbs`
    lowest : k of the first digit
    counted : (m,) int64, increasing: the cells of counts that are not 0
    counts : (m,) int64, these counts
    """

    layout: str
    n_cells: int
    n_counts: int
    cells: IntArray
    digits: Int32Array
    lowest: int
    counted: IntArray
    counts: IntArray


class Sums:
    """Tables of sums and of counts, filled in any order and by anybody with the same bits.

    Sums are exact until they are read, when they become the nearest double: what `math.fsum` gives.
    """

    def __init__(self) -> None:
        self._tables: dict[str, slice] = {}
        self._limbs = np.zeros((0, 0), np.int64)
        self._lowest = 0
        self._n_cells = 0
        self._uncarried = 0
        self._counts: dict[str, IntArray] = {}
        self._layout: str | None = None  # of tables whose names are not known

    def add(self, table: str, n_cells: int, cells: AnyArray, weights: FloatArray) -> None:
        """Add weights to some cells of a table, which begins with zeros.

        Parameters
        ----------
        table : its name
        n_cells : of the table
        cells : (n,), whole numbers
        weights : (n,) float64

        Raises
        ------
        YieldError
            If a weight is not a finite number.
        """
        place = self._place(table, n_cells)
        bits = np.ascontiguousarray(weights, np.float64).view(np.int64)
        lowest, highest = limbs.span(bits)
        if lowest == limbs.NOT_FINITE:
            raise YieldError(
                f"{table}: a weight or its square is beyond the range of doubles; check the weights of the samples"
            )
        if highest >= lowest:
            self._reach(lowest, highest)
            self._make_room(len(bits))
            limbs.deposit(self._limbs[place], self._lowest, np.ascontiguousarray(cells, np.int64), bits)

    def of(self, table: str) -> FloatArray:
        """Return the sums of a table, ``(n_cells,) float64``.

        Raises
        ------
        YieldError
            If one is beyond the range of doubles.
        """
        self._carry()
        sums: FloatArray = limbs.rounded(self._limbs[self._tables[table]], self._lowest)
        if np.isinf(sums).any():
            raise YieldError(f"{table}: a sum of weights is beyond the range of doubles; check the weights")
        return sums

    def count(self, table: str, numbers: IntArray) -> None:
        """Add numbers of events to those of a table."""
        self._counts[table] = self._counts[table] + numbers if table in self._counts else numbers.astype(np.int64)

    def counts(self, table: str) -> IntArray:
        """Return the numbers of events of a table."""
        return self._counts[table]

    def packed(self) -> Packed:
        """Return everything that was added."""
        self._carry()
        if self._limbs.shape[1] and np.abs(self._limbs[:, -1]).max(initial=0) > limbs.CARRY_AFTER:
            self._limbs = np.pad(self._limbs, ((0, 0), (0, 1)))
            limbs.carry(self._limbs)
        cells = np.flatnonzero(self._limbs[: self._n_cells].any(axis=1))
        digits = self._limbs[cells]
        used = np.flatnonzero(digits.any(axis=0))
        first, stop = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        counts = self._all_counts()
        counted = np.flatnonzero(counts)
        return Packed(
            self.layout,
            self._n_cells,
            len(counts),
            cells,
            digits[:, first:stop].astype(np.int32),
            self._lowest + first if len(used) else 0,
            counted,
            counts[counted],
        )

    def take(self, packed: Packed) -> None:
        """Add what others have added to the same tables; without any tables, to those of the other.

        Raises
        ------
        YieldError
            If the tables are others.
        """
        if not self._tables and not self._counts:
            self._place(ALL, packed.n_cells)
            self._counts[ALL] = np.zeros(packed.n_counts, np.int64)
            self._layout = packed.layout
        if packed.layout != self.layout:
            raise YieldError("sums: of other histograms than these; expected the same bins, processes and variations")
        if len(packed.cells):
            self._reach(packed.lowest, packed.lowest + packed.digits.shape[1] - 1)
            self._make_room(1)
            limbs.gather(self._limbs, packed.lowest - self._lowest, packed.cells, packed.digits)
        first = 0
        for counts in self._counts.values():
            stop = first + len(counts)
            here = slice(*np.searchsorted(packed.counted, (first, stop)))
            counts[packed.counted[here] - first] += packed.counts[here]
            first = stop

    @property
    def layout(self) -> str:
        """Hash of the names and the sizes of the tables."""
        if self._layout is not None:
            return self._layout
        sizes = {table: place.stop - place.start for table, place in self._tables.items()}
        text = json.dumps([list(sizes.items()), [(table, len(counts)) for table, counts in self._counts.items()]])
        return hashlib.sha256(text.encode()).hexdigest()

    def _all_counts(self) -> IntArray:
        return np.concatenate([np.zeros(0, np.int64), *self._counts.values()])

    def _place(self, table: str, n_cells: int) -> slice:
        if table not in self._tables:
            first, self._n_cells = self._n_cells, self._n_cells + n_cells
            self._tables[table] = slice(first, self._n_cells)
            if self._n_cells > len(self._limbs):
                more = np.zeros((max(n_cells, len(self._limbs)), self._limbs.shape[1]), np.int64)
                self._limbs = np.concatenate([self._limbs, more])
        return self._tables[table]

    def _reach(self, lowest: int, highest: int) -> None:
        """Have limbs from a lowest to a highest one, and one more for carries."""
        n_limbs = self._limbs.shape[1]
        if not n_limbs:
            self._lowest = lowest
        below = max(self._lowest - lowest, 0)
        above = max(highest + 2 - (self._lowest + n_limbs), 0)
        if below or above:
            self._limbs = np.pad(self._limbs, ((0, 0), (below, above)))
            self._lowest -= below

    def _make_room(self, n_weights: int) -> None:
        if self._uncarried + n_weights > limbs.CARRY_AFTER:
            self._carry()
        self._uncarried += n_weights

    def _carry(self) -> None:
        if self._uncarried:
            limbs.carry(self._limbs)
            self._uncarried = 0
