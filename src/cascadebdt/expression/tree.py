"""What an expression is once it is checked: a tree of five kinds of frozen, hashable nodes.

A node has one value per event, or, if it contains a field without index (``jet.pt``) outside any reduction, one
value per candidate of that object: it is *ragged*.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True)
class Number:
    """A literal."""

    value: float


@dataclass(frozen=True)
class Value:
    """A bare name: a branch with one number per event, or element `index` of a branch with a list per event."""

    name: str
    index: int | None = None

    def __str__(self) -> str:
        return self.name if self.index is None else f"{self.name}[{self.index}]"


@dataclass(frozen=True)
class Field:
    """A field of candidate `index` of an object, or of each candidate in turn if `index` is None."""

    object: str
    name: str
    index: int | None = None

    def __str__(self) -> str:
        return f"{self.object}.{self.name}" if self.index is None else f"{self.object}[{self.index}].{self.name}"


@dataclass(frozen=True)
class Call:
    """A function or operator, by its key in `functions.CODE`, applied element by element."""

    function: str
    arguments: "tuple[Node, ...]"


@dataclass(frozen=True)
class Reduce:
    """count, any, all, sum, min or max of `argument` over the candidates of `object`."""

    function: str
    object: str
    argument: "Node"


BIT_FUNCTIONS = ("bit_and", "bit_or", "bit_not", "shift_left", "shift_right", "xor")
Node: TypeAlias = Number | Value | Field | Call | Reduce


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes right below `node`."""
    if isinstance(node, Call):
        return node.arguments
    return (node.argument,) if isinstance(node, Reduce) else ()


def walk(node: Node) -> Iterator[Node]:
    """Yield `node` and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def values_in(trees: Iterable[Node]) -> list[Value]:
    """Return the bare names in some trees, each once."""
    return list(dict.fromkeys(node for tree in trees for node in walk(tree) if isinstance(node, Value)))


def numbers_in(node: Node, *, as_condition: bool = False) -> Iterator[Value]:
    """Yield the bare names in `node` whose value is used as a number and not as a condition."""
    if isinstance(node, Value) and not as_condition:
        yield node
    for position, child in enumerate(children(node)):
        yield from numbers_in(child, as_condition=_wants_condition(node, position))


def bits_in(tree: Node) -> list[Value | Field]:
    """Return the names whose bits `tree` takes."""
    takers = [node for node in walk(tree) if isinstance(node, Call) and node.function in BIT_FUNCTIONS]
    return [child for node in takers for child in node.arguments if isinstance(child, Value | Field)]


def _wants_condition(node: Node, position: int) -> bool:
    """Return whether a child of `node` is used as a condition."""
    if isinstance(node, Reduce):
        return node.function in ("count", "any", "all")
    return isinstance(node, Call) and (
        node.function in ("and", "or", "not") or (node.function, position) == ("where", 0)
    )


def objects_in(trees: Iterable[Node]) -> list[str]:
    """Return the objects in some trees, each once."""
    nodes = [node for tree in trees for node in walk(tree)]
    return list(dict.fromkeys(node.object for node in nodes if isinstance(node, Field | Reduce)))


def depth(node: Node) -> int:
    """Return the number of levels of `node`, without recursion."""
    levels, level = 0, [node]
    while level:
        levels, level = levels + 1, [child for parent in level for child in children(parent)]
    return levels


def spaces(node: Node) -> set[str]:
    """Return the objects over whose candidates `node` runs; empty for one value per event."""
    if isinstance(node, Field):
        return {node.object} if node.index is None else set()
    if isinstance(node, Call):
        return set().union(*(spaces(argument) for argument in node.arguments))
    return set()
