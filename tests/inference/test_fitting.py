import json
from typing import Any

import cabinetry
import numpy as np
import pyhf
import pytest
from scipy.stats import chi2, poisson

from cascadebdt import inference
from cascadebdt import workspace as workspaces
from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import objective
from small_analysis import small_config, small_yields
from small_models import counting, on_off, workspace


@pytest.fixture(scope="module")
def small() -> workspaces.Workspace:
    return workspaces.build(small_yields(), small_config(unblind="test"))


@pytest.fixture(scope="module")
def reference(small: workspaces.Workspace) -> Any:
    """What cabinetry makes of the small workspace."""
    model, data = cabinetry.model_utils.model_and_data(small)
    return model, data, cabinetry.fit.fit(model, data, goodness_of_fit=True, strategy=2)


def test_counting_alone_has_the_analytic_answer() -> None:
    result = inference.fit(counting(observed=[30], signal=[10], background=[20]))
    assert result.mu == pytest.approx((1.0, np.sqrt(30) / 10), rel=1e-6)
    assert result.twice_nll == pytest.approx(-2 * poisson.logpmf(30, 30))
    assert result.goodness_of_fit is None
    assert abs(result.agreement) < 1e-2


def test_a_control_region_measures_its_background() -> None:
    result = inference.fit(on_off(on=25, off=60, ratio=5, signal=4))
    assert result.normalisation["b"] == pytest.approx((1.2, np.sqrt(60) / 50), rel=1e-6)
    assert result.mu == pytest.approx((13 / 4, np.sqrt(25 + 60 / 25) / 4), rel=1e-6)
    assert result.total_uncertainty["SR"] == pytest.approx([np.sqrt(25)], rel=1e-6)
    assert result.total_uncertainty["CR"] == pytest.approx([np.sqrt(60)], rel=1e-6)
    assert result.postfit["SR"]["b"] == pytest.approx([12], rel=1e-6)


def test_minimum_values_and_uncertainties_are_those_of_cabinetry(small: workspaces.Workspace, reference: Any) -> None:
    model, _, expected = reference
    result = inference.fit(small)
    assert list(result.parameters) == model.config.par_names
    assert result.twice_nll == pytest.approx(expected.best_twice_nll, abs=1e-3)
    # MINUIT stops within its tolerance, and its Hessian is numerical
    assert result.values == pytest.approx(expected.bestfit, abs=0.01 * np.max(expected.uncertainty))
    assert result.uncertainties == pytest.approx(expected.uncertainty, rel=0.01)
    assert result.goodness_of_fit == pytest.approx(expected.goodness_of_fit, abs=1e-3)


def test_postfit_yields_and_uncertainties_are_those_of_cabinetry(small: workspaces.Workspace, reference: Any) -> None:
    model, _, expected = reference
    prediction = cabinetry.model_utils.prediction(model, fit_results=expected)
    result = inference.fit(small)
    for number, region in enumerate(model.config.channels):
        assert result.total[region] == pytest.approx(np.sum(prediction.model_yields[number], axis=0), rel=2e-3)
        uncertainties = prediction.total_stdev_model_bins[number][-1]
        assert result.total_uncertainty[region] == pytest.approx(uncertainties, rel=0.01)


def test_injected_normalisations_are_recovered(small: workspaces.Workspace) -> None:
    model = pyhf.Workspace(small).model()
    truth = dict(zip(model.config.par_names, model.config.suggested_init(), strict=True)) | {"mu": 2.0, "norm_top": 0.7}
    rates = model.expected_actualdata([truth[name] for name in model.config.par_names])
    observations = [{"name": name, "data": rates[bins].tolist()} for name, bins in model.config.channel_slices.items()]
    result = inference.fit({**small, "observations": observations})
    assert dict(zip(result.parameters, result.values, strict=True)) == pytest.approx(truth, abs=1e-4)
    assert result.goodness_of_fit == pytest.approx(1)


