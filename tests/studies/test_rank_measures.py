"""Measures of single features: textbook numbers, independent references, laws."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from sklearn.tree import DecisionTreeClassifier

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.studies import rank_measures as measures

Classes = tuple[FeatureArray, FloatArray, BoolArray]

UNIT = np.ones(3)
PHOTON = np.array([20.0, 30.0, 50.0], np.float32), UNIT, np.array([True, False, False])
LEPTON = np.array([14.0, 16.0, 20.0], np.float32), UNIT, np.array([False, False, True])


def sample(seed: int, n_events: int = 400) -> Classes:
    """Return values of a shifted signal and a background, positive weights and labels."""
    rng = np.random.default_rng(seed)
    is_signal = rng.random(n_events) < 0.4
    return rng.normal(is_signal, 1.0).round(1).astype(np.float32), rng.uniform(0.1, 2.0, n_events), is_signal


@pytest.mark.parametrize(
    ("events", "cut", "impurity"), [(PHOTON, 25.0, 0.0), (PHOTON, 40.0, 1 / 3), (LEPTON, 18.0, 0.0)]
)
def test_the_textbooks_cuts_have_the_textbooks_impurity(events: Classes, cut: float, impurity: float) -> None:
    assert measures.split_impurity(*events, at=cut) == pytest.approx(impurity, abs=1e-12)


@pytest.mark.parametrize(("events", "cut"), [(PHOTON, 25.0), (LEPTON, 18.0)])
def test_the_best_split_of_the_textbook_is_found(events: Classes, cut: float) -> None:
    split = measures.best_split(*events)
    assert split is not None
    assert (split.at, split.impurity) == (cut, 0.0)
    assert split.gain == pytest.approx(4 / 9)


@pytest.mark.parametrize("seed", range(5))
def test_the_best_split_is_that_of_a_tree_of_scikit_learn(seed: int) -> None:
    values, weights, is_signal = sample(seed)
    tree = DecisionTreeClassifier(max_depth=1).fit(values[:, None], is_signal, sample_weight=weights).tree_
    split = measures.best_split(values, weights, is_signal)
    assert split is not None
    assert split.at == pytest.approx(tree.threshold[0], abs=1e-6)
    nodes = np.average(tree.impurity[1:], weights=tree.weighted_n_node_samples[1:])
    assert split.impurity == pytest.approx(nodes, rel=1e-9)
    assert split.gain == pytest.approx(tree.impurity[0] - nodes, rel=1e-9)


def test_missing_values_go_where_they_are_better_placed() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, np.nan, np.nan], np.float32)
    is_signal = np.array([True, True, False, False, True, True])
    split = measures.best_split(values, np.ones(6), is_signal)
    assert split is not None
    assert (split.at, split.missing, split.impurity) == (2.5, "below", 0.0)


def test_having_a_value_can_be_the_split() -> None:
    values = np.array([1.0, 2.0, np.nan, np.nan], np.float32)
    split = measures.best_split(values, np.ones(4), np.array([True, True, False, False]))
    assert split is not None
    assert np.isnan(split.at)
    assert split.impurity == 0.0


def test_a_constant_feature_has_no_split() -> None:
    assert measures.best_split(np.ones(4, np.float32), np.ones(4), np.array([True, False, True, False])) is None


def test_events_of_opposite_weights_cancel_in_every_measure() -> None:
    values, weights, is_signal = sample(7)
    extra = np.array([0.05, 0.05], np.float32)
    both = (
        np.concatenate([values, extra]),
        np.concatenate([weights, [5.0, -5.0]]),
        np.concatenate([is_signal, [False, False]]),
    )
    assert measures.area(*both).auc == pytest.approx(measures.area(values, weights, is_signal).auc, rel=1e-9)
    with_pair, without = measures.best_split(*both), measures.best_split(values, weights, is_signal)
    assert with_pair is not None
    assert without is not None
    assert with_pair.impurity == pytest.approx(without.impurity, rel=1e-9)


def test_the_area_is_that_of_scikit_learn() -> None:
    values, weights, is_signal = sample(3)
    expected = roc_auc_score(is_signal, values, sample_weight=weights)
    assert measures.area(values, weights, is_signal).auc == pytest.approx(expected, rel=1e-6)


def test_the_separation_of_two_gaussians_is_its_integral() -> None:
    rng = np.random.default_rng(1)
    is_signal = np.arange(200_000) % 2 == 0
    values = rng.normal(is_signal, 1.0).astype(np.float32)
    grid = np.linspace(-8, 9, 20_001)
    signal, background = (np.exp(-np.square(grid - mean) / 2) / np.sqrt(2 * np.pi) for mean in (1, 0))
    integral = np.sum(np.square(signal - background) / (signal + background)) * (grid[1] - grid[0]) / 2
    found = measures.separation_power(values, np.ones(len(values)), is_signal)
    assert found == pytest.approx(integral, abs=0.004)  # 40 bins and the statistics of 2e5 events


@given(st.integers(0, 10_000), st.floats(0.01, 100.0))
def test_the_separation_does_not_depend_on_units_or_cross_sections(seed: int, factor: float) -> None:
    values, weights, is_signal = sample(seed)
    scaled = weights * np.where(is_signal, factor, 1.0)
    found = measures.separation_power(values, weights, is_signal)
    assert 0 <= found <= 1
    assert measures.separation_power(values * 4, scaled, is_signal) == pytest.approx(found, rel=1e-9)


def test_apart_distributions_have_separation_one() -> None:
    values = np.array([0.0, 0.1, 2.0, 2.1], np.float32)
    assert measures.separation_power(values, np.ones(4), values > 1) == 1.0


def test_class_shares_give_each_class_one_half() -> None:
    _, weights, is_signal = sample(5)
    shares = measures.class_shares(weights, is_signal)
    assert shares[is_signal].sum() == pytest.approx(0.5)
    assert shares[~is_signal].sum() == pytest.approx(0.5)


def test_correlations_are_those_of_numpy() -> None:
    rng = np.random.default_rng(2)
    columns = rng.normal(size=(500, 4)).astype(np.float32)
    columns[:, 1] += 2 * columns[:, 0]
    weights = rng.uniform(0.1, 2.0, 500)
    covariance = np.cov(columns.T.astype(np.float64), aweights=weights)
    expected = covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance)))
    np.testing.assert_allclose(measures.correlations(columns, weights), expected, atol=1e-9)


def test_correlations_use_the_events_where_both_have_a_value() -> None:
    rng = np.random.default_rng(4)
    columns = rng.normal(size=(300, 2)).astype(np.float32)
    columns[:, 1] += columns[:, 0]
    columns[::3, 1] = np.nan
    known = ~np.isnan(columns[:, 1])
    expected = np.asarray(np.corrcoef(columns[known].T.astype(np.float64)))
    found = measures.correlations(columns, np.ones(300))
    np.testing.assert_allclose(found[0, 1], expected[0, 1], rtol=1e-9)
