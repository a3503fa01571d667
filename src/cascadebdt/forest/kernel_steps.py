"""Scoring of a cascade: the tables of its trees, and the kernels that every level of machine code shares.

A cascade is compiled to flat arrays once; the kernels then depend on the depth of the trees and on the size of a block
of events only. Models are numbered ``fold * n_stages + stage``; the final discriminant counts as a last stage.

======================  ======================  ===============================================================
table                   shape, dtype            content
======================  ======================  ===============================================================
``first_feature``       (n_models + 1,) int64   the features of model m are rows ``first_feature[m]`` and on
``column``              (n_features,) int64     which input column a feature is
``cuts``                (n_features, 256)       distinct split thresholds (float32) as a heap: its root is at 1, and a
                                                search goes from h to 2h, or to 2h + 1 if the value is not less
``steps``               (n_features,) int64     how many steps that takes: 2^steps - 1 cuts, the last infinite
``low``, ``high``       (n_features,) int64     planes that get the feature's bins, see below
``first_tree``          (n_models + 1,) int64   the trees of model m are rows ``first_tree[m]`` and on
``top``                 (n_trees, 2^T - 1, 2)   nodes of the T highest levels, in heap order (int32): where the plane
                                                that the node asks begins, and its cut in each of four bytes
``deep``                (n_deep, 3) int32       nodes below, as there are; besides, the node's place in four bytes
``first_deep``          (n_trees (D - T) + 1,)  the nodes of a tree's level T + l are the rows of ``deep`` from
                                                ``first_deep[tree (D - T) + l]`` on (int64)
``leaf``                (n_trees, 2^D) float32  value of each leaf, from left to right
``base``                (n_models,) float32     the margin before the first tree
``accept``              (n_stages,) float32     an event passes a stage if its ``margin >= accept``
======================  ======================  ===============================================================

Bins. The bin of a value is the number of its feature's cuts that are not above it, less 128 to fit into an int8. With
at most 255 cuts this loses nothing: ``x >= cuts[i]`` is ``bin > i - 128``, and i - 128 is the cut of a node. A missing
value (NaN) goes where each node says; a feature therefore fills up to two planes of bins, one in which NaN is the
lowest bin, for nodes that send it left, and one in which it is the highest. What no node asks is not written, or
written into a spare plane.

Places. An event's place in a tree is a byte with one bit per level, the highest first: 1 where it went right. In the
end it is the number of the leaf; a leaf above the lowest level is repeated below. The highest levels are evaluated as
if they were complete, all nodes for all events of a block, without a branch. Of the levels below, where most trees
have few nodes, only those are asked that are there: events go right that are at the node's place and above its cut.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from cascadebdt.arrays import AnyArray, FeatureArray, IdArray, IntArray
from cascadebdt.kernels.jit import step

FEWEST_STEPS = 6  # of the search for a bin


@intrinsic  # type: ignore[untyped-decorator]
def float_at(typing_context: Any, address: Any) -> Any:
    """Return the float32 number at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.FloatType().as_pointer()))

    return types.float32(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def lone_float_at(typing_context: Any, address: Any) -> Any:
    """Return the float32 number at an address, loaded by itself: gathers are slower than loads on many CPUs.

    An atomic load (unordered: any move instruction will do) keeps the compiler from making a gather of a loop of them.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer = builder.inttoptr(arguments[0], ir.FloatType().as_pointer())
        return builder.load_atomic(pointer, ordering="unordered", align=4)

    return types.float32(types.int64), generate


@step
def sort_by_fold(event_id: IdArray, n_folds: int, rows: AnyArray, fold: AnyArray, first: IntArray) -> None:
    """Sort the rows of a block by fold, in order within a fold.

    Parameters
    ----------
    rows : (n_events,) int32, is filled with the rows of fold 0, then those of fold 1, ...
    fold : (n_events,) int32, is filled with the fold of each row
    first : (n_folds + 2,) int64, zeros, is filled with where each fold begins and ends
    """
    if n_folds == 1:
        for i in range(event_id.size):
            rows[i] = i
        first[1] = event_id.size
        return
    for i in range(event_id.size):
        fold[i] = event_id[i] % np.uint64(n_folds)
        first[fold[i] + 2] += 1
    for f in range(n_folds):
        first[f + 2] += first[f + 1]
    for i in range(event_id.size):
        rows[first[fold[i] + 1]] = i
        first[fold[i] + 1] += 1


@step
def collect(address: int, rows: AnyArray, begin: int, end: int, values: FeatureArray) -> None:
    """Copy the numbers of the column at an address, at ``rows[begin:end]``, to the front of `values`."""
    n = end - begin
    if rows[end - 1] - rows[begin] == n - 1:  # neighbours
        start = address + 4 * np.int64(rows[begin])
        for i in range(n):
            values[i] = float_at(start + 4 * i)
    else:
        for i in range(n):
            values[i] = lone_float_at(address + 4 * np.int64(rows[begin + i]))


@step
def bin_values(
    values: FeatureArray, cuts: FeatureArray, steps: int, low: AnyArray, high: AnyArray, use_high: bool
) -> None:
    """Write the bins of `values` to one or two planes of the same size, NaN lowest in `low` and highest in `high`.

    The search goes down the heap without a branch. Unsigned positions spare it the test for negative indices.
    """
    root = np.uint64(1) << np.uint64(steps)
    for i in range(values.size):
        value = values[i]
        h = np.uint64(1)
        for _ in range(FEWEST_STEPS):
            h = h + h + np.uint64(cuts[h] <= value)
        for _ in range(FEWEST_STEPS, steps):
            h = h + h + np.uint64(cuts[h] <= value)
        low[i] = np.int8(np.int64(h - root) - 128)
    if use_high:
        for i in range(values.size):
            high[i] = low[i] if values[i] == values[i] else np.int8(127)
