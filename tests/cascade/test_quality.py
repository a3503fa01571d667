import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from cascadebdt.cascade.quality import roc_auc


@given(st.integers(0, 2**31), st.booleans())
def test_the_area_equals_scikit_learns_for_positive_weights(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.random(60).astype(np.float32)
    scores = np.round(scores, 1) if ties else scores
    weights, is_signal = rng.uniform(0.1, 3, 60), np.arange(60) % 3 == 0
    assert roc_auc(scores, weights, is_signal) == pytest.approx(roc_auc_score(is_signal, scores, sample_weight=weights))


def test_a_negative_weight_takes_away_what_an_equal_event_added() -> None:
    scores = np.array([0.9, 0.4, 0.4, 0.6, 0.2], np.float32)
    weights = np.array([1.0, 2.0, -2.0, 1.0, 1.0])
    is_signal = np.array([True, True, True, False, False])
    plain = np.array([True, False, False, True, True])
    assert roc_auc(scores, weights, is_signal) == roc_auc(scores[plain], weights[plain], is_signal[plain])


def test_a_class_without_weight_has_no_area() -> None:
    assert np.isnan(roc_auc(np.array([0.1], np.float32), np.ones(1), np.array([True])))
    assert np.isnan(roc_auc(np.empty(0, np.float32), np.empty(0), np.empty(0, np.bool_)))
