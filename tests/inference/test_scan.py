import json

import numpy as np
import pytest

from cascadebdt import inference, workspace
from cascadebdt.errors import FitError
from cascadebdt.workspace import Workspace
from small_analysis import small_config, small_yields
from small_models import counting, on_off


@pytest.fixture(scope="module")
def small() -> Workspace:
    return workspace.build(small_yields(), small_config(unblind="test"))


def test_the_scan_of_a_counting_experiment_is_its_likelihood_ratio() -> None:
    scan = inference.scan(counting(observed=[30], signal=[10], background=[20]), "mu", [-1.5, 0.0, 1.0, 2.5])
    rates = 20 + 10 * scan.values[0]
    assert scan.increases == pytest.approx(2 * (rates - 30 - 30 * np.log(rates / 30)), abs=1e-8)
    assert scan.best == pytest.approx((1.0,))


def test_a_scan_without_values_spans_three_standard_deviations() -> None:
    scan = inference.scan(counting(observed=[3000], signal=[50], background=[2900]), "mu", n_points=7)
    assert len(scan.values[0]) == 7
    assert scan.increases[[0, 3, 6]] == pytest.approx([9, 0, 9], rel=0.05)


def test_impossible_points_are_none_in_json() -> None:
    scan = inference.scan(counting(observed=[30], signal=[10], background=[20]), "mu", [-3.0, 1.0])
    assert json.loads(json.dumps(scan.to_json(), allow_nan=False))["increases"] == [None, 0.0]


def test_a_scan_in_two_parameters_has_that_in_one_as_its_edge(small: Workspace) -> None:
    mus, norms = np.linspace(-0.5, 1.5, 9), np.linspace(0.5, 1.7, 81)
    plane = inference.scan_2d(small, ("mu", "norm_top"), (mus.tolist(), norms.tolist()))
    line = inference.scan(small, "mu", mus.tolist())
    assert plane.increases.shape == (9, 81)
    assert plane.increases.min(axis=1) == pytest.approx(line.increases, abs=1e-2)


def test_intervals_are_those_of_mu_and_the_free_normalisations(small: Workspace) -> None:
    found = inference.intervals(small)
    assert set(found) == {"mu", "norm_top"}
    assert found["norm_top"] == inference.profile_interval(small, "norm_top")


def test_the_ends_of_an_interval_are_where_the_scan_has_risen_by_one(small: Workspace) -> None:
    ends = inference.profile_interval(small, "norm_top")
    assert inference.scan(small, "norm_top", list(ends)).increases == pytest.approx([1, 1], abs=1e-4)


def test_an_unknown_parameter_is_named_with_the_closest_one(small: Workspace) -> None:
    with pytest.raises(FitError, match="no parameter 'norm_tip'; did you mean 'norm_top'"):
        inference.scan(small, "norm_tip")


@pytest.mark.parametrize("scale", [10, 100])
def test_profile_and_curvature_agree_where_the_profile_is_parabolic(scale: float) -> None:
    """Parabolic: the profile one and two uncertainties away is 1 and 4 within 2 %, on both sides."""
    model = on_off(on=30 * scale**2, off=60 * scale**2, ratio=2, signal=4 * scale)
    model["channels"][0]["samples"][1]["data"] = [10.0 * scale**2]
    model["channels"][1]["samples"][0]["data"] = [20.0 * scale**2]
    result = inference.fit(model)
    value, error = result.mu
    steps = np.array([-2, -1, 1, 2])
    increases = inference.scan(model, "mu", (value + steps * error).tolist()).increases
    assert (np.abs(increases / steps**2 - 1) < 0.02).all()
    low, high = inference.profile_interval(model, "mu")
    assert (value - low, high - value) == pytest.approx((error, error), rel=0.01)
