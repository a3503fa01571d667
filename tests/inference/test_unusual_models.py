"""Valid models that are easily refused, against closed forms."""

from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2

from cascadebdt import inference
from cascadebdt.errors import FitError
from small_models import counting, on_off, workspace

POISSON = np.sqrt(2 * (31 * np.log(31 / 20) - 11))


def cross_section() -> dict[str, Any]:
    """Return signal and control region with the normalisation of the background as parameter of interest."""
    content = on_off(on=25, off=60, ratio=5, signal=4)
    parameters = [{"name": "mu", "bounds": [[-20, 20]]}, {"name": "norm_b", "bounds": [[0, 10]]}]
    content["measurements"][0]["config"] = {"poi": "norm_b", "parameters": parameters}
    return content


def test_a_parameter_of_interest_that_alone_fills_a_region_is_measured() -> None:
    assert inference.fit(cross_section()).mu == pytest.approx((1.2, np.sqrt(60) / 50), rel=1e-6)
    low, high = inference.profile_interval(cross_section(), "norm_b")
    for value in (low, high):
        rate = 50 * value
        assert 2 * (rate - 60 + 60 * np.log(60 / rate)) == pytest.approx(1, abs=1e-4)
    assert inference.ranking(cross_section()).mu == pytest.approx((1.2, np.sqrt(60) / 50), rel=1e-6)


@pytest.mark.parametrize("question", [inference.limit, inference.significance])
def test_what_compares_with_an_impossible_background_is_undefined(question: Any) -> None:
    sentence = r"the data exclude norm_b = 0, region 'CR', bin 0 expects 0 events with norm_b = 0, 60 are observed"
    with pytest.raises(inference.UndefinedError, match=sentence):
        question(cross_section())


def test_a_bin_with_nothing_expected_and_nothing_observed_changes_nothing() -> None:
    plain = counting(observed=[31, 18], signal=[10, 2], background=[20, 15], relative_error=0.2)
    padded = counting(observed=[31, 0, 18], signal=[10, 0, 2], background=[20, 0, 15], relative_error=0.2)
    for question in (inference.fit, inference.limit, inference.significance):
        first, second = question(plain).to_json(), question(padded).to_json()
        for name in set(first) - {"postfit", "total", "total_uncertainty", "parameters"}:
            assert second[name] == first[name], name
    assert inference.fit(padded).total["SR"][1] == 0


def test_a_bin_that_only_signal_can_fill_is_fitted_where_it_has_data() -> None:
    content = counting(observed=[6, 20], signal=[4, 0], background=[0, 20])
    assert inference.fit(content).mu == pytest.approx((1.5, np.sqrt(6) / 4), rel=1e-6)
    with pytest.raises(inference.UndefinedError, match="limit: the data exclude mu = 0, region 'SR', bin 0 expects 0"):
        inference.limit(content)


def test_a_bin_that_only_signal_can_fill_is_fitted_from_a_start_without_signal() -> None:
    content = counting(observed=[6, 20], signal=[4, 0], background=[0, 20])
    content["measurements"][0]["config"]["parameters"][0]["inits"] = [0.0]
    assert inference.fit(content).mu == pytest.approx((1.5, np.sqrt(6) / 4), rel=1e-6)


def test_a_bin_that_only_signal_can_fill_gives_a_limit_where_it_is_empty() -> None:
    # q = 2 mu s and no background: the limit is where CLs of q = q_A is 0.05, Phi(-sqrt(q)) / 0.5 = 0.05
    limit = inference.limit(counting(observed=[0], signal=[4], background=[0])).observed
    assert limit == pytest.approx(chi2.isf(0.05, 1) / 8, rel=1e-3)


def test_a_negative_bin_in_a_sum_that_stays_positive_is_fitted() -> None:
    content = counting(observed=[31], signal=[10], background=[21.47])
    content["channels"][0]["samples"].append({"name": "c", "data": [-1.47], "modifiers": []})
    assert inference.fit(content).mu == pytest.approx((1.1, np.sqrt(31) / 10), rel=1e-6)
    assert inference.significance(content).observed == pytest.approx(POISSON, rel=1e-5)


