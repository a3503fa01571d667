"""What a variation changes: everything that depends on the branches it replaces, directly or through objects."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cascadebdt.expression import Node, Program, Value, build, objects_in, values_in
from cascadebdt.features.branches import Shift
from cascadebdt.features.objects import AnyObject


@dataclass(frozen=True)
class Touched:
    """What depends on the branches that a variation replaces.

    Attributes
    ----------
    objects, columns : names
    decisions : whether a cut or a weight does
    late : objects that the columns use
    program : computes the columns
    """

    objects: frozenset[str]
    columns: tuple[str, ...]
    decisions: bool
    late: tuple[str, ...]
    program: Program


def touched_by(
    shifts: Sequence[Shift],
    specs: Sequence[AnyObject],
    columns: Mapping[str, Node],
    decisions: Iterable[Node],
    values: Sequence[Value],
    fields: Mapping[str, Sequence[str]],
) -> Touched:
    """Find what depends on the branches that are replaced, directly or through objects."""
    replaced = {shift.branch for shift in shifts}
    objects: set[str] = set()
    for spec in specs:
        used = set(spec.branches) | {values[row].name for row in spec.values}
        if used & replaced or objects.intersection(spec.partner_names):
            objects.add(spec.name)

    def is_touched(tree: Node) -> bool:
        return any(value.name in replaced for value in values_in([tree])) or bool(objects & set(objects_in([tree])))

    trees = {name: tree for name, tree in columns.items() if is_touched(tree)}
    late = objects_in(trees.values())
    return Touched(
        objects=frozenset(objects),
        columns=tuple(trees),
        decisions=any(map(is_touched, decisions)),
        late=tuple(late),
        program=build(features=list(trees.values()), values=values, objects={name: fields[name] for name in late}),
    )
