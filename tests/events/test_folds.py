import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.events import identify
from cascadebdt.events.folds import fold_of, training_split


@given(st.integers(3, 10), st.integers(0, 2**31))
def test_the_model_of_a_fold_neither_trains_nor_stops_on_it(n_folds: int, seed: int) -> None:
    folds = fold_of(np.random.default_rng(seed).integers(0, 2**64, 200, np.uint64), n_folds)
    for fold in range(n_folds):
        train, stop = training_split(folds, fold, range(n_folds), early_stopping=True)
        assert not (train & stop).any()
        np.testing.assert_array_equal(train | stop, folds != fold)


@pytest.mark.parametrize("n_folds", [2, 5])
def test_without_early_stopping_every_other_fold_trains(n_folds: int) -> None:
    folds = np.arange(100) % n_folds
    train, stop = training_split(folds, 1, range(n_folds), early_stopping=False)
    np.testing.assert_array_equal(train, folds != 1)
    assert not stop.any()


@given(st.integers(4, 10), st.integers(0, 2**31))
def test_a_fold_that_takes_no_part_neither_trains_nor_stops_any_model(n_folds: int, seed: int) -> None:
    folds = fold_of(np.random.default_rng(seed).integers(0, 2**64, 200, np.uint64), n_folds)
    held_out = seed % n_folds
    among = [fold for fold in range(n_folds) if fold != held_out]
    for fold in range(n_folds):
        train, stop = training_split(folds, fold, among, early_stopping=True)
        assert not (train & stop).any()
        np.testing.assert_array_equal(train | stop, (folds != fold) & (folds != held_out))


@given(st.integers(2, 12))
def test_numbers_that_a_float_cannot_tell_apart_still_have_folds_of_their_own(n_folds: int) -> None:
    large = np.uint64(2**63) + np.arange(n_folds, dtype=np.uint64)
    assert len(np.unique(fold_of(large, n_folds))) == n_folds
    assert len(np.unique(large.astype(np.float64))) == 1


def test_even_and_odd_event_numbers_are_in_every_fold_alike() -> None:
    numbers = np.arange(40_000)
    folds = fold_of(identify([np.ones_like(numbers), numbers // 100, numbers], salt="zee"), 2)
    shares = [(folds[numbers % 2 == parity] == 0).mean() for parity in (0, 1)]
    np.testing.assert_allclose(shares, 0.5, atol=4 * 0.5 / np.sqrt(20_000))