def test_a_negative_sum_with_data_is_refused_by_bin() -> None:
    content = counting(observed=[31], signal=[0.1], background=[-30])
    with pytest.raises(FitError, match=r"region 'SR', bin 0 expects -29\.9 events, 31 are observed"):
        inference.fit(content)


def test_data_where_no_process_contributes_are_refused_by_bin() -> None:
    with pytest.raises(FitError, match=r"region 'SR', bin 1: 3 events are observed where no process contributes"):
        inference.fit(counting(observed=[31, 3], signal=[10, 0], background=[20, 0]))


def test_a_normalisation_that_starts_at_zero_and_fills_a_region_is_fitted() -> None:
    content = on_off(on=25, off=60, ratio=5, signal=4)
    parameters = content["measurements"][0]["config"]["parameters"]
    parameters.append({"name": "norm_b", "inits": [0.0], "bounds": [[0, 10]]})
    assert inference.fit(content).normalisation["b"] == pytest.approx((1.2, np.sqrt(60) / 50), rel=1e-6)


def test_the_region_of_a_workspace_without_any_events_does_not_count() -> None:
    empty = {"name": "E", "samples": [{"name": "b", "data": [0.0, 0.0], "modifiers": []}]}
    content = on_off(on=25, off=60, ratio=5, signal=4)
    padded = workspace([*content["channels"], empty], {"SR": [25], "CR": [60], "E": [0, 0]})
    assert inference.fit(padded).mu == pytest.approx(inference.fit(content).mu)


def test_fit_limit_and_significance_leave_the_upper_bound_of_the_signal_open_alike(
    caplog: pytest.LogCaptureFixture,
) -> None:
    content = counting(observed=[500], signal=[10], background=[20])
    assert inference.fit(content).mu == pytest.approx((48, np.sqrt(500) / 10), rel=1e-6)
    assert "mu = 48 lies above the model's upper bound 20, which is not applied" in caplog.text
    low, high = inference.profile_interval(content, "mu")
    assert low < 48 < high
    limit = inference.limit(content).observed
    assert limit is not None
    assert limit > 48


def held(*, observed: float, bounds: tuple[float, float]) -> dict[str, Any]:
    """Return signal and control region whose free normalisation has bounds."""
    content = on_off(on=100, off=observed, ratio=5, signal=4)
    content["measurements"][0]["config"]["parameters"].append({"name": "norm_b", "bounds": [list(bounds)]})
    return content


@pytest.mark.parametrize(("observed", "bounds", "side"), [(600, (0.5, 10), "upper"), (10, (0.5, 10), "lower")])
def test_a_parameter_at_its_bound_has_the_uncertainty_of_the_profile_on_the_other_side(
    observed: float, bounds: tuple[float, float], side: str
) -> None:
    result = inference.fit(held(observed=observed, bounds=bounds))
    value = bounds[side == "upper"]
    below, above = result.at_bound["norm_b"]
    assert (below, above)[side == "lower"] is not None
    assert (above if side == "upper" else below) == 0
    shifted = value - below if side == "upper" else value + above  # type: ignore[operator]

    def deviance(norm: float) -> float:
        # mu follows in the signal region, so that the control region alone holds the normalisation
        return 2 * (50 * norm - observed * np.log(50 * norm))

    assert deviance(shifted) - deviance(value) == pytest.approx(1, abs=1e-4)
    assert f"(at the {side} end of its range)" in result.measured("norm_b")


def test_what_the_data_do_not_limit_at_its_bound_has_no_uncertainty() -> None:
    content = counting(observed=[10], signal=[5], background=[20])
    small = {"name": "c", "data": [0.001], "modifiers": [{"name": "norm_c", "type": "normfactor", "data": None}]}
    content["channels"][0]["samples"].append(small)
    content["measurements"][0]["config"]["parameters"] = [{"name": "mu", "bounds": [[0, 10]]}]
    result = inference.fit(content)
    assert result.at_bound["norm_c"] == (0, None)
    assert np.isnan(result.uncertainties[result.parameters.index("norm_c")])
    assert result.measured("norm_c") == "0 (at the lower end of its range; the data do not limit it)"
