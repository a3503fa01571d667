"""Tuning of hyperparameters: the command on real files, its storage, and what it claims."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.cli import main
from cascadebdt.config import BDTConfig
from cascadebdt.products.tuning import StageTuning
from cascadebdt.studies import stage_trials, tune_space, tune_stage
from cascadebdt.studies.stage_trials import StageTrials
from cascadebdt.studies.tune_stage import Settings
from studies.toy_study import toy_study
from tiny_analysis import tiny_config, toy_cascade, toy_events

SETTINGS = Settings(n_trials=4, objective="auc", sampler="tpe", pruning=False, seed=1)


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def config_path(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny analysis with trees that learn next to nothing, so that tuning has something to gain."""
    raw = tiny_config()
    raw["cascade"]["bdt"] |= {"n_estimators": 12, "max_depth": 1, "learning_rate": 0.01}
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    path = tmp_path_factory.mktemp("tune") / "config.yaml"
    path.write_text(json.dumps(raw))
    return path


@pytest.fixture(scope="module")
def tuned(config_path: Path) -> tuple[Path, str]:
    """Folder of a study of three trials, and what the command said."""
    folder = config_path.parent / "out"
    result = call("tune", config_path, "--output", folder, "--trials", 3, "--jobs", 2)
    assert result.exit_code == 0, result.output
    return folder, result.stdout


def read(folder: Path) -> Any:
    return json.loads((folder / "tune.json").read_text())


def test_the_command_finds_better_hyperparameters_and_says_what_a_fold_held_out_finds(tuned: tuple[Path, str]) -> None:
    folder, said = tuned
    stages = read(folder)["stages"]
    assert list(stages) == ["zee", "wjets"]
    for stage in stages.values():
        assert len(stage["trials"]) == 3
        assert stage["is_changed"]
        assert stage["claimed"]["value"] > 5 * stage["claimed"]["uncertainty"]
        assert stage["held_out"]["value"] > 2 * stage["held_out"]["uncertainty"]
        assert stage["optimism"]["value"] == pytest.approx(stage["claimed"]["value"] - stage["held_out"]["value"])
    assert "gain held out" in said
    assert {path.name for path in (folder / "plots").glob("tune.*")} == {"tune.png", "tune.pdf"}


def test_the_best_trial_has_the_merit_that_it_claims(tuned: tuple[Path, str]) -> None:
    for stage in read(tuned[0])["stages"].values():
        assert stage["best"]["value"] == pytest.approx(max(trial["merit"] for trial in stage["trials"]), abs=1e-12)


def test_run_takes_the_configuration_that_is_written(tuned: tuple[Path, str]) -> None:
    folder, _ = tuned
    written = configuration.load(folder / "tuned.yaml")
    stages = read(folder)["stages"]
    for stage in written.cascade.stages:
        assert stage.bdt == BDTConfig.model_validate(stages[stage.name]["hyperparameters"])
    result = call("train", folder / "tuned.yaml", "--output", folder.parent / "again", "--quiet")
    assert result.exit_code == 0, result.output


def test_more_trials_go_on_with_those_that_are_there(tuned: tuple[Path, str], config_path: Path) -> None:
    folder = tuned[0]
    before = read(folder)["stages"]["zee"]["trials"]
    assert call("tune", config_path, "--output", folder, "--trials", 4, "--quiet").exit_code == 0
    after = read(folder)["stages"]["zee"]["trials"]
    assert len(after) == 4
    assert after[:3] == before


def test_stages_tuned_by_commands_of_their_own_are_those_of_one_command(
    tuned: tuple[Path, str], config_path: Path, tmp_path: Path
) -> None:
    shutil.copytree(tuned[0] / "cascade", tmp_path / "cascade")
    shutil.copy(tuned[0] / "manifest.json", tmp_path)
    asked = (config_path, "--output", tmp_path, "--trials", 4, "--quiet", "--jobs", 1)
    for stage in ("wjets", "zee"):
        result = call("tune", *asked, "--stage", stage)
        assert result.exit_code == 0, result.output
    journals = {path: path.stat().st_mtime_ns for path in (tmp_path / ".tune").glob("*.journal")}
    assert call("tune", *asked).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in journals} == journals
    assert read(tmp_path)["stages"] == read(tuned[0])["stages"]


def test_a_stage_that_does_not_exist_is_one_sentence(config_path: Path, tmp_path: Path) -> None:
    result = call("tune", config_path, "--output", tmp_path, "--stage", "zea")
    assert result.exit_code == 2
    assert "--stage: unknown stage 'zea'; did you mean 'zee'?" in result.stderr


