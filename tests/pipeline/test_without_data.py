"""Analyses without data, through the command line: the nominal expectation, or simulation, stands for them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from cascadebdt.config import document
from tiny_analysis import SAMPLES, tiny_config, write_ntuple

Change = Callable[[dict[str, Any]], Any]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write(ntuples: Path, folder: Path, change: Change = lambda raw: None) -> Path:
    """Write the tiny analysis with one stage and no systematics; `change` changes it."""
    raw = tiny_config()
    raw["systematics"], raw["fit"]["free"] = [], ["zee"]
    raw["cascade"]["stages"] = raw["cascade"]["stages"][:1]
    raw["cascade"]["bdt"]["n_estimators"] = 8
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    change(raw)
    path = folder / "config.yaml"
    path.write_text(document.write(raw))
    return path


def without_data(raw: dict[str, Any]) -> None:
    raw["samples"] = [sample for sample in raw["samples"] if sample["process"] != "data"]


@pytest.fixture(scope="module")
def stages(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What every command says, and what the report draws, as the steps of an analysis without data are done."""
    folder = tmp_path_factory.mktemp("no_data")
    config, output = write(ntuples, folder, without_data), folder / "out"
    pages, said = {}, {}
    for step in ("train", "apply", "fit"):
        said[step] = call(step, config, "--output", output)
        said[f"report {step}"] = call("report", config, "--output", output, "--quiet")
        pages[step] = (output / "report.html").read_text(), {path.stem for path in (output / "plots").glob("*.png")}
    for result in said.values():
        assert result.exit_code == 0, result.output
    return {"config": config, "output": output, "pages": pages, "said": said}


def test_after_the_training_alone_the_report_draws_how_the_stages_were_trained(stages: dict[str, Any]) -> None:
    page, figures = stages["pages"]["train"]
    assert figures == {"quality_zee", "quality_final"}
    assert "There is no result yet:" in page
    assert "&#39;apply&#39; has not been done" in page


def test_before_the_fit_the_report_draws_scores_flow_and_regions(stages: dict[str, Any]) -> None:
    page, figures = stages["pages"]["apply"]
    assert {"flow", "scores_zee", "scores_final", "regions_before_fit", "region_SR"} <= figures
    assert "Asimov data" in page


def test_without_data_the_fit_finds_what_is_expected_and_says_so(stages: dict[str, Any]) -> None:
    summary = json.loads((stages["output"] / "summary.json").read_text())
    assert summary["data"] == "asimov"
    assert summary["fit"]["normalisation"]["zee"][0] == pytest.approx(1.0, abs=1e-3)
    assert summary["limit"]["expected"][2] > 0
    assert summary["limit"]["observed"] is None
    assert {region["data"] for region in summary["regions"].values()} == {None}
    assert "Asimov" in stages["said"]["fit"].output
    assert "There are no data: the nominal expectation" in stages["pages"]["fit"][0]


def test_the_workspace_says_that_its_observation_is_an_expectation(stages: dict[str, Any]) -> None:
    workspace = json.loads((stages["output"] / "workspace.json").read_text())
    (measurement,) = workspace["measurements"]
    assert measurement["name"] == "tiny_asimov"
    (observation,) = [item for item in workspace["observations"] if item["name"] == "CR_zee"]
    (channel,) = [item for item in workspace["channels"] if item["name"] == "CR_zee"]
    background = [sample["data"] for sample in channel["samples"] if sample["name"] != "signal"]
    assert observation["data"] == pytest.approx(np.sum(background, axis=0))


@pytest.mark.parametrize("options", [[], ["--unblind", "nothing to hide"], ["--asimov"]])
def test_a_run_without_data_is_done_whether_blind_or_not(stages: dict[str, Any], options: list[str]) -> None:
    assert call("run", stages["config"], "--output", stages["output"], "--quiet", *options).exit_code == 0
    status = call("status", stages["output"])
    assert status.exit_code == 0, (status.output, status.exception)
    states = status.output.splitlines()
    assert {line.split()[0] for line in states} == {"current"}


def test_asimov_reads_no_data_and_what_it_trained_serves_the_data(
    stages: dict[str, Any], ntuples: Path, tmp_path: Path
) -> None:
    def broken(raw: dict[str, Any]) -> None:
        raw["samples"][-1]["files"] = str(tmp_path / "nowhere.root")

    output = stages["output"]
    result = call("fit", "--asimov", write(ntuples, tmp_path, broken), "--output", output)
    assert result.exit_code == 0, result.output
    config = write(ntuples, tmp_path)
    before = (output / "cascade" / "cascade.json").stat().st_mtime_ns
    assert call("train", config, "--output", output, "--quiet").exit_code == 0
    assert (output / "cascade" / "cascade.json").stat().st_mtime_ns == before


@pytest.fixture(scope="module")
def pseudo_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Simulation that is in no sample, of both backgrounds with the same event numbers."""
    folder = tmp_path_factory.mktemp("pseudo_data")
    for index, process in enumerate(["zee", "wjets"]):
        write_ntuple(folder / f"pseudo_{process}.root", process, 1500, 70 + index)
    return folder


def test_weighted_simulation_stands_for_data_and_the_results_say_so(
    ntuples: Path, pseudo_data: Path, tmp_path: Path
) -> None:
    def change(raw: dict[str, Any]) -> None:
        without_data(raw)
        for process in ("zee", "wjets"):
            raw["samples"].append(
                {
                    "name": f"pseudo_{process}",
                    "process": "data",
                    "simulated": True,
                    "files": str(pseudo_data / f"pseudo_{process}.root"),
                    "cross_section_pb": SAMPLES[process][-1],
                }
            )

    config = write(ntuples, tmp_path, change)
    for step in ("train", "apply", "fit"):
        result = call(step, config, "--output", tmp_path / "out", "--quiet")
        assert result.exit_code == 0, result.output
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["data"] == "simulation"
    assert summary["fit"]["normalisation"]["zee"][0] == pytest.approx(1.0, abs=0.35)
    assert "simulation stands for them" in call("check", config).output


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["samples"][0].update(simulated=True), "simulated goes with the process data"),
        (lambda raw: raw["samples"][-1].update(cross_section_pb=1.0), "data have no cross_section_pb and no weight"),
        (
            lambda raw: raw["samples"].append({**raw["samples"][-1], "name": "more", "simulated": True}),
            "'data' and 'more' mix recorded data and simulation",
        ),
        (
            lambda raw: raw["samples"].__setitem__(
                3, {**raw["samples"][1], "name": "data", "process": "data", "simulated": True}
            ),
            "without a sample of data, the expectation stands for them",
        ),
    ],
)
def test_what_cannot_stand_for_data_is_refused(ntuples: Path, tmp_path: Path, change: Change, message: str) -> None:
    result = call("check", write(ntuples, tmp_path, change))
    assert result.exit_code == 2
    assert message in result.output
