"""The candidates of an object: collected, selected, freed of overlaps and sorted, event by event."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import WEIGHT, AnyArray, FloatArray, IntArray
from cascadebdt.errors import InputError
from cascadebdt.expression import Program
from cascadebdt.features.branches import Branches
from cascadebdt.kernels.ragged import apart, arrange, gather, select, slots

Candidates = tuple[IntArray, FloatArray]


@dataclass(frozen=True)
class ObjectPlan:
    """How the candidates of one object are found.

    Attributes
    ----------
    lengths : per collection, the branch that tells how many candidates there are
    cells : per field, per collection: the branch, or a constant
    fields : names of the fields; the first `n_kept` are needed of the selected candidates
    values : rows, in the table of bare names, of what `where` and `order` need beside fields
    program : `where` and `order`, if there are any
    away_from : other objects, which are found before, and the least distance to them
    """

    name: str
    lengths: tuple[str, ...]
    fields: tuple[str, ...]
    cells: tuple[tuple[str | float, ...], ...]
    n_kept: int
    values: tuple[int, ...]
    program: Program
    away_from: tuple[tuple[str, float, tuple[int, int]], ...]

    @property
    def branches(self) -> set[str]:
        """Return the branches that must be read."""
        return {*self.lengths, *(cell for cells in self.cells for cell in cells if isinstance(cell, str))}

    def select(self, branches: Branches, values: FloatArray, objects: Mapping[str, Candidates]) -> Candidates:
        """Return the offsets and the table of the selected candidates, in their order."""
        offsets, table = self._candidates(branches, values)
        conditions, _, keys = self.program.run(table.shape[1], table)
        keep = conditions[0] if len(conditions) else np.ones(table.shape[1], np.bool_)
        for other, radius, (eta, phi) in self.away_from:
            own_eta, own_phi = table[self.fields.index("eta")], table[self.fields.index("phi")]
            other_offsets, others = objects[other]
            keep &= apart(offsets, own_eta, own_phi, other_offsets, others[eta], others[phi], radius)
        new_offsets, index = select(offsets, keep)
        if len(keys):
            index = arrange(new_offsets, index, keys[0])
        return new_offsets, gather(table, index, self.n_kept)

    def _candidates(self, branches: Branches, values: FloatArray) -> Candidates:
        """Return offsets and table of all candidates of all collections, event by event."""
        collections = [branches.lists(name)[0] for name in self.lengths]
        offsets: IntArray = sum(collections, np.zeros_like(collections[0]))
        table = np.empty((len(self.fields) + len(self.values), int(offsets[-1])), WEIGHT)
        begin = offsets[:-1].copy()
        for c, own in enumerate(collections):
            positions = slots(own, begin) if len(collections) > 1 else slice(None)
            begin += np.diff(own)
            for row, cells in enumerate(self.cells):
                table[row, positions] = self._content(branches, cells[c], own, c)
        for row, value in enumerate(self.values, start=len(self.fields)):
            table[row] = np.repeat(values[value], np.diff(offsets))
        return offsets, table

    def _content(self, branches: Branches, cell: str | float, offsets: IntArray, c: int) -> AnyArray | float:
        """Return the content of one field of one collection."""
        if not isinstance(cell, str):
            return cell
        own, content = branches.lists(cell)
        if own is not offsets and not np.array_equal(own, offsets):
            raise InputError(f"branch '{cell}': its lists differ in length from those of '{self.lengths[c]}'")
        return content
