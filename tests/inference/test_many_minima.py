"""Models with several minima against brute force: a grid of the nuisance parameters in pyhf's own likelihood."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyhf
import pytest
from scipy.stats import norm

from cascadebdt import inference
from cascadebdt.arrays import FloatArray
from cascadebdt.inference.blinding import prepare
from cascadebdt.inference.likelihood import objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.profile import Profile
from cascadebdt.inference.search import global_minimum
from small_models import workspace

GRID = np.linspace(-5, 5, 8001)


def coupled() -> dict[str, Any]:
    """Return pyhf's validation model ``2bin_2channel_coupledhistosys``: both variations of one bin lower it."""

    def shape(low: list[float], high: list[float]) -> list[dict[str, Any]]:
        return [{"name": "coupled", "type": "histosys", "data": {"lo_data": low, "hi_data": high}}]

    signal = {"name": "s", "data": [30.0, 35.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    first = {"name": "b1", "data": [100.0, 100.0], "modifiers": shape([90.0, 90.0], [110.0, 110.0])}
    second = {"name": "b2", "data": [50.0, 120.0], "modifiers": shape([45.0, 45.0], [55.0, 55.0])}
    control = {"name": "b1", "data": [105.0, 100.0], "modifiers": shape([95.0, 90.0], [110.0, 115.0])}
    channels = [{"name": "SR", "samples": [signal, first, second]}, {"name": "CR", "samples": [control]}]
    return bounded(workspace(channels, {"SR": [170, 220], "CR": [110, 105]}), 0, 10)


def bounded(content: dict[str, Any], low: float, high: float) -> dict[str, Any]:
    content["measurements"][0]["config"]["parameters"][0]["bounds"] = [[low, high]]
    return content


def noisy(seed: int) -> dict[str, Any]:
    """Return a model of one nuisance parameter whose templates are noise."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(20, 200, (2, 4))
    shapes = rates * (1 + rng.normal(0, 0.15, (2, 2, 4)))
    data = rng.poisson(rates * (1 + rng.normal(0, 0.08, (2, 4))))
    channels = [
        {
            "name": name,
            "samples": [
                {
                    "name": "b",
                    "data": rates[row].tolist(),
                    "modifiers": [
                        {
                            "name": "noise",
                            "type": "histosys",
                            "data": {"hi_data": shapes[0, row].tolist(), "lo_data": shapes[1, row].tolist()},
                        }
                    ],
                }
            ],
        }
        for row, name in enumerate(("SR", "CR"))
    ]
    signal = {"name": "s", "data": (0.1 * rates[0] * rng.uniform(0, 2, 4)).tolist()}
    channels[0]["samples"].append({**signal, "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]})  # type: ignore[attr-defined]
    return workspace(channels, {"SR": data[0].tolist(), "CR": data[1].tolist()})


def brute_force(content: dict[str, Any]) -> tuple[Any, Callable[[float, Any], tuple[float, float]]]:
    """Return pyhf's model, and a function of mu and data: the lowest -2 ln L of a grid, and where that is."""
    model = pyhf.Workspace(content).model()
    batched = pyhf.Model(
        {"channels": content["channels"], "parameters": content["measurements"][0]["config"]["parameters"]},
        batch_size=len(GRID),
    )
    points = np.zeros((len(GRID), 2))
    points[:, 1 - model.config.poi_index] = GRID

    def lowest(mu: float, data: Any) -> tuple[float, float]:
        points[:, model.config.poi_index] = mu
        with np.errstate(invalid="ignore"):
            values = -2 * np.asarray(batched.logpdf(points, np.tile(data, (len(GRID), 1))))
        best = int(np.nanargmin(values))
        return float(values[best]), float(GRID[best])

    return model, lowest


def asimov(content: dict[str, Any]) -> tuple[Any, Callable[[float, Any], tuple[float, float]]]:
    """Return the Asimov data without signal, and the function that `brute_force` gives."""
    model, lowest = brute_force(content)
    poi = model.config.poi_index
    nuisance = lowest(0.0, pyhf.Workspace(content).data(model))[1]
    theta = [0.0, nuisance] if poi == 0 else [nuisance, 0.0]
    return model.expected_data(theta), lowest


def test_the_expected_limits_are_those_of_brute_force() -> None:
    data, lowest = asimov(coupled())
    reference = lowest(0.0, data)[0]
    for shift, mu in zip((-2, -1, 0, 1, 2), inference.limit(coupled()).expected, strict=True):
        goal = float(norm.isf(0.05 * norm.cdf(shift))) + shift
        # the grid's step of 1/800 costs up to 0.003 in -2 ln L
        assert np.sqrt(lowest(mu, data)[0] - reference) == pytest.approx(goal, abs=5e-3)


def test_the_profile_of_asimov_data_is_the_lowest_of_brute_force_everywhere() -> None:
    data, lowest = asimov(coupled())
    reference = lowest(0.0, data)[0]
    target, best = prepare(coupled()).asimov(0.0)
    profile = Profile(target, target.likelihood.poi, best)
    for mu in np.linspace(0, 3, 31):
        assert profile(float(mu)) == pytest.approx(lowest(mu, data)[0] - reference, abs=5e-3)


@pytest.mark.parametrize("seed", range(25))
def test_the_profile_of_noisy_templates_is_the_lowest_of_brute_force(seed: int) -> None:
    content = noisy(seed)
    model, lowest = brute_force(content)
    data = pyhf.Workspace(content).data(model)
    target = objective(content)
    best = global_minimum(target)
    poi = target.likelihood.poi
    mus = np.linspace(best.theta[poi] - 3, best.theta[poi] + 3, 13)
    ours, theirs = _increases(content, best, mus), np.array([lowest(mu, data)[0] for mu in mus])
    assert ours + best.deviance + target.saturated() == pytest.approx(theirs, abs=2e-2)
    assert (ours + best.deviance + target.saturated() <= theirs + 1e-9).all()


def _increases(content: dict[str, Any], best: Minimum, mus: FloatArray) -> FloatArray:
    target = objective(content)
    profile = Profile(target, target.likelihood.poi, best)
    return np.array([profile(float(mu)) for mu in mus])


def test_the_uncertainty_below_and_above_is_that_of_brute_force() -> None:
    model, lowest = brute_force(coupled())
    data = pyhf.Workspace(coupled()).data(model)
    found = inference.breakdown(coupled())
    mus = np.linspace(0, 3, 601)
    values = np.array([lowest(mu, data)[0] for mu in mus])
    inside = mus[values < values.min() + 1]
    below, above = found.total
    assert below is not None
    assert above is not None
    # the steps of the grids in mu and in the nuisance parameter
    assert (found.value - below, found.value + above) == pytest.approx((inside[0], inside[-1]), abs=0.01)


def test_a_scan_in_two_parameters_is_the_lowest_of_brute_force_everywhere() -> None:
    content = coupled()
    for channel in content["channels"]:
        for sample in channel["samples"]:
            if sample["name"] == "b1":
                sample["modifiers"].append({"name": "norm", "type": "normfactor", "data": None})
    plane = inference.scan_2d(content, ("mu", "norm"), ([0.0, 0.4, 0.8, 1.2], [0.7, 0.9, 1.1, 1.3]))
    model = pyhf.Workspace(content).model()
    data = pyhf.Workspace(content).data(model)
    batched = pyhf.Model(
        {"channels": content["channels"], "parameters": content["measurements"][0]["config"]["parameters"]},
        batch_size=len(GRID),
    )
    best = inference.fit(content).twice_nll
    points = np.zeros((len(GRID), 3))
    points[:, model.config.par_names.index("coupled")] = GRID
    for row, mu in enumerate(plane.values[0]):
        for column, norm_b in enumerate(plane.values[1]):
            points[:, model.config.par_names.index("mu")] = mu
            points[:, model.config.par_names.index("norm")] = norm_b
            with np.errstate(invalid="ignore"):
                values = -2 * np.asarray(batched.logpdf(points, np.tile(data, (len(GRID), 1))))
            assert plane.increases[row, column] == pytest.approx(np.nanmin(values) - best, abs=5e-3)