def test_the_value_of_the_likelihood_is_that_of_pyhf_everywhere(small: workspaces.Workspace) -> None:
    model = pyhf.Workspace(small).model()
    data = pyhf.Workspace(small).data(model)
    target, rng = objective(small), np.random.default_rng(1)
    for _ in range(20):
        theta = np.array(model.config.suggested_init()) + rng.normal(0, 0.3, model.config.npars)
        value, _ = target.value_and_gradient(theta)
        expected = -2 * float(model.logpdf(theta, data)[0])
        assert value + target.saturated() == pytest.approx(expected, rel=1e-12)


def test_derivatives_are_those_of_finite_differences(small: workspaces.Workspace) -> None:
    target = objective(small)
    theta = target.likelihood.start * 1.01 + 0.02
    hessian, step = target.hessian(theta), 1e-5
    for index, shift in enumerate(step * np.eye(len(theta))):
        (_, above), (_, below) = (target.value_and_gradient(theta + sign * shift) for sign in (1, -1))
        assert hessian[index] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-4)


def test_the_result_does_not_depend_on_the_order_of_bins(small: workspaces.Workspace) -> None:
    reordered = json.loads(json.dumps(small), object_hook=_reversed)
    first, second = inference.fit(small), inference.fit(reordered)
    assert second.mu == pytest.approx(first.mu, rel=1e-5)
    assert second.total["SR"] == pytest.approx(first.total["SR"][::-1], rel=1e-5)


def _reversed(node: dict[str, Any]) -> dict[str, Any]:
    return {
        key: value[::-1] if key in ("data", "hi_data", "lo_data") and isinstance(value, list) else value
        for key, value in node.items()
    }


def test_correlated_regions_add_up_in_the_covariance(small: workspaces.Workspace) -> None:
    result = inference.fit(small)
    assert np.diag(result.correlation) == pytest.approx(np.ones(len(result.parameters)))
    assert result.covariance == pytest.approx(result.covariance.T, rel=1e-9)
    assert result.uncertainties == pytest.approx(np.sqrt(np.diag(result.covariance)))


def test_pulls_are_in_units_of_their_constraint(small: workspaces.Workspace) -> None:
    result = inference.fit(small)
    assert set(result.pulls) == set(result.parameters) - {"mu", "norm_top"}
    index = result.parameters.index("mcstat_SR[2]")
    width = np.sqrt((4 + 3) * 0.5) / 7
    assert result.pulls["mcstat_SR[2]"] == pytest.approx(
        ((result.values[index] - 1) / width, result.uncertainties[index] / width)
    )


def test_a_result_becomes_json(small: workspaces.Workspace) -> None:
    content = json.loads(json.dumps(inference.fit(small).to_json(), allow_nan=False))
    assert content["normalisation"]["top"][0] == pytest.approx(inference.fit(small).normalisation["top"][0])
    assert len(content["postfit"]["SR"]["signal"]) == 3


def test_goodness_of_fit_is_small_where_no_parameter_explains_the_data() -> None:
    result = inference.fit(counting(observed=[10, 90], signal=[1, 1], background=[50, 50]))
    statistic = 2 * (10 * np.log(10 / 50) + 90 * np.log(90 / 50))
    assert result.mu[0] == pytest.approx(0, abs=1e-6)
    assert result.goodness_of_fit == pytest.approx(chi2.sf(statistic, 1), rel=1e-4)


def test_an_interval_from_the_profile_is_where_the_likelihood_ratio_says() -> None:
    low, high = inference.profile_interval(counting(observed=[30], signal=[10], background=[20]), "mu")
    for mu in (low, high):
        rate = 20 + 10 * mu
        assert 2 * (rate - 30 - 30 * np.log(rate / 30)) == pytest.approx(1, abs=1e-4)
    assert low < 1 < high


def test_an_interval_ends_at_a_bound_it_does_not_reach(small: workspaces.Workspace) -> None:
    low, high = inference.profile_interval(small, "mu", increase=25)
    assert low == small["measurements"][0]["config"]["parameters"][0]["bounds"][0][0]
    assert np.isfinite(high)


