import numpy as np
import pytest

from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import objective
from cascadebdt.inference.minimise import minimum, newton
from small_models import counting, on_off


def test_both_minimisers_agree_and_the_lower_one_is_kept() -> None:
    target = objective(on_off(on=25, off=60, ratio=5, signal=4))
    best = minimum(target)
    assert abs(best.agreement) < 1e-2
    value, gradient = target.value_and_gradient(best.theta)
    assert value == best.deviance
    assert gradient == pytest.approx([0, 0], abs=1e-4)


def test_newton_needs_few_evaluations_and_any_start_will_do() -> None:
    target = objective(on_off(on=25, off=60, ratio=5, signal=4))
    values = [
        newton(target, fixed={}, start=np.array(start)).deviance for start in ([1, 1], [9, 19], [0.1, -0.2], [5, 0])
    ]
    assert values == pytest.approx([values[0]] * 4, abs=1e-9)


def test_fixed_parameters_stay_where_they_are() -> None:
    target = objective(on_off(on=25, off=60, ratio=5, signal=4))
    poi = target.likelihood.poi
    best = minimum(target, fixed={poi: 30.0})
    assert best.theta[poi] == 30
    assert best.deviance > minimum(target).deviance


def test_a_minimum_outside_the_bounds_is_found_at_the_bound() -> None:
    target = objective(on_off(on=300, off=60, ratio=5, signal=4))
    best = minimum(target)
    assert best.theta[target.likelihood.poi] == pytest.approx(20)


def test_parameters_of_very_different_scales_are_minimised() -> None:
    model = counting(observed=[30, 60], signal=[1e-6, 3e-6], background=[20, 30], relative_error=0.5)
    model["measurements"][0]["config"]["parameters"][0]["bounds"] = [[-1e9, 1e9]]
    target = objective(model)
    best = minimum(target)
    assert target.likelihood.totals(best.theta) == pytest.approx([30, 60], rel=1e-2)


def test_a_minimum_at_the_edge_of_the_possible_is_found_from_inside() -> None:
    target = objective(
        counting(observed=[4, 0, 0], signal=[0.2, 0.3, 0.4], background=[5, 0.5, 0.3], relative_error=0.5)
    )
    best = minimum(target)
    assert target.is_walled(best.theta)
    for direction in np.eye(2):
        for step in (1e-2, -1e-2):
            assert target.value_and_gradient(best.theta + step * direction)[0] > best.deviance - 1e-6


def test_an_impossible_likelihood_is_refused() -> None:
    with pytest.raises(FitError, match="region 'SR', bin 0: 5 events are observed where no process contributes"):
        minimum(objective(counting(observed=[5], signal=[0.0], background=[0.0])))
