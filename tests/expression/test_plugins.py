"""Functions of Python files that a configuration names, through the command line."""

import json
from pathlib import Path

import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt.cli import main
from cascadebdt.pipeline.plan import Plan

BALANCE = """
import math
import cascadebdt as cb

@cb.register
def plugin_balance(a, b):
    return {body}
"""


def write(folder: Path, body: str, plugin: str = "mine.py") -> Path:
    """Write an analysis whose only feature is a function of a plugin."""
    (folder / "mine.py").write_text(BALANCE.format(body=body))
    stage = {"name": "top", "against": "top", "features": ["balance"], "working_point": 0.9}
    raw = {
        "analysis": "plugged",
        "luminosity_fb": 1.0,
        "plugins": plugin,
        "ntuples": {"event_id": ["event"]},
        "samples": [{"name": name, "process": name, "files": f"{name}.root"} for name in ("signal", "top")],
        "features": {"balance": "plugin_balance(x, 2)"},
        "cascade": {"stages": [stage], "min_effective_events": 5},
    }
    (folder / "config.yaml").write_text(json.dumps(raw))
    return folder / "config.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, name in enumerate(("signal", "top")):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("Events", {"event": np.arange(50), "x": np.random.default_rng(seed).random(50)})
    return tmp_path


def check(path: Path) -> Result:
    return CliRunner().invoke(main, ["check", str(path), "--jobs", "1"])


def test_a_configuration_may_call_the_functions_of_its_plugins(folder: Path) -> None:
    result = check(write(folder, "math.hypot(a, b)"))
    assert result.exit_code == 0, result.output


def test_another_function_in_a_plugin_gives_products_another_key(folder: Path) -> None:
    def keys(body: str) -> set[str]:
        config = configuration.load(write(folder, body))
        return {origin.key for origin in Plan.of(config, folder / "out").steps.values()}

    before = keys("a + b")
    assert not before & keys("a - b")
    assert keys("a + b  # the same") == before


@pytest.mark.parametrize(
    ("body", "plugin", "message"),
    [
        ("a +", "mine.py", "plugins[0]: mine.py: SyntaxError"),
        ("a + b\n\n1 / 0", "mine.py", "plugins[0]: mine.py, line 9: ZeroDivisionError"),
        ("a + b", "other.py", "other.py: cannot read it: No such file or directory"),
        ("open(a)", "mine.py", "register: Numba cannot compile plugin_balance: "),
    ],
)
def test_a_plugin_that_fails_is_one_sentence(folder: Path, body: str, plugin: str, message: str) -> None:
    result = check(write(folder, body, plugin))
    assert result.exit_code == 2
    assert message in result.output
