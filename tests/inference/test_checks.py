"""A broken workspace is refused in one sentence that says where, what and which bin."""

import copy
import math
from collections.abc import Callable
from typing import Any

import pytest

from cascadebdt import inference
from cascadebdt.errors import FitError
from small_models import on_off

Change = Callable[[dict[str, Any]], Any]


def model() -> dict[str, Any]:
    content = copy.deepcopy(on_off(on=25, off=60, ratio=5, signal=4))
    modifiers = [
        {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
        {"name": "tilt", "type": "histosys", "data": {"hi_data": [11.0], "lo_data": [9.0]}},
        {"name": "mcstat", "type": "staterror", "data": [1.0]},
    ]
    background(content)["modifiers"] = [*background(content)["modifiers"], *modifiers]
    return content


def background(content: dict[str, Any]) -> Any:
    return content["channels"][0]["samples"][1]


def data(content: dict[str, Any], number: int) -> Any:
    return background(content)["modifiers"][number]["data"]


BROKEN: dict[str, tuple[Change, str]] = {
    "channels missing": (lambda w: w.pop("channels"), "'channels' must be a list of objects, not empty"),
    "observations missing": (lambda w: w.pop("observations"), "'observations' must be a list"),
    "no measurement": (lambda w: w.update(measurements=[]), "'measurements' must be a list"),
    "no poi": (lambda w: w["measurements"][0]["config"].update(poi=""), "names no parameter of interest"),
    "unknown poi": (lambda w: w["measurements"][0]["config"].update(poi="nu"), "of interest 'nu'; did you mean 'mu'"),
    "NaN": (
        lambda w: background(w).update(data=[math.nan]),
        "'SR', process 'b', bin 0: expected a finite number, got nan",
    ),
    "text": (lambda w: background(w).update(data=["many"]), "bin 0: expected a finite number, got 'many'"),
    "missing": (
        lambda w: background(w).pop("data"),
        "process 'b': expected a list with one number per bin, got nothing",
    ),
    "more bins": (
        lambda w: background(w).update(data=[1.0, 2.0]),
        "process 'b': expected 1 bins as its other processes",
    ),
    "no processes": (lambda w: w["channels"][1].update(samples=[]), "region 'CR': there are no processes"),
    "region twice": (lambda w: w["channels"].append(w["channels"][0]), "region 'SR' appears twice"),
    "process without name": (lambda w: background(w).pop("name"), "region 'SR': process 1 has no name"),
    "unknown modifier": (
        lambda w: background(w)["modifiers"][0].update(type="normfaktor"),
        "'norm_b' has the unknown type 'normfaktor'; did you mean 'normfactor'",
    ),
    "normsys of zero": (
        lambda w: data(w, 1).update(lo=0),
        "modifier 'scale': expected a positive number as 'lo', got 0",
    ),
    "histosys of two bins": (lambda w: data(w, 2).update(hi_data=[1.0, 2.0]), "'tilt', hi_data: expected 1 numbers"),
    "histosys infinite": (lambda w: data(w, 2).update(lo_data=[math.inf]), "lo_data, bin 0: expected a finite number"),
    "staterror negative": (lambda w: data(w, 3).insert(0, -1.0), "'mcstat', bin 0: expected no negative number"),
    "observed NaN": (
        lambda w: w["observations"][0].update(data=[math.nan]),
        "'SR', observed events, bin 0: expected a fin",
    ),
    "observed negative": (
        lambda w: w["observations"][1].update(data=[-1]),
        "'CR', observed events, bin 0: expected no neg",
    ),
    "observed bins": (
        lambda w: w["observations"][0].update(data=[1, 2]),
        "region 'SR': expected 1 observed bins, got 2",
    ),
    "observed elsewhere": (
        lambda w: w["observations"][0].update(name="SX"),
        "'SR': there are no observed events; did you mean 'SX'",
    ),
    "not observed": (lambda w: w["observations"].pop(), "region 'CR': there are no observed events"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_workspace_is_refused_in_one_sentence(name: str) -> None:
    change, message = BROKEN[name]
    content = model()
    change(content)
    with pytest.raises(FitError) as error:
        inference.fit(content)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(FitError, match="expected an object with channels, observations, measurements, got list"):
        inference.fit([])  # type: ignore[arg-type]


def test_the_unbroken_workspace_is_fitted() -> None:
    assert inference.fit(model()).mu[1] > 0
