"""Variants of a workspace, against pyhf's own pruning, constants and expectations."""

from typing import Any

import numpy as np
import pyhf
import pytest

from cascadebdt import inference, workspace
from cascadebdt.errors import FitError
from cascadebdt.inference import adjusted
from cascadebdt.workspace import Workspace
from small_analysis import small_config, small_yields
from small_models import counting, on_off


@pytest.fixture(scope="module")
def small() -> Workspace:
    return workspace.build(small_yields(), small_config(unblind="test"))


def in_pyhf(content: Any, fixed: dict[str, float]) -> tuple[dict[str, float], float]:
    """Return best values and -2 ln L with some parameters held, by MINUIT."""
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(strategy=2, tolerance=1e-3))
    try:
        model = pyhf.Workspace(content).model()
        names, start = model.config.par_names, list(model.config.suggested_init())
        held = list(model.config.suggested_fixed())
        for name, value in fixed.items():
            start[names.index(name)], held[names.index(name)] = value, True
        data = pyhf.Workspace(content).data(model)
        theta, deviance = pyhf.infer.mle.fit(data, model, start, fixed_params=held, return_fitted_val=True)
    finally:
        pyhf.set_backend("numpy")
    return dict(zip(names, np.asarray(theta).tolist(), strict=True)), float(deviance)


def test_constants_are_those_of_pyhf(small: Workspace) -> None:
    fixed = {"norm_top": 1.3, "scale": -0.4}
    result = inference.fit(adjusted(small, fixed=fixed))
    theta, deviance = in_pyhf(small, fixed)
    assert result.mu[0] == pytest.approx(theta["mu"], abs=2e-3 * result.mu[1])
    assert result.twice_nll == pytest.approx(deviance, abs=1e-3)
    assert result.normalisation == {}
    assert "scale" not in result.pulls


def test_a_set_with_one_parameter_per_bin_is_held_as_a_whole(small: Workspace) -> None:
    result = inference.fit(adjusted(small, fixed={"mcstat_SR": 1.0}))
    assert sorted(name for name in result.pulls if "mcstat" in name) == ["mcstat_CR_top[0]", "mcstat_CR_top[1]"]
    with pytest.raises(FitError, match=r"'mcstat_SR\[1\]' belongs to a set with one per bin"):
        adjusted(small, fixed={"mcstat_SR[1]": 1.0})


def test_a_bound_holds_and_is_reported() -> None:
    free = on_off(on=25, off=60, ratio=5, signal=4)
    result = inference.fit(adjusted(free, bounds={"norm_b": (0.2, 1.1)}))
    assert inference.fit(free).normalisation["b"][0] == pytest.approx(1.2)
    assert result.normalisation["b"][0] == pytest.approx(1.1)
    assert "norm_b" in result.at_bound
    # with the background held there, mu is (25 - 11) / 4
    assert result.mu[0] == pytest.approx(14 / 4)


def test_any_parameter_may_be_the_one_of_interest(small: Workspace) -> None:
    whole = inference.fit(small)
    for name in ("norm_top", "scale"):
        result = inference.fit(adjusted(small, poi=name))
        assert result.mu[0] == pytest.approx(whole.values[whole.parameters.index(name)], abs=1e-5)
        assert inference.profile_interval(small, name) == pytest.approx(
            inference.profile_interval(adjusted(small, poi=name), name), rel=1e-4
        )


def test_some_regions_alone_are_the_workspace_that_pyhf_prunes(small: Workspace) -> None:
    content = adjusted(small, regions=("CR_top",), poi="norm_top", fixed={"mu": 1.0})
    pruned = pyhf.Workspace(small).prune(channels=["SR"])
    theta, _ = in_pyhf(pruned, {"mu": 1.0})
    assert inference.fit(content).mu[0] == pytest.approx(theta["norm_top"], abs=1e-3)


def test_asimov_data_are_the_expectation_of_pyhf_and_are_fitted_back(small: Workspace) -> None:
    values = {"mu": 1.5, "norm_top": 1.2, "mcstat_SR": 1.0}
    content = adjusted(small.blinded("SR"), asimov=values)
    model = pyhf.Workspace(small).model()
    theta = np.array(model.config.suggested_init())
    for name in ("mu", "norm_top"):
        theta[model.config.par_names.index(name)] = values[name]
    expected = model.expected_actualdata(theta)
    assert content.blind == ()
    assert np.concatenate([item["data"] for item in content["observations"]]) == pytest.approx(np.asarray(expected))
    result = inference.fit(content)
    assert (result.mu[0], result.normalisation["top"][0]) == pytest.approx((1.5, 1.2), abs=1e-4)
    assert result.pulled() == {}


def test_a_constrained_parameter_with_a_value_of_its_own_is_pulled_in_asimov_data() -> None:
    model = counting(observed=[20, 20], signal=[1, 0], background=[10, 100000], relative_error=0.1)
    result = inference.fit(adjusted(model, asimov={"mu": 0.0, "error": 1.0}))
    assert result.pulls["error"][0] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fixed": {"mu": 1.0}}, "mu is the parameter of interest"),
        ({"fixed": {"norm_tip": 1.0}}, "no parameter 'norm_tip'; did you mean 'norm_top'"),
        ({"bounds": {"norm_top": (2.0, 1.0)}}, "the bounds of norm_top must increase, got 2 and 1"),
        ({"regions": ("CR_tip",)}, "no region 'CR_tip'; did you mean 'CR_top'"),
        ({"asimov": {"norm_tip": 1.0}}, "no parameter 'norm_tip'"),
        ({"asimov": {"mu": -900.0}}, "region 'CR_top', bin 1 would expect -"),
    ],
)
def test_a_change_that_the_model_does_not_allow_is_refused(
    changes: dict[str, Any], message: str, small: Workspace
) -> None:
    with pytest.raises(FitError, match=message):
        adjusted(small, **changes)


def test_the_workspace_itself_is_not_changed(small: Workspace) -> None:
    before = pyhf.utils.digest(dict(small))
    adjusted(small, fixed={"scale": 1.0}, bounds={"norm_top": (0, 2)}, regions=("SR",), asimov={"mu": 1.0})
    assert pyhf.utils.digest(dict(small)) == before
