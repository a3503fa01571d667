import json

import cabinetry
import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt import inference, workspace
from cascadebdt.errors import FitError
from cascadebdt.workspace import Workspace
from cascadebdt.workspace.assembly import Notes
from small_analysis import small_config, small_yields
from small_models import on_off


def observed(model: Workspace) -> dict[str, list[float]]:
    return {item["name"]: item["data"] for item in model["observations"]}


def test_the_signal_region_is_expected_to_hold_what_the_control_region_predicts() -> None:
    model = Workspace(on_off(on=999, off=60, ratio=5, signal=4)).blinded("SR")
    expected = observed(inference.with_expectation(model))
    assert expected["SR"] == pytest.approx([12], rel=1e-6)
    assert expected["CR"] == [60]


def test_an_open_workspace_keeps_its_data() -> None:
    model = on_off(on=9, off=60, ratio=5, signal=4)
    assert inference.with_expectation(model) == model


def test_a_copy_of_a_blind_workspace_is_blind() -> None:
    model = workspace.build(small_yields(), small_config())
    copy = json.loads(json.dumps(model))
    assert inference.fit(copy).blind
    assert inference.limit(copy).observed is None
    assert inference.limit(copy) == inference.limit(model)


def test_other_programs_find_no_data_in_a_blind_region() -> None:
    other = pyhf.Workspace(workspace.build(small_yields(), small_config()))
    model = other.model()
    with pytest.raises(KeyError, match="SR"):
        other.data(model)
    with pytest.raises(KeyError, match="SR"):
        cabinetry.model_utils.model_and_data(other)
    _, asimov = cabinetry.model_utils.model_and_data(other, asimov=True)
    assert len(asimov) == len(model.expected_data(model.config.suggested_init()))


@settings(max_examples=10, deadline=None)
@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=3))
def test_whatever_the_signal_region_holds_the_blind_results_are_the_same(data: list[float]) -> None:
    built = workspace.build(small_yields(), small_config())
    changed = {**built, "observations": [built["observations"][0], {"name": "SR", "data": data}]}
    for question in (inference.fit, inference.limit, inference.significance):
        answers = [question(Workspace(content).blinded("SR")).to_json() for content in (built, changed)]
        assert answers[0] == answers[1]


def test_blind_results_have_no_observation_and_no_signal() -> None:
    model = workspace.build(small_yields(), small_config())
    result = inference.fit(model)
    assert result.blind
    assert result.mu[0] == pytest.approx(0, abs=0.05 * result.mu[1])
    assert inference.limit(model).observed is None
    assert inference.significance(model).observed is None


def test_data_of_the_control_region_do_enter() -> None:
    built = [
        workspace.build(small_yields({("CR_top", "data"): data}), small_config())
        for data in ([75.0, 50.0], [150.0, 100.0])
    ]
    few, many = (observed(inference.with_expectation(model))["SR"] for model in built)
    assert sum(many) > 1.5 * sum(few)
    assert inference.limit(built[1]).expected[2] > inference.limit(built[0]).expected[2]


def test_the_expectation_is_that_of_a_control_region_alone() -> None:
    model = Workspace(on_off(on=0, off=60, ratio=5, signal=4)).blinded("SR")
    on, off, share = 16.0, 60.0, 0.2
    first = on * np.log((1 + share) / share * on / (on + off))
    second = off * np.log((1 + share) * off / (on + off))
    expected = np.sqrt(2 * (first + second))
    assert inference.significance(model).expected == pytest.approx(expected, rel=1e-5)


def test_the_background_fit_while_blind_uses_the_open_regions_alone() -> None:
    result = inference.fit_background(Workspace(on_off(on=0, off=60, ratio=5, signal=4)).blinded("SR"))
    assert result.normalisation["b"] == pytest.approx((1.2, np.sqrt(60) / 50), rel=1e-6)
    assert result.total_uncertainty["SR"] == pytest.approx([np.sqrt(60) / 5], rel=1e-6)
    assert result.mu == (0, 0)


def test_a_normalisation_at_its_bound_is_profiled_without_the_signal_that_a_blind_fit_holds_at_zero() -> None:
    content = on_off(on=5, off=3, ratio=5, signal=4)
    free = {"name": "norm_c", "type": "normfactor", "data": None}
    signal = {"name": "mu", "type": "normfactor", "data": None}
    content["channels"][1]["samples"] = [
        {"name": "b", "data": [50.0, 1.0], "modifiers": [{"name": "norm_b", "type": "normfactor", "data": None}]},
        {"name": "c", "data": [1.0, 50.0], "modifiers": [free]},
        {"name": "s", "data": [0.0, 0.2], "modifiers": [signal]},
    ]
    content["observations"][1]["data"] = [100.0, 0.0]
    result = inference.fit(Workspace(content).blinded("SR"))
    value, uncertainty = result.normalisation["c"]
    assert (value, result.at_bound["norm_c"][0]) == (0.0, 0.0)
    assert uncertainty == pytest.approx(0.0098, abs=0.0005)


def test_everything_may_be_blind() -> None:
    model = Workspace(on_off(on=5, off=60, ratio=5, signal=4)).blinded("SR", "CR")
    assert inference.fit(model).normalisation["b"][0] == pytest.approx(1)


def test_an_unknown_blind_region_is_refused() -> None:
    with pytest.raises(FitError, match="no region 'SRR'; did you mean 'SR'"):
        inference.fit(Workspace(on_off(on=5, off=60, ratio=5, signal=4)).blinded("SRR"))


def test_a_workspace_with_expectation_keeps_its_notes() -> None:
    notes = Notes(merged={"SR": (0.0, 1.0)})
    model = Workspace(on_off(on=999, off=60, ratio=5, signal=4), notes=notes).blinded("SR")
    assert inference.with_expectation(model).notes == notes
