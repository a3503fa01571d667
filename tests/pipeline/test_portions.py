"""Regions filled by parts of the events, each by a command line of its own, are those of one filling, bit for bit."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt.cli import main
from cascadebdt.pipeline import Node, nodes
from cascadebdt.products import Products
from scaleout.folders import write_analysis
from tiny_analysis import tiny_config

PRODUCTS = ("yields", "histograms", "inputs", "migration", "cutflow")
ONE_FILE_EACH, ALL_FILES = {"files_per_job": 1, "merge_width": 2}, {"files_per_job": 10, "merge_width": 3}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: object) -> None:
    result = call(*arguments, "--jobs", 1, "--quiet")
    assert result.exit_code == 0, result.output


def planned(config: Path, output: Path) -> list[Node]:
    """Return the nodes that are left before the fit."""
    every = nodes(configuration.load(config), Products(output))
    return [node for node in every if not node.is_done and node.category not in ("fit", "report")]


def write(folder: Path, ntuples: Path, change: Callable[[dict[str, Any]], None], **batch: int) -> Path:
    raw = tiny_config()
    generator = {"name": "generator", "kind": "sample", "process": "zee", "cross_section_pb": 1.1}
    raw["systematics"].append({**generator, "files": "zee_0.root"})
    change(raw)
    for sample in (*raw["samples"], raw["systematics"][-1]):
        sample["files"] = str(ntuples / sample["files"])
    path = folder / "config.yaml"
    path.write_text(json.dumps({**raw, "batch": batch}))
    return path


def changed(raw: dict[str, Any]) -> None:
    raw["cascade"].update(mode="holdout", folds=4)
    raw["regions"] = {"control": {"bins": [0, 0.5, 1]}, "signal": {"observable": "met", "bins": [0, 20, 60, 300]}}
    raw["templates"] = {"shapes": "selection"}


def whole(folder: Path, ntuples: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Train, and fill at once; return a folder with what was trained and one with everything."""
    config = write(folder, ntuples, change)
    done("train", config, "--output", folder / "trained")
    shutil.copytree(folder / "trained", folder / "whole")
    done("apply", config, "--output", folder / "whole")
    return folder


