"""Configuration and names of branches -> plan: the place where wrong names are found, before any data are read."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

from cascadebdt.config import CutConfig, ObjectConfig
from cascadebdt.errors import BranchError, ConfigError, did_you_mean
from cascadebdt.expression import Field, Node, Value, bits_in, build, numbers_in, objects_in, parse, values_in, walk
from cascadebdt.features.branches import Shift
from cascadebdt.features.objects import MOMENTUM, AnyObject, Cartesian, Cell, ObjectPlan, PairPlan
from cascadebdt.features.table import FeaturePlan
from cascadebdt.features.touched import touched_by

SOURCE = "source"
MASS = "mass"
PLACE = ("eta", "phi")
PREFIXES = ("first_", "second_")
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
    cuts = {cut.name: names.tree(cut.cut, f"selection[{i}].cut") for i, cut in enumerate(selection)}
    columns = {name: names.tree(text, f"features.{name}") for name, text in features.items()}
    factors = {name: names.tree(text, f"weights.{name}") for name, text in weights.items()}
    trees = [*cuts.values(), *columns.values(), *factors.values()]
    definitions = {name: names.definition(name) for name in objects}

    late, early = objects_in(columns.values()), objects_in([*cuts.values(), *factors.values()])
    order = _order(objects, early)
    n_early = len(order)
    order += [name for name in _order(objects, late) if name not in order]
    fields = _kept_fields(names, trees, order, definitions)
    local = [value for name in order for part in definitions[name] for value in names.others(name, part)]
    values = _unique([*values_in(trees), *local])
    specs = tuple(_object(names, name, definitions[name], fields, values) for name in order)

    read = {value.name for value in values} | {branch for spec in specs for branch in spec.branches}
    variations = [_shift(names, branch, text) for branch, text in shifts.items()]
    applied = tuple(shift for shift in variations if shift.branch in read)
    return FeaturePlan(
        branches=frozenset(read | {value.name for shift in applied for value in shift.values}),
        exact=frozenset(value.name for value in values_in(factors.values())),
        shifts=applied,
        values=tuple(values),
        objects=specs,
        n_early=n_early,
        early=tuple(early),
        late=tuple(late),
        decisions=build(
            conditions=list(cuts.values()),
            numbers=list(factors.values()),
            values=values,
            objects={name: fields[name] for name in early},
        ),
        program=build(features=list(columns.values()), values=values, objects={name: fields[name] for name in late}),
        touched=touched_by(applied, specs, columns, [*cuts.values(), *factors.values()], values, fields),
        cuts=tuple(cuts),
        columns=tuple(columns),
        weights=tuple(factors),
        numbers=_numbers(columns, cuts, factors),
        bits=_bits(names, trees, order, definitions),
    )


def _numbers(
    columns: Mapping[str, Node], cuts: Mapping[str, Node], factors: Mapping[str, Node]
) -> tuple[tuple[str, str], ...]:
    """Return where bare names are used as numbers, and which: (what, branch)."""
    trees = [("feature", columns, False), ("cut", cuts, True), ("weight", factors, False)]
    return tuple(
        dict.fromkeys(
            (f"{kind} '{name}'", value.name)
            for kind, named, as_condition in trees
            for name, tree in named.items()
            for value in numbers_in(tree, as_condition=as_condition)
        )
    )


def _bits(
    names: "_Names", trees: Iterable[Node], order: Sequence[str], definitions: Mapping[str, Definition]
) -> frozenset[str]:
    """Return the branches whose bits are taken, by expressions over events and by `where` and `order` of objects."""
    branches: set[str] = set()
    inner = [(name, node) for name in order for part in definitions[name] for tree in part for node in bits_in(tree)]
    for name, node in [*(("", node) for tree in trees for node in bits_in(tree)), *inner]:
        if isinstance(node, Value) and not (name and names.is_field(name, node)):
            branches.add(node.name)
        else:
            cells = names.cells(node.object if isinstance(node, Field) else name, node.name, f"objects.{name}")
            branches |= {cell for cell in cells if isinstance(cell, str)}
    return frozenset(branches)


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
        for value in values_in(where + order):
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
        if config.pairs is not None:
            return value.name in MOMENTUM or value.name.startswith(PREFIXES)
        fields = (SOURCE, MASS, *config.fields, *(MOMENTUM if config.momentum is not None else ()))
        mine = any(_branch(config, collection, value.name) in self.branches for collection in config.from_)
        return value.name in fields or mine or value.name not in self.branches

    def others(self, name: str, trees: Iterable[Node]) -> list[Value]:
        """Return what `where` and `order` of an object use beside its fields."""
        return [value for value in values_in(trees) if not self.is_field(name, value)]

    def check_branch(self, value: Value, path: str) -> None:
        """Check that a bare name is a branch."""
        if value.name not in self.branches:
            first, dot, _ = value.name.partition(".")
            if dot and (cure := did_you_mean(first, self.objects)):
                raise ConfigError(f"{path}: unknown object '{first}' in '{value.name}'{cure}")
            cure = did_you_mean(value.name, sorted(self.branches | self.objects.keys()))
            raise BranchError(f"{path}: no branch '{value.name}'{cure}", branch=value.name)

    def cells(self, name: str, field: str, path: str) -> tuple[Cell, ...]:
        """Return, per collection of an object, where a field comes from; empty for a field of pairs."""
        config = self.objects[name]
        if config.pairs is not None:
            self._check_pair_field(name, field, path)
            return ()
        if field == SOURCE:
            return tuple(map(float, range(len(config.from_))))
        return tuple(self._cell(config, collection, field, path) for collection in config.from_)

    def length(self, config: ObjectConfig, collection: str) -> str:
        """Return a branch whose lists are as long as a collection has candidates."""
        usual = [_branch(config, collection, field) for field in ("pt", *(config.momentum or ())[:1])]
        return next((name for name in usual if name in self.branches), "") or self.siblings(config, collection)[0]

    def siblings(self, config: ObjectConfig, collection: str) -> list[str]:
        """Return the branches of a collection."""
        before, after = re.split(r"\{field\}", config.branch.replace("{collection}", collection), maxsplit=1)
        pattern = re.compile(f"{re.escape(before)}.+{re.escape(after)}", re.DOTALL)
        return sorted(name for name in self.branches if pattern.fullmatch(name))

    def _cell(self, config: ObjectConfig, collection: str, field: str, path: str) -> Cell:
        mapped = config.fields.get(field, {}).get(collection)
        branch = _branch(config, collection, field if mapped is None else mapped)
        if field in MOMENTUM and config.momentum is not None and mapped is None:
            x, y, z, e = (self._existing(config, collection, name, path) for name in config.momentum)
            return Cartesian(MOMENTUM.index(field), (x, y, z, e))
        if branch in self.branches:
            return branch
        if field == MASS and mapped is None:
            return 0.0
        return self._existing(config, collection, field, path)

    def _existing(self, config: ObjectConfig, collection: str, field: str, path: str) -> str:
        """Return the branch of a field, which must exist."""
        branch = _branch(config, collection, config.fields.get(field, {}).get(collection, field))
        if branch not in self.branches:
            cure = did_you_mean(branch, self.siblings(config, collection))
            message = f"{path}: no branch '{branch}' (field '{field}' of '{collection}'){cure}"
            raise BranchError(message, branch=branch)
        return branch

    def _check_pair_field(self, name: str, field: str, path: str) -> None:
        """Check a field of pairs."""
        for partner, prefix in zip(self.objects[name].pairs or (), PREFIXES, strict=False):
            if field.startswith(prefix):
                self.cells(partner, field.removeprefix(prefix), path)
                return
        if field not in MOMENTUM:
            known = f"{', '.join(MOMENTUM)}, first_... and second_..."
            raise ConfigError(f"{path}: the pairs '{name}' have no field '{field}'; expected one of {known}")

    def _cure_of_collection(self, collection: str) -> str:
        """Return what to do about a collection that no branch belongs to."""
        if collection in self.branches:
            return (
                "; a branch of that name is there, but no fields: objects such as TLorentzVector are not read, so "
                "write their px, py, pz and E as numbers"
            )
        return did_you_mean(collection, sorted({branch.partition("_")[0] for branch in self.branches if "_" in branch}))

    def _check_object(self, name: str, config: ObjectConfig) -> None:
        """Check collections, mapped fields and other objects of an object."""
        for collection in config.from_:
            if not self.siblings(config, collection):
                cure = self._cure_of_collection(collection)
                raise ConfigError(f"objects.{name}.from: no branch of a collection '{collection}'{cure}")
        for field, mapped in config.fields.items():
            for collection in sorted(mapped.keys() - set(config.from_)):
                cure = did_you_mean(collection, config.from_)
                raise ConfigError(f"objects.{name}.fields.{field}: '{collection}' is not in 'from'{cure}")
            if field == SOURCE:
                raise ConfigError(
                    f"objects.{name}.fields.{SOURCE}: '{SOURCE}' is the position of the collection in 'from'"
                )
            self.cells(name, field, f"objects.{name}.fields.{field}")
        for other in sorted(config.away_from.keys() - self.objects.keys()):
            cure = did_you_mean(other, self.objects)
            raise ConfigError(f"objects.{name}.away_from: unknown object '{other}'{cure}")
        for partner in config.pairs or ():
            if partner not in self.objects:
                raise ConfigError(
                    f"objects.{name}.pairs: unknown object '{partner}'{did_you_mean(partner, self.objects)}"
                )
        wanted = [(name, field) for field in (PLACE if config.away_from else ())]
        wanted += [(partner, field) for partner in config.pairs or () for field in MOMENTUM]
        for owner, field in wanted:
            self.cells(owner, field, f"objects.{name}")


def _shift(names: _Names, branch: str, text: str) -> Shift:
    """Plan the replacement of a branch by an expression."""
    path = f"shifts.{branch}"
    names.check_branch(Value(branch), path)
    tree = parse(text, path=path)
    values = values_in([tree])
    for value in values:
        names.check_branch(value, path)
    return Shift(branch=branch, values=tuple(values), program=build(numbers=[tree], values=values))


def _branch(config: ObjectConfig, collection: str, field: str) -> str:
    """Return the name of the branch of a field."""
    return config.branch.replace("{collection}", collection).replace("{field}", field)


def _object(
    names: _Names,
    name: str,
    definition: Definition,
    kept: Mapping[str, Sequence[str]],
    values: Sequence[Value],
) -> AnyObject:
    """Plan how an object is found; `kept` are the fields needed of the selected candidates of each object."""
    config = names.objects[name]
    where, order = definition
    others = names.others(name, [*where, *order])
    local = [value.name for value in values_in([*where, *order]) if names.is_field(name, value)]
    own_place = PLACE if config.away_from and config.pairs is None else ()
    fields = tuple(_unique([*kept[name], *local, *own_place]))
    program = build(conditions=where, numbers=order, values=[*map(Value, fields), *others])
    away_from = tuple(
        (other, radius, (kept[other].index("eta"), kept[other].index("phi")))
        for other, radius in config.away_from.items()
    )
    rows = tuple(map(values.index, others))
    if config.pairs is not None:
        one, two = ((partner, tuple(map(kept[partner].index, MOMENTUM))) for partner in config.pairs)
        cells = tuple(_pair_cell(config.pairs, field, kept) for field in fields)
        return PairPlan(name, (one, two), fields, cells, len(kept[name]), rows, program, away_from)
    return ObjectPlan(
        name=name,
        lengths=tuple(names.length(config, collection) for collection in config.from_),
        fields=fields,
        cells=tuple(names.cells(name, field, f"objects.{name}") for field in fields),
        n_kept=len(kept[name]),
        values=rows,
        program=program,
        away_from=away_from,
    )


def _pair_cell(pairs: tuple[str, str], field: str, kept: Mapping[str, Sequence[str]]) -> tuple[int, int]:
    """Return the partner (-1: the sum) and the row of its table that hold a field of pairs."""
    for partner, prefix in enumerate(PREFIXES):
        if field.startswith(prefix):
            return partner, kept[pairs[partner]].index(field.removeprefix(prefix))
    return -1, MOMENTUM.index(field)


def _order(objects: Mapping[str, ObjectConfig], used: Iterable[str]) -> list[str]:
    """Return the objects that are needed, each after those that it is away from or made of."""
    before = {name: sorted({*spec.away_from, *(spec.pairs or ())}) for name, spec in objects.items()}
    try:
        order = list(TopologicalSorter(before).static_order())
    except CycleError as error:
        cycle = error.args[1][::-1]
        raise ConfigError(f"objects.{cycle[0]}.away_from: {' -> '.join(cycle)} is a cycle") from None
    needed = set(used)
    for name in reversed(order):
        needed |= set(before[name]) if name in needed else set()
    return [name for name in order if name in needed]


def _kept_fields(
    names: _Names, trees: Iterable[Node], order: Sequence[str], definitions: Mapping[str, Definition]
) -> dict[str, list[str]]:
    """Return, per object, the fields that expressions over events and other objects need of it."""
    nodes = [node for tree in trees for node in walk(tree)]
    kept = {name: [node.name for node in nodes if isinstance(node, Field) and node.object == name] for name in order}
    after = _order(names.objects, order)
    for name in reversed(after):
        config = names.objects[name]
        for other in config.away_from:
            kept[other] += PLACE
        where, by = definitions[name]
        inner = [*kept[name], *(v.name for v in values_in([*where, *by]) if names.is_field(name, v))]
        for partner, prefix in zip(config.pairs or (), PREFIXES, strict=False):
            kept[partner] += [*MOMENTUM, *(f.removeprefix(prefix) for f in inner if f.startswith(prefix))]
    return {name: _unique(fields) for name, fields in kept.items()}


def _unique(items: Iterable[T]) -> list[T]:
    return list(dict.fromkeys(items))
