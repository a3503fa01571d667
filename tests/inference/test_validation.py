import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from scipy.stats import chi2, kstest

from cascadebdt import inference
from cascadebdt.errors import FitError
from cascadebdt.workspace import Workspace
from small_models import on_off, workspace


def regions(*, control: float, validation: list[float], signal_region: float) -> Workspace:
    """Return a control region of one background, a validation region of two bins, a blind signal region."""
    free = [{"name": "norm_b", "type": "normfactor", "data": None}]
    error = {"name": "tilt", "type": "histosys", "data": {"hi_data": [44.0, 57.0], "lo_data": [36.0, 63.0]}}
    signal = {"name": "s", "data": [4.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]}
    channels = [
        {"name": "SR", "samples": [signal, {"name": "b", "data": [10.0], "modifiers": free}]},
        {"name": "VR", "samples": [{"name": "b", "data": [40.0, 60.0], "modifiers": [*free, error]}]},
        {"name": "CR", "samples": [{"name": "b", "data": [400.0], "modifiers": free}]},
    ]
    observed: dict[str, Sequence[float]] = {"SR": [signal_region], "VR": validation, "CR": [control]}
    return Workspace(workspace(channels, observed)).blinded("SR")


def test_prediction_and_covariance_are_those_of_error_propagation() -> None:
    found = inference.validate(regions(control=480, validation=[60, 60], signal_region=99), ("VR",)).regions["VR"]
    predicted, norm, tilt = np.array([48.0, 72.0]), np.sqrt(480) / 400, 1.2 * np.array([4.0, -3.0])
    joint = np.outer([40, 60], [40, 60]) * norm**2 + np.outer(tilt, tilt)
    deviation = [60, 60] - predicted
    statistic = deviation @ np.linalg.inv(joint + np.diag(predicted)) @ deviation
    assert found.predicted == pytest.approx(predicted, rel=1e-5)
    assert found.uncertainty == pytest.approx(np.sqrt(np.diag(joint)), rel=1e-4)
    assert found.p_value == pytest.approx(chi2.sf(statistic, 2), rel=1e-3)
    assert found.total == pytest.approx(120, rel=1e-5)
    assert found.total_uncertainty == pytest.approx(np.sqrt(joint.sum()), rel=1e-4)
    assert found.total_p_value == pytest.approx(1, abs=1e-4)
    assert found.pulls == pytest.approx(deviation / np.sqrt(predicted + np.diag(joint)), rel=1e-4)


def test_neither_blind_data_nor_those_of_the_region_itself_enter_the_prediction() -> None:
    found = [
        inference.validate(regions(control=480, validation=data, signal_region=events), ("VR",)).regions["VR"]
        for data, events in (([60.0, 60.0], 0.0), ([10.0, 300.0], 500.0))
    ]
    assert found[0].predicted.tolist() == found[1].predicted.tolist()
    assert found[1].p_value < 1e-6


def test_p_values_are_uniform() -> None:
    rng, found = np.random.default_rng(1), []
    for _ in range(150):
        tilt = rng.normal(0, 1) * np.array([4.0, -3.0])
        data = rng.poisson(np.maximum(np.array([40.0, 60.0]) + tilt, 0)).astype(float)
        model = regions(control=float(rng.poisson(400)), validation=data.tolist(), signal_region=0)
        found.append(inference.validate(model, ("VR",)).p_value)
    assert kstest(found, "uniform").pvalue > 0.01


def test_several_regions_have_one_p_value_with_their_correlation() -> None:
    model: dict[str, Any] = on_off(on=300, off=60, ratio=0.2, signal=4)
    twin = {**model["channels"][0], "name": "VR"}
    model["channels"].append(twin)
    model["observations"].append({"name": "VR", "data": [300]})
    found = inference.validate(Workspace(model), ("SR", "VR"))
    assert found.regions["SR"].p_value == pytest.approx(found.regions["VR"].p_value)
    # both lie off by the same normalisation, which is one deviation, not two
    assert found.p_value > found.regions["SR"].p_value ** 2


def test_the_result_becomes_json() -> None:
    found = inference.validate(regions(control=480, validation=[60, 60], signal_region=0), ("VR",))
    content = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert content["regions"]["VR"]["processes"]["b"] == pytest.approx([48, 72], rel=1e-4)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("VRR",), "no region 'VRR'; did you mean 'VR'"),
        (("SR",), "region 'SR' is blind"),
        (("VR", "CR"), "no region is left"),
        ((), "there is no region"),
    ],
)
def test_regions_that_cannot_be_validated_are_refused(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(FitError, match=message):
        inference.validate(regions(control=480, validation=[60, 60], signal_region=0), names)
