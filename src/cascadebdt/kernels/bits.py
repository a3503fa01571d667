"""Operations on the bits of whole numbers that are kept as float64; of anything else they are NaN."""

import math

import numpy as np

from cascadebdt.kernels.jit import kernel

LIMIT = 2.0**53
"""Beyond it float64 does not hold every whole number."""
MAX_SHIFT = 52


@kernel
def are_whole(a: float, b: float) -> bool:
    """Return whether both are whole numbers that float64 holds exactly."""
    return abs(a) <= LIMIT and abs(b) <= LIMIT and math.floor(a) == a and math.floor(b) == b


@kernel
def bit_and(a: float, b: float) -> float:
    """Return the bits that both have."""
    return 1.0 * (np.int64(a) & np.int64(b)) if are_whole(a, b) else math.nan


@kernel
def bit_or(a: float, b: float) -> float:
    """Return the bits that either has."""
    return 1.0 * (np.int64(a) | np.int64(b)) if are_whole(a, b) else math.nan


@kernel
def bit_xor(a: float, b: float) -> float:
    """Return the bits that one of them has."""
    return 1.0 * (np.int64(a) ^ np.int64(b)) if are_whole(a, b) else math.nan


@kernel
def bit_not(a: float) -> float:
    """Return the bits that `a` does not have, of a signed number: -a - 1."""
    return -a - 1.0 if are_whole(a, a) else math.nan


@kernel
def shift_left(a: float, n: float) -> float:
    """Return ``a * 2**n``, for whole n from 0 and a result that float64 holds exactly."""
    if not are_whole(a, n) or n < 0 or n > MAX_SHIFT:
        return math.nan
    shifted = a * 2.0**n
    return shifted if abs(shifted) <= LIMIT else math.nan


@kernel
def shift_right(a: float, n: float) -> float:
    """Return ``floor(a / 2**n)``, for whole n from 0."""
    return math.floor(a / 2.0 ** min(n, 64.0)) * 1.0 if are_whole(a, n) and n >= 0 else math.nan
