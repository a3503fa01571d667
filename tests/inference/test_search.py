from typing import Any

import numpy as np
import pytest

from cascadebdt import inference
from cascadebdt.inference.likelihood import objective
from cascadebdt.inference.minimise import minimum, newton
from cascadebdt.inference.search import global_minimum
from small_models import workspace


def two_minima() -> dict[str, Any]:
    """Return a model in which a variation raises the control region in both directions, so that its sign is open."""
    both = {"hi_data": [120.0, 100.0], "lo_data": [118.0, 104.0]}
    tilt = [{"name": "tilt", "type": "histosys", "data": both}]
    transfer = [{"name": "tilt", "type": "histosys", "data": {"hi_data": [10.0], "lo_data": [13.0]}}]
    signal = {"name": "s", "data": [4.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    channels = [
        {"name": "SR", "samples": [signal, {"name": "b", "data": [11.0], "modifiers": transfer}]},
        {"name": "CR", "samples": [{"name": "b", "data": [100.0, 100.0], "modifiers": tilt}]},
    ]
    return workspace(channels, {"SR": [15], "CR": [126, 107]})


def test_a_lower_minimum_beside_the_first_is_found_and_both_are_remembered() -> None:
    target = objective(two_minima())
    near, best = minimum(target), global_minimum(target)
    assert best.deviance < near.deviance - 0.1
    assert abs(best.agreement) < 0.01
    assert any(target.value_and_gradient(mode)[0] == pytest.approx(near.deviance) for mode in best.modes)


def test_no_start_leads_lower_than_the_fit() -> None:
    target, rng = objective(two_minima()), np.random.default_rng(1)
    starts = target.likelihood.start + rng.normal(0, 2, (50, len(target.likelihood.start)))
    lowest = min(newton(target, fixed={}, start=start).deviance for start in starts)
    assert inference.fit(two_minima()).twice_nll - target.saturated() == pytest.approx(lowest, abs=1e-6)


def test_a_profile_crosses_from_one_minimum_to_the_other() -> None:
    scan = inference.scan(two_minima(), "mu", np.linspace(-2, 4, 25).tolist())
    target, poi = objective(two_minima()), objective(two_minima()).likelihood.poi
    best = global_minimum(target).deviance
    for value, increase in zip(scan.values[0], scan.increases, strict=True):
        lowest = min(
            newton(target, fixed={poi: value}, start=np.array([tilt, value])[order]).deviance
            for tilt in (-1.5, 1.5)
            for order in [[1, 0] if poi == 0 else [0, 1]]
        )
        assert increase == pytest.approx(lowest - best, abs=1e-6)


def noisy(seed: int, *, n_parameters: int = 6) -> dict[str, Any]:
    """Return a model whose templates are noise, up and down, of several nuisance parameters."""
    rng = np.random.default_rng(seed)
    rates = rng.uniform(20, 200, (2, 5))

    def modifiers(row: int) -> list[dict[str, Any]]:
        shapes = rates[row] * (1 + rng.normal(0, 0.15, (n_parameters, 2, 5)))
        return [
            {"name": f"noise_{number}", "type": "histosys", "data": {"hi_data": up.tolist(), "lo_data": down.tolist()}}
            for number, (up, down) in enumerate(shapes)
        ]

    signal = {
        "name": "s",
        "data": (0.1 * rates[0]).tolist(),
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    channels = [
        {"name": "SR", "samples": [signal, {"name": "b", "data": rates[0].tolist(), "modifiers": modifiers(0)}]},
        {"name": "CR", "samples": [{"name": "b", "data": rates[1].tolist(), "modifiers": modifiers(1)}]},
    ]
    data = rng.poisson(rates * (1 + rng.normal(0, 0.15, (2, 5))))
    return workspace(channels, {"SR": data[0].tolist(), "CR": data[1].tolist()})


@pytest.mark.parametrize("seed", range(10))
def test_no_start_leads_lower_where_templates_of_many_parameters_are_noise(seed: int) -> None:
    target, rng = objective(noisy(seed)), np.random.default_rng(seed)
    starts = target.likelihood.start + rng.normal(0, 1.5, (60, len(target.likelihood.start)))
    lowest = min(newton(target, fixed={}, start=start).deviance for start in starts)
    assert global_minimum(target).deviance <= lowest + 1e-6
