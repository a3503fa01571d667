import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cascadebdt.arrays import FeatureArray
from cascadebdt.cascade.working_point import efficiency_of, threshold_at

scores = hnp.arrays(
    np.float32, st.integers(1, 50), elements=st.integers(0, 10).map(lambda tenths: np.float32(tenths / 10))
)


@given(scores, st.floats(0.01, 0.99), st.integers(0, 2**31))
def test_the_threshold_is_the_largest_that_keeps_the_target(values: FeatureArray, target: float, seed: int) -> None:
    weights = np.random.default_rng(seed).uniform(0.1, 2, len(values))
    threshold = threshold_at(target, scores=values, weights=weights)
    assert efficiency_of(threshold, scores=values, weights=weights) >= target - 1e-12
    tighter = values[values > threshold]
    if len(tighter):
        assert efficiency_of(tighter.min(), scores=values, weights=weights) < target


def test_negative_weights_count_with_their_sign() -> None:
    values = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    weights = np.array([1.0, -1.0, 1.0, 1.0])
    assert threshold_at(0.9, scores=values, weights=weights) == np.float32(0.6)
    assert efficiency_of(np.float32(0.75), scores=values, weights=weights) == 0.0


def test_the_threshold_counts_signed_weights_not_their_sizes() -> None:
    values = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    weights = np.array([1.0, -1.0, 1.0, 1.0])  # signed sums 1, 0, 1, 2; of absolute weights 1, 2, 3, 4
    assert threshold_at(0.4, scores=values, weights=weights) == np.float32(0.9)


def test_a_target_that_is_met_exactly_is_met() -> None:
    values = np.array([0.6, 0.9, 0.7, 0.8], np.float32)
    assert threshold_at(0.5, scores=values, weights=np.ones(4)) == np.float32(0.8)


def test_equal_scores_pass_together() -> None:
    values = np.array([0.9, 0.5, 0.5, 0.2], np.float32)
    weights = np.array([1.0, 2.0, -1.5, 0.5])  # the first of the equal scores alone would meet the target
    assert threshold_at(0.9, scores=values, weights=weights) == np.float32(0.2)


def test_an_event_on_the_threshold_passes() -> None:
    assert efficiency_of(np.float32(0.1), scores=np.array([0.1], np.float32), weights=np.ones(1)) == 1.0


def test_no_weight_has_no_efficiency() -> None:
    assert np.isnan(efficiency_of(np.float32(0.5), scores=np.empty(0, np.float32), weights=np.empty(0)))
    assert threshold_at(0.5, scores=np.array([0.3], np.float32), weights=np.ones(1)) == pytest.approx(0.3)
