"""Bytes of a model become a booster or a ValueError, before XGBoost reads on behind their end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.forest import boosters, ubjson

X = np.random.default_rng(0).normal(size=(300, 4)).astype(np.float32)
LABEL = (X[:, 0] + X[:, 1] * X[:, 2] > 0).astype(int)
DATA = xgb.DMatrix(X, LABEL)
KINDS: dict[str, dict[str, Any]] = {
    "binary": {"objective": "binary:logistic", "max_depth": 3},
    "pruned": {"objective": "binary:logistic", "tree_method": "exact", "gamma": 5},
    "stumps": {"objective": "binary:logistic", "gamma": 1e9},
    "leaf by leaf": {"objective": "binary:logistic", "max_depth": 0, "max_leaves": 9, "grow_policy": "lossguide"},
    "multiclass": {"objective": "multi:softprob", "num_class": 3, "max_depth": 2},
    "dropout": {"objective": "binary:logistic", "booster": "dart", "rate_drop": 0.5},
    "linear": {"objective": "binary:logistic", "booster": "gblinear"},
}


def raw_model(name: str) -> bytes:
    return bytes(xgb.train({**KINDS[name], "nthread": 1}, DATA, 6).save_raw("ubj"))


RAW = raw_model("binary")


@pytest.mark.parametrize("name", KINDS)
def test_what_xgboost_wrote_is_loaded(name: str) -> None:
    raw = raw_model(name)
    same = boosters.load(raw)
    np.testing.assert_array_equal(same.predict(DATA), xgb.Booster(model_file=bytearray(raw)).predict(DATA))


@given(st.integers(0, len(RAW) - 1))
def test_a_model_cut_short_is_an_error(size: int) -> None:
    with pytest.raises(ValueError, match="not UBJSON"):
        boosters.load(RAW[:size])


def test_a_model_with_more_behind_it_is_an_error() -> None:
    with pytest.raises(ValueError, match="UBJSON ends at byte"):
        boosters.load(RAW + b"}")


def test_a_document_nested_without_end_is_an_error() -> None:
    with pytest.raises(ValueError, match="not UBJSON"):
        ubjson.parse(b"[" * 100_000)


def altered(name: str, value: int, at: int = 0) -> bytes:
    """Return the model with another entry in an array of the nodes of its first tree."""
    content = ubjson.parse(RAW)["learner"]["gradient_booster"]["model"]["trees"][0][name]
    start = RAW.index(bytes(content.tobytes()), RAW.index(name.encode()))
    wrong = content.copy()
    wrong[at] = value
    return RAW[:start] + bytes(wrong.tobytes()) + RAW[start + content.nbytes :]


@pytest.mark.parametrize(
    ("name", "value", "at"),
    [
        ("left_children", 0, 0),
        ("left_children", 10_000, 0),
        ("left_children", -7, -1),
        ("left_children", 2, 0),
        ("right_children", -1, 0),
        ("parents", 5, 0),
        ("parents", 65_282, -1),
        ("split_indices", 4, 0),
        ("split_indices", -1, 0),
    ],
)
def test_nodes_that_are_no_tree_are_an_error(name: str, value: int, at: int) -> None:
    with pytest.raises(ValueError, match=r"no tree|a feature that there is not"):
        boosters.load(altered(name, value, at))


def test_another_document_is_an_error() -> None:
    with pytest.raises(ValueError, match="not a model of XGBoost"):
        boosters.load(b"{}")
    with pytest.raises(ValueError, match="not UBJSON"):
        boosters.load(bytes(xgb.train({}, DATA, 1).save_raw("json")))


def load_altered_models(n: int) -> dict[str, int]:
    """Return how many of `n` models with some altered bytes are an error, and how many can be used."""
    counts = {"error": 0, "booster": 0}
    generator = np.random.default_rng(1)
    for _ in range(n):
        raw = bytearray(RAW)
        for at in generator.integers(len(raw), size=generator.integers(1, 4)):
            raw[at] = generator.choice([0, ord("9"), 255, int(generator.integers(256))])
        try:
            boosters.load(bytes(raw)).predict(DATA)
            counts["booster"] += 1
        except ValueError:
            counts["error"] += 1
    return counts


def test_a_model_with_altered_bytes_ends_no_process() -> None:
    code = "import json, test_boosters; print(json.dumps(test_boosters.load_altered_models(300)))"
    paths = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PYTHONPATH": paths}
    command = [sys.executable, "-c", code]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    counts = json.loads(ended.stdout)
    assert counts["error"] > 100
    assert counts["booster"] > 10
