"""A plan and what it makes of a chunk."""

from collections.abc import Mapping
from dataclasses import dataclass

import awkward as ak
import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.expression import Program, Value
from cascadebdt.features.branches import Branches, Shift
from cascadebdt.features.objects import AnyObject, Candidates, taken
from cascadebdt.features.touched import Touched


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class _Decided:
    """A chunk as far as cuts and weights need it; `rows` are the events that pass every cut."""

    branches: Branches
    values: FloatArray
    objects: dict[str, Candidates]
    cuts: BoolArray
    weights: FloatArray
    rows: IntArray

    def at(self, rows: IntArray) -> tuple[Branches, FloatArray, dict[str, Candidates]]:
        """Return branches, values and objects of some events."""
        if len(rows) == self.branches.n_events:
            return self.branches, self.values, self.objects
        values = np.ascontiguousarray(self.values[:, rows])
        return (
            self.branches.take(rows),
            values,
            {name: taken(candidates, rows) for name, candidates in self.objects.items()},
        )


@dataclass(frozen=True)
class FeaturePlan:
    """How to turn chunks into feature tables; `branches` are those that must be read, `exact` those of weights.

    `objects` lists every object after those it depends on; the first `n_early` are all that cuts and weights need.
    `early` and `late` name the objects that cuts and weights, and features, use. `touched` is what differs from the
    plan without `shifts`. `numbers` tells where branches are used as numbers: (feature, cut or weight, branch); of
    the branches in `bits` the bits are taken.

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
    touched: Touched
    cuts: tuple[str, ...]
    columns: tuple[str, ...]
    weights: tuple[str, ...]
    numbers: tuple[tuple[str, str], ...]
    bits: frozenset[str] = frozenset()

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
        decided = self._decide(chunk if isinstance(chunk, Branches) else Branches(chunk))
        rows = decided.rows if passing_only else np.arange(decided.branches.n_events)
        return self._table(decided, self._compute(decided, rows)[0], rows)

    def apply_with(
        self, variations: Mapping[str, "FeaturePlan"], chunk: Branches
    ) -> tuple[FeatureTable, dict[str, FeatureTable]]:
        """Return the features of the events that pass, of this plan and of variations of it.

        What a variation does not touch is computed once, for the events that pass in any of them; the bits are those
        that each plan gives by itself.

        Parameters
        ----------
        variations : name -> plan of the same objects, cuts, features and weights with shifts
        chunk : as in `apply`
        """
        nominal = self._decide(chunk)
        varied = {name: plan._decide(chunk, nominal) for name, plan in variations.items()}
        passes = np.zeros(chunk.n_events, np.bool_)
        for decided in (nominal, *varied.values()):
            passes[decided.rows] = True
        passing = np.flatnonzero(passes)
        columns, objects = self._compute(nominal, passing)

        def of(rows: IntArray) -> tuple[IntArray, dict[str, FeatureArray]]:
            if len(rows) == len(passing):
                return np.arange(len(rows)), columns
            at = np.searchsorted(passing, rows)
            return at, {name: column[at] for name, column in columns.items()}

        tables = {}
        for name, plan in variations.items():
            at, known = of(varied[name].rows)
            tables[name] = plan._table(varied[name], known | plan._recompute(varied[name], objects, at), None)
        return self._table(nominal, of(nominal.rows)[1], None), tables

    def _decide(self, branches: Branches, base: "_Decided | None" = None) -> _Decided:
        """Find the objects that cuts and weights need, and both; what is not touched is taken from `base`."""
        if self.shifts:
            branches = branches.replaced({shift.branch: shift.apply(branches) for shift in self.shifts})
        values = branches.table(self.values)
        known = {} if base is None else _untouched(base.objects, self.touched.objects)
        objects = self._objects(self.objects[: self.n_early], branches, values, known)
        if base is not None and not self.touched.decisions:
            return _Decided(branches, values, objects, base.cuts, base.weights, base.rows)
        cuts, _, weights = self.decisions.run(branches.n_events, values, [objects[name] for name in self.early])
        return _Decided(branches, values, objects, cuts, weights, np.flatnonzero(cuts.all(axis=0)))

    def _compute(self, decided: _Decided, rows: IntArray) -> tuple[dict[str, FeatureArray], dict[str, Candidates]]:
        """Return the features and the objects of some events."""
        branches, values, objects = decided.at(rows)
        objects = self._objects(self.objects[self.n_early :], branches, values, objects)
        _, columns, _ = self.program.run(len(rows), values, [objects[name] for name in self.late])
        return dict(zip(self.columns, columns, strict=True)), objects

    def _recompute(self, decided: _Decided, known: Mapping[str, Candidates], at: IntArray) -> dict[str, FeatureArray]:
        """Return the features that are touched; `known` are objects of more events, `at` says which of them to take."""
        if not self.touched.columns:
            return {}
        branches, values, objects = decided.at(decided.rows)
        needed = _with_partners(self.touched.late, self.objects)
        objects = objects | {
            name: taken(candidates, at)
            for name, candidates in _untouched(known, self.touched.objects).items()
            if name in needed and name not in objects
        }
        specs = tuple(spec for spec in self.objects[self.n_early :] if spec.name in needed)
        objects = self._objects(specs, branches, values, objects)
        late = [objects[name] for name in self.touched.late]
        _, columns, _ = self.touched.program.run(len(decided.rows), values, late)
        return dict(zip(self.touched.columns, columns, strict=True))

    def _table(self, decided: _Decided, columns: dict[str, FeatureArray], rows: IntArray | None) -> FeatureTable:
        return FeatureTable(
            columns=columns,
            passed=dict(zip(self.cuts, decided.cuts, strict=True)),
            weights=dict(zip(self.weights, decided.weights, strict=True)),
            rows=decided.rows if rows is None else rows,
        )

    def _objects(
        self,
        specs: tuple[AnyObject, ...],
        branches: Branches,
        values: FloatArray,
        known: Mapping[str, Candidates],
    ) -> dict[str, Candidates]:
        """Return the objects that are known, and those of `specs`."""
        objects = dict(known)
        for spec in specs:
            if spec.name not in objects:
                objects[spec.name] = spec.select(branches, values, objects)
        return objects


def _untouched(objects: Mapping[str, Candidates], touched: frozenset[str]) -> dict[str, Candidates]:
    return {name: candidates for name, candidates in objects.items() if name not in touched}


def _with_partners(names: tuple[str, ...], specs: tuple[AnyObject, ...]) -> set[str]:
    """Return these objects and all that they depend on."""
    needed = set(names)
    for spec in reversed(specs):
        needed |= set(spec.partner_names) if spec.name in needed else set()
    return needed
