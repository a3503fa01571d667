"""A plan and what it makes of a chunk."""

from dataclasses import dataclass

import awkward as ak
import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.expression import Program, Value
from cascadebdt.features.branches import Branches, Shift
from cascadebdt.features.objects import AnyObject, Candidates, taken


@dataclass(frozen=True)
class FeatureTable:
    """What is known of the events of a chunk.

    Attributes
    ----------
    columns : feature name -> (n_rows,) float32
    passed : cut name -> (n_events,) bool, each cut on its own
    weights : weight name -> (n_events,) float64
    rows : (n_rows,) int64, the events of `columns`: all, or those that pass every cut
    """

    columns: dict[str, FeatureArray]
    passed: dict[str, BoolArray]
    weights: dict[str, FloatArray]
    rows: IntArray


@dataclass(frozen=True)
class FeaturePlan:
    """How to turn chunks into feature tables; `branches` are those that must be read, `exact` those of weights.

    `objects` lists every object after those it depends on; the first `n_early` are all that cuts and weights need.
    `early` and `late` name the objects that cuts and weights, and features, use.

    It holds names and generated source only, so that it can be sent to other processes and used by many threads.
    """

    branches: frozenset[str]
    exact: frozenset[str]
    shifts: tuple[Shift, ...]
    values: tuple[Value, ...]
    objects: tuple[AnyObject, ...]
    n_early: int
    early: tuple[str, ...]
    late: tuple[str, ...]
    decisions: Program
    program: Program
    cuts: tuple[str, ...]
    columns: tuple[str, ...]
    weights: tuple[str, ...]

    def apply(self, chunk: ak.Array | Branches, *, passing_only: bool = False) -> FeatureTable:
        """Return the features, cut decisions and weights of the events of `chunk`.

        Parameters
        ----------
        chunk : (n_events,) records with a field per branch, each a number or a list of numbers
        passing_only : compute the features, and the objects that only they need, of events that pass every cut

        Raises
        ------
        InputError
            If a branch is missing or is not of the kind its use in the configuration implies.
        """
        branches = chunk if isinstance(chunk, Branches) else Branches(chunk)
        if self.shifts:
            branches = branches.replaced({shift.branch: shift.apply(branches) for shift in self.shifts})
        values = branches.table(self.values)
        objects = self._objects(self.objects[: self.n_early], branches, values, {})
        cuts, _, weights = self.decisions.run(branches.n_events, values, [objects[name] for name in self.early])
        rows = np.arange(branches.n_events)
        if passing_only and not cuts.all():
            rows = np.flatnonzero(cuts.all(axis=0))
            branches, values = branches.take(rows), np.ascontiguousarray(values[:, rows])
            objects = {name: taken(candidates, rows) for name, candidates in objects.items()}
        objects = self._objects(self.objects[self.n_early :], branches, values, objects)
        _, columns, _ = self.program.run(len(rows), values, [objects[name] for name in self.late])
        return FeatureTable(
            columns=dict(zip(self.columns, columns, strict=True)),
            passed=dict(zip(self.cuts, cuts, strict=True)),
            weights=dict(zip(self.weights, weights, strict=True)),
            rows=rows,
        )

    def _objects(
        self,
        specs: tuple[AnyObject, ...],
        branches: Branches,
        values: FloatArray,
        objects: dict[str, Candidates],
    ) -> dict[str, Candidates]:
        """Return `objects` and those of `specs`."""
        found = dict(objects)
        for spec in specs:
            found[spec.name] = spec.select(branches, values, found)
        return found
