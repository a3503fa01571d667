"""Steps of scoring in Numba: sorting by fold, collecting values, binning. `tables` describes what they read."""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from cascadebdt.arrays import AnyArray, FeatureArray, IdArray, IntArray
from cascadebdt.kernels.jit import step

FEWEST_STEPS = 6  # of the search for a bin: the compiler unrolls a fixed number


@intrinsic  # type: ignore[untyped-decorator]
def float_at(typing_context: Any, address: Any) -> Any:
    """Return the float32 number at an address."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(builder.inttoptr(arguments[0], ir.FloatType().as_pointer()))

    return types.float32(types.int64), generate


@intrinsic  # type: ignore[untyped-decorator]
def lone_float_at(typing_context: Any, address: Any) -> Any:
    """Return the float32 number at an address, in a load of its own.

    LLVM would turn a loop of plain loads into gather instructions, which are slower than loads on many CPUs. It leaves
    atomic loads alone, and an unordered one is an ordinary move instruction.
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
    if rows[end - 1] - rows[begin] == n - 1:  # consecutive, as rows increase within a fold
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
    """Write the bins of `values` to one or two planes of the same size, NaN lowest in `low` and highest in `high`."""
    # No comparison with NaN is true, so that it ends in the lowest bin without a branch. Positions are unsigned because
    # Numba adds code for negative indices to signed ones.
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
