import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cascadebdt.arrays import FloatArray
from cascadebdt.cascade.weights import balanced, effective_number, report, without_negative
from cascadebdt.config import NegativeWeights
from cascadebdt.errors import TrainingError

positive = hnp.arrays(np.float64, 20, elements=st.floats(1e-3, 1e3))


@given(positive, st.floats(1e-6, 1e6))
def test_each_class_has_mean_weight_one_whatever_the_scale(weights: FloatArray, scale: float) -> None:
    is_signal = np.arange(20) < 7
    found = balanced(weights * np.where(is_signal, scale, 1.0), is_signal)
    np.testing.assert_allclose([found[is_signal].mean(), found[~is_signal].mean()], 1.0)
    np.testing.assert_allclose(found, balanced(weights, is_signal))


@given(positive)
def test_equal_weights_count_fully_and_others_less(weights: FloatArray) -> None:
    assert effective_number(np.full(9, 0.3)) == pytest.approx(9)
    assert effective_number(weights) <= 20 * (1 + 1e-12)
    assert effective_number(np.empty(0)) == 0


@pytest.mark.parametrize(("policy", "expected"), [("absolute", [1.0, 2.0]), ("drop", [1.0, 0.0])])
def test_a_policy_leaves_no_negative_weight(policy: NegativeWeights, expected: list[float]) -> None:
    assert without_negative(np.array([1.0, -2.0]), policy, where="stage 'x'").tolist() == expected


def test_the_error_policy_names_the_stage() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': 1 of 2 events have negative weights"):
        without_negative(np.array([1.0, -2.0]), "error", where="stage 'zee'")


def test_the_report_tells_what_a_policy_changed() -> None:
    weights, mask = np.array([3.0, -1.0]), np.array([True, True])
    found = report(weights, without_negative(weights, "drop", where=""), {"zee": mask})["zee"]
    assert (found.events, found.negative_events) == (2, 1)
    assert (found.sum_true, found.sum_negative, found.sum_used) == (2.0, -1.0, 3.0)
