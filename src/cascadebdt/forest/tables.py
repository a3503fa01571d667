"""Trees -> the tables that the kernels read; `cascadebdt.kernels.forest` describes their layout."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FeatureArray, IntArray
from cascadebdt.forest.kernel_steps import FEWEST_STEPS
from cascadebdt.forest.target import MAX_CUTS, Target, top_levels
from cascadebdt.forest.trees import Trees, UnsupportedModelError

LOWEST = -128  # the bin of the lowest values
CUTS = MAX_CUTS + 1
REGISTER = 16  # float32 numbers


@dataclass(frozen=True)
class Tables:
    """The tables of a cascade, in the order in which the kernels take them."""

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
    cuts = np.unique(np.stack([trees.feature, trees.value.view(np.int32)], axis=1)[trees.is_split], axis=0)
    most = int(np.bincount(cuts[:, 0], minlength=1).max())
    if most > MAX_CUTS:
        raise UnsupportedModelError(f"a feature has {most} cuts, more than {MAX_CUTS}")


def _model(trees: Trees, depth: int, target: Target) -> dict[str, Any]:
    """Build the tables of one model; a plane that a feature does not need is -1."""
    nodes, leaves = trees.complete(depth)
    is_split = trees.is_split[nodes]
    feature, threshold, default_left = trees.feature[nodes], trees.value[nodes], trees.default_left[nodes]
    used = np.unique(feature[is_split])
    cut = np.full(nodes.shape, LOWEST, np.int64)
    cuts = np.full((len(used), CUTS), np.inf, np.float32)
    steps = np.zeros(len(used), np.int64)
    for row, name in enumerate(used):
        mask = is_split & (feature == name)
        distinct = np.unique(threshold[mask])
        cuts[row, : len(distinct)] = distinct
        cut[mask] = np.searchsorted(distinct, threshold[mask]) + LOWEST
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
    found = np.searchsorted(planes, wanted)
    return np.where(np.isin(wanted, planes), found, -1)


def _grouped(table: AnyArray, target: Target, filling: Any) -> AnyArray:
    """Append trees that add nothing until their number is a multiple of the target's group."""
    missing = -len(table) % target.group
    return np.concatenate([table, np.full((missing, *table.shape[1:]), filling, table.dtype)])


def _heap_order(cuts: FeatureArray, steps: IntArray) -> FeatureArray:
    """Return sorted cuts as heaps whose root is at 1, so that a search of some steps goes from h to 2h or 2h + 1."""
    result = np.full_like(cuts, np.inf)
    for row, n in enumerate(steps):
        h = np.arange(1, 1 << n)
        level = np.floor(np.log2(h)).astype(np.int64)
        result[row, h] = cuts[row, ((2 * (h - (1 << level)) + 1) << (n - 1 - level)) - 1]
    return result


def _starts(sizes: Sequence[int]) -> IntArray:
    return np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
