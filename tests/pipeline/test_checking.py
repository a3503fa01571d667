"""What `check` refuses and warns of, on real files through the command line."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from cascadebdt.histograms.contents import thin_bins

Change = Callable[[dict[str, Any]], Any]


def write(path: Path, n: int, first: int, **more: Any) -> None:
    """Write a flat ntuple of `n` events."""
    rng = np.random.default_rng(first)
    columns = {"event": np.arange(first, first + n), "x": rng.normal(first, 2, n), "w": rng.normal(1, 0.1, n)}
    with uproot.recreate(path) as file:
        file.mktree("Events", columns | more)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Flat ntuples: a signal, a background whose second file lacks a branch, and one that names it otherwise."""
    folder = tmp_path_factory.mktemp("flat")
    write(folder / "signal.root", 300, 1, met=np.linspace(0, 1, 300), label=np.linspace(1, 2, 300))
    write(folder / "top_1.root", 200, 0, met=np.linspace(0, 1, 200), label=np.linspace(-1, 0, 200))
    write(folder / "top_2.root", 100, 500, label=np.linspace(-1, 0, 100))
    write(folder / "other.root", 200, 2, puppi=np.linspace(0, 1, 200), label=np.linspace(-1, 0, 200))
    return folder


def check(folder: Path, tmp_path: Path, change: Change = lambda raw: None) -> Result:
    stage = {"name": "top", "against": "top", "features": ["x", "met"], "working_point": 0.9}
    raw: dict[str, Any] = {
        "analysis": "flat",
        "luminosity_fb": 1.0,
        "ntuples": {"event_id": ["event"], "weight": "w"},
        "samples": [
            {"name": "signal", "process": "signal", "files": "signal.root"},
            {"name": "top", "process": "top", "files": "top_1.root"},
        ],
        "features": {"x": "x", "met": "met", "label": "label", "sum": "w + x", "number": "event % 10"},
        "cascade": {"stages": [stage], "min_effective_events": 50},
    }
    change(raw)
    for sample in raw["samples"]:
        files = sample["files"]
        sample["files"] = [str(folder / file) for file in ([files] if isinstance(files, str) else files)]
    path = tmp_path / "config.yaml"
    path.write_text(json.dumps(raw))
    return CliRunner().invoke(main, ["check", str(path), "--jobs", "1"])


def test_everything_to_doubt_is_said_at_once(folder: Path, tmp_path: Path) -> None:
    def change(raw: dict[str, Any]) -> None:
        raw["cascade"]["min_effective_events"] = 250
        raw["cascade"]["stages"][0]["features"] += ["label", "sum", "number"]

    result = check(folder, tmp_path, change)
    assert result.exit_code == 0, result.output
    for sentence in (
        "warning: no simulated sample has a cross_section_pb",
        "warning: stage top would train with at most 198 effective events of top, asked for 250",
        "warning: features.sum: 'w' looks like part of the weight",
        "warning: features.number: 'event' looks like the identity of the event",
        "warning: features.label: 'label' looks like the truth of the simulation",
        "warning: stage top: feature label alone separates signal from top; it may tell the label",
    ):
        assert sentence in result.output
    assert "feature x alone" not in result.output


def test_a_branch_that_one_file_lacks_is_named_with_file_and_sample(folder: Path, tmp_path: Path) -> None:
    result = check(folder, tmp_path, lambda raw: raw["samples"][1].update(files=["top_1.root", "top_2.root"]))
    assert result.exit_code == 2
    assert "features.met: no branch 'met'" in result.output
    assert "(sample 'top', top_2.root; its other files have it)" in result.output


def test_a_sample_may_name_a_branch_otherwise(folder: Path, tmp_path: Path) -> None:
    result = check(folder, tmp_path, lambda raw: raw["samples"][1].update(files="other.root"))
    assert "no branch 'met'" in result.output
    assert "(sample 'top', other.root)" in result.output
    alias = {"files": "other.root", "aliases": {"met": "puppi"}}
    assert check(folder, tmp_path, lambda raw: raw["samples"][1].update(alias)).exit_code == 0
    alias["aliases"] = {"met": "pupi"}
    refused = check(folder, tmp_path, lambda raw: raw["samples"][1].update(alias))
    assert "aliases.met: other.root has no branch 'pupi'; did you mean 'puppi'?" in refused.output


def test_all_processes_without_events_are_named_at_once(folder: Path, tmp_path: Path) -> None:
    result = check(folder, tmp_path, lambda raw: raw.update(selection=[{"name": "none", "cut": "x > 1000"}]))
    assert result.exit_code == 2
    assert "cascade.signal: process signal has 0 selected events" in result.output
    assert "stage 'top': process top has 0 selected events" in result.output


def test_one_file_in_two_processes_is_refused(folder: Path, tmp_path: Path) -> None:
    result = check(folder, tmp_path, lambda raw: raw["samples"][1].update(files="signal.root"))
    assert result.exit_code == 2
    assert "(process top) are one file, or copies of it, so that its events would count twice" in result.output


def test_bins_that_a_process_with_few_effective_events_dominates_are_named() -> None:
    histogram: Any = hist.Hist(
        hist.axis.StrCategory(["signal", "top", "data"], name="process"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(3, 0, 1, name="score"),
        storage=hist.storage.Weight(),
    )
    histogram.fill(process="top", variation="nominal", score=np.repeat([0.1, 0.5, 0.9], [50, 2, 1]), weight=2.0)
    histogram.fill(process="signal", variation="nominal", score=[0.9], weight=100.0)
    (sentence,) = thin_bins({"SR": histogram}, "signal")
    assert sentence.startswith("region 'SR': 'top' dominates bins [1, 2] with as little as 1.0 effective events")
