"""The nodes of the step `apply`: portions observed, bins chosen, portions filled, and merged as a tree."""

from collections.abc import Mapping

from cascadebdt.config import Config
from cascadebdt.pipeline import portions
from cascadebdt.pipeline.merging import Piece, tree
from cascadebdt.pipeline.node import Node
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.portions import Portion
from cascadebdt.pipeline.selected import kept_parts
from cascadebdt.products import Products
from cascadebdt.products.partials import FilledParts
from cascadebdt.products.parts import ACCOUNTS


def filling_nodes(
    config: Config, products: Products, plan: Plan, selections: Mapping[str, tuple[str, ...]]
) -> tuple[Node, ...]:
    """Return the nodes from the trained cascade to the products of `apply`.

    Parameters
    ----------
    selections : sample -> names of the nodes that select its events, in the order of its portions
    """
    key, is_applied = plan.steps["apply"].key, plan.fault("apply") is None
    filled, kept = FilledParts(products.directory, plan.steps["apply"]), kept_parts(config, products, plan)

    def rows(portion: Portion) -> tuple[str, ...]:
        return kept.places(portion.sample, portion.locations(config))

    def selected(portion: Portion) -> str:
        return selections[portion.sample][portion.part - 1]

    levels = tree(config)
    done = _done(levels, filled, is_applied=is_applied)
    are_chosen = is_applied or filled.read_bins() is not None
    observed = [
        Node(
            name=f"observe_{portion.sample}_{portion.part}",
            category="fill",
            arguments=portions.arguments_of_observed(portion),
            key=key,
            after=("train",),
            is_done=are_chosen or filled.has(portions.name_of_observed(portion)),
            reads=rows(portion),
        )
        for portion in portions.observed_portions(config)
    ]
    reads = tuple(filled.place(portions.name_of_observed(one)) for one in portions.observed_portions(config))
    before = tuple(node.name for node in observed) or ("train",)
    bins = Node("bins", "bins", portions.CHOOSE_BINS, key, before, are_chosen, reads)
    trains = {sample.name for sample in config.samples if not sample.is_data}
    filling = [
        Node(
            name=f"fill_{portion.sample}_{portion.part}",
            category="fill",
            arguments=portions.arguments_of_filled(portion),
            key=key,
            after=("bins",) if portion.sample in trains else ("bins", selected(portion)),
            is_done=done[portion.name],
            reads=(*rows(portion), filled.place_of_bins),
        )
        for portion in portions.portions(config)
    ]
    names = {portion.name: node.name for portion, node in zip(portions.portions(config), filling, strict=True)}
    merging = [
        _merging(piece, level, part, key=key, is_done=done[piece.name], names=names, filled=filled)
        for level, pieces in enumerate(levels[1:], start=1)
        for part, piece in enumerate(pieces, start=1)
    ]
    last = tuple(names[piece.name] for piece in levels[-1])
    inputs = (ACCOUNTS, filled.place_of_bins, *(filled.place(piece.name) for piece in levels[-1]))
    return (*observed, bins, *filling, *merging, Node("apply", "apply", ("merge",), key, last, is_applied, inputs))


def _merging(
    piece: Piece, level: int, part: int, *, key: str, is_done: bool, names: dict[str, str], filled: FilledParts
) -> Node:
    """Return the node that makes a piece, and note its name."""
    names[piece.name] = f"merge_{level}_{part}"
    after = tuple(names[one.name] for one in piece.inputs)
    reads = tuple(filled.place(one.name) for one in piece.inputs)
    return Node(names[piece.name], "merge", piece.arguments, key, after, is_done, reads)


def _done(levels: tuple[tuple[Piece, ...], ...], filled: FilledParts, *, is_applied: bool) -> dict[str, bool]:
    """Return which pieces need not be made: those that are there, and what only such ones are made from."""
    done = {piece.name: is_applied or filled.has(piece.name) for piece in levels[-1]}
    for level in reversed(levels[1:]):
        for piece in level:
            done |= {one.name: done[piece.name] or filled.has(one.name) for one in piece.inputs}
    return done
