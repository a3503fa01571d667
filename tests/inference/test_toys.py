import json
from typing import Any

import numpy as np
import pytest
from scipy.stats import poisson

from cascadebdt import inference
from cascadebdt.errors import FitError
from cascadebdt.inference import Toys, toys
from small_models import counting, on_off, workspace

N = 80


def many_events() -> dict[str, Any]:
    """Return a model whose parameters are far from their bounds, so that asymptotic formulas hold."""
    model = on_off(on=205, off=400, ratio=2, signal=20)
    for channel, rate in zip(model["channels"], (200.0, 400.0), strict=True):
        channel["samples"][-1]["data"] = [rate]
    return model


def measured() -> dict[str, Any]:
    """Return a model with two free normalisations, a shared systematic and statistics of simulation."""

    def statistics(region: str, errors: list[float]) -> dict[str, Any]:
        return {"name": f"mcstat_{region}", "type": "staterror", "data": errors}

    def free(name: str) -> dict[str, Any]:
        return {"name": name, "type": "normfactor", "data": None}

    scale = {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.92}}
    tilt = {"name": "scale", "type": "histosys", "data": {"hi_data": [88.0, 62.0], "lo_data": [112.0, 58.0]}}
    contents = {
        "SR": {"s": ([10.0, 30.0], [free("mu")]), "b": ([100.0, 60.0], [free("norm_b"), tilt])},
        "CR_b": {"b": ([900.0, 500.0], [free("norm_b"), scale]), "c": ([100.0, 200.0], [free("norm_c")])},
        "CR_c": {"c": ([300.0, 700.0], [free("norm_c"), scale]), "b": ([50.0, 30.0], [free("norm_b")])},
    }
    channels = [
        {
            "name": region,
            "samples": [
                {
                    "name": process,
                    "data": rates,
                    "modifiers": [*modifiers, statistics(region, [0.03 * rate for rate in rates])],
                }
                for process, (rates, modifiers) in processes.items()
            ],
        }
        for region, processes in contents.items()
    ]
    return workspace(channels, {"SR": [115, 85], "CR_b": [980, 730], "CR_c": [370, 720]})


@pytest.fixture(scope="module")
def many() -> Toys:
    return toys(measured(), N, seed=1)


def test_pulls_are_standard_and_intervals_cover(many: Toys) -> None:
    assert many.parameters == ("mu", "norm_b", "norm_c")
    assert many.failures == ()
    for found in many.summary().values():
        # three standard deviations of the mean, the width and the coverage of this many
        assert abs(found["mean"]) < 3 / np.sqrt(N)
        assert abs(found["width"] - 1) < 3 / np.sqrt(2 * N)
        assert abs(found["coverage"] - 0.683) < 3 * np.sqrt(0.683 * 0.317 / N)


def test_a_wrong_uncertainty_would_be_noticed(many: Toys) -> None:
    assert np.all(np.abs((1.5 * many.pulls).std(axis=0, ddof=1) - 1) > 3 / np.sqrt(2 * N))


def test_a_toy_depends_on_the_seed_and_its_number_alone(many: Toys) -> None:
    first, other = toys(measured(), 3, seed=1), toys(measured(), 3, seed=2)
    assert first.values.tolist() == many.values[:3].tolist()
    assert (first.values != other.values).all()


def test_auxiliary_data_fluctuate_too() -> None:
    found = toys(counting(observed=[20000], signal=[100], background=[20000], relative_error=0.1), 60, seed=3)
    # the background's 10 % are 20 units of mu; events alone would spread it by 1.4
    assert np.std(found.values[:, 0]) == pytest.approx(20, rel=0.4)


def test_toys_have_the_signal_they_are_asked_for() -> None:
    found = toys(measured(), 10, seed=1, mu=3.0)
    assert found.truth[0] == 3.0
    assert np.mean(found.values[:, 0]) == pytest.approx(3, abs=1.5)


def test_fits_that_fail_are_reported_by_number_and_reason(caplog: pytest.LogCaptureFixture) -> None:
    modifiers = [{"name": name, "type": "normfactor", "data": None} for name in ("norm_a", "norm_b")]
    model = counting(observed=[52, 55], signal=[1, 2], background=[50, 50])
    model["channels"][0]["samples"][1]["modifiers"] = modifiers
    with pytest.raises(FitError, match="no fit succeeded; the first failed with: fit: the data do not determine norm_"):
        toys(model, 2, seed=1)
    assert [text[:6] for text in caplog.messages if "determine" in text] == ["toy 0:", "toy 1:"]


def test_toys_become_json(many: Toys) -> None:
    content = json.loads(json.dumps(many.to_json(), allow_nan=False))
    assert len(content["values"]) == N
    assert content["failures"] == []
    assert content["parameters"] == ["mu", "norm_b", "norm_c"]


def test_the_p_value_of_toys_is_that_of_counting() -> None:
    found = inference.toy_significance(counting(observed=[31], signal=[10], background=[20]), 400, seed=1)
    assert found.value == pytest.approx(poisson.sf(30, 20), abs=3 * max(found.uncertainty, 1 / 400))
    assert (found.toys, found.failures) == (400, ())


def test_cls_of_toys_is_that_of_counting() -> None:
    found = inference.toy_cls(counting(observed=[18], signal=[10], background=[20]), 1.0, 300, seed=1)
    assert found.value == pytest.approx(poisson.cdf(18, 30) / poisson.cdf(18, 20), abs=3 * found.uncertainty)


def test_at_the_asymptotic_limit_toys_exclude_at_its_level() -> None:
    model = many_events()
    limit = inference.limit(model).observed
    assert limit is not None
    found = inference.toy_cls(model, limit, 300, seed=1)
    assert found.value == pytest.approx(0.05, abs=3 * found.uncertainty)
