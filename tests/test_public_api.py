"""The public names: which there are, that each is documented, and that the examples run on a tiny analysis."""

import doctest
import inspect
import math
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest

import cascadebdt as cb
from cascadebdt.config import Config
from cascadebdt.events import Events
from tiny_analysis import tiny_config

PUBLIC = [
    "BDTClassifier",
    "Cascade",
    "CascadeBDTError",
    "CascadeClassifier",
    "Config",
    "Events",
    "FitResult",
    "Scores",
    "Workspace",
    "build_workspace",
    "fill",
    "fit",
    "flow",
    "limit",
    "load_config",
    "plots",
    "ranking",
    "register",
    "run",
    "scan",
    "score_histograms",
    "select",
    "significance",
    "studies",
    "toys",
    "train",
]
FUNCTIONS = [name for name in PUBLIC if inspect.isfunction(getattr(cb, name))]


def documentation(name: str) -> str:
    """Return the docstring of a public name, of a class with those of its public methods."""
    item = getattr(cb, name)
    methods = [value for key, value in vars(item).items() if not key.startswith("_")] if inspect.isclass(item) else []
    return "\n".join(inspect.getdoc(part) or "" for part in (item, *methods) if callable(part) or part is item)


def test_the_public_names_are_these() -> None:
    assert sorted(cb.__all__) == sorted(PUBLIC) == dir(cb)


@pytest.mark.parametrize("name", PUBLIC)
def test_a_public_name_is_documented_with_an_example(name: str) -> None:
    assert ">>> " in documentation(name)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_of_a_public_function_is_documented(name: str) -> None:
    text = documentation(name)
    for parameter in inspect.signature(getattr(cb, name)).parameters:
        assert parameter in text, parameter


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        cb.nothing  # noqa: B018


@pytest.fixture(scope="module")
def values(tiny: Config, tiny_events: Events) -> dict[str, Any]:
    """Return what the examples use."""
    cascade = cb.train(tiny_events, tiny)
    scores = cascade.score(tiny_events)
    yields = cb.fill(tiny_events, scores, tiny)
    return {
        "cb": cb,
        "np": np,
        "math": math,
        "pyhf": pyhf,
        "config": tiny,
        "events": tiny_events,
        "cascade": cascade,
        "scores": scores,
        "yields": yields,
        "workspace": cb.build_workspace(yields, tiny),
    }


@pytest.mark.parametrize("name", PUBLIC)
def test_the_example_runs(
    name: str,
    values: dict[str, Any],
    write_config: Callable[[dict[str, Any]], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "configs").mkdir()
    write_config(tiny_config()).rename(tmp_path / "configs" / "wh_dark_photon.yaml")
    monkeypatch.chdir(tmp_path)
    text = inspect.getdoc(getattr(cb, name)) or ""
    example = doctest.DocTestParser().get_doctest(text, dict(values), name, None, None)
    result = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(example)
    assert result.failed == 0


def test_a_cascade_scores_arrays_where_the_libraries_that_read_files_are_missing(
    values: dict[str, Any], tmp_path: Path
) -> None:
    """Numba imports Awkward Array by itself where it is installed, to compile functions of its arrays."""
    values["cascade"].save(tmp_path / "cascade")
    code = f"""
import sys
sys.modules.update(dict.fromkeys(("uproot", "awkward", "vector", "hist", "pyhf", "matplotlib", "iminuit", "mplhep")))
import numpy as np
import cascadebdt as cb
cascade = cb.Cascade.load({str(tmp_path / "cascade")!r})
columns = {{name: np.ones(3, np.float32) for name in cascade.features}}
print(cascade.score(columns, np.arange(3, dtype=np.uint64)).scores.shape)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "(3, 2)"
