"""The candidates of an object: collected, selected, cleaned of overlaps and sorted, event by event."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from cascadebdt.arrays import WEIGHT, AnyArray, FloatArray, IntArray
from cascadebdt.errors import InputError
from cascadebdt.expression import Program
from cascadebdt.features.branches import Branches
from cascadebdt.kernels.ragged import (
    apart,
    arrange,
    from_cartesian,
    gather,
    of_events,
    pair_momenta,
    pairs,
    scatter,
    select,
    slots,
)

Candidates = tuple[IntArray, FloatArray]
MOMENTUM = ("pt", "eta", "phi", "mass")


@dataclass(frozen=True)
class Cartesian:
    """One of `MOMENTUM`, computed from the branches of px, py, pz and the energy."""

    row: int
    branches: tuple[str, str, str, str]


Cell: TypeAlias = str | float | Cartesian


def taken(candidates: Candidates, rows: IntArray) -> Candidates:
    """Return the candidates of some events."""
    offsets, index = of_events(candidates[0], rows)
    return offsets, gather(candidates[1], index, len(candidates[1]))


def _finish(
    offsets: IntArray,
    table: FloatArray,
    n_kept: int,
    program: Program,
    near: list[tuple[tuple[FloatArray, FloatArray], Candidates, tuple[int, int], float]],
) -> Candidates:
    """Select candidates, remove overlaps and sort.

    `near` holds own eta and phi, the other object, the rows of its eta and phi, and the least distance.
    """
    conditions, _, keys = program.run(table.shape[1], table)
    keep = conditions[0] if len(conditions) else np.ones(table.shape[1], np.bool_)
    for (own_eta, own_phi), (other_offsets, others), (eta, phi), radius in near:
        keep = apart(offsets, keep, own_eta, own_phi, other_offsets, others[eta], others[phi], radius)
    if not len(conditions) and not near and not len(keys):
        return offsets, table[:n_kept]
    new_offsets, index = select(offsets, keep)
    if len(keys):
        index = arrange(new_offsets, index, keys[0])
    return new_offsets, gather(table, index, n_kept)


@dataclass(frozen=True)
class ObjectPlan:
    """How the candidates of one object are selected.

    Attributes
    ----------
    lengths : per collection, a branch whose lists are as long as there are candidates
    cells : per field, per collection: the branch, a constant, or what is computed from Cartesian momenta
    fields : names of the fields; the first `n_kept` are needed of the selected candidates
    values : rows, in the table of bare names, of what `where` and `order` need beside fields
    program : `where` and `order`, if there are any
    away_from : other objects, which are selected before, the least distance to them, rows of their eta and phi
    """

    name: str
    lengths: tuple[str, ...]
    fields: tuple[str, ...]
    cells: tuple[tuple[Cell, ...], ...]
    n_kept: int
    values: tuple[int, ...]
    program: Program
    away_from: tuple[tuple[str, float, tuple[int, int]], ...]

    @property
    def branches(self) -> set[str]:
        """Return the branches that must be read."""
        cells = [cell for cells in self.cells for cell in cells]
        computed = {branch for cell in cells if isinstance(cell, Cartesian) for branch in cell.branches}
        return {*self.lengths, *(cell for cell in cells if isinstance(cell, str)), *computed}

    @property
    def partner_names(self) -> tuple[str, ...]:
        """Return the other objects that it depends on."""
        return tuple(other for other, _, _ in self.away_from)

    def select(self, branches: Branches, values: FloatArray, objects: Mapping[str, Candidates]) -> Candidates:
        """Return the offsets and the table of the selected candidates, in their order."""
        offsets, table = self._candidates(branches, values)
        near = []
        for other, radius, rows in self.away_from:
            own = table[self.fields.index("eta")], table[self.fields.index("phi")]
            near.append((own, objects[other], rows, radius))
        return _finish(offsets, table, self.n_kept, self.program, near)

    def _candidates(self, branches: Branches, values: FloatArray) -> Candidates:
        """Return offsets and table of all candidates of all collections, event by event."""
        collections = [branches.candidates(name)[0] for name in self.lengths]
        offsets: IntArray = collections[0] if len(collections) == 1 else np.sum(collections, axis=0)
        table = np.empty((len(self.fields) + len(self.values), int(offsets[-1])), WEIGHT)
        begin = offsets[:-1].copy()
        for c, own in enumerate(collections):
            positions = slots(own, begin) if len(collections) > 1 else None
            begin += np.diff(own)
            momenta: dict[tuple[str, ...], FloatArray] = {}
            for row, cells in enumerate(self.cells):
                content = self._content(branches, cells[c], own, c, momenta)
                if positions is None:
                    table[row] = content
                else:
                    numbers = np.require(np.broadcast_to(content, len(positions)), WEIGHT, ["C", "W"])
                    scatter(numbers, positions, table[row])
        for row, value in enumerate(self.values, start=len(self.fields)):
            table[row] = np.repeat(values[value], np.diff(offsets))
        return offsets, table

    def _content(
        self, branches: Branches, cell: Cell, offsets: IntArray, c: int, momenta: dict[tuple[str, ...], FloatArray]
    ) -> AnyArray | float:
        """Return the content of one field of one collection; `momenta` keeps what several fields share."""
        if isinstance(cell, float):
            return cell
        if isinstance(cell, Cartesian):
            if cell.branches not in momenta:
                parts = [self._numbers(branches, name, offsets, c).astype(WEIGHT) for name in cell.branches]
                momenta[cell.branches] = from_cartesian(*parts)
            return np.asarray(momenta[cell.branches][cell.row])
        return self._numbers(branches, cell, offsets, c)

    def _numbers(self, branches: Branches, name: str, offsets: IntArray, c: int) -> AnyArray:
        """Return the content of a branch of a collection."""
        own, content = branches.candidates(name)
        if own is not offsets and not np.array_equal(own, offsets):
            raise InputError(f"branch '{name}': its lists differ in length from those of '{self.lengths[c]}'")
        return content


@dataclass(frozen=True)
class PairPlan:
    """How the pairs of two objects, or of one with itself, are selected.

    Attributes
    ----------
    partners : the two objects, and the rows of pt, eta, phi and mass in their tables
    fields : names; `n_kept` as for `ObjectPlan`
    cells : per field: a row of the momentum of the sum, or a partner and a row of its table
    values, program, away_from : as for `ObjectPlan`
    """

    name: str
    partners: tuple[tuple[str, tuple[int, ...]], tuple[str, tuple[int, ...]]]
    fields: tuple[str, ...]
    cells: tuple[tuple[int, int], ...]
    n_kept: int
    values: tuple[int, ...]
    program: Program
    away_from: tuple[tuple[str, float, tuple[int, int]], ...]
    branches: frozenset[str] = frozenset()

    @property
    def partner_names(self) -> tuple[str, ...]:
        """Return the other objects that it depends on."""
        return (*(name for name, _ in self.partners), *(other for other, _, _ in self.away_from))

    def select(self, branches: Branches, values: FloatArray, objects: Mapping[str, Candidates]) -> Candidates:
        """Return the offsets and the table of the selected pairs, in their order."""
        (one, rows_one), (two, rows_two) = self.partners
        offsets, first, second = pairs(objects[one][0], objects[two][0], one == two)
        partners = (objects[one][1][:, first], objects[two][1][:, second])
        momentum = pair_momenta(partners[0][list(rows_one)], partners[1][list(rows_two)])
        table = np.empty((len(self.fields) + len(self.values), len(first)), WEIGHT)
        for row, (partner, source) in enumerate(self.cells):
            table[row] = momentum[source] if partner < 0 else partners[partner][source]
        for row, value in enumerate(self.values, start=len(self.fields)):
            table[row] = np.repeat(values[value], np.diff(offsets))
        near = [((momentum[1], momentum[2]), objects[other], rows, radius) for other, radius, rows in self.away_from]
        return _finish(offsets, table, self.n_kept, self.program, near)


AnyObject: TypeAlias = ObjectPlan | PairPlan
