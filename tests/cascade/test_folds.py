import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.cascade.folds import fold_of, training_split


@given(st.integers(3, 10), st.integers(0, 2**31))
def test_the_model_of_a_fold_neither_trains_nor_stops_on_it(n_folds: int, seed: int) -> None:
    folds = fold_of(np.random.default_rng(seed).integers(0, 2**64, 200, np.uint64), n_folds)
    for fold in range(n_folds):
        train, stop = training_split(folds, fold, n_folds, early_stopping=True)
        assert not (train & stop).any()
        np.testing.assert_array_equal(train | stop, folds != fold)


@pytest.mark.parametrize("n_folds", [2, 5])
def test_without_early_stopping_every_other_fold_trains(n_folds: int) -> None:
    folds = np.arange(100) % n_folds
    train, stop = training_split(folds, 1, n_folds, early_stopping=False)
    np.testing.assert_array_equal(train, folds != 1)
    assert not stop.any()
