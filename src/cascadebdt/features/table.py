"""A plan and what it makes of a chunk."""

from dataclasses import dataclass

import awkward as ak

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.expression import Program, Value
from cascadebdt.features.branches import Branches, Shift
from cascadebdt.features.objects import Candidates, ObjectPlan


@dataclass(frozen=True)
class FeatureTable:
    """What is known of the events of a chunk.

    Attributes
    ----------
    columns : feature name -> (n_events,) float32
    passed : cut name -> (n_events,) bool, each cut on its own
    weights : weight name -> (n_events,) float64
    """

    columns: dict[str, FeatureArray]
    passed: dict[str, BoolArray]
    weights: dict[str, FloatArray]


@dataclass(frozen=True)
class FeaturePlan:
    """How to turn chunks into feature tables; `branches` are those that must be read.

    It holds names and generated source only, so that it can be sent to other processes and used by many threads.
    """

    branches: frozenset[str]
    shifts: tuple[Shift, ...]
    values: tuple[Value, ...]
    objects: tuple[ObjectPlan, ...]
    used: tuple[str, ...]
    program: Program
    cuts: tuple[str, ...]
    columns: tuple[str, ...]
    weights: tuple[str, ...]

    def apply(self, chunk: ak.Array) -> FeatureTable:
        """Return the features, cut decisions and weights of all events of `chunk`.

        Parameters
        ----------
        chunk : (n_events,) records with a field per branch, each a number or a list of numbers

        Raises
        ------
        InputError
            If a branch is missing or is not of the kind its use in the configuration implies.
        """
        branches = Branches(chunk)
        branches.replace({shift.branch: shift.apply(branches) for shift in self.shifts})
        values = branches.table(self.values)
        objects: dict[str, Candidates] = {}
        for spec in self.objects:
            objects[spec.name] = spec.select(branches, values, objects)
        cuts, columns, weights = self.program.run(len(chunk), values, [objects[name] for name in self.used])
        return FeatureTable(
            columns=dict(zip(self.columns, columns, strict=True)),
            passed=dict(zip(self.cuts, cuts, strict=True)),
            weights=dict(zip(self.weights, weights, strict=True)),
        )
