"""The real command line on real files: what it writes, what it says, and how it ends."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyhf
import pytest
import xgboost
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from tiny_analysis import tiny_config

Change = Callable[[dict[str, Any]], Any]
Write = Callable[[dict[str, Any]], Path]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def blind(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of a blind run of the tiny analysis."""
    return run(ntuples, tmp_path_factory.mktemp("blind"))


@pytest.fixture(scope="module")
def unblinded(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of an unblinded run of the tiny analysis."""
    return run(ntuples, tmp_path_factory.mktemp("unblinded"), "--unblind", "approved by nobody")


def run(ntuples: Path, folder: Path, *options: str, **ntuple_options: int) -> Path:
    raw = tiny_config()
    raw["ntuples"].update(ntuple_options)
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    (folder / "config.yaml").write_text(json.dumps(raw))
    result = call("run", folder / "config.yaml", "--output", folder / "out", *options)
    assert result.exit_code == 0, result.output
    return folder / "out"


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def test_a_run_writes_every_product_of_the_contract(blind: Path) -> None:
    expected = {"manifest", "cutflow", "yields", "histograms", "workspace", "fit", "limits", "summary"}
    expected |= {"migration", "treatment", "figures", "lint", "ranking", "scan", "breakdown", "predictions", "inputs"}
    assert {path.stem for path in blind.glob("*.json")} == expected
    assert {path.name for path in (blind / "cascade").iterdir()} == {"cascade.json", "zee", "wjets", "final"}
    assert {path.name for path in (blind / "cascade" / "zee").iterdir()} == {f"fold_{fold}.ubj" for fold in range(3)}
    assert (blind / "report.html").stat().st_size > 10_000
    plots = {path.stem for path in (blind / "plots").iterdir()}
    assert plots >= {"regions", "flow", "scores_zee", "scores_wjets"}
    assert {path.suffix for path in (blind / "plots").iterdir()} == {".png", ".pdf"}


def test_the_summary_has_the_form_of_the_contract(blind: Path) -> None:
    summary = read(blind, "summary")
    parts = ["analysis", "data", "events", "regions", "fit", "limit", "significance", "purity_matrix"]
    parts += ["floors", "resources"]
    assert list(summary) == parts
    assert summary["events"] == {"read": 11800, "selected": summary["events"]["selected"], "lost": 0}
    assert list(summary["regions"]) == ["CR_zee", "CR_wjets", "SR"]
    assert set(summary["regions"]["CR_zee"]) == {"yields", "purity", "data"}
    assert all(sum(shares.values()) == pytest.approx(1.0) for shares in summary["purity_matrix"].values())
    assert set(summary["fit"]["normalisation"]) == {"zee", "wjets"}
    assert len(summary["limit"]["expected"]) == 5
    assert summary["limit"]["expected"] == sorted(summary["limit"]["expected"])
    assert summary["resources"]["wall_s"] > 0


def test_nothing_of_the_signal_regions_data_is_kept_while_blind(blind: Path, unblinded: Path) -> None:
    summary, full = read(blind, "summary"), read(unblinded, "summary")
    assert full["regions"]["SR"]["data"] > 0
    assert summary["regions"]["SR"]["data"] is None
    assert (summary["limit"]["observed"], summary["significance"]["observed"]) == (None, None)
    assert read(blind, "yields")["SR"]["data"]["nominal"] == [0.0, 0.0]
    hidden = full["regions"]["SR"]["data"]
    assert summary["events"]["selected"] == full["events"]["selected"] - hidden
    data = [read(folder, "cutflow")["samples"]["data"]["entries"] for folder in (blind, unblinded)]
    assert data[0] == [data[1][0], *(entries - hidden for entries in data[1][1:])]


def test_unblinding_is_recorded_with_its_reason(blind: Path, unblinded: Path) -> None:
    assert read(blind, "manifest")["unblind"] is None
    assert read(unblinded, "manifest")["unblind"] == "approved by nobody"
    assert read(unblinded, "summary")["limit"]["observed"] is not None
    assert not read(unblinded, "summary")["fit"]["blind"]


def test_control_regions_and_cascade_do_not_depend_on_blinding(blind: Path, unblinded: Path) -> None:
    assert read(blind, "yields")["CR_zee"] == read(unblinded, "yields")["CR_zee"]
    assert (blind / "cascade" / "cascade.json").read_bytes() == (unblinded / "cascade" / "cascade.json").read_bytes()


def test_the_workspace_is_valid_and_opens_in_pyhf(blind: Path) -> None:
    workspace = pyhf.Workspace(read(blind, "workspace"))
    assert workspace.channels == ["CR_wjets", "CR_zee", "SR"]
    assert workspace.model().config.poi_name == "mu"


def test_runs_give_the_same_bits_for_any_chunk_size_and_jobs(blind: Path, ntuples: Path, tmp_path: Path) -> None:
    again = run(ntuples, tmp_path, "--jobs", "3", chunk_entries=377)
    names = ["yields.json", "histograms.json", "fit.json", "limits.json", "cutflow.json", "cascade/cascade.json"]
    names += [str(path.relative_to(blind)) for path in blind.rglob("*.ubj")]
    assert [name for name in names if (blind / name).read_bytes() != (again / name).read_bytes()] == []


def test_steps_one_by_one_give_the_products_of_a_run(blind: Path, tmp_path: Path) -> None:
    shutil.copy(blind.parent / "config.yaml", tmp_path)
    for step in ("train", "apply", "fit", "report"):
        result = call(step, tmp_path / "config.yaml", "--output", tmp_path / "out")
        assert result.exit_code == 0, result.output
    for path in blind.rglob("*"):
        if path.suffix in (".json", ".ubj", ".png") and path.name not in ("summary.json", "manifest.json"):
            assert (tmp_path / "out" / path.relative_to(blind)).read_bytes() == path.read_bytes(), path
    summary, expected = read(tmp_path / "out", "summary"), read(blind, "summary")
    assert {**summary, "resources": {}} == {**expected, "resources": {}}


def test_the_manifest_names_inputs_versions_and_configuration(blind: Path) -> None:
    manifest = read(blind, "manifest")
    assert [entry["entries"] for entry in manifest["files"]] == [1500, 1500, 2000, 2000, 2000, 2000, 800]
    assert set(manifest["versions"]) >= {"python", "xgboost", "pyhf", "numba"}
    assert manifest["config"]["analysis"] == "tiny"
    assert len(manifest["config_hash"]) == 64


def test_a_trained_cascade_names_the_version_of_xgboost_that_trained_it(blind: Path) -> None:
    assert read(blind, "cascade/cascade")["provenance"]["versions"]["xgboost"] == xgboost.__version__


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda raw: raw["samples"][1].update(files="nothing.root"), "nothing.root: no such file"),
        (lambda raw: raw["ntuples"].update(tree="Event"), "no tree 'Event'; did you mean 'Events'?"),
        (lambda raw: raw["features"].update(met="MET_ptt"), "did you mean 'MET_pt'?"),
        (lambda raw: raw["features"].update(met="photn[0].pt"), "did you mean 'photon'?"),
        (lambda raw: raw["objects"]["photon"].update({"from": "Photn"}), "did you mean"),
        (lambda raw: raw.update(regoins={}), "unknown key 'regoins'; did you mean 'regions'?"),
        (lambda raw: raw["selection"][0].update(cut="count(photon) >= = 1"), "selection[0]"),
        (
            lambda raw: raw["selection"].append({"name": "none", "cut": "MET_pt > 1e6"}),
            "process signal has 0 selected events",
        ),
        (
            lambda raw: raw["samples"][1].update(weight="genWeight * 0"),
            "stage 'zee': process zee has",
        ),
        (
            lambda raw: raw["ntuples"].pop("sum_of_weights"),
            "has a cross_section_pb but ntuples.sum_of_weights is not set",
        ),
        (lambda raw: raw["ntuples"].update(sum_of_weights="Runs:genSumw"), "did you mean 'genEventSumw'?"),
        (lambda raw: raw["systematics"][1].update(up="weight_upp"), "did you mean 'weight_up'?"),
        (lambda raw: raw["systematics"][2].update(up={"Photon_pt": "Photon_ptt * 2"}), "did you mean 'Photon_pt'?"),
        (
            lambda raw: raw["systematics"].append(
                {
                    "name": "generator",
                    "kind": "sample",
                    "process": "zee",
                    "files": "nothing.root",
                    "cross_section_pb": 1.0,
                }
            ),
            "nothing.root: no such file",
        ),
    ],
)
@pytest.mark.parametrize("command", ["check", "run"])
def test_bad_input_is_one_sentence_and_exit_code_2(
    write_config: Write, tmp_path: Path, command: str, change: Change, message: str
) -> None:
    raw = tiny_config()
    change(raw)
    result = call(command, write_config(raw), "--output", tmp_path / "out", "--quiet")
    assert result.exit_code == 2, result.output
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [b"", b"no ROOT file at all", None], ids=["empty", "text", "truncated"])
def test_a_damaged_file_is_found_before_any_training(
    write_config: Write, ntuples: Path, tmp_path: Path, content: bytes | None
) -> None:
    whole = (ntuples / "zee_0.root").read_bytes()
    (tmp_path / "bad.root").write_bytes(whole[: len(whole) // 2] if content is None else content)
    raw = tiny_config()
    raw["samples"][1]["files"] = str(tmp_path / "bad.root")
    result = call("check", write_config(raw), "--quiet")
    assert result.exit_code == 2
    assert "bad.root: not a readable ROOT file" in result.output or "bad.root: the file is damaged" in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_check_finds_no_fault_in_a_good_configuration(write_config: Write, tmp_path: Path) -> None:
    result = call("check", write_config(tiny_config()))
    assert result.exit_code == 0
    assert "no errors found" in result.output


def test_check_tells_the_effective_events_of_every_process_and_which_stages_have_too_few(write_config: Write) -> None:
    raw = tiny_config()
    raw["cascade"]["min_effective_events"] = 1e6
    result = call("check", write_config(raw))
    assert result.exit_code == 0
    assert "effective events before the first stage" in result.output
    for stage, process in (("zee", "zee"), ("wjets", "wjets"), ("wjets", "signal")):
        assert f"stage {stage} would train with at most" in result.output
        assert f"effective events of {process}, asked for 1e+06" in result.output


def test_a_step_without_its_input_names_the_command_that_makes_it(write_config: Write, tmp_path: Path) -> None:
    result = call("fit", write_config(tiny_config()), "--output", tmp_path / "empty")
    assert result.exit_code == 2
    assert "'train' has not been done; do it with 'cascadebdt train'" in result.output


def test_an_unblinded_fit_of_histograms_filled_blind_is_refused(blind: Path, tmp_path: Path) -> None:
    shutil.copytree(blind, tmp_path / "out")
    result = call("fit", blind.parent / "config.yaml", "--output", tmp_path / "out", "--unblind", "approved")
    assert result.exit_code == 2
    assert "unblind was null and is approved since 'apply'; do it with 'cascadebdt apply'" in result.output
    assert read(tmp_path / "out", "fit") == read(blind, "fit")


def test_unblinding_needs_a_reason(write_config: Write) -> None:
    result = call("run", write_config(tiny_config()), "--unblind", " ")
    assert result.exit_code == 2
    assert "give the reason for unblinding" in result.output


def test_a_quiet_run_says_nothing(write_config: Write, tmp_path: Path) -> None:
    result = call("check", write_config(tiny_config()), "--quiet")
    assert (result.exit_code, result.output) == (0, "")


@pytest.mark.parametrize("arguments", [["-c", "import cascadebdt"], ["-m", "cascadebdt", "--help"]])
def test_import_and_help_load_no_heavy_library(arguments: list[str]) -> None:
    heavy = "xgboost", "pyhf", "jax", "matplotlib", "uproot", "awkward", "numba", "scipy"
    code = "import sys, cascadebdt.cli; print([name for name in sys.argv[1:] if name in sys.modules])"
    loaded = subprocess.run([sys.executable, "-c", code, *heavy], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "[]"
    before = os.times()
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    assert cpu < 1.0, f"{cpu} s of CPU in {time.perf_counter() - start} s"


def test_fits_load_nothing_that_trains() -> None:
    code = (
        "import sys; from cascadebdt import pipeline; pipeline.fit, pipeline.fit_file; print('xgboost' in sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert loaded.strip() == "False"
