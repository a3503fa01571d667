"""The nodes of the step `apply`: portions observed, bins chosen, portions filled, and merged as a tree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cascadebdt.config import Config
from cascadebdt.pipeline import portions
from cascadebdt.pipeline.merging import Piece, tree
from cascadebdt.pipeline.node import Node
from cascadebdt.pipeline.plan import Plan
from cascadebdt.pipeline.portions import Portion
from cascadebdt.pipeline.selected import kept_parts
from cascadebdt.products import Products
from cascadebdt.products.partials import FilledParts
from cascadebdt.products.parts import ACCOUNTS, SelectedParts


def filling_nodes(
    config: Config, products: Products, plan: Plan, selections: Mapping[str, tuple[str, ...]]
) -> tuple[Node, ...]:
    """Return the nodes from the trained cascade to the products of `apply`.

    Parameters
    ----------
    selections : sample -> names of the nodes that select its events, in the order of its portions
    """
    filled = FilledParts(products.directory, plan.steps["apply"])
    maker = _Maker(config, filled, kept_parts(config, products, plan), is_applied=plan.fault("apply") is None)
    levels = tree(config)
    done = maker.done(levels)
    observed = [maker.observe(portion) for portion in portions.observed_portions(config)]
    bins = maker.bins([node.name for node in observed])
    trains = {sample.name for sample in config.samples if not sample.is_data}
    fills: dict[str, Node] = {}
    for portion in portions.portions(config):
        own = [] if portion.sample in trains else [selections[portion.sample][portion.part - 1]]
        fills[portion.name] = maker.fill(portion, (bins.name, *own), is_done=done[portion.name])
    names = {piece: node.name for piece, node in fills.items()}
    merges: list[Node] = []
    for level, pieces in enumerate(levels[1:], start=1):
        for part, piece in enumerate(pieces, start=1):
            after = tuple(names[below.name] for below in piece.inputs)
            names[piece.name] = f"merge_{level}_{part}"
            merges.append(maker.merge(piece, names[piece.name], after, is_done=done[piece.name]))
    last = maker.last(levels[-1], tuple(names[piece.name] for piece in levels[-1]))
    return (*observed, bins, *fills.values(), *merges, last)


@dataclass(frozen=True)
class _Maker:
    """Makes nodes of one analysis.

    Attributes
    ----------
    config : the analysis
    filled, kept : what nodes have left
    is_applied : whether the products of `apply` are there, so that no node is needed
    """

    config: Config
    filled: FilledParts
    kept: SelectedParts
    is_applied: bool

    def done(self, levels: Sequence[Sequence[Piece]]) -> dict[str, bool]:
        """Return which pieces need not be made: those that are there, and what only such ones are made from."""
        done = {piece.name: self.is_applied or self.filled.has(piece.name) for piece in levels[-1]}
        for piece in (piece for level in reversed(levels[1:]) for piece in level):
            done |= {below.name: done[piece.name] or self.filled.has(below.name) for below in piece.inputs}
        return done

    def observe(self, portion: Portion) -> Node:
        """Return the node that tells what the bins depend on."""
        return Node(
            name=f"observe_{portion.sample}_{portion.part}",
            category="fill",
            arguments=portions.arguments_of_observed(portion),
            key=self.filled.key,
            after=("train",),
            is_done=self._are_chosen or self.filled.has(portions.name_of_observed(portion)),
            reads=self._rows(portion),
        )

    def bins(self, observed: Sequence[str]) -> Node:
        """Return the node that chooses the bins."""
        places = [self.filled.place(portions.name_of_observed(one)) for one in portions.observed_portions(self.config)]
        after = tuple(observed) or ("train",)
        return Node("bins", "bins", portions.CHOOSE_BINS, self.filled.key, after, self._are_chosen, tuple(places))

    def fill(self, portion: Portion, after: tuple[str, ...], *, is_done: bool) -> Node:
        """Return the node that fills a portion."""
        return Node(
            name=f"fill_{portion.sample}_{portion.part}",
            category="fill",
            arguments=portions.arguments_of_filled(portion),
            key=self.filled.key,
            after=after,
            is_done=is_done,
            reads=(*self._rows(portion), self.filled.place_of_bins),
        )

    def merge(self, piece: Piece, name: str, after: tuple[str, ...], *, is_done: bool) -> Node:
        """Return the node that merges some pieces into one."""
        reads = tuple(self.filled.place(one.name) for one in piece.inputs)
        return Node(name, "merge", piece.arguments, self.filled.key, after, is_done, reads)

    def last(self, pieces: Sequence[Piece], after: tuple[str, ...]) -> Node:
        """Return the node that merges the last pieces, and writes the products."""
        reads = (ACCOUNTS, self.filled.place_of_bins, *(self.filled.place(piece.name) for piece in pieces))
        return Node("apply", "apply", ("merge",), self.filled.key, after, self.is_applied, reads)

    @property
    def _are_chosen(self) -> bool:
        return self.is_applied or self.filled.read_bins() is not None

    def _rows(self, portion: Portion) -> tuple[str, ...]:
        return self.kept.places(portion.sample, portion.locations(self.config))
