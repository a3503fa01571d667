"""Configuration and names of branches -> plan: the place where wrong names are found, before any data are read."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from cascadebdt.config import CutConfig, ObjectConfig
from cascadebdt.errors import ConfigError, did_you_mean
from cascadebdt.expression import Field, Node, Reduce, Value, build, parse, walk
from cascadebdt.features.branches import Shift
from cascadebdt.features.objects import ObjectPlan
from cascadebdt.features.table import FeaturePlan

SOURCE = "source"
MASS = "mass"
PLACE = ("eta", "phi")
Definition = tuple[list[Node], list[Node]]
T = TypeVar("T")


def plan(
    *,
    objects: Mapping[str, ObjectConfig],
    selection: Sequence[CutConfig],
    features: Mapping[str, str],
    weights: Mapping[str, str],
    branches: Collection[str],
    shifts: Mapping[str, str] = {},
) -> FeaturePlan:
    """Check objects, cuts, features and weights against the names of branches and plan their computation.

    Parameters
    ----------
    objects, selection, features, weights : as configured; weights are expressions like features
    branches : names available in the files
    shifts : branch -> expression over branches, for a kinematic variation; all are computed from the values in the
        file and replace them before anything else. An expression for a branch with a list per event combines, element
        by element, branches of the same collection and branches with one number per event.

    Raises
    ------
    ConfigError
        If an expression cannot be parsed or a name is unknown; the message names the closest known one.
    """
    names = _Names(frozenset(branches), objects)
    cuts = {cut.name: names.tree(cut.cut, f"selection[{i}] '{cut.name}'") for i, cut in enumerate(selection)}
    columns = {name: names.tree(text, f"features.{name}") for name, text in features.items()}
    factors = {name: names.tree(text, f"weights.{name}") for name, text in weights.items()}
    trees = [*cuts.values(), *columns.values(), *factors.values()]
    definitions = {name: names.definition(name) for name in objects}

    used = _objects_in(trees)
    order = _order(objects, used)
    fields = _kept_fields(trees, {name: objects[name] for name in order})
    local = [value for name in order for part in definitions[name] for value in names.others(name, part)]
    values = _unique([*_values_in(trees), *local])
    specs = tuple(_object(names, name, definitions[name], fields, values) for name in order)

    read = {value.name for value in values} | {branch for spec in specs for branch in spec.branches}
    variations = [_shift(names, branch, text) for branch, text in shifts.items()]
    applied = tuple(shift for shift in variations if shift.branch in read)
    return FeaturePlan(
        branches=frozenset(read | {value.name for shift in applied for value in shift.values}),
        shifts=applied,
        values=tuple(values),
        objects=specs,
        used=tuple(used),
        program=build(
            conditions=list(cuts.values()),
            features=list(columns.values()),
            numbers=list(factors.values()),
            values=values,
            objects={name: fields[name] for name in used},
        ),
        cuts=tuple(cuts),
        columns=tuple(columns),
        weights=tuple(factors),
    )


class _Names:
    """What names can mean: branches in the files, and objects."""

    def __init__(self, branches: frozenset[str], objects: Mapping[str, ObjectConfig]) -> None:
        self.branches = branches
        self.objects = objects
        for name, config in objects.items():
            self._check_object(name, config)

    def tree(self, text: str, path: str) -> Node:
        """Parse an expression over events and check all its names."""
        tree = parse(text, path=path, objects=self.objects)
        for node in walk(tree):
            if isinstance(node, Value):
                self.check_branch(node, path)
            elif isinstance(node, Field):
                self.cells(node.object, node.name, path)
        return tree

    def definition(self, name: str) -> Definition:
        """Parse `where` and `order` of an object, each a list of one or none, and check all their names."""
        config = self.objects[name]
        path = f"objects.{name}"
        where = [parse(config.where, path=f"{path}.where")] if config.where is not None else []
        order = [parse(config.order, path=f"{path}.order")] if config.order is not None else []
        for value in _values_in(where + order):
            if self.is_field(name, value):
                self.cells(name, value.name, path)
            else:
                self.check_branch(value, path)
        return where, order

    def is_field(self, name: str, value: Value) -> bool:
        """Return whether a bare name in `where` or `order` is a field: always, unless only a branch has that name."""
        if value.index is not None:
            return False
        config = self.objects[name]
        fields = (SOURCE, MASS, *config.fields)
        mine = any(f"{collection}_{value.name}" in self.branches for collection in config.from_)
        return value.name in fields or mine or value.name not in self.branches

    def others(self, name: str, trees: Iterable[Node]) -> list[Value]:
        """Return what `where` and `order` of an object use beside its fields."""
        return [value for value in _values_in(trees) if not self.is_field(name, value)]

    def check_branch(self, value: Value, path: str) -> None:
        """Check that a bare name is a branch."""
        if value.name not in self.branches:
            cure = did_you_mean(value.name, sorted(self.branches | self.objects.keys()))
            raise ConfigError(f"{path}: no branch '{value.name}'{cure}")

    def cells(self, name: str, field: str, path: str) -> tuple[str | float, ...]:
        """Return, per collection of an object, the branch behind a field, or its constant value."""
        config = self.objects[name]
        if field == SOURCE:
            return tuple(map(float, range(len(config.from_))))
        return tuple(self._cell(config, collection, field, path) for collection in config.from_)

    def length(self, collection: str) -> str:
        """Return a branch that tells how many candidates a collection has."""
        pt = f"{collection}_pt"
        return pt if pt in self.branches else min(name for name in self.branches if name.startswith(f"{collection}_"))

    def _cell(self, config: ObjectConfig, collection: str, field: str, path: str) -> str | float:
        mapped = config.fields.get(field, {}).get(collection)
        branch = f"{collection}_{field if mapped is None else mapped}"
        if branch in self.branches:
            return branch
        if field == MASS and mapped is None:
            return 0.0
        siblings = sorted(name for name in self.branches if name.startswith(f"{collection}_"))
        cure = did_you_mean(branch, siblings)
        raise ConfigError(f"{path}: no branch '{branch}' (field '{field}' of '{collection}'){cure}")

    def _check_object(self, name: str, config: ObjectConfig) -> None:
        """Check collections, mapped fields and other objects of an object."""
        collections = {branch.partition("_")[0] for branch in self.branches if "_" in branch}
        for collection in config.from_:
            if not any(branch.startswith(f"{collection}_") for branch in self.branches):
                cure = did_you_mean(collection, sorted(collections))
                raise ConfigError(f"objects.{name}.from: no branch of a collection '{collection}'{cure}")
        for field, mapped in config.fields.items():
            for collection in sorted(mapped.keys() - set(config.from_)):
                cure = did_you_mean(collection, config.from_)
                raise ConfigError(f"objects.{name}.fields.{field}: '{collection}' is not in 'from'{cure}")
            if field == SOURCE:
                raise ConfigError(f"objects.{name}.fields: '{SOURCE}' is the position of the collection in 'from'")
            self.cells(name, field, f"objects.{name}")
        for other in sorted(config.away_from.keys() - self.objects.keys()):
            cure = did_you_mean(other, self.objects)
            raise ConfigError(f"objects.{name}.away_from: unknown object '{other}'{cure}")
        if config.away_from:
            for field in PLACE:
                self.cells(name, field, f"objects.{name}")


def _shift(names: _Names, branch: str, text: str) -> Shift:
    """Plan the replacement of a branch by an expression."""
    path = f"shifts.{branch}"
    names.check_branch(Value(branch), path)
    tree = parse(text, path=path)
    values = _values_in([tree])
    for value in values:
        names.check_branch(value, path)
    return Shift(branch=branch, values=tuple(values), program=build(numbers=[tree], values=values))


def _object(
    names: _Names,
    name: str,
    definition: Definition,
    kept: Mapping[str, Sequence[str]],
    values: Sequence[Value],
) -> ObjectPlan:
    """Plan how an object is found; `kept` are the fields needed of the selected candidates of each object."""
    config = names.objects[name]
    where, order = definition
    inputs = _values_in([*where, *order])
    local = [value.name for value in inputs if names.is_field(name, value)]
    others = names.others(name, [*where, *order])
    fields = _unique([*kept[name], *local, *(PLACE if config.away_from else ())])
    cells = tuple(names.cells(name, field, f"objects.{name}") for field in fields)
    return ObjectPlan(
        name=name,
        lengths=tuple(map(names.length, config.from_)),
        fields=tuple(fields),
        cells=cells,
        n_kept=len(kept[name]),
        values=tuple(map(values.index, others)),
        program=build(conditions=where, numbers=order, values=[*map(Value, fields), *others]),
        away_from=tuple(
            (other, radius, (kept[other].index("eta"), kept[other].index("phi")))
            for other, radius in config.away_from.items()
        ),
    )


def _order(objects: Mapping[str, ObjectConfig], used: Iterable[str]) -> list[str]:
    """Return the objects that are needed, each after those it is away from."""
    try:
        order = list(TopologicalSorter({name: sorted(spec.away_from) for name, spec in objects.items()}).static_order())
    except CycleError as error:
        cycle = error.args[1][::-1]
        raise ConfigError(f"objects.{cycle[0]}.away_from: {' -> '.join(cycle)} is a cycle") from None
    needed = set(used)
    for name in reversed(order):
        needed |= objects[name].away_from.keys() if name in needed else set()
    return [name for name in order if name in needed]


def _objects_in(trees: Iterable[Node]) -> list[str]:
    nodes = [node for tree in trees for node in walk(tree)]
    return _unique(node.object for node in nodes if isinstance(node, Field | Reduce))


def _kept_fields(trees: Iterable[Node], objects: Mapping[str, ObjectConfig]) -> dict[str, list[str]]:
    """Return, per object, the fields that expressions over events and other objects need of it."""
    nodes = [node for tree in trees for node in walk(tree)]
    near = {other for config in objects.values() for other in config.away_from}
    return {
        name: _unique(
            [node.name for node in nodes if isinstance(node, Field) and node.object == name]
            + list(PLACE if name in near else ())
        )
        for name in objects
    }


def _values_in(trees: Iterable[Node]) -> list[Value]:
    return _unique(node for tree in trees for node in walk(tree) if isinstance(node, Value))


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
