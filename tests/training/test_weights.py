import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cascadebdt.arrays import FloatArray
from cascadebdt.config import ClassBalance, NegativeWeights
from cascadebdt.errors import TrainingError
from cascadebdt.training.weights import balanced, effective_number, report, without_negative

positive = hnp.arrays(np.float64, 20, elements=st.floats(1e-3, 1e3))


SIGNAL = np.arange(20) < 7
PROCESS = np.where(SIGNAL, 0, 1 + np.arange(20) % 2).astype(np.int16)
PER_CLASS: list[ClassBalance] = ["events", "effective", "equal", "processes"]


@given(positive, st.floats(1e-6, 1e6))
def test_each_class_has_mean_weight_one_whatever_the_scale(weights: FloatArray, scale: float) -> None:
    found = balanced(weights * np.where(SIGNAL, scale, 1.0), SIGNAL, PROCESS, "events")
    np.testing.assert_allclose([found[SIGNAL].mean(), found[~SIGNAL].mean()], [1.0, 1.0])
    np.testing.assert_allclose(found, balanced(weights, SIGNAL, PROCESS, "events"))


@given(positive)
def test_the_balance_says_what_the_weights_of_a_class_sum_to(weights: FloatArray) -> None:
    def sums(balance: ClassBalance) -> list[float]:
        found = balanced(weights, SIGNAL, PROCESS, balance)
        return [found[SIGNAL].sum(), found[~SIGNAL].sum()]

    yields = [weights[SIGNAL].sum(), weights[~SIGNAL].sum()]
    assert sums("events") == pytest.approx([7, 13])
    assert sums("processes") == pytest.approx([7, 13])
    assert sums("equal") == pytest.approx([10, 10])
    assert sums("effective") == pytest.approx([effective_number(weights[SIGNAL]), effective_number(weights[~SIGNAL])])
    assert sums("yields") == pytest.approx(list(20 * np.array(yields) / sum(yields)))
    assert sums("none") == pytest.approx(yields)


@given(positive)
def test_processes_of_the_background_count_equally_if_asked(weights: FloatArray) -> None:
    found = balanced(weights, SIGNAL, PROCESS, "processes")
    assert [found[code == PROCESS].sum() for code in (0, 1, 2)] == pytest.approx([7, 6.5, 6.5])


def test_a_process_without_weight_leaves_its_share_to_the_others() -> None:
    found = balanced(np.where(PROCESS == 1, 0.0, 2.0), SIGNAL, PROCESS, "processes")
    assert [found[code == PROCESS].sum() for code in (0, 1, 2)] == pytest.approx([7, 0, 13])


@pytest.mark.parametrize("balance", [*PER_CLASS, "yields"])
@given(weights=positive, power=st.integers(-40, 40))
def test_a_global_power_of_two_changes_no_bit_of_the_weights(
    balance: ClassBalance, weights: FloatArray, power: int
) -> None:
    scaled = balanced(weights * 2.0**power, SIGNAL, PROCESS, balance)
    np.testing.assert_array_equal(scaled, balanced(weights, SIGNAL, PROCESS, balance))


@pytest.mark.parametrize("balance", ["events", "effective", "equal"])
@given(weights=positive, scale=st.floats(1e-6, 1e6))
def test_the_cross_section_of_one_class_cancels(balance: ClassBalance, weights: FloatArray, scale: float) -> None:
    scaled = balanced(weights * np.where(SIGNAL, 1.0, scale), SIGNAL, PROCESS, balance)
    np.testing.assert_allclose(scaled, balanced(weights, SIGNAL, PROCESS, balance))


@given(positive)
def test_equal_weights_count_fully_and_others_less(weights: FloatArray) -> None:
    assert effective_number(np.full(9, 0.3)) == pytest.approx(9)
    assert effective_number(weights) <= 20 * (1 + 1e-12)
    assert effective_number(np.empty(0)) == 0


@pytest.mark.parametrize(("policy", "expected"), [("absolute", [1.0, 2.0]), ("drop", [1.0, 0.0]), ("zero", [1.0, 0.0])])
def test_a_policy_leaves_no_negative_weight(policy: NegativeWeights, expected: list[float]) -> None:
    assert without_negative(np.array([1.0, -2.0]), policy, where="stage 'x'").tolist() == expected


def test_the_error_policy_names_the_stage() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': 1 of 2 events have negative weights"):
        without_negative(np.array([1.0, -2.0]), "error", where="stage 'zee'")


def test_the_report_tells_the_bias_of_each_process() -> None:
    weights, zee = np.array([3.0, -1.0, 4.0]), np.array([True, True, False])
    used = without_negative(weights, "drop", where="")
    found = report(weights, used, used > 0, {"zee": zee, "wjets": ~zee})
    assert (found["zee"].events, found["zee"].negative_events, found["zee"].used_events) == (2, 1, 1)
    assert (found["zee"].sum_true, found["zee"].sum_negative, found["zee"].sum_used) == (2.0, -1.0, 3.0)
    assert [found[name].bias for name in ("zee", "wjets")] == [0.5, 0.0]
    nothing = report(np.array([1.0, -1.0]), np.ones(2), np.ones(2, np.bool_), {"zee": np.ones(2, np.bool_)})
    assert nothing["zee"].bias is None


def test_only_weights_below_zero_are_reported_as_negative() -> None:
    weights = np.array([2.0, 0.5, 0.0, -1.0, -0.25])
    told = report(weights, np.maximum(weights, 0), weights > 0, {"zee": np.ones(5, np.bool_)})["zee"]
    assert (told.events, told.negative_events, told.used_events) == (5, 2, 2)
    assert (told.sum_true, told.sum_negative, told.sum_used) == (1.25, -1.25, 2.5)
