import copy
import logging
from collections.abc import Callable
from typing import Any

import pytest

from cascadebdt import inference
from cascadebdt.inference import Finding, Thresholds, lint
from cascadebdt.inference.lint import headlines
from small_models import counting, on_off

Change = Callable[[dict[str, Any]], Any]


def model(change: Change = lambda content: None) -> dict[str, Any]:
    """Return a sound model of two regions and two backgrounds, with what `change` does to it."""
    content = copy.deepcopy(on_off(on=25, off=60, ratio=5, signal=4))
    other = {
        "name": "c",
        "data": [7.0],
        "modifiers": [
            {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
            {"name": "tilt", "type": "histosys", "data": {"hi_data": [7.5], "lo_data": [6.6]}},
        ],
    }
    content["channels"][0]["samples"].append(other)
    change(content)
    return content


def modifier(content: dict[str, Any], number: int) -> Any:
    return content["channels"][0]["samples"][2]["modifiers"][number]["data"]


def found(change: Change) -> Finding:
    (finding,) = lint(model(change))
    return finding


def free(content: dict[str, Any], name: str, process: int) -> None:
    content["channels"][0]["samples"][process]["modifiers"].append({"name": name, "type": "normfactor", "data": None})


def test_a_sound_model_has_no_findings() -> None:
    assert lint(model()) == ()


PLANTED: dict[str, tuple[Change, str, str]] = {
    "normsys in one direction": (
        lambda w: modifier(w, 0).update(lo=1.05),
        "same direction",
        "region 'SR', process 'c': 'scale' goes in the same direction up and down, +10.0% and +5.0%",
    ),
    "shape in one direction": (
        lambda w: modifier(w, 1).update(lo_data=[7.3]),
        "same direction",
        "region 'SR', process 'c', bin 0: 'tilt' goes in the same direction up and down, +7.1% and +4.3%",
    ),
    "identical": (
        lambda w: modifier(w, 1).update(lo_data=[7.5]),
        "identical",
        "region 'SR', process 'c', bin 0: 'tilt' is the same up and down, +7.1%",
    ),
    "no effect": (
        lambda w: modifier(w, 0).update(hi=1.0, lo=1.0),
        "no effect",
        "region 'SR', process 'c': 'scale' has no effect",
    ),
    "large": (
        lambda w: modifier(w, 1).update(hi_data=[11.9]),
        "large variation",
        "region 'SR', process 'c', bin 0: 'tilt' changes the yield by +70% up",
    ),
    "contamination": (
        lambda w: w["channels"][1]["samples"].append({**w["channels"][0]["samples"][0], "data": [5.0]}),
        "signal contamination",
        "region 'CR': 9% of it is signal, though 'SR' is the region of the signal",
    ),
    "undetermined": (lambda w: free(w, "norm_x", 1), "degenerate", "the regions do not determine all of"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_odd_is_one_line_with_its_place_and_number(name: str) -> None:
    change, check, text = PLANTED[name]
    finding = found(change)
    assert finding.check == check
    assert text in finding.text


def test_a_finding_has_its_place_in_parts() -> None:
    finding = found(lambda w: modifier(w, 1).update(hi_data=[11.9]))
    assert (finding.region, finding.process, finding.bin, finding.parameter) == ("SR", "c", 0, "tilt")
    assert finding.number == pytest.approx(0.7)


def test_an_empty_process_is_found_in_its_region_and_in_all() -> None:
    findings = lint(model(lambda w: w["channels"][0]["samples"][2].update(data=[0.0], modifiers=[])))
    assert [finding.text for finding in findings] == [
        "region 'SR': process 'c' has no events",
        "process 'c' has no events in any region",
    ]


def test_a_bin_that_expects_nothing_is_found() -> None:
    def empty(content: dict[str, Any]) -> None:
        for sample in content["channels"][0]["samples"]:
            sample.update(data=[0.0])
            sample["modifiers"] = [m for m in sample["modifiers"] if m["type"] == "normfactor"]

    assert "region 'SR', bin 0: expects 0 events" in [finding.text for finding in lint(model(empty))]


def test_nearly_degenerate_normalisations_are_named_with_their_correlation() -> None:
    def twins(content: dict[str, Any]) -> None:
        content["channels"][1]["samples"].append({"name": "c", "data": [35.3], "modifiers": []})
        for channel in content["channels"]:
            twin = next(sample for sample in channel["samples"] if sample["name"] == "c")
            twin["modifiers"] = [{"name": "norm_c", "type": "normfactor", "data": None}]
        third = [{**content["channels"][1]["samples"][0], "data": [20.0]}]
        content["channels"].append({"name": "CR2", "samples": third})
        content["channels"][2]["samples"].append({**content["channels"][1]["samples"][1], "data": [20.0]})
        content["observations"].append({"name": "CR2", "data": [34]})

    findings = lint(model(twins), Thresholds(condition=20))
    assert any("'norm_b' and 'norm_c' have an expected correlation of -0.9" in finding.text for finding in findings)
    assert any("condition number" in finding.text for finding in findings)


def test_thresholds_decide_what_is_worth_a_line() -> None:
    assert [finding.check for finding in lint(model(), Thresholds(variation=0.09))] == ["large variation"] * 2
    assert lint(model(lambda w: modifier(w, 0).update(lo=1.05)), Thresholds(same_direction=0.06)) == ()


def test_no_data_are_looked_at() -> None:
    changed = model(lambda w: w["observations"][0].update(data=[1e6]))
    planted = model(lambda w: modifier(w, 0).update(lo=1.05))
    assert lint(changed) == ()
    assert lint({**planted, "observations": changed["observations"]}) == lint(planted)


def test_findings_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "cascadebdt")
    inference.lint(model(lambda w: modifier(w, 0).update(hi=1.0, lo=1.0)))
    assert "region 'SR', process 'c': 'scale' has no effect" in caplog.messages


def test_ten_lines_name_what_matters_and_the_rest_is_counted() -> None:
    found = [
        *(Finding("no effect", f"'quiet_{i}' has no effect", parameter=f"quiet_{i}", number=0.0) for i in range(221)),
        *(
            Finding("large variation", f"'big_{i}' +{i} %", parameter=f"big_{i}", number=0.01 * i)
            for i in range(900, 920)
        ),
        *(Finding("large variation", "'big_919' too", parameter="big_919", number=3.0) for _ in range(2)),
        Finding("signal contamination", "42 % of it is signal", number=0.42),
    ]
    lines = headlines(found)
    assert lines[:2] == ["42 % of it is signal", "'big_919' +919 % (and 2 more of this kind)"]
    assert len(lines) == 11
    assert lines[-1] == "12 more groups of findings are in lint.json"
    assert "'quiet_0' has no effect (and 220 more of this kind)" in headlines(found, n_shown=30)


@pytest.mark.parametrize(("background", "is_few"), [(4.0, True), (40.0, False)])
def test_too_few_events_for_asymptotic_formulas_are_said(background: float, is_few: bool) -> None:
    found = lint(counting(observed=[0], signal=[3], background=[background]))
    assert ("few events" in {finding.check for finding in found}) == is_few
