"""Scoring of a cascade: the tables of its trees, and the kernels that every level of machine code shares.

A cascade is compiled to flat arrays once; the kernels then depend on the depth of the trees and on the size of a block
of events only. Models are numbered ``fold * n_stages + stage``; the final discriminant counts as a last stage.

======================  ======================  ===============================================================
table                   shape, dtype            content
======================  ======================  ===============================================================
``first_feature``       (n_models + 1,) int64   the features of model m are rows ``first_feature[m]`` and on
``column``              (n_features,) int64     which input column a feature is
``cuts``                (n_features, 256)       distinct split thresholds, sorted, padded with infinity (float32);
                                                the vector kernels store them as a heap with its root at 1
``low``, ``high``       (n_features,) int64     planes that get the feature's bins, see below
``first_tree``          (n_models + 1,) int64   the trees of model m are rows ``first_tree[m]`` and on
``node_offset``         (n_trees, 2^D - 1)      where the plane that a node asks begins: plane times block (int32)
``node_cut``            (n_trees, 2^D - 1)      an event goes right where ``bin > node_cut`` (int8)
``leaf``                (n_trees, 2^D) float32  value of each leaf, from left to right
``base``                (n_models,) float32     the margin before the first tree
``accept``              (n_stages,) float32     an event passes a stage if its ``margin >= accept``
======================  ======================  ===============================================================

Bins. The bin of a value is the number of its feature's cuts that are not above it, less 128 to fit into an int8. With at
most 255 cuts this loses nothing: ``x >= cuts[i]`` is ``bin > i - 128``. A missing value (NaN) goes where each node
says; a feature therefore fills up to two planes of bins, one in which NaN is the lowest bin, for nodes that send it
left, and one in which it is the highest. A feature that needs only one of them writes the other into a spare plane.

Trees are complete: a leaf above the lowest level is repeated below a node that may decide either way. Nodes are in
heap order, the children of node j being 2j + 1 and 2j + 2. All decisions of a tree are taken for all events of a
block, without a branch; the leaf's number, one bit per level, is then selected among them.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from cascadebdt.arrays import AnyArray, FeatureArray, IdArray, IntArray
from cascadebdt.kernels.jit import kernel

ALIGNMENT = 64  # bytes: a cache line, and the widest register


@intrinsic
def _pointer(typing_context: Any, address: Any) -> Any:
    """Return an address as a pointer to float32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], ir.FloatType().as_pointer())

    return types.CPointer(types.float32)(types.int64), generate


@kernel
def column_at(address: int, size: int) -> FeatureArray:
    """Return the `size` float32 numbers at an address as an array that does not own them."""
    column: FeatureArray = numba.carray(_pointer(address), (size,))
    return column


@kernel
def aligned(n_bytes: int) -> AnyArray:
    """Return `n_bytes` uninitialised bytes that start on a cache line."""
    memory = np.empty(n_bytes + ALIGNMENT, np.uint8)
    skip = -memory.ctypes.data & (ALIGNMENT - 1)
    return memory[skip : skip + n_bytes]


@kernel
def rows_by_fold(event_id: IdArray, n_folds: int) -> tuple[AnyArray, IntArray]:
    """Sort the rows of a block by fold.

    Returns
    -------
    rows : (n_events,) int32, the rows of fold 0 in order, then those of fold 1, ...
    first : (n_folds + 1,) int64, where each fold begins
    """
    n = event_id.size
    rows, fold = np.empty(n, np.int32), np.empty(n, np.int32)
    first, place = np.zeros(n_folds + 1, np.int64), np.zeros(n_folds + 1, np.int64)
    for i in range(n):
        fold[i] = event_id[i] % np.uint64(n_folds)
        first[fold[i] + 1] += 1
    for f in range(n_folds):
        first[f + 1] += first[f]
        place[f + 1] = first[f + 1]
    for i in range(n):
        rows[place[fold[i]]] = i
        place[fold[i]] += 1
    return rows, first


@kernel
def values_of(address: int, rows: AnyArray, values: FeatureArray) -> FeatureArray:
    """Return the numbers of a column at `rows`: the column itself where they are neighbours, else filled `values`.

    `values` has the size of a block; what lies behind the last row in it is of no meaning.
    """
    n = rows.size
    if n == values.size and rows[n - 1] - rows[0] == n - 1:
        return column_at(address + 4 * np.int64(rows[0]), n)
    column = column_at(address, np.int64(rows[n - 1]) + 1)
    for i in range(n):
        values[i] = column[np.uint64(rows[i])]
    return values


@kernel
def bin_values(values: FeatureArray, cuts: FeatureArray, low: AnyArray, high: AnyArray) -> None:
    """Write the bins of `values` to two planes of the same size, NaN lowest in `low` and highest in `high`.

    The binary search has eight steps and no branch. Unsigned positions spare it the test for negative indices.
    """
    for i in range(values.size):
        value = values[i]
        p = np.uint64(128) * np.uint64(cuts[np.uint64(127)] <= value)
        p += np.uint64(64) * np.uint64(cuts[p + np.uint64(63)] <= value)
        p += np.uint64(32) * np.uint64(cuts[p + np.uint64(31)] <= value)
        p += np.uint64(16) * np.uint64(cuts[p + np.uint64(15)] <= value)
        p += np.uint64(8) * np.uint64(cuts[p + np.uint64(7)] <= value)
        p += np.uint64(4) * np.uint64(cuts[p + np.uint64(3)] <= value)
        p += np.uint64(2) * np.uint64(cuts[p + np.uint64(1)] <= value)
        p += np.uint64(cuts[p] <= value)
        bin_ = np.int8(np.int64(p) - 128)
        missing = value != value
        low[i] = np.int8(-128) if missing else bin_
        high[i] = np.int8(127) if missing else bin_