@pytest.fixture(scope="module")
def automatic(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny analysis, whose bins depend on all events."""
    return whole(tmp_path_factory.mktemp("automatic"), ntuples, lambda raw: None)


@pytest.fixture(scope="module")
def configured(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With a holdout, configured bins and borrowed shapes."""
    return whole(tmp_path_factory.mktemp("configured"), ntuples, changed)


def bits(output: Path) -> dict[str, bytes]:
    return {name: (output / f"{name}.json").read_bytes() for name in PRODUCTS}


def about(output: Path) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads((output / "manifest.json").read_text())
    return {name: manifest[name] for name in ("files", "missing", "used_in_training", "warnings", "cascade")}


@pytest.mark.parametrize("analysis", ["automatic", "configured"])
@pytest.mark.parametrize("batch", [ONE_FILE_EACH, ALL_FILES], ids=["a part for each file", "a part for each sample"])
def test_nodes_one_by_one_give_the_bits_of_one_filling(
    analysis: str, batch: dict[str, int], ntuples: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    folder: Path = request.getfixturevalue(analysis)
    config = write(tmp_path, ntuples, changed if analysis == "configured" else lambda raw: None, **batch)
    output = tmp_path / "out"
    shutil.copytree(folder / "trained", output)
    left = planned(config, output)
    assert ("observe_zee_1" in [node.name for node in left]) == (analysis == "automatic")
    assert ("merge_2_1" in [node.name for node in left]) == (batch is ONE_FILE_EACH)
    for node in left:
        done(*node.arguments, config, "--output", output)
    assert bits(output) == bits(folder / "whole")
    assert about(output) == about(folder / "whole")
    assert planned(config, output) == []
    assert not [path for name in (".filled", ".selected") for path in output.glob(name)]


@pytest.fixture
def filled(automatic: Path, ntuples: Path, tmp_path: Path) -> tuple[Path, Path]:
    """Configuration and folder, everything but the last merging done."""
    config, output = write(tmp_path, ntuples, lambda raw: None, **ALL_FILES), tmp_path / "out"
    shutil.copytree(automatic / "trained", output)
    for node in planned(config, output)[:-1]:
        if node.category != "select":  # what is missing is read from the files
            done(*node.arguments, config, "--output", output)
    return config, output


def test_a_part_that_is_altered_or_missing_is_refused_and_made_again(
    filled: tuple[Path, Path], automatic: Path, tmp_path: Path
) -> None:
    config, output = filled
    (merged,) = output.glob(".filled/*/merged_1_1_*.npz")
    (part,) = output.glob(".filled/*/zee_1of1.npz")
    (bins,) = output.glob(".filled/*/bins.json")
    content = merged.read_bytes()
    for harm in (content[:-100], content[:5000] + bytes([content[5000] ^ 1]) + content[5001:], None):
        merged.unlink() if harm is None else merged.write_bytes(harm)
        result = call("merge", config, "--output", output)
        assert result.exit_code == 2
        assert f"{merged}: missing, altered or of another analysis" in result.output
        assert "make it with 'cascadebdt merge --level 1 --part 1'" in result.output
    part.write_bytes(part.read_bytes()[:-1])
    bins.write_text(bins.read_text().replace("0", "1"))
    result = call("apply", "--sample", "zee", "--part", 1, config, "--output", output)
    assert "no bins, or altered ones; choose them with 'cascadebdt apply --bins'" in result.output
    left = [node for node in planned(config, output) if node.category != "select"]
    assert [node.name for node in left] == ["bins", "fill_zee_1", "merge_1_1", "apply"]
    for node in left:
        done(*node.arguments, config, "--output", output)
    assert bits(output) == bits(automatic / "whole")


def test_parts_of_another_configuration_do_not_count(filled: tuple[Path, Path]) -> None:
    config, output = filled
    raw = json.loads(config.read_text())
    raw["luminosity_fb"] = 2.0
    config.write_text(json.dumps(raw))
    names = [node.name for node in planned(config, output)]
    assert {"train", "observe_zee_1", "bins", "fill_zee_1", "apply"} <= set(names)
    raw["luminosity_fb"] = 1.0
    raw["templates"] = {"shapes": "selection"}
    config.write_text(json.dumps(raw))
    result = call("merge", config, "--output", output)
    assert result.exit_code == 2
    assert "missing, altered or of another analysis; make it with" in result.output


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("apply", "--sample", "zea", "--part", 1), "unknown sample 'zea'; did you mean 'zee'?"),
        (("apply", "--sample", "zee", "--part", 3, "--of", 2), "--part: expected 1 to 2, got 3"),
        (("apply", "--part", 1), "--part and --sample go together"),
        (("apply", "--bins", "--part", 1, "--sample", "zee"), "--part and --bins go alone"),
        (("merge", "--level", 1), "--level and --part go together"),
        (("merge", "--level", 2, "--part", 1), "--level: expected 1 to 1, got 2"),
        (("merge", "--level", 1, "--part", 9), "--part: expected 1 to 2, got 9"),
    ],
)
def test_a_node_that_does_not_exist_is_an_error(
    automatic: Path, ntuples: Path, tmp_path: Path, arguments: tuple[object, ...], sentence: str
) -> None:
    config = write(tmp_path, ntuples, lambda raw: None, **ALL_FILES)
    result = call(*arguments, config, "--output", automatic / "trained")
    assert result.exit_code == 2
    assert sentence in result.output


def test_corrections_are_learnt_by_one_node_from_all_events(ntuples: Path, tmp_path: Path) -> None:
    correction = {"process": "zee", "from": "CR_zee", "variables": ["met"]}
    config = write(tmp_path, ntuples, lambda raw: raw.update(corrections=[correction]))
    assert [node.name for node in planned(config, tmp_path / "out")][-2:] == ["train", "apply"]
    result = call("apply", config, "--output", tmp_path / "out", "--sample", "zee", "--part", 1)
    assert result.exit_code == 2
    assert "corrections are learnt from all events at once; use 'cascadebdt apply' without parts" in result.output


def test_parts_filled_in_one_copy_of_a_folder_are_joined_in_another(ntuples: Path, tmp_path: Path) -> None:
    """As jobs without a shared file system do, each of which has a copy at a place of its own."""
    one, other = tmp_path / "one", tmp_path / "other"
    config = write_analysis(one, ntuples)
    done("train", config, "--output", one / "out")
    *parts, last = planned(config, one / "out")
    for node in parts:
        done(*node.arguments, config, "--output", one / "out")
    one.rename(other)
    done(*last.arguments, other / "configs" / "tiny.yaml", "--output", other / "out")
    assert (other / "out" / "yields.json").is_file()
