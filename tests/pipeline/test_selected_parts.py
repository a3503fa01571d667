"""Events that other processes have selected, file by file, are those that one process selects; they are used."""

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from cascadebdt.products import sealed
from tiny_analysis import tiny_config

Write = Callable[[dict[str, Any]], Path]
PRODUCTS = ("yields", "histograms", "migration", "cutflow", "manifest")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def done(*arguments: object) -> None:
    result = call(*arguments, "--jobs", 1, "--quiet")
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def selected(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a configuration and products: everything was selected, two parts of the samples of two files."""
    raw = tiny_config()
    generator = {
        "name": "generator",
        "kind": "sample",
        "process": "zee",
        "files": "zee_0.root",
        "cross_section_pb": 1.1,
    }
    raw["systematics"].append(generator)
    for sample in (*raw["samples"], generator):
        sample["files"] = str(ntuples / sample["files"])
    folder = tmp_path_factory.mktemp("selected")
    config = folder / "config.yaml"
    config.write_text(json.dumps(raw))
    for sample in ("signal", "zee", "wjets"):
        for part in (2, 1):
            done("select", config, "--output", folder / "out", "--sample", sample, "--part", part, "--of", 2)
    for sample in ("data", "generator"):
        done("select", config, "--output", folder / "out", "--sample", sample)
    return folder


def files(output: Path) -> list[Path]:
    return sorted((output / ".selected").glob("*/*.npz"))


@pytest.mark.parametrize("memory", ["ram", "disk"])
def test_selected_parts_give_the_bits_of_one_selection(selected: Path, tmp_path: Path, memory: str) -> None:
    raw = json.loads((selected / "config.yaml").read_text())
    raw["cascade"]["memory"] = memory
    config, output, whole = tmp_path / "config.yaml", tmp_path / "out", tmp_path / "whole"
    config.write_text(json.dumps(raw))
    shutil.copytree(selected / "out", output)
    assert files(output)
    for folder in (output, whole):
        done("train", config, "--output", folder)
        done("apply", config, "--output", folder)
    assert not files(output)
    for name in PRODUCTS:
        assert json.loads((output / f"{name}.json").read_text()) == json.loads((whole / f"{name}.json").read_text())


def test_a_part_is_used_unless_it_is_damaged(write_config: Write, tmp_path: Path) -> None:
    config, output = write_config(tiny_config()), tmp_path / "out"
    done("train", config, "--output", output)

    def yield_of_zee() -> float:
        done("apply", config, "--output", output)
        yields = json.loads((output / "yields.json").read_text())
        return float(sum(region["zee"]["nominal"][0] for region in yields.values()))

    def select_zee() -> list[Path]:
        done("select", config, "--output", output, "--sample", "zee")
        return files(output)

    expected = yield_of_zee()
    for path in select_zee():
        arrays = dict(np.load(io.BytesIO(path.read_bytes()[32:])))
        sealed.write_arrays(path, {**arrays, "nominal/weights/nominal": 2 * arrays["nominal/weights/nominal"]})
    assert yield_of_zee() == pytest.approx(2 * expected)
    for kept in (slice(0, -100), slice(1, None)):
        for path in select_zee():
            path.write_bytes(path.read_bytes()[kept])
        assert yield_of_zee() == expected


def test_rows_of_another_normalisation_than_their_account_are_not_used(write_config: Write, tmp_path: Path) -> None:
    """As a process leaves them that is killed between the two writes, after a file that was skipped is back."""
    config, output = write_config(tiny_config()), tmp_path / "out"
    done("train", config, "--output", output)
    done("apply", config, "--output", output)
    expected = (output / "yields.json").read_bytes()
    (output / "yields.json").unlink()
    done("select", config, "--output", output, "--sample", "zee")
    for path in files(output):
        arrays = dict(np.load(io.BytesIO(path.read_bytes()[32:])))
        doubled = {"scale": 2 * arrays["scale"], "nominal/weights/nominal": 2 * arrays["nominal/weights/nominal"]}
        sealed.write_arrays(path, {**arrays, **doubled})
    done("apply", config, "--output", output)
    assert (output / "yields.json").read_bytes() == expected


def test_what_is_not_there_cannot_be_selected(write_config: Write, tmp_path: Path) -> None:
    config = write_config(tiny_config())
    for arguments, sentence in (
        (("--sample", "zea"), "unknown sample 'zea'; did you mean 'zee'?"),
        (("--sample", "zee", "--part", 3, "--of", 2), "--part: expected 1 to 2, got 3"),
    ):
        result = call("select", config, "--output", tmp_path / "out", *arguments)
        assert result.exit_code == 2
        assert sentence in result.output
