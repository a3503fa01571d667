from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from cascadebdt import inference
from cascadebdt import workspace as workspaces
from cascadebdt.errors import FitError
from cascadebdt.inference.limits import log_cls
from small_analysis import small_config, small_yields
from small_models import counting, on_off


def in_pyhf(content: dict[str, Any], mu: float, statistic: str = "qtilde") -> tuple[float, list[float]]:
    """Return observed and expected CLs (or p-values of the background), with MINUIT and wide bounds."""
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(strategy=2, tolerance=1e-3))
    try:
        model, data = pyhf.Workspace(content).model(), pyhf.Workspace(content).data(pyhf.Workspace(content).model())
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0, 50)
        observed, expected = pyhf.infer.hypotest(
            mu, data, model, par_bounds=bounds, test_stat=statistic, return_expected_set=True
        )
    finally:
        pyhf.set_backend("numpy")
    return float(observed), [float(value) for value in expected]


@pytest.fixture(scope="module")
def small() -> workspaces.Workspace:
    return workspaces.build(small_yields(), small_config(unblind="test"))


def test_the_observed_limit_is_where_pyhf_has_cls_of_5_percent(small: workspaces.Workspace) -> None:
    observed = inference.limit(small).observed
    assert observed is not None
    assert in_pyhf(small, observed)[0] == pytest.approx(0.05, rel=2e-3)


@pytest.mark.parametrize("shift", range(5))
def test_the_expected_limits_are_where_pyhf_has_cls_of_5_percent(small: workspaces.Workspace, shift: int) -> None:
    # pyhf counts the band from excess to deficit in the test statistic, we from low to high limits
    limit = inference.limit(small).expected[shift]
    assert in_pyhf(small, limit)[1][shift] == pytest.approx(0.05, rel=2e-3)


@pytest.mark.parametrize("mu", [0.5, 1.0, 3.0])
def test_p_values_at_a_signal_strength_are_those_of_pyhf(small: workspaces.Workspace, mu: float) -> None:
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(strategy=2, tolerance=1e-3))
    try:
        model = pyhf.Workspace(small).model()
        data, bounds = pyhf.Workspace(small).data(model), model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0, 50)
        cls, tails, expected = pyhf.infer.hypotest(
            mu, data, model, par_bounds=bounds, return_tail_probs=True, return_expected_set=True
        )
    finally:
        pyhf.set_backend("numpy")
    found = inference.exclusion(small, mu)
    assert found.observed is not None
    assert (found.observed.cls, found.observed.cl_sb, found.observed.cl_b) == pytest.approx(
        (float(cls), *map(float, tails)), rel=2e-3
    )
    assert found.expected == pytest.approx([float(value) for value in expected], rel=2e-3)


def test_at_the_limit_cls_is_its_level(small: workspaces.Workspace) -> None:
    limit = inference.limit(small, level=0.1)
    assert limit.observed is not None
    found = inference.exclusion(small, limit.observed).observed
    assert found is not None
    assert found.cls == pytest.approx(0.1, rel=1e-4)
    assert inference.exclusion(small, limit.expected[3]).expected[3] == pytest.approx(0.1, rel=1e-4)


def test_a_signal_strength_that_is_not_positive_is_not_tested(small: workspaces.Workspace) -> None:
    with pytest.raises(FitError, match="must be positive, got 0"):
        inference.exclusion(small, 0.0)


def test_significances_are_those_of_pyhf(small: workspaces.Workspace) -> None:
    result = inference.significance(small)
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(strategy=2, tolerance=1e-3))
    try:
        model, data = pyhf.Workspace(small).model(), pyhf.Workspace(small).data(pyhf.Workspace(small).model())
        p_value, expected = pyhf.infer.hypotest(0.0, data, model, test_stat="q0", return_expected=True)
    finally:
        pyhf.set_backend("numpy")
    assert result.expected == pytest.approx(norm.isf(float(expected)), rel=2e-3)
    assert result.observed == pytest.approx(max(norm.isf(float(p_value)), 0), abs=2e-3)


def test_counting_alone_has_the_analytic_significance() -> None:
    result = inference.significance(counting(observed=[31], signal=[10], background=[20]))
    assert result.observed == pytest.approx(np.sqrt(2 * (31 * np.log(31 / 20) - 11)), rel=1e-5)
    assert result.expected == pytest.approx(np.sqrt(2 * (30 * np.log(30 / 20) - 10)), rel=1e-5)