@pytest.mark.parametrize("observed", [[0, 0, 0], [3, 1, 0], [0, 5, 0]])
def test_empty_bins_and_negative_signals_give_finite_results(observed: list[float]) -> None:
    model = counting(observed=observed, signal=[1, 2, 3], background=[4, 2, 0.5], relative_error=0.3)
    result = inference.fit(model)
    low, high = inference.profile_interval(model, "mu")
    assert result.mu[0] < 0.2
    assert np.isfinite([*result.mu, *result.uncertainties, low, high]).all()
    assert low <= result.mu[0] < high
    assert result.mu[1] > 0.05


def test_a_fit_at_the_edge_of_the_possible_says_so() -> None:
    result = inference.fit(counting(observed=[0, 0], signal=[1, 3], background=[4, 0.5], relative_error=0.3))
    assert result.at_bound == {"mu": (0.0, pytest.approx(result.mu[1]))}
    assert min(result.total["SR"]) == pytest.approx(0, abs=1e-4)
    assert result.mu[1] == pytest.approx(
        inference.profile_interval(
            counting(observed=[0, 0], signal=[1, 3], background=[4, 0.5], relative_error=0.3), "mu"
        )[1]
        - result.mu[0],
        rel=1e-3,
    )


def degenerate() -> dict[str, Any]:
    """Return a model in which one process has two normalisations."""
    modifiers = [{"name": name, "type": "normfactor", "data": None} for name in ("norm_a", "norm_b")]
    samples = [
        {"name": "s", "data": [1.0, 2.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [50.0, 50.0], "modifiers": modifiers},
    ]
    return workspace([{"name": "SR", "samples": samples}], {"SR": [52, 55]})


def test_of_a_degenerate_model_all_that_is_determined_is_fitted(caplog: pytest.LogCaptureFixture) -> None:
    result, single = inference.fit(degenerate()), degenerate()
    single["channels"][0]["samples"][1]["modifiers"].pop()
    expected = inference.fit(single)
    assert result.mu == pytest.approx(expected.mu, rel=1e-5)
    assert result.twice_nll == pytest.approx(expected.twice_nll)
    for region in ("SR",):
        assert result.total[region] == pytest.approx(expected.total[region], rel=1e-5)
        assert result.total_uncertainty[region] == pytest.approx(expected.total_uncertainty[region], rel=1e-3)
    assert inference.limit(degenerate()).observed == pytest.approx(inference.limit(single).observed, rel=1e-3)
    assert "the data do not determine the combination norm_" in caplog.text


def test_of_a_degenerate_pair_there_are_no_numbers_but_its_combination() -> None:
    result = inference.fit(degenerate())
    (combination,) = result.degenerate
    values = {name: inference.fit(degenerate()).parameters.index(name) for name in ("norm_a", "norm_b")}
    # the product of both is determined, so that -2 ln L does not change where one rises as the other falls
    assert combination[max(combination)] * combination[min(combination)] < 0
    assert result.normalisation == {}
    assert all(np.isnan(result.values[index]) and np.isnan(result.uncertainties[index]) for index in values.values())
    assert [result.to_json()["values"][index] for index in values.values()] == [None, None]
    assert set(inference.intervals(degenerate())) == {"mu"}
    assert inference.ranking(degenerate()).impacts == ()
    assert result.measured("norm_a") == "not determined by the data"


def test_an_interval_of_what_the_data_do_not_determine_is_refused() -> None:
    with pytest.raises(FitError, match=r"interval: the data do not determine norm_[ab] and norm_[ab]"):
        inference.profile_interval(degenerate(), "norm_a")


def test_an_unknown_parameter_is_named_with_the_closest_one(small: workspaces.Workspace) -> None:
    with pytest.raises(FitError, match="no parameter 'norm_tip'; did you mean 'norm_top'"):
        inference.profile_interval(small, "norm_tip")


def test_the_backend_of_the_caller_is_left_alone() -> None:
    model = pyhf.simplemodels.uncorrelated_background([5.0], [50.0], [7.0])
    before = model.logpdf(model.config.suggested_init(), [50.0, *model.config.auxdata])
    inference.fit(counting(observed=[31], signal=[10], background=[21]))
    assert pyhf.get_backend()[0].name == "numpy"
    assert model.logpdf(model.config.suggested_init(), [50.0, *model.config.auxdata]) == before
