"""Exact sums are those of `math.fsum`, whatever the order of the weights and who added which."""

import math
from dataclasses import fields
from random import Random

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cascadebdt.errors import YieldError
from cascadebdt.histograms.sums import Packed, Sums
from cascadebdt.kernels import limbs

DOUBLES = st.floats(allow_nan=False, allow_infinity=False)
WEIGHTS = st.one_of(st.floats(-10, 10), st.sampled_from([5e-324, -5e-324, 1e300, -1e300, 1e-300, 2.0**-1022]), DOUBLES)
ENTRIES = st.lists(st.tuples(st.integers(0, 2), WEIGHTS), max_size=30)


def added(entries: list[tuple[int, float]], sums: Sums | None = None) -> Sums:
    made = Sums() if sums is None else sums
    cells, weights = np.array([cell for cell, _ in entries], int), np.array([weight for _, weight in entries], float)
    made.add("t", 3, cells, weights)
    return made


def fsum(entries: list[tuple[int, float]]) -> list[float] | None:
    """Return what the standard library gives in every cell; None where a sum is beyond the range of doubles."""
    try:
        return [math.fsum(weight for where, weight in entries if where == cell) for cell in range(3)]
    except OverflowError:
        return None


@settings(max_examples=300)
@given(ENTRIES, st.integers(1, 5), st.randoms(use_true_random=False))
@example([(0, 1.0), (0, 2.0**-53), (0, 2.0**-106)], 1, None)  # above the middle of two doubles by little
@example([(0, 1.0), (0, 2.0**-53)], 2, None)  # in the middle
@example([(0, 1.0), (0, -(2.0**-54)), (1, 2.0**53), (1, -0.5)], 2, None)
@example([(0, 1.7e308), (0, -1.7e308), (0, 5e-324)], 3, None)
def test_sums_in_any_order_and_parts_are_the_nearest_doubles(
    entries: list[tuple[int, float]], n_parts: int, random: Random | None
) -> None:
    expected = fsum(entries)
    if random is not None:
        random.shuffle(entries)
    sums = Sums()
    for part in range(n_parts):
        added(entries[part::n_parts], sums)
    if expected is not None:
        assert sums.of("t").tolist() == expected


@pytest.mark.parametrize("weight", [math.inf, -math.inf, math.nan])
def test_a_weight_that_is_not_finite_is_an_error(weight: float) -> None:
    with pytest.raises(YieldError, match="t: a weight or its square is beyond the range of doubles"):
        added([(0, 1.0), (1, weight)])


def test_a_sum_beyond_the_range_of_doubles_is_an_error() -> None:
    with pytest.raises(YieldError, match="a sum of weights is beyond the range"):
        added([(0, 1.7e308), (0, 1.7e308)]).of("t")


def test_more_numbers_than_a_limb_holds_are_carried(monkeypatch: pytest.MonkeyPatch) -> None:
    weights = np.random.default_rng(1).normal(size=20_000)
    sums = Sums()
    monkeypatch.setattr(limbs, "CARRY_AFTER", 30_000)
    for _ in range(3):
        sums.add("t", 1, np.zeros(len(weights), int), weights)
        assert sums._uncarried <= 30_000
    assert sums.of("t")[0] == math.fsum(np.tile(weights, 3))


def packed(entries: list[tuple[int, float]]) -> Packed:
    sums = added(entries)
    sums.count("n", np.bincount([cell for cell, _ in entries], minlength=4))
    return sums.packed()


def together(*parts: Packed) -> Packed:
    sums = Sums()
    for part in parts:
        sums.take(part)
    return sums.packed()


@given(st.lists(ENTRIES, min_size=3, max_size=3))
def test_parts_merge_to_the_same_numbers_whatever_is_merged_first(parts: list[list[tuple[int, float]]]) -> None:
    first, second, third = map(packed, parts)
    whole = packed([entry for part in parts for entry in part])
    for made in (together(first, second, third), together(third, together(second, first)), together(whole)):
        for item in fields(Packed):
            np.testing.assert_array_equal(getattr(made, item.name), getattr(whole, item.name))
    read = added([])
    read.count("n", np.zeros(4, int))
    read.take(whole)
    assert read.counts("n").tolist() == np.bincount([c for part in parts for c, _ in part], minlength=4).tolist()
    expected = fsum([entry for part in parts for entry in part])
    if expected is not None:
        assert read.of("t").tolist() == expected


def test_sums_of_other_tables_are_refused() -> None:
    other = Sums()
    other.add("t", 4, np.zeros(1, int), np.ones(1))
    with pytest.raises(YieldError, match="sums: of other histograms than these"):
        added([]).take(other.packed())
