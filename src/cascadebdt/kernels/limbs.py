"""Sums of doubles without rounding: long integers, kept as limbs of 32 bits with room for carries.

Limb k counts units of 2^(32 k), so that every double is a sum of three neighbours at most. Limbs are int64 and have
signs of their own, so that `CARRY_AFTER` numbers can be added before carries must move on.

References
----------
U. Kulisch, Computer Arithmetic and Validity, 2nd ed., de Gruyter 2013: exact sums in a long accumulator.
"""

import math

import numpy as np

from cascadebdt.arrays import FloatArray, Int32Array, IntArray
from cascadebdt.kernels.jit import kernel

LOWEST = -34  # limb of the smallest double, 2^-1074
CARRY_AFTER = 1 << 28  # each number adds less than 2^33 to a limb
NOT_FINITE = 1 << 20

BITS = 32
DIGIT = (1 << BITS) - 1
HALF = 1 << (BITS - 1)
FRACTION = (1 << 52) - 1
BIAS = 1075  # of the exponent of a double whose fraction is a whole number


@kernel
def span(bits: IntArray) -> tuple[int, int]:
    """Return the lowest and the highest limb that doubles, seen as integers, need; `NOT_FINITE` if one is not finite.

    Without a number but 0 the highest is below the lowest.
    """
    least, most = 0x7FF, 0
    for number in bits:
        if number & 0x7FFFFFFFFFFFFFFF:
            exponent = (number >> 52) & 0x7FF
            least, most = min(least, exponent), max(most, exponent)
    if most == 0x7FF:
        return NOT_FINITE, NOT_FINITE
    if least > most:
        return 0, -1
    return (max(least, 1) - BIAS) >> 5, ((max(most, 1) - BIAS) >> 5) + 2


@kernel
def deposit(limbs: IntArray, lowest: int, cells: IntArray, bits: IntArray) -> None:
    """Add doubles, seen as integers, to the numbers of some cells.

    Parameters
    ----------
    limbs : (n_cells, n_limbs), changed
    lowest : what the first limb counts
    cells, bits : (n,) each
    """
    for i in range(cells.size):
        number = bits[i]
        exponent = (number >> 52) & 0x7FF
        fraction = number & FRACTION
        if exponent:
            fraction |= FRACTION + 1
        if fraction:
            place = max(exponent, 1) - BIAS
            k = (place >> 5) - lowest
            shift = place & 31
            low, high = (fraction & DIGIT) << shift, (fraction >> BITS) << shift
            sign = -1 if number < 0 else 1
            limbs[cells[i], k] += sign * (low & DIGIT)
            limbs[cells[i], k + 1] += sign * ((low >> BITS) + (high & DIGIT))
            limbs[cells[i], k + 2] += sign * (high >> BITS)


@kernel
def gather(limbs: IntArray, first: int, cells: IntArray, digits: Int32Array) -> None:
    """Add numbers that were written after `carry` to those of some cells.

    Parameters
    ----------
    limbs : (n_cells, n_limbs), changed
    first : limb that the first digit belongs to
    cells : (n,)
    digits : (n, n_digits)
    """
    for i in range(cells.size):
        for k in range(digits.shape[1]):
            limbs[cells[i], first + k] += digits[i, k]


@kernel
def carry(limbs: IntArray) -> None:
    """Bring all limbs but the last into [-2^31, 2^31), which is the one such way to write a number."""
    for i in range(limbs.shape[0]):
        for k in range(limbs.shape[1] - 1):
            over = (limbs[i, k] + HALF) >> BITS
            limbs[i, k] -= over << BITS
            limbs[i, k + 1] += over


@kernel
def rounded(limbs: IntArray, lowest: int) -> FloatArray:
    """Return the doubles nearest to numbers after `carry`, ``(n_cells,)``; of two as near the even one."""
    result = np.zeros(limbs.shape[0])
    digits = np.zeros(limbs.shape[1] + 1, np.int64)
    for i in range(limbs.shape[0]):
        top = limbs.shape[1] - 1
        while top >= 0 and limbs[i, top] == 0:
            top -= 1
        if top < 0:
            continue
        sign = -1 if limbs[i, top] < 0 else 1
        over = 0
        for k in range(top + 1):  # the digits of the absolute value, in [0, 2^32)
            digit = sign * limbs[i, k] + over
            over = digit >> BITS
            digits[k] = digit & DIGIT
        digits[top + 1] = over
        if over:
            top += 1
        while digits[top] == 0:
            top -= 1
        result[i] = sign * _nearest(digits, top, lowest)
    return result


@kernel
def _nearest(digits: IntArray, top: int, lowest: int) -> float:
    """Return the double nearest to a positive number; `top` is its highest digit that is not 0."""
    n_bits = 0
    while digits[top] >> n_bits:
        n_bits += 1
    # 62 bits of the number, of which the last one stands for all below it.
    head = digits[top] << (62 - n_bits)
    left = 62 - n_bits
    k = top
    rest = False
    while k > 0:
        k -= 1
        if left >= BITS:
            left -= BITS
            head |= digits[k] << left
        else:
            head |= digits[k] >> (BITS - left)
            rest = rest or (digits[k] & ((1 << (BITS - left)) - 1)) != 0
            left = 0
    exponent = BITS * (top + lowest) + n_bits - 62  # of the last bit of head
    drop = max(9, -1074 - exponent)
    kept, cut, half = head >> drop, head & ((1 << drop) - 1), 1 << (drop - 1)
    if cut > half or (cut == half and (rest or kept & 1)):
        kept += 1
    return math.ldexp(float(kept), exponent + drop)