def test_a_control_region_lowers_the_significance_as_li_and_ma_say() -> None:
    on, off, ratio = 25.0, 60.0, 5.0
    result = inference.significance(on_off(on=on, off=off, ratio=ratio, signal=4))
    share = 1 / ratio
    first = on * np.log((1 + share) / share * on / (on + off))
    second = off * np.log((1 + share) * off / (on + off))
    assert result.observed == pytest.approx(np.sqrt(2 * (first + second)), rel=1e-5)


def test_a_deficit_has_no_significance() -> None:
    assert inference.significance(counting(observed=[15], signal=[10], background=[20])).observed == 0


def test_an_excess_beyond_the_bounds_of_mu_is_measured() -> None:
    model = counting(observed=[500], signal=[10], background=[20])
    limit = inference.limit(model).observed
    assert limit is not None
    assert limit > 48
    assert inference.significance(model).observed == pytest.approx(np.sqrt(2 * (500 * np.log(25) - 480)), rel=1e-5)


def test_without_events_the_limit_is_the_poisson_limit_up_to_the_asymptotic_approximation() -> None:
    limit = inference.limit(counting(observed=[0], signal=[1], background=[1e-3])).observed
    # CLs of q = 2 mu s with no background, arXiv:1007.1727: 1.92 where exact Poisson counting has 3.0
    assert limit == pytest.approx(1.92, abs=0.15)


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_limit_scales_with_the_signal(scale: float) -> None:
    unit = inference.limit(counting(observed=[22], signal=[1.0], background=[20], relative_error=0.1))
    scaled = inference.limit(counting(observed=[22], signal=[scale], background=[20], relative_error=0.1))
    assert np.array(scaled.expected) * scale == pytest.approx(unit.expected, rel=1e-4)
    assert scaled.observed is not None
    assert scaled.observed * scale == pytest.approx(unit.observed, rel=1e-4)


def test_the_limit_rises_with_the_uncertainty_of_the_background() -> None:
    limits = [
        inference.limit(counting(observed=[20], signal=[5], background=[20], relative_error=error)).expected
        for error in (0.01, 0.1, 0.3)
    ]
    assert (np.diff(np.array(limits)[:, 2]) > 0).all()
    assert (np.diff(limits, axis=1) > 0).all()


@settings(max_examples=12, deadline=None)
@given(st.lists(st.integers(0, 60), min_size=3, max_size=3))
def test_any_data_have_a_limit_that_another_event_raises(small: workspaces.Workspace, events: list[int]) -> None:
    limits = []
    for last in (events[2], events[2] + 1):
        signal_region = {"name": "SR", "data": [*events[:2], last]}
        limits.append(inference.limit({**small, "observations": [small["observations"][0], signal_region]}).observed)
    low, high = limits
    assert low is not None
    assert high is not None
    assert 0 < low <= high * (1 + 1e-4)


def test_a_smaller_level_excludes_less(small: workspaces.Workspace) -> None:
    strict, usual = inference.limit(small, level=0.01), inference.limit(small)
    assert np.all(np.array(strict.expected) > usual.expected)


@pytest.mark.parametrize("level", [0.0, 0.5, -1.0])
def test_a_level_outside_its_range_is_refused(small: workspaces.Workspace, level: float) -> None:
    with pytest.raises(FitError, match=r"level must lie between 0 and 0.5"):
        inference.limit(small, level=level)


def test_a_likelihood_that_does_not_depend_on_the_signal_has_no_limit() -> None:
    with pytest.raises(FitError, match="does not depend on the signal strength"):
        inference.limit(counting(observed=[10], signal=[0.0], background=[10]))


def test_cls_stays_finite_far_away() -> None:
    assert log_cls(1e6, 1e6) == pytest.approx(-5e5, rel=1e-3)
    assert log_cls(0.0, 0.0) == 0
    assert log_cls(np.inf, 4.0) == -np.inf


def test_results_become_json(small: workspaces.Workspace) -> None:
    limit = inference.limit(small)
    assert limit.to_json() == {"level": 0.05, "expected": list(limit.expected), "observed": limit.observed}
    assert set(inference.significance(small).to_json()) == {"expected", "observed"}
