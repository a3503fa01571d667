import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from sklearn.metrics import average_precision_score, roc_auc_score

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.training.quality import Curve, number, roc_auc, separation, shares


def sample(seed: int, *, ties: bool, n: int = 60, negative: float = 0.0) -> tuple[FeatureArray, FloatArray, BoolArray]:
    rng = np.random.default_rng(seed)
    scores = rng.random(n).astype(np.float32)
    weights = rng.uniform(0.1, 3, n) * np.where(rng.random(n) < negative, -1, 1)
    return np.round(scores, 1) if ties else scores, weights, np.arange(n) % 3 == 0


@given(st.integers(0, 2**31), st.booleans())
def test_the_areas_equal_scikit_learns_for_positive_weights(seed: int, ties: bool) -> None:
    scores, weights, is_signal = sample(seed, ties=ties)
    curve = Curve.of(scores, weights, is_signal)
    assert curve.auc == pytest.approx(roc_auc_score(is_signal, scores, sample_weight=weights))
    expected = average_precision_score(is_signal, scores, sample_weight=weights)
    assert curve.average_precision == pytest.approx(expected)


@given(st.integers(0, 2**31), st.booleans())
def test_the_area_is_the_weighted_share_of_ordered_pairs_also_with_negative_weights(seed: int, ties: bool) -> None:
    scores, weights, is_signal = sample(seed, ties=ties, negative=0.1)
    above = np.sign(scores[is_signal][:, None] - scores[~is_signal]) / 2 + 0.5
    signal, background = weights[is_signal], weights[~is_signal]
    expected = signal @ above @ background / (signal.sum() * background.sum())
    if signal.sum() > 0 and background.sum() > 0:
        assert roc_auc(scores, weights, is_signal) == pytest.approx(expected)


@given(st.integers(0, 2**31))
def test_precision_with_negative_weights_is_that_of_sums_above_every_threshold(seed: int) -> None:
    scores, weights, is_signal = sample(seed, ties=True, negative=0.2)
    if weights[is_signal].sum() <= 0 or weights[~is_signal].sum() <= 0:
        return
    expected, before = 0.0, 0.0
    for threshold in np.unique(scores)[::-1]:
        kept = scores >= threshold
        signal, background = (float(weights[kept & mask].sum()) for mask in (is_signal, ~is_signal))
        positive = max(signal, 0.0) + max(background, 0.0)
        precision = max(signal, 0.0) / positive if positive else 0.0
        expected += (signal - before) / weights[is_signal].sum() * precision
        before = signal
    assert Curve.of(scores, weights, is_signal).average_precision == pytest.approx(expected)


def test_a_negative_weight_takes_away_what_an_equal_event_added() -> None:
    scores = np.array([0.9, 0.4, 0.4, 0.6, 0.2], np.float32)
    weights = np.array([1.0, 2.0, -2.0, 1.0, 1.0])
    is_signal = np.array([True, True, True, False, False])
    plain = np.array([True, False, False, True, True])
    assert roc_auc(scores, weights, is_signal) == roc_auc(scores[plain], weights[plain], is_signal[plain])


def test_a_class_without_positive_weight_has_no_area_rather_than_a_wrong_one() -> None:
    one = np.array([0.1], np.float32)
    assert np.isnan(roc_auc(one, np.ones(1), np.array([True])))
    assert np.isnan(roc_auc(np.empty(0, np.float32), np.empty(0), np.empty(0, np.bool_)))
    scores, weights = np.array([0.9, 0.5, 0.2], np.float32), np.array([1.0, 1.0, -2.0])
    found = separation(scores, weights, np.array([True, False, False]), np.zeros(3, np.int64))
    assert (found["auc"], found["average_precision"], found["auc_uncertainty"]) == (None, None, None)
    assert found["curve"]["precision"] == []


def test_the_uncertainty_of_the_area_is_that_of_repeated_experiments() -> None:
    def experiment(seed: int) -> tuple[float, float]:
        rng = np.random.default_rng(seed)
        is_signal = np.arange(400) < 150
        scores = rng.normal(np.where(is_signal, 1.0, 0.0)).astype(np.float32)
        weights = rng.uniform(0.2, 2, 400) * np.where(rng.random(400) < 0.1, -1, 1)
        found = separation(scores, weights, is_signal, np.zeros(400, np.int64))
        return found["auc"], found["auc_uncertainty"]

    areas, uncertainties = np.array([experiment(seed) for seed in range(300)]).T
    assert np.mean(uncertainties) == pytest.approx(np.std(areas), rel=0.15)


def test_folds_have_areas_of_their_own_and_a_spread() -> None:
    scores, weights, is_signal = sample(4, ties=False, n=90)
    folds = np.arange(90) // 30
    found = separation(scores, weights, is_signal, folds)
    expected = [roc_auc(scores[folds == f], weights[folds == f], is_signal[folds == f]) for f in range(3)]
    assert found["auc_of_folds"] == expected
    assert found["auc_spread"] == pytest.approx(np.std(expected, ddof=1))


def test_the_curve_of_a_fold_is_that_of_its_events_at_fixed_signal_efficiencies() -> None:
    scores, weights, is_signal = sample(7, ties=True, n=300)
    folds = np.arange(300) % 7
    curves = separation(scores, weights, is_signal, folds)["curves_of_folds"]
    assert len(curves) == 7
    for fold, curve in enumerate(curves):
        in_fold = folds == fold
        signal, background = weights * (in_fold & is_signal), weights * (in_fold & ~is_signal)
        for efficiency, kept, precision in zip(*curve.values(), strict=True):
            cuts = np.unique(scores[in_fold])[::-1]
            threshold = next(t for t in cuts if signal[scores >= t].sum() >= (efficiency - 1e-9) * signal.sum())
            expected = background[scores >= threshold].sum()
            assert kept == pytest.approx(expected / background.sum(), rel=1e-5)
            assert precision == pytest.approx(1 - expected / (expected + signal[scores >= threshold].sum()), rel=1e-5)


def test_a_fold_without_positive_weight_of_a_class_has_no_curve() -> None:
    scores, weights, is_signal = sample(8, ties=False)
    folds = np.where(is_signal, 0, np.arange(60) % 2)
    curves = separation(scores, weights, is_signal, folds)["curves_of_folds"]
    assert [len(curve["precision"]) for curve in curves] == [50, 0]


@given(st.integers(0, 2**31), st.booleans())
def test_points_of_a_curve_lie_on_it_and_reach_its_end(seed: int, ties: bool) -> None:
    scores, weights, is_signal = sample(seed, ties=ties, n=500)
    points = Curve.of(scores, weights, is_signal).points()
    assert len(points["precision"]) <= 202
    assert (points["signal_efficiency"][-1], points["background_efficiency"][-1]) == (1.0, 1.0)
    x, y = ([0.0, *points[f"{name}_efficiency"]] for name in ("background", "signal"))
    assert trapezoid(y, x) == pytest.approx(roc_auc(scores, weights, is_signal), abs=2e-3)


def test_importance_is_the_share_of_the_gain() -> None:
    assert shares({"y": 3.0, "x": 1.0}, ("x", "y", "z")) == {"y": 0.75, "x": 0.25, "z": 0.0}
    assert shares({}, ("x",)) == {"x": 0.0}


def test_what_is_no_number_is_null_in_json() -> None:
    assert (number(float("nan")), number(0.5)) == (None, 0.5)
