"""Runs in a folder, through the command line: what is done again, what is refused, and what is said of it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from cascadebdt.cli import main
from cascadebdt.config import document
from cascadebdt.plots import style
from tiny_analysis import tiny_config

Change = Callable[[dict[str, Any]], Any]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write(ntuples: Path, folder: Path, change: Change = lambda raw: None) -> Path:
    raw = tiny_config()
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    change(raw)
    path = folder / "config.yaml"
    path.write_text(document.write(raw))
    return path


@pytest.fixture(scope="module")
def finished(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the configuration of a run and its products in ``out``."""
    folder = tmp_path_factory.mktemp("finished")
    result = call("run", write(ntuples, folder), "--output", folder / "out", "--quiet")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_a_configuration_asks_for_pseudo_experiments_which_the_report_shows(folder: Path, ntuples: Path) -> None:
    config = write(ntuples, folder, lambda raw: raw["fit"].update(toys=20))
    result = call("run", config, "--output", folder / "out", "--jobs", 1)
    assert result.exit_code == 0, result.output
    toys = json.loads((folder / "out" / "toys.json").read_text())
    assert (toys["n"], toys["seed"], toys["limit"]["observed"]) == (20, 1, None)
    assert (folder / "out" / "plots" / "toys.png").exists()
    page = (folder / "out" / "report.html").read_text()
    assert f"{toys['goodness_of_fit']['value']:.3g} ±" in page
    assert f"expected {toys['limit']['expected'][2]:.3g}, 68 %" in page


