"""The likelihood's kernels against pyhf and finite differences, on a model with every kind of modifier."""

from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Objective, objective


def mod(name: str, kind: str, data: Any = None) -> dict[str, Any]:
    return {"name": name, "type": kind, "data": data}


def every_modifier() -> dict[str, Any]:
    """Return a workspace of three regions with every kind of modifier, some shared, some on one sample twice."""
    tilt = mod("tilt", "histosys", {"hi_data": [22.0, 34.0], "lo_data": [19.0, 25.0]})
    scale = mod("tilt", "normsys", {"hi": 1.2, "lo": 0.9})
    free = mod("free", "shapefactor")
    statistics = [mod("mcstat_SR", "staterror", [2.0, 1.5]), mod("mcstat_SR", "staterror", [1.0, 0.0])]
    lumi = mod("lumi", "lumi")
    regions = {
        "SR": {
            "s": ([3.0, 5.0], [mod("mu", "normfactor"), lumi]),
            "b": ([20.0, 30.0], [tilt, scale, statistics[0], lumi, mod("other", "normsys", {"hi": 0.8, "lo": 1.3})]),
            "c": ([4.0, 6.0], [statistics[1], mod("own", "shapesys", [1.0, 2.0]), mod("mu", "normfactor"), scale]),
        },
        "CR_a": {"d": ([10.0, 11.0, 12.0], [free]), "b": ([1.0, 2.0, 3.0], [lumi, scale])},
        "CR_b": {"d": ([5.0, 6.0, 7.0], [free, mod("mcstat_CR", "staterror", [1.0, 1.0, 1.0])])},
    }
    channels = [
        {"name": region, "samples": [{"name": p, "data": d, "modifiers": m} for p, (d, m) in samples.items()]}
        for region, samples in regions.items()
    ]
    data = {"SR": [30.0, 36.0], "CR_a": [12.0, 15.0, 9.0], "CR_b": [6.0, 5.0, 0.0]}
    parameters = [
        {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]},
        {"name": "mu", "bounds": [[-5, 10]], "inits": [1.0]},
    ]
    return {
        "channels": channels,
        "observations": [{"name": name, "data": values} for name, values in data.items()],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }


@pytest.fixture(scope="module")
def target() -> Objective:
    return objective(every_modifier())


@pytest.fixture(scope="module")
def reference() -> tuple[Any, Any]:
    """Return pyhf's model and data, at least 1e-6 in each bin as ours."""
    workspace = pyhf.Workspace(every_modifier())
    model = workspace.model()
    data = np.array(workspace.data(model))
    data[: model.config.nmaindata] = np.maximum(data[: model.config.nmaindata], 1e-6)
    return model, data


points = st.integers(0, 2**32 - 1).map(lambda seed: np.random.default_rng(seed))


def somewhere(target: Objective, rng: np.random.Generator) -> Any:
    """Return a point at which nuisance parameters lie inside and outside of (-1, 1)."""
    likelihood = target.likelihood
    theta = likelihood.start + rng.normal(0, 0.1, len(likelihood.start))
    for name in ("tilt", "other"):
        theta[likelihood.index(name)] = rng.normal(0, 1.5)
    theta[likelihood.poi] = rng.choice([0.0, rng.uniform(0, 3)])
    return theta


@settings(max_examples=50)
@given(points)
def test_the_likelihood_is_that_of_pyhf(
    target: Objective, reference: tuple[Any, Any], rng: np.random.Generator
) -> None:
    (model, data), theta = reference, somewhere(target, rng)
    value, _ = target.value_and_gradient(theta)
    assert value + target.saturated() == pytest.approx(-2 * float(model.logpdf(theta, data)[0]), rel=1e-11)
    assert target.likelihood.asimov(theta) == pytest.approx(np.asarray(model.expected_data(theta)), rel=1e-12)
    rates = np.asarray(model.main_model.expected_data(theta, return_by_sample=True))
    assert target.likelihood.rates(theta) == pytest.approx(rates, rel=1e-12)


@settings(max_examples=50)
@given(points)
def test_gradient_and_hessian_are_those_of_finite_differences(target: Objective, rng: np.random.Generator) -> None:
    theta, step = somewhere(target, rng), 1e-6
    _, gradient = target.value_and_gradient(theta)
    hessian, jacobian = target.hessian(theta), target.likelihood.jacobian(theta)
    assert hessian == pytest.approx(hessian.T)
    for index, shift in enumerate(step * np.eye(len(theta))):
        (above, slopes_above), (below, slopes_below) = (
            target.value_and_gradient(theta + sign * shift) for sign in (1, -1)
        )
        assert gradient[index] == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-5)
        assert hessian[index] == pytest.approx((slopes_above - slopes_below) / (2 * step), rel=1e-5, abs=1e-4)
        up, down = (target.likelihood.totals(theta + sign * shift) for sign in (1, -1))
        assert jacobian[:, index] == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-6)


def test_derivatives_are_continuous_where_an_interpolation_changes_its_form(target: Objective) -> None:
    theta = target.likelihood.start.copy()
    for name in ("tilt", "other"):
        for edge in (-1.0, 1.0):
            hessians = []
            for value in (edge * (1 - 1e-9), edge * (1 + 1e-9)):
                theta[target.likelihood.index(name)] = value
                hessians.append(target.hessian(theta))
            assert hessians[0] == pytest.approx(hessians[1], rel=1e-6, abs=1e-6)
        theta[target.likelihood.index(name)] = 0.0


def test_a_negative_rate_is_impossible(target: Objective) -> None:
    theta = target.likelihood.start.copy()
    theta[target.likelihood.poi] = -100.0
    assert target.value_and_gradient(theta)[0] == np.inf
    assert np.isnan(target.hessian(theta)).all()


def test_a_modifier_that_is_there_twice_is_refused() -> None:
    content = every_modifier()
    content["channels"][0]["samples"][0]["modifiers"].append(mod("mu", "normfactor"))
    with pytest.raises(FitError, match="region 'SR', process 's': modifier 'mu' appears twice"):
        objective(content)
