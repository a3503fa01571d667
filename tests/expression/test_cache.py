"""Many processes on one cache directory: they give the same numbers, and leave nothing half-written behind."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

from cascadebdt.expression import Value, build, parse


def test_processes_that_start_at_once_share_one_cache_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    many_jobs = importlib.import_module("many_jobs")
    first, again = many_jobs.start_together(6, str(tmp_path)), many_jobs.start_together(2, str(tmp_path))
    program = build(features=[parse("sqrt(x) + 2 * y", path="x")], values=[Value("x"), Value("y")])
    expected = program.run(3, np.arange(6.0).reshape(2, 3))[1].tobytes().hex()
    assert first.results == again.results == {expected}
    assert (again.hits, again.misses) == (2, 0)
    assert not list(tmp_path.rglob("*.tmp*"))
    sys.modules.pop("many_jobs")