def test_an_objective_that_does_not_exist_is_one_sentence(tuned: tuple[Path, str], config_path: Path) -> None:
    # The trees of this configuration learn next to nothing, so that there are no bins with enough events.
    result = call("tune", config_path, "--output", tuned[0], "--trials", 1, "--objective", "sigma_mu")
    assert result.exit_code == 2
    assert "'sigma_mu' does not exist with the configured hyperparameters" in result.stderr


def test_the_uncertainty_of_the_signal_strength_can_be_the_objective(tmp_path: Path) -> None:
    toy = toy_study("stage", n_events=4000)
    simulation = stage_trials.unseen_simulation(toy.scores.events, toy.cascade)
    trials = stage_trials.of_stages(simulation, toy.cascade, toy.config.cascade, seed=1, device="cpu")
    judged = stage_trials.with_sensitivity(trials, toy.scores.events, toy.cascade, toy.config)["wjets"]
    settings = replace(SETTINGS, n_trials=2, objective="sigma_mu")
    result = tune_stage.tune(judged, settings, tune_stage.storage_at(tmp_path / "journal"), "wjets")
    assert result.default.value < 0
    assert 0 < result.claimed.uncertainty < result.default.uncertainty  # the same events judge both
    assert result.best.value == max(trial.merit for trial in result.trials)


def test_a_damaged_file_of_trials_is_one_sentence(tuned: tuple[Path, str], config_path: Path, tmp_path: Path) -> None:
    journal = tmp_path / ".tune" / "zee.journal"
    journal.parent.mkdir()
    journal.write_bytes(b'{"op_code": 0, "wor\nnothing\n')
    result = call("tune", config_path, "--output", tmp_path)
    assert result.exit_code == 2
    assert "the trials cannot be read" in result.stderr


def test_a_missing_optuna_is_one_sentence_with_the_cure(
    config_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    result = call("tune", config_path, "--output", tmp_path)
    assert result.exit_code == 2
    assert "pip install 'cascadebdt[studies]'" in result.stderr


@pytest.fixture(scope="module")
def trials() -> StageTrials:
    events, config = toy_events(3000), toy_cascade()
    cascade = training.train(events, config, seed=1)
    simulation = stage_trials.unseen_simulation(events, cascade)
    return stage_trials.of_stages(simulation, cascade, config, seed=1, device="cpu")["zee"]


@pytest.fixture(scope="module")
def whole(trials: StageTrials, tmp_path_factory: pytest.TempPathFactory) -> StageTuning:
    storage = tune_stage.storage_at(tmp_path_factory.mktemp("whole") / "journal")
    return tune_stage.tune(trials, SETTINGS, storage, "zee")


def test_an_interrupted_study_ends_as_if_it_had_not_been(
    trials: StageTrials, whole: StageTuning, tmp_path: Path
) -> None:
    first = tune_stage.storage_at(tmp_path / "journal")
    tune_stage.tune(trials, replace(SETTINGS, n_trials=2), first, "zee")
    import optuna

    optuna.load_study(study_name="zee", storage=first).ask()  # a trial that is never told
    again = tune_stage.tune(trials, SETTINGS, tune_stage.storage_at(tmp_path / "journal"), "zee")
    assert again.to_json() == whole.to_json()


def test_pruned_trials_are_told_and_never_the_best(trials: StageTrials, tmp_path: Path) -> None:
    storage = tune_stage.storage_at(tmp_path / "journal")
    settings = replace(SETTINGS, n_trials=12, sampler="random", pruning=True)
    result = tune_stage.tune(trials, settings, storage, "zee")
    pruned = [trial.is_pruned for trial in result.trials]
    assert any(pruned)
    assert not any(pruned[: tune_stage.N_BEFORE_PRUNING])


def test_the_grid_is_gone_through_once(trials: StageTrials, tmp_path: Path) -> None:
    result = tune_stage.tune(
        trials, replace(SETTINGS, n_trials=6, sampler="grid"), tune_stage.storage_at(tmp_path / "journal"), "zee"
    )
    drawn = [tuple(trial.values.items()) for trial in result.trials]
    assert len(set(drawn)) == 6
    assert all(value in tune_space.GRID[name] for trial in result.trials for name, value in trial.values.items())


def test_the_configuration_stays_where_nothing_is_gained(trials: StageTrials, tmp_path: Path) -> None:
    settings = replace(SETTINGS, n_trials=1, objective="log_loss")
    result = tune_stage.tune(trials, settings, tune_stage.storage_at(tmp_path / "journal"), "zee")
    gained = result.claimed.value > result.claimed.uncertainty
    assert result.is_changed == gained
    assert (result.hyperparameters == trials.problem.bdt.model_dump()) == (not gained)
    assert result.default.value < 0  # less the loss
