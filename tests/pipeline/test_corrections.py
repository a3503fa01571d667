"""Corrections in a run: their product, their parameters in the fit, and what is done anew when they change."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from cascadebdt.config import document
from tiny_analysis import tiny_config

CORRECTION = {"process": "zee", "from": "CR_zee", "variables": ["met"], "n_bins": 3}


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write(ntuples: Path, folder: Path, corrections: list[dict[str, Any]]) -> Path:
    raw = tiny_config()
    raw["corrections"] = corrections
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    path = folder / "config.yaml"
    path.write_text(document.write(raw))
    return path


@pytest.fixture(scope="module")
def corrected(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration of a run with a correction, and its products in ``out``."""
    folder = tmp_path_factory.mktemp("corrected")
    result = call("run", write(ntuples, folder, [CORRECTION]), "--output", folder / "out", "--quiet")
    assert result.exit_code == 0, result.output
    return folder


def test_the_uncertainties_of_a_correction_are_nuisance_parameters_of_the_fit(corrected: Path) -> None:
    learnt = json.loads((corrected / "out" / "corrections.json").read_text())["zee"]
    parameters = json.loads((corrected / "out" / "fit.json").read_text())["parameters"]
    own = [name for name in parameters if name.startswith("correction_zee_")]
    assert len(own) == len(learnt["directions"]) + 2


def test_the_corrections_are_a_product_with_a_key(corrected: Path) -> None:
    products = json.loads((corrected / "out" / "manifest.json").read_text())["products"]
    assert products["corrections.json"]["key"] == products["histograms.json"]["key"]


def test_the_report_shows_a_correction_before_and_after(corrected: Path) -> None:
    assert "Corrections from purified data" in (corrected / "out" / "report.html").read_text()
    assert (corrected / "out" / "plots" / "correction_zee.png").is_file()


def test_chosen_files_are_weighted_as_the_whole_analysis_is(corrected: Path, ntuples: Path) -> None:
    files = [argument for name in ("zee_0", "zee_1") for argument in ("--files", ntuples / f"{name}.root")]
    result = call("apply", corrected / "config.yaml", *files, "--output", corrected / "out", "--quiet")
    assert result.exit_code == 0, result.output
    whole, part = (json.loads((corrected / "out" / name / "yields.json").read_text()) for name in ("", "applied"))
    for region, content in whole.items():
        for variation, found in content["zee"].items():
            assert part[region]["zee"][variation] == pytest.approx(found, rel=1e-9)


def test_without_the_correction_regions_are_filled_anew_and_its_product_goes(
    corrected: Path, ntuples: Path, tmp_path: Path
) -> None:
    before = json.loads((corrected / "out" / "yields.json").read_text())
    config = write(ntuples, tmp_path, [])
    folder = tmp_path / "out"
    shutil.copytree(corrected / "out", folder)
    assert call("run", config, "--output", folder, "--quiet").exit_code == 0
    assert not (folder / "corrections.json").exists()
    assert json.loads((folder / "yields.json").read_text())["SR"]["zee"] != before["SR"]["zee"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"from": "SR"}, "unknown control region 'SR'"),
        ({"process": "signal"}, "unknown background process 'signal'"),
        ({"variables": ["mett"]}, "unknown feature 'mett'; did you mean 'met'?"),
    ],
)
def test_a_correction_from_anything_but_a_control_region_of_backgrounds_is_refused(
    ntuples: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    result = call("check", write(ntuples, tmp_path, [{**CORRECTION, **change}]))
    assert result.exit_code == 2
    assert message in result.output
