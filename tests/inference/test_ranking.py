import json
from typing import Any

import cabinetry
import numpy as np
import pytest

from cascadebdt import inference, workspace
from cascadebdt.inference import Impact, Ranking
from cascadebdt.workspace import Workspace
from small_analysis import small_config, small_yields
from small_models import counting


@pytest.fixture(scope="module")
def small() -> Workspace:
    return workspace.build(small_yields(), small_config(unblind="test"))


@pytest.fixture(scope="module")
def ranked(small: Workspace) -> Ranking:
    return inference.ranking(small)


def by_name(ranking: Ranking) -> dict[str, Impact]:
    return {impact.parameter: impact for impact in ranking.impacts}


def test_a_background_error_moves_mu_by_what_it_moves_the_background() -> None:
    model = counting(observed=[30], signal=[10], background=[20], relative_error=0.1)
    (impact,) = inference.ranking(model).impacts
    assert impact.parameter == "error"
    assert impact.prefit == pytest.approx(((20 - 20 / 1.1) / 10, -2 / 10), rel=1e-6)
    assert impact.postfit == pytest.approx(impact.prefit, rel=1e-6)
    assert impact.pull == pytest.approx((0, 1), abs=1e-6)


def test_every_nuisance_parameter_has_its_place_the_largest_impact_first(small: Workspace, ranked: Ranking) -> None:
    result = inference.fit(small)
    assert set(by_name(ranked)) == set(result.parameters) - {"mu"}
    sizes = [impact.size for impact in ranked.impacts]
    assert sizes == sorted(sizes, reverse=True)
    assert ranked.mu == pytest.approx(result.mu)


def test_impacts_are_those_of_cabinetry(small: Workspace, ranked: Ranking) -> None:
    model, data = cabinetry.model_utils.model_and_data(small)
    fitted = cabinetry.fit.fit(model, data, strategy=2)
    expected = cabinetry.fit.ranking(model, data, fit_results=fitted, strategy=2)
    ours, tolerance = by_name(ranked), 0.01 * ranked.mu[1]
    columns = (expected.postfit_up, expected.postfit_down, expected.prefit_up, expected.prefit_down)
    for name, up, down, before_up, before_down in zip(expected.labels, *columns, strict=True):
        impact = ours[name]
        assert impact.postfit == pytest.approx((down, up), abs=tolerance)
        if impact.prefit is not None:
            assert impact.prefit == pytest.approx((before_down, before_up), abs=tolerance)


def test_without_nonlinearity_impacts_are_the_covariance_over_the_uncertainty() -> None:
    model = counting(observed=[30000, 41000], signal=[10, 200], background=[30000, 40000], relative_error=0.001)
    result = inference.fit(model)
    (impact,) = inference.ranking(model).impacts
    poi, index = (result.parameters.index(name) for name in ("mu", "error"))
    linear = result.covariance[poi, index] / result.uncertainties[index]
    assert impact.postfit == pytest.approx((-linear, linear), rel=0.01)


def test_a_free_normalisation_has_no_impact_before_the_fit(ranked: Ranking) -> None:
    impact = by_name(ranked)["norm_top"]
    assert impact.prefit is None
    assert impact.pull is None
    assert impact.size > 0


def test_a_side_that_the_model_does_not_allow_is_none_not_an_error(caplog: pytest.LogCaptureFixture) -> None:
    model: dict[str, Any] = counting(observed=[3], signal=[2], background=[1])
    extreme = {"name": "wild", "type": "histosys", "data": {"hi_data": [1.5], "lo_data": [-30.0]}}
    model["channels"][0]["samples"][1]["modifiers"] = [extreme]
    model["measurements"][0]["config"]["parameters"][0]["bounds"] = [[0, 2]]
    (impact,) = inference.ranking(model).impacts
    assert impact.prefit is not None
    assert impact.prefit[0] is None
    assert "no impact of wild at -1" in caplog.text


def test_a_blind_ranking_does_not_depend_on_blind_data(small: Workspace) -> None:
    changed = [small["observations"][0], {"name": "SR", "data": [7.0, 700.0, 7.0]}]
    first, second = (
        inference.ranking(Workspace({**small, "observations": data}).blinded("SR"))
        for data in (small["observations"], changed)
    )
    assert first == second


def test_a_ranking_becomes_json(ranked: Ranking) -> None:
    content = json.loads(json.dumps(ranked.to_json(), allow_nan=False))
    assert content["impacts"][0]["parameter"] == ranked.impacts[0].parameter
    assert np.shape(content["impacts"][0]["postfit"]) == (2,)
