"""Yields and covariances before and after a fit: against cabinetry, and against draws from the fit."""

from typing import Any

import cabinetry
import numpy as np
import pyhf
import pytest

from cascadebdt import inference
from cascadebdt import workspace as workspaces
from small_analysis import small_config, small_yields
from small_models import on_off


@pytest.fixture(scope="module")
def small() -> workspaces.Workspace:
    return workspaces.build(small_yields(), small_config(unblind="test"))


@pytest.fixture(scope="module")
def ours(small: workspaces.Workspace) -> inference.Predictions:
    return inference.predictions(small)


@pytest.fixture(scope="module")
def theirs(small: workspaces.Workspace) -> tuple[Any, Any]:
    """What cabinetry predicts before and after its fit."""
    model, data = cabinetry.model_utils.model_and_data(small)
    fitted = cabinetry.fit.fit(model, data, strategy=2)
    return cabinetry.model_utils.prediction(model), cabinetry.model_utils.prediction(model, fit_results=fitted)


@pytest.mark.parametrize(("when", "tolerance"), [("prefit", 1e-9), ("postfit", 0.01)])
def test_yields_and_uncertainties_are_those_of_cabinetry(
    ours: inference.Predictions, theirs: tuple[Any, Any], when: str, tolerance: float
) -> None:
    found, expected = getattr(ours, when), theirs[0 if when == "prefit" else 1]
    samples = list(expected.model.config.samples)
    for number, region in enumerate(expected.model.config.channels):
        yields = found.regions[region]
        for process, events in yields.processes.items():
            row = samples.index(process)
            scale = max(expected.total_stdev_model_bins[number][-1])
            assert events == pytest.approx(expected.model_yields[number][row], abs=tolerance * scale)
            errors = expected.total_stdev_model_bins[number][row]
            assert yields.uncertainties[process] == pytest.approx(errors, rel=2 * tolerance, abs=1e-9)
            assert yields.sums[process][1] == pytest.approx(
                expected.total_stdev_model_channels[number][row], rel=2 * tolerance, abs=1e-9
            )
        assert yields.total_uncertainty == pytest.approx(expected.total_stdev_model_bins[number][-1], rel=2 * tolerance)
        assert yields.total_sum[1] == pytest.approx(expected.total_stdev_model_channels[number][-1], rel=2 * tolerance)


def test_yields_after_the_fit_are_those_of_the_fit(small: workspaces.Workspace, ours: inference.Predictions) -> None:
    fit = inference.fit(small)
    for region, yields in ours.postfit.regions.items():
        assert yields.total == pytest.approx(fit.total[region])
        assert yields.total_uncertainty == pytest.approx(fit.total_uncertainty[region])


def test_the_covariance_is_that_of_draws_from_the_fit(small: workspaces.Workspace, ours: inference.Predictions) -> None:
    fit, model = inference.fit(small), pyhf.Workspace(small).model()
    rng = np.random.default_rng(1)
    step = 0.1  # of the uncertainties, where yields respond linearly
    draws = rng.multivariate_normal(fit.values, step**2 * fit.covariance, size=4000)
    rates = np.array([model.main_model.expected_data(theta) for theta in draws])
    sampled = np.cov(rates.T) / step**2
    scale = np.sqrt(np.outer(np.diag(sampled), np.diag(sampled)))
    assert np.abs(sampled - ours.postfit.covariance).max() < 0.08 * scale.max()
    assert np.abs((sampled - ours.postfit.covariance) / scale).max() < 0.1


def test_before_the_fit_free_normalisations_have_no_uncertainty() -> None:
    found = inference.predictions(on_off(on=25, off=60, ratio=5, signal=4))
    assert found.signal == ("s",)
    assert found.prefit.regions["SR"].total_sum == (14.0, 0.0)
    assert found.postfit.regions["SR"].total_sum == pytest.approx((25.0, 5.0), rel=1e-6)
    assert found.postfit.covariance == pytest.approx(np.diag([60.0, 25.0]), abs=1e-4)


def test_blind_regions_have_a_prediction_and_no_data() -> None:
    blind = workspaces.Workspace(on_off(on=25, off=60, ratio=5, signal=4)).blinded("SR")
    yields = inference.predictions(blind).postfit.regions
    assert yields["SR"].data is None
    assert yields["SR"].total_sum == pytest.approx((12.0, np.sqrt(60) / 5), rel=1e-6)
    assert yields["CR"].data == pytest.approx([60])
