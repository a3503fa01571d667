"""Trees -> the tables that the kernels read; `cascadebdt.kernels.forest` describes their layout."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cascadebdt.arrays import AnyArray, FeatureArray, IntArray
from cascadebdt.cascade.trees import Trees, UnsupportedModelError
from cascadebdt.kernels.forest_source import MAX_CUTS, Level

LOWEST = -128  # the bin of the lowest values
CUTS = MAX_CUTS + 1
REGISTER = 16  # float32 numbers


@dataclass(frozen=True)
class Tables:
    """The tables of a cascade, in the order in which the kernels take them."""

    first_feature: IntArray
    column: IntArray
    cuts: FeatureArray
    low: IntArray
    high: IntArray
    first_tree: IntArray
    node_offset: AnyArray
    node_cut: AnyArray
    leaf: FeatureArray
    base: FeatureArray
    n_planes: int

    def arguments(self) -> tuple[Any, ...]:
        """Return the tables as arguments."""
        return tuple(getattr(self, field.name) for field in fields(self) if field.name != "n_planes")


def build(models: Sequence[Trees], columns: Sequence[Sequence[int]], depth: int, level: Level) -> Tables:
    """Build the tables of some models.

    Parameters
    ----------
    models : number ``fold * n_stages + stage`` is that of a fold and a stage
    columns : the input column of every feature of every model
    depth : of the complete trees, at least that of the deepest tree
    level : decides about the order of the cuts, the size of a block, and how many trees make a group

    Raises
    ------
    UnsupportedModelError
        If a feature has more than 255 cuts in a model.
    """
    parts = [_model(trees, depth, level) for trees in models]
    spare = max(part["n_planes"] for part in parts)
    for part in parts:
        for plane in (part["low"], part["high"]):
            plane[plane < 0] = spare

    def joined(name: str) -> AnyArray:
        return np.ascontiguousarray(np.concatenate([part[name] for part in parts]))

    return Tables(
        first_feature=_starts([len(part["feature"]) for part in parts]),
        column=np.concatenate(
            [np.array(names, np.int64)[part["feature"]] for names, part in zip(columns, parts, strict=True)]
        ),
        cuts=joined("cuts"),
        low=joined("low"),
        high=joined("high"),
        first_tree=_starts([len(part["leaf"]) for part in parts]),
        node_offset=joined("node_offset"),
        node_cut=joined("node_cut"),
        leaf=np.append(joined("leaf"), np.zeros(REGISTER, np.float32)),  # the vector kernels read whole registers
        base=np.array([trees.base for trees in models], np.float32),
        n_planes=spare + 1,
    )


def _model(trees: Trees, depth: int, level: Level) -> dict[str, Any]:
    """Build the tables of one model; a plane that a feature does not need is -1."""
    nodes, leaves = trees.complete(depth)
    nodes = nodes[:, _node_order(depth, level.subtree(depth))]
    is_split = trees.is_split[nodes]
    feature, threshold, default_left = trees.feature[nodes], trees.value[nodes], trees.default_left[nodes]
    used = np.unique(feature[is_split])
    cut = np.zeros(nodes.shape, np.int64)
    cuts = np.full((len(used), CUTS), np.inf, np.float32)
    for row, name in enumerate(used):
        mask = is_split & (feature == name)
        distinct = np.unique(threshold[mask])
        if len(distinct) > MAX_CUTS:
            raise UnsupportedModelError(f"a feature has {len(distinct)} cuts, more than {MAX_CUTS}")
        cuts[row, : len(distinct)] = distinct
        cut[mask] = np.searchsorted(distinct, threshold[mask])
    key = 2 * feature + ~default_left
    planes = np.unique(key[is_split])
    plane = np.where(is_split, np.searchsorted(planes, key), 0)
    return {
        "feature": used,
        "cuts": _heap_order(cuts) if level.lanes else cuts,
        "low": _positions(2 * used, planes),
        "high": _positions(2 * used + 1, planes),
        "n_planes": len(planes),
        "node_offset": _grouped((plane * level.block).astype(np.int32), level, 0),
        "node_cut": _grouped((cut + LOWEST).astype(np.int8), level, LOWEST),
        "leaf": _grouped(trees.value[leaves], level, np.float32(-0.0)),  # x + -0.0 is x, also for the zeros
    }


def _node_order(depth: int, bottom: int) -> IntArray:
    """Return the nodes of the top of a tree, then those of each subtree of depth `bottom`, in heap order each."""
    tops = 2 ** (depth - bottom) if bottom < depth else 1
    orders = [np.arange(tops - 1)]
    for subtree in range(tops):
        root = tops - 1 + subtree
        orders += [((root + 1) << level) - 1 + np.arange(1 << level) for level in range(bottom)]
    return np.concatenate(orders).astype(np.int64)


def _positions(wanted: IntArray, planes: IntArray) -> IntArray:
    """Return where each of `wanted` is in sorted `planes`, -1 if it is not."""
    found = np.searchsorted(planes, wanted)
    return np.where(np.isin(wanted, planes), found, -1)


def _grouped(table: AnyArray, level: Level, filling: Any) -> AnyArray:
    """Append trees that add nothing until their number is a multiple of the level's group."""
    missing = -len(table) % level.group
    return np.concatenate([table, np.full((missing, table.shape[1]), filling, table.dtype)])


def _heap_order(cuts: FeatureArray) -> FeatureArray:
    """Return sorted cuts as heaps whose root is at 1, so that a search goes from h to 2h or 2h + 1."""
    order = np.zeros(CUTS, np.int64)
    for h in range(1, CUTS):
        level = h.bit_length() - 1
        order[h] = ((2 * (h - (1 << level)) + 1) << (7 - level)) - 1
    return cuts[:, order]


def _starts(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
