"""Loops over ragged arrays: per-event lists stored as `offsets` and flat content.

The candidates of event ``i`` are the positions ``offsets[i] .. offsets[i + 1]`` of the content; `offsets` has shape
(n_events + 1,), dtype int64 and starts at 0. A table of candidates has shape (n_fields, n_candidates) and dtype
float64. Each kernel is called with one signature only, so that its machine code on disk has one version.
"""

import math

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.kernels.jit import kernel
from cascadebdt.kernels.kinematics import delta_r, energy, invariant_mass, p_x, p_y, p_z


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
def scatter(content: FloatArray, positions: IntArray, row: FloatArray) -> None:
    """Write each element of `content` to its position in `row`."""
    for k in range(positions.size):
        # A signed index would be tested for being negative first, since Python then counts from the end.
        row[np.uint64(positions[k])] = content[k]


@kernel
def apart(
    offsets: IntArray,
    keep: BoolArray,
    eta: FloatArray,
    phi: FloatArray,
    other_offsets: IntArray,
    other_eta: FloatArray,
    other_phi: FloatArray,
    radius: float,
) -> BoolArray:
    """Return `keep` without the candidates that have another object of their event within delta R < `radius`."""
    result = keep.copy()
    for i in range(offsets.size - 1):
        if other_offsets[i] == other_offsets[i + 1]:
            continue
        for k in range(offsets[i], offsets[i + 1]):
            if keep[k]:
                for j in range(other_offsets[i], other_offsets[i + 1]):
                    is_near = abs(eta[k] - other_eta[j]) < radius  # most pairs end here, without a square root
                    if is_near and delta_r(eta[k], phi[k], other_eta[j], other_phi[j]) < radius:
                        result[k] = False
    return result


@kernel
def select(offsets: IntArray, keep: BoolArray) -> tuple[IntArray, IntArray]:
    """Return the offsets and the positions, in the old content, of the candidates to `keep`."""
    before = np.empty(keep.size + 1, np.int64)
    index = np.empty(keep.size + 1, np.int64)
    # Without a branch, which a CPU could not predict: every position is written, and the next one overwrites it unless
    # it is kept.
    n = np.uint64(0)
    for k in range(keep.size):
        before[k] = n
        index[n] = k
        n += np.uint64(keep[k])
    before[keep.size] = n
    new_offsets = np.empty(offsets.size, np.int64)
    for i in range(offsets.size):
        new_offsets[i] = before[offsets[i]]
    return new_offsets, index[: np.int64(n)].copy()


@kernel
def of_events(offsets: IntArray, rows: IntArray) -> tuple[IntArray, IntArray]:
    """Return the offsets and the positions, in the old content, of the candidates of the events `rows`."""
    new_offsets = np.zeros(rows.size + 1, np.int64)
    for r in range(rows.size):
        new_offsets[r + 1] = new_offsets[r] + offsets[rows[r] + 1] - offsets[rows[r]]
    index = np.empty(new_offsets[-1], np.int64)
    for r in range(rows.size):
        for k in range(new_offsets[r], new_offsets[r + 1]):
            index[k] = offsets[rows[r]] + k - new_offsets[r]
    return new_offsets, index


@kernel
def pairs(offsets: IntArray, other_offsets: IntArray, is_same: bool) -> tuple[IntArray, IntArray, IntArray]:
    """Return the offsets of all pairs of candidates of two objects, and the positions of both candidates.

    Of one object with itself each pair comes once, the earlier candidate first.
    """
    new_offsets = np.zeros(offsets.size, np.int64)
    for i in range(offsets.size - 1):
        n, m = offsets[i + 1] - offsets[i], other_offsets[i + 1] - other_offsets[i]
        new_offsets[i + 1] = new_offsets[i] + (n * (n - 1) // 2 if is_same else n * m)
    first = np.empty(new_offsets[-1], np.int64)
    second = np.empty(new_offsets[-1], np.int64)
    p = 0
    for i in range(offsets.size - 1):
        for k in range(offsets[i], offsets[i + 1]):
            for j in range(k + 1 if is_same else other_offsets[i], other_offsets[i + 1]):
                first[p] = k
                second[p] = j
                p += 1
    return new_offsets, first, second


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


@kernel
def from_cartesian(px: FloatArray, py: FloatArray, pz: FloatArray, e: FloatArray) -> FloatArray:
    """Return pt, eta, phi and mass of four-momenta: (4, n) float64.

    ``eta = asinh(pz / pt)``, infinite along the beam; a negative ``E^2 - p^2`` gives a mass of 0.
    """
    result = np.empty((4, px.size))
    for k in range(px.size):
        pt = math.hypot(px[k], py[k])
        result[0, k] = pt
        result[1, k] = math.asinh(pz[k] / pt)
        result[2, k] = math.atan2(py[k], px[k])
        result[3, k] = invariant_mass(e[k], px[k], py[k], pz[k])
    return result


@kernel
def pair_momenta(first: FloatArray, second: FloatArray) -> FloatArray:
    """Return pt, eta, phi and mass, (4, n_pairs) float64, of the sum of the two particles of each pair, given alike."""
    result = np.empty((4, first.shape[1]))
    for k in range(first.shape[1]):
        px = p_x(first[0, k], first[2, k]) + p_x(second[0, k], second[2, k])
        py = p_y(first[0, k], first[2, k]) + p_y(second[0, k], second[2, k])
        pz = p_z(first[0, k], first[1, k]) + p_z(second[0, k], second[1, k])
        e = energy(first[0, k], first[1, k], first[3, k]) + energy(second[0, k], second[1, k], second[3, k])
        pt = math.hypot(px, py)
        result[0, k] = pt
        result[1, k] = math.asinh(pz / pt)
        result[2, k] = math.atan2(py, px)
        result[3, k] = invariant_mass(e, px, py, pz)
    return result
