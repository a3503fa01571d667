"""Predictions of fits to some regions, against cabinetry's."""

from typing import Any

import cabinetry
import numpy as np
import pytest

from cascadebdt import inference, workspace
from cascadebdt.errors import FitError
from cascadebdt.workspace import Workspace
from small_analysis import small_config, small_yields
from small_models import on_off


@pytest.fixture(scope="module")
def small() -> Workspace:
    return workspace.build(small_yields(), small_config(unblind="test"))


def test_a_control_region_predicts_what_its_transfer_factor_says() -> None:
    found = inference.project(on_off(on=25, off=60, ratio=5, signal=4), ["CR"])
    region = found.regions["SR"]
    assert (region.total, region.total_uncertainty) == pytest.approx((60 / 5, np.sqrt(60) / 5))
    assert found.parameters["norm_b"] == pytest.approx((1.2, 1.2 / np.sqrt(60)))
    assert (region.is_fitted, found.regions["CR"].is_fitted) == (False, True)
    assert region.data is not None
    assert region.data.tolist() == [25]
    assert found.mu == (0, 0)


def test_predictions_are_those_of_cabinetry(small: Workspace) -> None:
    found = inference.project(small, ["CR_top"], mu=0.0)
    content: dict[str, Any] = {**small, "channels": [c for c in small["channels"] if c["name"] == "CR_top"]}
    content["observations"] = [item for item in small["observations"] if item["name"] == "CR_top"]
    model, data = cabinetry.model_utils.model_and_data(content)
    start, held, poi = model.config.suggested_init(), model.config.suggested_fixed(), model.config.poi_index
    start[poi], held[poi] = 0.0, True
    fitted = cabinetry.fit.fit(model, data, init_pars=start, fix_pars=held, strategy=2)
    whole, _ = cabinetry.model_utils.model_and_data(small)
    predicted = cabinetry.model_utils.prediction(
        whole, fit_results=cabinetry.model_utils.match_fit_results(whole, fitted)
    )
    for index, name in enumerate(whole.config.channels):
        region = found.regions[name]
        # cabinetry's numbers have MINUIT's tolerance; its uncertainty is half the difference of shifted yields
        rates = np.array(predicted.model_yields[index])
        background = [i for i, process in enumerate(whole.config.samples) if process != "signal"]
        assert region.predicted == pytest.approx(rates[background].sum(axis=0), rel=2e-3)
        if name == "CR_top":
            assert region.uncertainty == pytest.approx(predicted.total_stdev_model_bins[index][-1], rel=0.03)


def test_the_signal_may_float_or_have_a_strength(small: Workspace) -> None:
    both = ["CR_top", "SR"]
    floating = inference.project(small, both, mu=None)
    assert floating.mu == pytest.approx(inference.fit(small).mu, rel=1e-4)
    assert inference.project(small, both, mu=1.0).mu == (1.0, 0.0)


def test_blind_data_are_not_shown_and_not_fitted(small: Workspace) -> None:
    blind = small.blinded("SR")
    assert inference.project(blind, ["CR_top"]).regions["SR"].data is None
    with pytest.raises(FitError, match="region 'SR' is blind"):
        inference.project(blind, ["SR"])


def test_regions_that_do_not_determine_the_prediction_are_refused(small: Workspace) -> None:
    with pytest.raises(FitError, match="projection: the data do not determine mu"):
        inference.project(on_off(on=25, off=60, ratio=5, signal=4), ["CR"], mu=None)
    with pytest.raises(FitError, match="no region 'CR_tip'; did you mean 'CR_top'"):
        inference.project(small, ["CR_tip"])
    with pytest.raises(FitError, match="no region to fit"):
        inference.project(small, [])
