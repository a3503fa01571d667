"""A broken workspace is refused in one sentence that says where, what and which bin."""

import contextlib
import copy
import math
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cascadebdt import inference
from cascadebdt.errors import CascadeBDTError, FitError
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


def setting(content: dict[str, Any]) -> Any:
    return content["measurements"][0]["config"]["parameters"][0]


def data(content: dict[str, Any], number: int) -> Any:
    return background(content)["modifiers"][number]["data"]


BROKEN: dict[str, tuple[Change, str]] = {
    "channels missing": (lambda w: w.pop("channels"), "'channels' must be a list of objects"),
    "observations missing": (lambda w: w.pop("observations"), "'observations' must be a list"),
    "no measurement": (lambda w: w.update(measurements=[]), "'measurements' is empty"),
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
    "observed twice": (
        lambda w: w["observations"].append(w["observations"][0]),
        "observations: region 'SR' appears twice",
    ),
    "observed as object": (lambda w: w.update(observations={"SR": [25]}), "'observations' must be a list of objects"),
    "reversed bounds": (
        lambda w: setting(w).update(bounds=[[20, -20]]),
        "parameter 'mu', bounds: must increase, got [20, -20]",
    ),
    "half a bound": (lambda w: setting(w).update(bounds=[[20]]), "'mu', bounds: expected a lower and an upper one"),
    "two starts": (lambda w: setting(w).update(inits=[1.0, 2.0]), "'mu', inits: expected one value, got 2"),
    "two of a parameter": (
        lambda w: w["measurements"][0]["config"]["parameters"].append(setting(w)),
        "measurement: parameter 'mu' appears twice",
    ),
    "constant poi": (lambda w: setting(w).update(fixed=True), "'mu': the parameter of interest is held constant"),
    "two pois": (
        lambda w: w["measurements"][0]["config"].update(poi=["mu", "norm_b"]),
        "expected the name of one parameter of interest, got ['mu', 'norm_b']",
    ),
    "poi per bin": (
        lambda w: w["measurements"][0]["config"].update(poi="mcstat"),
        "the parameter of interest 'mcstat' has one value per bin (staterror)",
    ),
    "background alone": (
        lambda w: w["channels"][0]["samples"].pop(0),
        "interest 'mu'; a workspace of the background alone needs the patch of a signal",
    ),
    "modifiers as number": (
        lambda w: background(w).update(modifiers=3),
        "process 'b', modifiers: expected a list, got 3",
    ),
    "type as list": (lambda w: background(w)["modifiers"][0].update(type=[1]), "has the unknown type '[1]'"),
    "huge": (lambda w: background(w).update(data=[1e300]), "bin 0: expected a number below 1e+50, got 1e+300"),
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


def test_what_is_not_in_the_model_is_named_and_not_used(caplog: pytest.LogCaptureFixture) -> None:
    content = model()
    content["observations"].append({"name": "VR", "data": [3]})
    content["measurements"][0]["config"]["parameters"].append({"name": "norm_a", "bounds": [[0, 5]]})
    assert inference.fit(content).mu == pytest.approx(inference.fit(model()).mu)
    assert "the model has no region 'VR'; these data are not used" in caplog.text
    assert "parameter 'norm_a': the model has none of that name; did you mean 'norm_b'" in caplog.text


JUNK: tuple[Any, ...] = (
    *(None, 5, -1, "x", [], {}, [1], {"a": 1}, True),
    *(math.nan, math.inf, [[1]], [None], 1e308, 0, "mu"),
)


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a workspace."""
    if path:
        yield path
    for key, value in node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ()):
        yield from places(value, (*path, key))


@pytest.mark.parametrize("seed", range(60))
def test_junk_anywhere_is_fitted_or_refused_but_no_traceback(seed: int) -> None:
    rng, content = random.Random(seed), model()
    *path, last = rng.choice(list(places(content)))
    parent: Any = content
    for key in path:
        parent = parent[key]
    parent[last] = copy.deepcopy(rng.choice(JUNK))
    with contextlib.suppress(CascadeBDTError):
        inference.lint(content)
        inference.fit(content)
