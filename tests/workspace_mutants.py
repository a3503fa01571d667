"""HistFactory workspaces and patches with faults, and what the package makes of them: for the tests and the campaign.

A mutant is a valid workspace after one to three changes of its tree of JSON or of its text. Where it is still a model,
the answer of the package is compared with that of pyhf, whose -2 ln L at the package's best fit may not lie above its
value at pyhf's own.
"""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonpatch
import numpy as np
import pyhf

import mutants
import trees
from cascadebdt import inference
from cascadebdt.interchange import read_workspace
from mutants import outcome
from small_models import on_off, workspace

Json = Any
TOLERANCE = 0.01  # of -2 ln L, and of it relative to its size: pyhf's minimiser stops there
OUTCOMES = ("same", "alone", "sentence", "wrong", "traceback", "hang")  # alone: no fit of pyhf to compare with
OPENED = 1e3  # how far pyhf may move the parameter of interest, whose upper bound the package leaves open
VALUES: tuple[Json, ...] = (
    *(None, True, False, "text", "", "1.0", "nan", [], {}, [[]], [1.0], {"a": 1}, "<b>", "a\nb", "\u0000"),
    *(float("nan"), float("inf"), -float("inf"), -1, 0, -0.0, 1e-320, 1e-30, 1e20, 1e60, 1e308, 10**400, 0.5, 3),
)


def models() -> dict[str, dict[str, Any]]:
    """Return small valid workspaces, which together have every type of modifier."""
    free = {"name": "norm_b", "type": "normfactor", "data": None}
    signal = {
        "name": "s",
        "data": [1.0, 3.0, 6.0],
        "modifiers": [
            {"name": "mu", "type": "normfactor", "data": None},
            {"name": "lumi", "type": "lumi", "data": None},
            {"name": "eff", "type": "normsys", "data": {"hi": 1.05, "lo": 0.96}},
        ],
    }
    background = {
        "name": "b",
        "data": [40.0, 30.0, 20.0],
        "modifiers": [
            {
                "name": "tilt",
                "type": "histosys",
                "data": {"hi_data": [42.0, 30.0, 18.0], "lo_data": [38.0, 30.0, 22.0]},
            },
            {"name": "stat", "type": "staterror", "data": [2.0, 1.5, 1.0]},
            free,
        ],
    }
    other = {
        "name": "c",
        "data": [5.0, 6.0, 7.0],
        "modifiers": [{"name": "shape", "type": "shapesys", "data": [1.0, 1.1, 1.2]}],
    }
    control = {"name": "b", "data": [100.0, 80.0], "modifiers": [free]}
    channels = [{"name": "SR", "samples": [signal, background, other]}, {"name": "CR", "samples": [control]}]
    rich = workspace(channels, {"SR": [46.0, 38.0, 30.0], "CR": [105.0, 78.0]})
    lumi = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    rich["measurements"][0]["config"]["parameters"].append(lumi)
    return {"rich": rich, "on_off": on_off(on=25, off=60, ratio=5, signal=4)}


PATCH: Json = [
    {"op": "replace", "path": "/channels/0/samples/0/data/0", "value": 2.0},
    {"op": "add", "path": "/channels/0/samples/0/modifiers/-",
     "value": {"name": "theory", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}},
    {"op": "test", "path": "/version", "value": "1.0.0"},
]  # fmt: skip
PATCH_SET: Json = {"patches": [{"metadata": {"name": "one", "values": [1]}, "patch": PATCH}]}


def changed_text(text: str, rng: np.random.Generator) -> bytes:
    """Return the text of JSON after one change of its bytes."""
    raw = bytearray(text.encode())
    position, kind = int(rng.integers(len(raw))), rng.integers(7)
    if kind == 0:
        del raw[position:]
    elif kind == 1:
        raw[position] ^= 1 << int(rng.integers(8))
    elif kind == 2:
        raw[position:position] = rng.bytes(3)
    elif kind == 3:
        raw[position:position] = b"[" * 20_000
    elif kind == 4:
        start = text.find('"data"', position)
        if start >= 0:  # the same key twice, of which readers take the first or the last
            raw[start:start] = b'"data": [1.0], '
    elif kind == 5:
        raw = bytearray(b"\xef\xbb\xbf" + raw)
    else:
        return text.encode("utf-16")
    return bytes(raw)


