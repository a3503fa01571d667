import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.arrays import AnyArray, FeatureArray, FloatArray
from cascadebdt.errors import TrainingError
from cascadebdt.training.pairing import cancelled

NAMES = ("signal", "zee", "wjets")


def pair(table: FeatureArray, weights: FloatArray, process: AnyArray | int = 0, fold: AnyArray | int = 0) -> FloatArray:
    codes, folds = np.broadcast_to(process, len(weights)), np.broadcast_to(fold, len(weights))
    return cancelled(table, weights, codes.astype(np.int16), folds.astype(np.int64), names=NAMES, where="stage 'x'")


@given(st.integers(0, 2**31), st.integers(20, 60))
def test_the_sum_of_every_process_and_fold_stays_and_no_weight_is_negative(seed: int, n_events: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.where(rng.random(n_events) < 0.2, -1.0, 1.0) * rng.uniform(0.1, 2, n_events)
    process, fold = rng.integers(0, 3, n_events), rng.integers(0, 2, n_events)
    groups = [(process == p) & (fold == f) for p in range(3) for f in range(2)]
    for group in groups:
        weights[np.flatnonzero(group)[:1]] = 100.0
    found = pair(rng.normal(size=(n_events, 3)).astype(np.float32), weights, process, fold)
    assert (found >= 0).all()
    assert (found[weights < 0] == 0).all()
    assert (found <= np.maximum(weights, 0)).all()
    for group in groups:
        assert found[group].sum() == pytest.approx(weights[group].sum())


def test_the_nearest_events_are_taken_first_as_brute_force_says() -> None:
    rng = np.random.default_rng(1)
    table = rng.normal(size=(80, 2)).astype(np.float32)
    weights = np.where(np.arange(80) % 8 == 3, -2.5, 1.0)
    scaled = (table - table.mean(axis=0, dtype=np.float64)) / table.std(axis=0, dtype=np.float64)
    expected = np.maximum(weights, 0)
    for row in np.flatnonzero(weights < 0):
        debt = 2.5
        for near in np.argsort(((scaled - scaled[row]) ** 2).sum(axis=1)):
            taken = min(debt, expected[near])
            expected[near] -= taken
            debt -= taken
    np.testing.assert_allclose(pair(table, weights), expected, atol=1e-12)


def test_units_of_a_feature_do_not_change_the_neighbours() -> None:
    rng = np.random.default_rng(2)
    table = rng.normal(size=(50, 2)).astype(np.float32)
    weights = np.where(np.arange(50) % 9 == 0, -1.0, 1.0)
    np.testing.assert_array_equal(pair(table * np.array([1024, 1], np.float32), weights), pair(table, weights))


def test_what_is_missing_is_near_to_what_is_missing() -> None:
    table = np.array([[1.0], [np.nan], [2.0], [np.nan]], np.float32)
    assert pair(table, np.array([1.0, -1.0, 1.0, 1.0])).tolist() == [1.0, 0.0, 1.0, 0.0]


def test_a_missing_value_counts_as_the_mean_of_the_feature() -> None:
    table = np.array([[np.nan], [-2.0], [2.0], [0.0]], np.float32)
    assert pair(table, np.array([-1.0, 1.0, 1.0, 1.0])).tolist() == [0.0, 1.0, 1.0, 0.0]


def test_a_fold_without_enough_positive_weight_is_named() -> None:
    with pytest.raises(TrainingError, match=r"stage 'x': the weights of process zee in fold 2 sum to -1"):
        pair(np.zeros((2, 1), np.float32), np.array([1.0, -2.0]), 1, 2)
