"""Bad input to training through the real command line: one sentence, or a stage that everything passes if asked."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from tiny_analysis import tiny_config, write_ntuple

Write = Callable[[dict[str, Any]], Path]


def call(command: str, config: Path, output: Path) -> Result:
    return CliRunner().invoke(main, [command, str(config), "--output", str(output)])


@pytest.fixture
def scarce(write_config: Write, tmp_path: Path) -> Callable[[str], Path]:
    """Return a function that writes a configuration with little simulation of one background."""

    def write(too_few_events: str) -> Path:
        raw = tiny_config()
        raw["samples"][2]["files"] = str(write_ntuple(tmp_path / "wjets.root", "wjets", 120, 5))
        raw["cascade"] |= {"too_few_events": too_few_events, "min_effective_events": 100}
        raw |= {"systematics": [], "fit": {"free": ["zee"]}}
        return write_config(raw)

    return write


def test_too_few_events_end_training_in_one_sentence(scarce: Callable[[str], Path], tmp_path: Path) -> None:
    result = call("train", scarce("error"), tmp_path / "out")
    assert result.exit_code == 2
    assert "cascadebdt: stage 'wjets': process wjets has" in result.output.splitlines()[-1]


def test_a_stage_without_events_is_passed_by_all_down_to_the_limit(
    scarce: Callable[[str], Path], tmp_path: Path
) -> None:
    path = scarce("pass")
    result = call("run", path, tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "Stage wjets was not trained and passes everything" in (tmp_path / "out" / "report.html").read_text()
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert set(summary["regions"]) == {"CR_zee", "SR"}
    assert summary["limit"]["expected"][2] > 0
    files = ["apply", str(path), "--output", str(tmp_path / "out"), "--files", str(tmp_path / "wjets.root")]
    assert CliRunner().invoke(main, files).exit_code == 0
    streamed = json.loads((tmp_path / "out" / "applied" / "yields.json").read_text())
    assert set(streamed) == {"CR_zee", "SR"}


def test_a_feature_that_never_varies_is_named_by_check_and_left_out_by_train(
    write_config: Write, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    raw = tiny_config()
    raw["features"]["second_pt"] = "photon[40].pt"
    path = write_config(raw)
    checked = CliRunner().invoke(main, ["check", str(path)])
    assert checked.exit_code == 0, checked.output
    assert "warning: stage wjets: feature second_pt has one value in all selected events" in checked.output
    trained = call("train", path, tmp_path / "out")
    assert trained.exit_code == 0, trained.output
    assert "stage 'wjets': left out second_pt, which has one value in all" in caplog.text