def state(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return path -> time of the last change and content of every file."""
    paths = [path for path in (folder / "out").rglob("*") if path.is_file()]
    return {str(path.relative_to(folder / "out")): (path.stat().st_mtime_ns, path.read_bytes()) for path in paths}


def changed(before: Mapping[str, tuple[int, bytes]], now: Mapping[str, tuple[int, bytes]]) -> set[str]:
    """Return the files written anew, ignoring figures."""
    return {name for name in now if before.get(name) != now[name] and not name.startswith("plots/")}


def run(folder: Path, step: str = "run") -> Result:
    return call(step, folder / "config.yaml", "--output", folder / "out", "--quiet")


def test_a_second_run_touches_nothing(folder: Path) -> None:
    before = state(folder)
    assert run(folder).exit_code == 0
    assert state(folder) == before


def test_other_bins_fill_and_fit_anew_and_train_nothing(folder: Path, ntuples: Path) -> None:
    before = state(folder)
    write(ntuples, folder, lambda raw: raw["regions"]["control"].update(n_bins=2))
    assert run(folder).exit_code == 0
    written = changed(before, state(folder))
    assert {"histograms.json", "fit.json", "summary.json", "manifest.json", "report.html"} <= written
    assert not {name for name in written if name.startswith("cascade/")}


def test_another_threshold_of_the_last_stage_leaves_all_models_as_they_are(folder: Path, ntuples: Path) -> None:
    before = state(folder)
    write(ntuples, folder, lambda raw: raw["cascade"]["stages"][1].update(working_point={"signal_efficiency": 0.7}))
    assert run(folder).exit_code == 0
    now = state(folder)
    stages = [name for name in now if name.endswith(".ubj") and not name.startswith("cascade/final")]
    assert [now[name][1] for name in stages] == [before[name][1] for name in stages]
    assert now["yields.json"][1] != before["yields.json"][1]


@pytest.mark.parametrize(
    ("step", "change", "message"),
    [
        ("fit", lambda raw: raw.update(luminosity_fb=2.0), "luminosity_fb was 1.0 and is 2.0 since 'train'"),
        (
            "report",
            lambda raw: raw["samples"][1].update(cross_section_pb=3.0),
            "cross_section_pb of zee was 1.0 and is 3.0 since 'train'; do it with 'cascadebdt train'",
        ),
        (
            "fit",
            lambda raw: raw["regions"]["control"].update(n_bins=2),
            "n_bins of control was 3 and is 2 since 'apply'",
        ),
        (
            "apply",
            lambda raw: raw["ntuples"].update(event_id=["run", "event"]),
            'event_id of ntuples was ["run", "luminosityBlock", "event"] and is ["run", "event"] since \'train\'',
        ),
        ("apply", lambda raw: raw["samples"][1].update(name="zee_again"), "since 'train'"),
        ("report", lambda raw: raw["fit"].update(free=["zee"]), 'free of fit was ["zee", "wjets"] and is ["zee"]'),
    ],
)
def test_a_step_refuses_products_of_another_configuration(
    folder: Path, ntuples: Path, step: str, change: Change, message: str
) -> None:
    before = state(folder)
    write(ntuples, folder, change)
    result = run(folder, step)
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1
    assert state(folder) == before


@pytest.mark.parametrize("name", ["histograms.json", "cascade/zee/fold_1.ubj", "workspace.json", "cutflow.json"])
def test_an_altered_product_is_never_used_and_made_anew(folder: Path, name: str) -> None:
    before = state(folder)
    content = (folder / "out" / name).read_bytes()
    (folder / "out" / name).write_bytes(content[:-20] + content[-19:])
    refused = run(folder, "report")
    assert refused.exit_code == 2
    assert f"{name} was altered or only half written" in refused.output
    again = run(folder)
    assert again.exit_code == 0, again.output
    now = state(folder)
    assert {file for file in now if now[file][1] != before[file][1]} <= {"summary.json", "manifest.json", "report.html"}


def test_a_changed_input_file_is_named(folder: Path, ntuples: Path, tmp_path: Path) -> None:
    shutil.copytree(ntuples, tmp_path / "ntuples")
    write(tmp_path / "ntuples", folder)
    assert run(folder).exit_code == 0
    shutil.copy(ntuples / "zee_0.root", tmp_path / "ntuples" / "zee_1.root")
    refused = run(folder, "fit")
    assert refused.exit_code == 2
    assert "zee_1.root of zee was xxh3:" in refused.output


def test_status_lists_products_with_state_and_reason(folder: Path, ntuples: Path) -> None:
    (folder / "out" / "yields.json").write_text("{}")
    (folder / "out" / "scan.json").unlink()
    lines = call("status", folder / "out").output.splitlines()
    assert "current  train   cascade/cascade.json" in lines
    assert "altered  apply   yields.json: yields.json was altered or only half written" in lines
    assert "missing  fit     scan.json: scan.json is missing" in lines
    other = write(ntuples, folder, lambda raw: raw.update(luminosity_fb=2.0))
    lines = call("status", folder / "out", "--config", other).output.splitlines()
    assert "changed  fit     fit.json: luminosity_fb was 1.0 and is 2.0 since 'train'" in lines


def test_an_interrupted_training_goes_on_where_it_stopped(finished: Path, ntuples: Path, tmp_path: Path) -> None:
    config = write(ntuples, tmp_path)
    command = [sys.executable, "-m", "cascadebdt", "run", str(config), "--output", str(tmp_path / "out"), "--quiet"]
    with subprocess.Popen(command, env=dict(os.environ)) as process:
        while not list((tmp_path / "out" / ".training").glob("*/zee_fold_2.json")):
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / ".training").rglob("zee_*.ubj")}
    assert len(kept) == 3
    assert run(tmp_path).exit_code == 0
    assert not (tmp_path / "out" / ".training").exists()
    now, expected = state(tmp_path), state(finished)
    names = [
        name for name in expected if name.endswith((".ubj", ".json")) and name not in ("summary.json", "manifest.json")
    ]
    assert [name for name in names if now[name][1] != expected[name][1]] == []


def test_a_run_over_another_one_in_the_same_folder_is_refused(folder: Path) -> None:
    code = "import sys, time; from pathlib import Path; from cascadebdt.products.lock import locked\n"
    code += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"
    command = [sys.executable, "-c", code, str(folder / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        refused = run(folder)
        process.kill()
    assert refused.exit_code == 2
    assert f"process {process.pid} on" in refused.output


def test_the_manifest_holds_key_and_hash_of_every_product(finished: Path) -> None:
    manifest = json.loads((finished / "out" / "manifest.json").read_text())
    present = {
        path.relative_to(finished / "out").as_posix() for path in (finished / "out").rglob("*") if path.is_file()
    }
    assert set(manifest["products"]) == present - {"manifest.json"}
    assert all(len(made["key"]) == len(made["sha256"]) == 64 for made in manifest["products"].values())


def test_what_a_configuration_asks_of_figures_reaches_them_and_only_the_report_is_done_again(
    folder: Path, ntuples: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wishes = {
        "style": "atlas",
        "experiment": "ATLAS",
        "sqrt_s_tev": 13,
        "labels": {"zee": "Z → ee"},
        "colours": {"zee": "#123456"},
    }
    config = write(ntuples, folder, lambda raw: raw.update(plots=wishes))
    figures: dict[str, Figure] = {}
    save = style.save

    def recorded(figure: Figure, path: Path) -> tuple[Path, Path]:
        figures[path.name] = figure
        return save(figure, path)

    monkeypatch.setattr(style, "save", recorded)
    before = {path: path.stat().st_mtime_ns for path in (folder / "out").glob("*.json")}
    result = call("run", config, "--output", folder / "out")
    assert result.exit_code == 0, result.output
    changed = [path.name for path, time_of in before.items() if path.stat().st_mtime_ns != time_of]
    assert set(changed) <= {"figures.json", "manifest.json"}
    for figure in figures.values():
        words = {text.get_text() for text in figure.findobj(Text)}
        assert {"ATLAS", "√s = 13 TeV, 1 fb⁻¹"} <= words
    assert {"Z → ee"} <= {text.get_text() for text in figures["regions"].legends[0].get_texts()}
    fill = next(patch for patch in figures["region_SR"].axes[0].patches if patch.get_label() == "Z → ee")
    assert to_hex(fill.get_facecolor()) == "#123456"
