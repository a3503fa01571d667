"""Trees -> the tables that the kernels read.

A cascade is compiled to flat arrays once; the kernels then depend on the depth of the trees and on the size of a block
of events only. Models are numbered ``fold * n_stages + stage``; the final discriminant counts as a last stage.

======================  ======================  ===============================================================
table                   shape, dtype            content
======================  ======================  ===============================================================
``first_feature``       (n_models + 1,) int64   the features of model m are rows ``first_feature[m]`` and on
``column``              (n_features,) int64     which input column a feature is
``cuts``                (n_features, 256)       distinct split values (float32) as a heap: its root is at 1, and a
                                                search goes from h to 2h, or to 2h + 1 if the value is not less
``steps``               (n_features,) int64     how many steps that takes: 2^steps - 1 cuts, the last infinite
``low``, ``high``       (n_features,) int64     planes that get the feature's bins, see below
``first_tree``          (n_models + 1,) int64   the trees of model m are rows ``first_tree[m]`` and on
``top``                 (n_trees, 2^T - 1, 2)   nodes of the T highest levels, in heap order (int32): where the plane
                                                that the node reads begins, and its cut in each of four bytes
``deep``                (n_deep, 3) int32       nodes below, where they exist; besides, the node's place in four bytes
``first_deep``          (n_trees (D - T) + 1,)  the nodes of a tree's level T + l are the rows of ``deep`` from
                                                ``first_deep[tree (D - T) + l]`` on (int64)
``leaf``                (n_trees, 2^D) float32  value of each leaf, from left to right
``base``                (n_models,) float32     the margin before the first tree
======================  ======================  ===============================================================

Bins. The bin of a value is the number of its feature's cuts that are not above it, less 128 to fit into an int8. With
at most 255 cuts this loses nothing: ``x >= cuts[i]`` is ``bin > i - 128``, and i - 128 is the cut of a node. A missing
value (NaN) goes where each node says; a feature therefore fills up to two planes of bins, one in which NaN is the
lowest bin, for nodes that send it left, and one in which it is the highest. What no node reads is not written, or
written into a spare plane.

Places. An event's place in a tree is a byte with one bit per level, the highest first: 1 where it went right. In the
end it is the number of the leaf; a leaf above the lowest level is repeated below. The highest levels are evaluated as
if they were complete, all nodes for all events of a block, without a branch. Below, most trees have few nodes, and
only those that exist are evaluated: events go right that are at the node's place and above its cut.

Margins are sums of the leaves in the order of the trees, in float32 and from XGBoost's base margin: this is what
XGBoost's CPU predictor does, and any other order gives other bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FeatureArray, IntArray
from cascadebdt.forest.kernel_steps import FEWEST_STEPS
from cascadebdt.forest.target import MAX_CUTS, Target, top_levels
from cascadebdt.forest.trees import Trees, UnsupportedModelError

LOWEST_BIN = -128
HEAP_SIZE = MAX_CUTS + 1  # a heap begins at 1
REGISTER = 16  # float32 numbers in the widest register


@dataclass(frozen=True, eq=False)
class Tables:
    """The tables of a cascade, in the order in which the kernels take them; see the head of this module."""

    first_feature: IntArray
    column: IntArray
    cuts: FeatureArray
    steps: IntArray
    low: IntArray
    high: IntArray
    first_tree: IntArray
    top: AnyArray
    deep: AnyArray
    first_deep: IntArray
    leaf: FeatureArray
    base: FeatureArray
    n_planes: int

    def arguments(self) -> tuple[Any, ...]:
        """Return the tables as arguments."""
        return tuple(getattr(self, field.name) for field in fields(self) if field.name != "n_planes")


def build(models: Sequence[Trees], columns: Sequence[Sequence[int]], depth: int, target: Target) -> Tables:
    """Build the tables of some models.

    Parameters
    ----------
    models : of few cuts, see `require_few_cuts`; number ``fold * n_stages + stage`` is that of a fold and a stage
    columns : the input column of every feature of every model
    depth : of the complete trees, at least that of the deepest tree
    target : decides about the order of the cuts, the size of a block, and how many trees make a group
    """
    parts = [_model(trees, depth, target) for trees in models]
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
        steps=joined("steps"),
        low=joined("low"),
        high=joined("high"),
        first_tree=_starts([len(part["leaf"]) for part in parts]),
        top=joined("top"),
        deep=joined("deep"),
        first_deep=_starts(joined("n_deep").tolist()),
        leaf=np.append(joined("leaf"), np.zeros(REGISTER, np.float32)),  # the vector kernels read whole registers
        base=np.array([trees.base for trees in models], np.float32),
        n_planes=spare + 1,
    )


def require_few_cuts(trees: Trees) -> None:
    """Require that the cuts of each feature can be numbered by a byte.

    Raises
    ------
    UnsupportedModelError
        If a feature has more than 255 cuts.
    """
    # Bits, not values: 0 and -0 are two cuts here, one too many rather than one too few.
    cuts = np.unique(np.stack([trees.feature, trees.value.view(np.int32)], axis=1)[trees.is_split], axis=0)
    most = int(np.bincount(cuts[:, 0], minlength=1).max())
    if most > MAX_CUTS:
        raise UnsupportedModelError(f"a feature has {most} cuts, more than {MAX_CUTS}")


def _model(trees: Trees, depth: int, target: Target) -> dict[str, Any]:
    """Build the tables of one model; a plane that a feature does not need is -1."""
    nodes, leaves = trees.complete(depth)
    is_split = trees.is_split[nodes]
    feature, split_value, default_left = trees.feature[nodes], trees.value[nodes], trees.default_left[nodes]
    used = np.unique(feature[is_split])
    cut = np.full(nodes.shape, LOWEST_BIN, np.int64)
    cuts = np.full((len(used), HEAP_SIZE), np.inf, np.float32)
    steps = np.zeros(len(used), np.int64)
    for row, name in enumerate(used):
        mask = is_split & (feature == name)
        distinct = np.unique(split_value[mask])
        cuts[row, : len(distinct)] = distinct
        cut[mask] = np.searchsorted(distinct, split_value[mask]) + LOWEST_BIN
        steps[row] = max(len(distinct).bit_length(), FEWEST_STEPS)
    key = 2 * feature + ~default_left
    planes = np.unique(key[is_split])
    plane = np.where(is_split, np.searchsorted(planes, key), 0)
    node = np.stack([plane * target.block, _every_byte(cut)], axis=2).astype(np.int32)
    top = top_levels(depth)
    deep, n_deep = _deep(node, is_split, depth, target)
    return {
        "feature": used,
        "cuts": _heap_order(cuts, steps),
        "steps": steps,
        "low": _positions(2 * used, planes),
        "high": _positions(2 * used + 1, planes),
        "n_planes": len(planes),
        "top": _grouped(node[:, : (1 << top) - 1], target, 0),
        "deep": deep,
        "n_deep": _grouped(n_deep, target, 0).ravel(),
        "leaf": _grouped(trees.value[leaves], target, np.float32(-0.0)),  # x + -0.0 is x, also for the zeros
    }


def _deep(node: AnyArray, is_split: BoolArray, depth: int, target: Target) -> tuple[AnyArray, IntArray]:
    """Return the nodes below the top, tree by tree and level by level, and their number in each level of each tree."""
    below = range(top_levels(depth), depth)
    unused = 8 - depth if target.registers else 0  # the vector kernels write the leaf's number into the highest bits
    parts, counts = [], np.zeros((len(node), len(below)), np.int64)
    for tree in range(len(node)):
        for k, d in enumerate(below):
            (place,) = np.nonzero(is_split[tree, (1 << d) - 1 : (2 << d) - 1])
            asked = node[tree, (1 << d) - 1 + place]
            parts.append(np.column_stack([asked, _every_byte(place << (depth - d + unused))]))
            counts[tree, k] = len(place)
    return np.concatenate([np.empty((0, 3)), *parts]).astype(np.int32), counts


def _every_byte(values: IntArray) -> IntArray:
    """Return 32-bit numbers with a value in each of their four bytes."""
    return np.repeat(values.astype(np.uint8)[..., None], 4, axis=-1).view(np.int32)[..., 0].astype(np.int64)


def _positions(wanted: IntArray, planes: IntArray) -> IntArray:
    """Return where each of `wanted` is in sorted `planes`, -1 if it is not."""
    return np.where(np.isin(wanted, planes), np.searchsorted(planes, wanted), -1)


def _grouped(table: AnyArray, target: Target, filling: Any) -> AnyArray:
    """Append trees that add nothing, until their number is a multiple of the target's group."""
    missing = -len(table) % target.group
    return np.concatenate([table, np.full((missing, *table.shape[1:]), filling, table.dtype)])


def _heap_order(cuts: FeatureArray, steps: IntArray) -> FeatureArray:
    """Return sorted cuts as heaps whose root is at 1, so that a search goes from h to 2h or 2h + 1.

    References
    ----------
    Khuong, Morin, arXiv:1509.05053, where it is the Eytzinger layout; its search needs no branch.
    """
    result = np.full_like(cuts, np.inf)
    for row, n in enumerate(steps):
        h = np.arange(1, 1 << n)
        level = np.floor(np.log2(h)).astype(np.int64)
        result[row, h] = cuts[row, ((2 * (h - (1 << level)) + 1) << (n - 1 - level)) - 1]
    return result


def _starts(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
