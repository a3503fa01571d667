"""Loops over ragged arrays: per-event lists stored as `offsets` and flat content.

The candidates of event ``i`` are the positions ``offsets[i] .. offsets[i + 1]`` of the content; `offsets` has shape
(n_events + 1,), dtype int64 and starts at 0. A table of candidates has shape (n_fields, n_candidates) and dtype
float64. Each kernel is called with one signature only, so that its machine code on disk has one version.
"""

import math

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.kernels.jit import kernel
from cascadebdt.kernels.kinematics import delta_r


@kernel
def candidate(table: FloatArray, row: int, position: int, stop: int) -> float:
    """Return one field of the candidate at `position`, NaN if the event's candidates end before it."""
    return table[row, position] if position < stop else math.nan


@kernel
def element(offsets: IntArray, content: FloatArray, index: int) -> FloatArray:
    """Return element `index` of each event's list, NaN where the list is shorter: (n_events,) float64."""
    result = np.empty(offsets.size - 1)
    for i in range(result.size):
        position = offsets[i] + index
        result[i] = content[position] if position < offsets[i + 1] else math.nan
    return result


@kernel
def slots(offsets: IntArray, begin: IntArray) -> IntArray:
    """Return where each candidate goes if event i's list is moved to position ``begin[i]``: (n_candidates,) int64."""
    result = np.empty(offsets[-1], np.int64)
    for i in range(begin.size):
        for k in range(offsets[i], offsets[i + 1]):
            result[k] = begin[i] + k - offsets[i]
    return result


@kernel
def apart(
    offsets: IntArray,
    eta: FloatArray,
    phi: FloatArray,
    other_offsets: IntArray,
    other_eta: FloatArray,
    other_phi: FloatArray,
    radius: float,
) -> BoolArray:
    """Return whether each candidate has no other object of its event within delta R < `radius`."""
    result = np.ones(eta.size, np.bool_)
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            for j in range(other_offsets[i], other_offsets[i + 1]):
                if delta_r(eta[k], phi[k], other_eta[j], other_phi[j]) < radius:
                    result[k] = False
    return result


@kernel
def select(offsets: IntArray, keep: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the offsets and the positions, in the old content, of the candidates to `keep`."""
    new_offsets = np.zeros(offsets.size, np.int64)
    index = np.empty(keep.size, np.int64)
    n = 0
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            if keep[k]:
                index[n] = k
                n += 1
        new_offsets[i + 1] = n
    return new_offsets, index[:n].copy()


@kernel
def arrange(offsets: IntArray, index: IntArray, key: FloatArray) -> IntArray:
    """Return `index` with each event's part sorted by ascending ``key[index]``: stable, NaN last.

    Insertion sort: the lists are short, and mostly in order already.
    """
    result = index.copy()
    for i in range(offsets.size - 1):
        for k in range(offsets[i] + 1, offsets[i + 1]):
            moved = result[k]
            value = key[moved]
            j = k
            while j > offsets[i] and (
                value < key[result[j - 1]] or (value == value and math.isnan(key[result[j - 1]]))
            ):
                result[j] = result[j - 1]
                j -= 1
            result[j] = moved
    return result


@kernel
def gather(table: FloatArray, index: IntArray, n_fields: int) -> FloatArray:
    """Return the first `n_fields` rows of `table` at the positions `index`: (n_fields, n_selected) float64."""
    result = np.empty((n_fields, index.size))
    for row in range(n_fields):
        for k in range(index.size):
            result[row, k] = table[row, index[k]]
    return result
