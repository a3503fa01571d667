import numpy as np
import pytest
from scipy import stats

from cascadebdt.arrays import FeatureArray, FloatArray
from cascadebdt.training.overtraining import N_BINS, compare, distance
from cascadebdt.training.quality import roc_auc

IS_SIGNAL = np.arange(2000) < 800


def scored(seed: int, *, learned: float = 0.0, negative: float = 0.1) -> tuple[FeatureArray, FeatureArray, FloatArray]:
    """Return scores in training and out of fold; `learned` by heart is what the first know better."""
    rng = np.random.default_rng(seed)
    common, own = rng.normal(np.where(IS_SIGNAL, 0.8, -0.8)), rng.normal(size=(2, 2000)) * 0.3
    margins = common + own + np.array([[learned], [0.0]]) * np.where(IS_SIGNAL, 1, -1)
    weights = rng.uniform(0.5, 1.5, 2000) * np.where(rng.random(2000) < negative, -1, 1)
    seen, unseen = (1 / (1 + np.exp(-margins))).astype(np.float32)
    return seen, unseen, weights


def test_the_difference_of_areas_has_the_spread_of_repeated_experiments() -> None:
    found = []
    for seed in range(200):
        seen, unseen, weights = scored(seed)
        one = compare(seen=seen, unseen=unseen, weights=weights, is_signal=IS_SIGNAL, threshold=np.float32(0.5), seed=1)
        found.append(
            [[one[name][key] for key in ("difference", "uncertainty")] for name in ("auc", "signal_efficiency")]
        )
    differences, uncertainties = np.moveaxis(np.array(found), 2, 0)
    np.testing.assert_allclose(uncertainties.mean(axis=0), differences.std(axis=0), rtol=0.15)


def test_what_was_learned_by_heart_is_many_uncertainties_away() -> None:
    seen, unseen, weights = scored(1, learned=0.2)
    found = compare(seen=seen, unseen=unseen, weights=weights, is_signal=IS_SIGNAL, threshold=np.float32(0.5), seed=1)
    assert found["auc"]["train"] == roc_auc(seen, weights, IS_SIGNAL)
    assert found["auc"]["difference"] == found["auc"]["train"] - found["auc"]["out_of_fold"]
    assert found["auc"]["difference"] > 5 * found["auc"]["uncertainty"]
    assert found["signal_efficiency"]["difference"] > 0 > found["background_efficiency"]["difference"]
    assert [found["distance"][name]["p_value"] for name in ("signal", "background")] == [0.01, 0.01]


def test_the_p_value_is_uniform_without_overtraining_whatever_the_weights() -> None:
    rng = np.random.default_rng(0)
    values = []
    for seed in range(100):
        seen, unseen, weights = scored(seed)
        values.append(
            distance(seen[IS_SIGNAL][:300], unseen[IS_SIGNAL][:300], weights[IS_SIGNAL][:300], rng)["p_value"]
        )
    assert stats.kstest(np.array(values, np.float64), "uniform").pvalue > 0.01


def test_the_distance_is_kolmogorovs_for_equal_weights() -> None:
    seen, unseen, _ = scored(3)
    found = distance(seen, unseen, np.ones(2000), np.random.default_rng(0))
    assert found["distance"] == pytest.approx(stats.ks_2samp(seen, unseen).statistic)


def test_events_with_one_score_only_are_compared_as_two_samples() -> None:
    seen, unseen, weights = scored(2, negative=0.0)
    seen[::2], unseen[1::2] = np.nan, np.nan
    found = compare(seen=seen, unseen=unseen, weights=weights, is_signal=IS_SIGNAL, threshold=None, seed=1)
    assert set(found) == {"auc", "distance", "scores"}
    assert found["auc"]["train"] == roc_auc(seen[1::2], weights[1::2], IS_SIGNAL[1::2])
    assert 0.005 < found["auc"]["uncertainty"] < 0.03
    assert found["distance"]["signal"]["p_value"] > 0.01


def test_histograms_are_shares_with_their_uncertainties() -> None:
    seen, unseen, weights = scored(2)
    scores = compare(seen=seen, unseen=unseen, weights=weights, is_signal=IS_SIGNAL, threshold=None, seed=1)["scores"]
    expected, _ = np.histogram(unseen[IS_SIGNAL], N_BINS, (0, 1), weights=weights[IS_SIGNAL])
    found = scores["signal"]["out_of_fold"]
    np.testing.assert_allclose(found["shares"], expected / expected.sum(), atol=1e-5)
    assert len(found["uncertainties"]) == N_BINS


def test_a_class_without_positive_weight_has_no_numbers_rather_than_wrong_ones() -> None:
    seen, unseen, _ = scored(2)
    weights = np.where(IS_SIGNAL, -1.0, 1.0)
    found = compare(seen=seen, unseen=unseen, weights=weights, is_signal=IS_SIGNAL, threshold=np.float32(0.5), seed=1)
    assert found["auc"]["difference"] is None
    assert found["signal_efficiency"]["train"] is None
    assert found["distance"]["signal"] == {"distance": None, "p_value": None}
    assert found["scores"]["signal"]["train"]["shares"] == []
    assert found["background_efficiency"]["train"] is not None