def write_mutant(folder: Path, rng: np.random.Generator) -> tuple[Path, str | None]:
    """Write a workspace, with a patch for every third; one of the two has one to three faults."""
    folder.mkdir(exist_ok=True)
    path, patch_path = folder / "workspace.json", folder / "patch.json"
    chosen = list(models().values())
    content: Json = chosen[int(rng.integers(len(chosen)))]
    is_set = bool(rng.integers(2))
    patch = None
    if rng.integers(3) == 0:
        patch = f"{patch_path}:one" if is_set else str(patch_path)
        target: Json = PATCH_SET if is_set else PATCH
    else:
        target = content
    if rng.integers(5) == 0:
        mutant = changed_text(json.dumps(target), rng)
    else:
        for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
            if isinstance(target, (dict, list)) and target:
                target = trees.changed(target, rng, VALUES)
        mutant = json.dumps(target).encode("utf-8", "surrogatepass")
    path.write_bytes(mutant if patch is None else json.dumps(content).encode())
    if patch is not None:
        patch_path.write_bytes(mutant)
    return path, patch


def fit_mutant(path: Path, patch: str | None) -> tuple[str, str]:
    """Return what becomes of a workspace on its way through reading, fit and limit.

    Returns
    -------
    one of `OUTCOMES`, and what was said
    """
    fits: list[inference.FitResult] = []

    def fit() -> bytes:
        content = read_workspace(path, patch=patch)
        fits.append(inference.fit(content))
        inference.limit(content)
        return b""

    def compare() -> bytes:
        return b"" if _agrees(_as_pyhf_reads(path, patch), fits[0]) else b"pyhf finds a better fit"

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        what, message = outcome(fit, b"", seconds=20)
        if not fits or what not in ("same", "sentence"):
            return what, message
        compared, why = outcome(compare, b"", seconds=10)  # pyhf may try for hours
    if compared == "hang" or (compared == "same" and what == "sentence"):
        return ("sentence" if what == "sentence" else "alone"), message
    return compared, why


def _as_pyhf_reads(path: Path, patch: str | None) -> Json:
    content = json.loads(path.read_text())
    if patch is None:
        return content
    operations = json.loads(Path(patch.removesuffix(":one")).read_text())
    if isinstance(operations, dict):
        (operations,) = [item["patch"] for item in operations["patches"] if item["metadata"]["name"] == "one"]
    return jsonpatch.apply_patch(content, operations)


def _agrees(content: Json, fit: inference.FitResult) -> bool:
    """Return whether pyhf finds no better fit than the package; raises `TooLong` if there is none to compare with."""
    if {channel["name"] for channel in content["channels"]} - {item["name"] for item in content["observations"]}:
        raise mutants.TooLong  # a region without observation is blind here, and nothing for pyhf
    model, data = _pyhf_model(content)
    ours = np.array([fit.values[list(fit.parameters).index(name)] for name in _names(model)])
    if not np.isfinite(ours).all():
        raise mutants.TooLong  # the package says that the data do not determine a parameter, and gives no number
    value: Callable[[Any], float] = lambda theta: float(pyhf.infer.mle.twice_nll(theta, data, model)[0])  # noqa: E731
    bounds = [list(pair) for pair in model.config.suggested_bounds()]
    bounds[model.config.poi_index][1] = max(OPENED, bounds[model.config.poi_index][1])
    theirs = _pyhf_fit(model, data, bounds)
    if theirs is None:
        raise mutants.TooLong
    if (np.asarray(model.main_model.expected_data(theirs)) < 0).any():
        raise mutants.TooLong  # pyhf may go where a bin expects a negative number of events
    # pyhf adds ln n! of all data, auxiliary ones of 1e13 included, whose rounding is no difference of the fits.
    rounding = 4 * np.finfo(float).eps * float(np.sum(np.abs(data) * np.log1p(np.abs(data))))
    return bool(value(ours) <= value(theirs) + TOLERANCE * max(1.0, 1e-4 * abs(value(theirs))) + rounding)


def _pyhf_model(content: Json) -> tuple[Any, Any]:
    read = pyhf.Workspace(content)
    settings = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}
    model = read.model(measurement_name=content["measurements"][0]["name"], modifier_settings=settings)
    return model, read.data(model)


def _names(model: Any) -> list[str]:
    return [str(name).replace("mu[0]", "mu") for name in model.config.par_names]


def _pyhf_fit(model: Any, data: Any, bounds: Json) -> Any:
    """Return pyhf's best fit; None if it finds none."""
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(tolerance=1e-4))
    try:
        return np.asarray(pyhf.infer.mle.fit(data, model, par_bounds=bounds))
    except Exception:  # of pyhf or its minimiser, where it is the package's answer that is judged
        return None
