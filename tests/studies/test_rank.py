"""The ranking of features: the command on real files, and what its measures mean."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from click.testing import CliRunner, Result

from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.cli import main
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.products import Products
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.ranking import FeatureRanking
from cascadebdt.report.studies import answers
from cascadebdt.studies import stage_trials
from cascadebdt.studies.rank_importance import Scored, permutation, shap
from cascadebdt.studies.rank_stages import rank_stages
from cascadebdt.training.boosting import resolve_device
from cascadebdt.training.quality import roc_auc
from tiny_analysis import tiny_config, toy_cascade, toy_events


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def config_path(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny analysis with a feature that knows nothing."""
    raw = tiny_config()
    raw["features"]["photon_phi"] = "photon[0].phi"
    for stage in raw["cascade"]["stages"]:
        stage["features"].append("photon_phi")
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    path = tmp_path_factory.mktemp("rank") / "config.yaml"
    path.write_text(json.dumps(raw))
    return path


@pytest.fixture(scope="module")
def ranked(config_path: Path) -> tuple[Path, str]:
    """Folder of a ranking, and what the command said."""
    folder = config_path.parent / "out"
    result = call("rank", config_path, "--output", folder, "--jobs", 2)
    assert result.exit_code == 0, result.output
    return folder, result.stdout


def read(folder: Path) -> Any:
    return json.loads((folder / "rank.json").read_text())


def test_the_command_writes_the_ranking_its_figures_and_a_table(ranked: tuple[Path, str]) -> None:
    folder, said = ranked
    stages = read(folder)["stages"]
    assert list(stages) == ["zee", "wjets"]
    assert set(stages["zee"]["features"]) == {"met", "m_eg", "photon_phi", "photon_pt", "second_pt"}
    names = {path.name for path in (folder / "plots").iterdir()}
    figures = ("rank_features", "rank_sets", "rank_correlations_zee", "rank_correlations_wjets")
    assert names >= {f"{name}.{suffix}" for name in figures for suffix in ("png", "pdf")}
    assert "Stage wjets" in said
    assert "features suffice" in said


def test_a_feature_that_knows_nothing_is_ranked_low_and_left_out(ranked: tuple[Path, str]) -> None:
    zee = FeatureRanking.from_json(read(ranked[0])).stages["zee"]
    nothing, met = zee.features["photon_phi"], zee.features["met"]
    assert nothing.split is not None
    assert met.split is not None
    assert met.split.gain > 10 * nothing.split.gain
    assert met.separation > 3 * nothing.separation
    assert nothing.permutation is not None
    assert abs(nothing.permutation.value) < 4 * nothing.permutation.uncertainty + 0.003
    assert zee.proposal is not None
    assert "met" in zee.proposal.features
    assert "photon_phi" not in zee.proposal.features


def test_a_feature_that_a_stage_does_not_read_has_no_importance_there(ranked: tuple[Path, str]) -> None:
    features = read(ranked[0])["stages"]["zee"]["features"]
    assert features["second_pt"]["permutation"] is None
    assert features["second_pt"]["shap"] is None
    assert features["second_pt"]["split"] is not None


def test_the_report_shows_the_ranking_while_it_is_of_the_cascade_that_is_there(ranked: tuple[Path, str]) -> None:
    products = Products(ranked[0])
    (shown,) = answers(products, "another configuration with the same cascade")
    assert shown.title == "Ranking of features"
    assert len(shown.tables) == 2
    assert len(shown.pictures) == 4
    inventory = Inventory.read(products.directory)
    trained = replace(inventory.steps["train"], format=99)
    replace(inventory, steps={**inventory.steps, "train": trained}).write()
    assert answers(products, "another configuration with the same cascade") == ()
    inventory.write()


def test_status_tells_whether_the_ranking_is_of_what_is_there_now(
    ranked: tuple[Path, str], config_path: Path, tmp_path: Path
) -> None:
    assert ["current", "rank", "rank.json"] in map(str.split, call("status", ranked[0]).output.splitlines())
    raw = json.loads(config_path.read_text())
    raw["cascade"]["folds"] = 4
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(raw))
    lines = call("status", ranked[0], "--config", other).output.splitlines()
    told = [" ".join(line.split()) for line in lines]
    assert "changed rank rank.json: folds of cascade was 3 and is 4 since 'train'" in told
    assert any(line.startswith("changed rank_figures plots/rank_sets.png: folds of cascade") for line in told)


def test_other_labels_draw_its_figures_again_and_nothing_else(
    ranked: tuple[Path, str], config_path: Path, tmp_path: Path
) -> None:
    folder, result = tmp_path / "out", (ranked[0] / "rank.json").read_bytes()
    shutil.copytree(ranked[0], folder)
    raw = json.loads(config_path.read_text())
    raw["plots"] = {"labels": {"met": "Missing momentum"}}
    other = tmp_path / "other.yaml"
    other.write_text(json.dumps(raw))
    before = {path.name: path.read_bytes() for path in (folder / "plots").iterdir()}
    lines = call("status", folder, "--config", other).output.splitlines()
    assert any("plots/rank_features.png: met of labels is new since 'rank_figures'" in line for line in lines)
    assert call("rank", other, "--output", folder).exit_code == 0
    after = {path.name: path.read_bytes() for path in (folder / "plots").iterdir()}
    assert before["rank_features.png"] != after["rank_features.png"]
    assert before["rank_sets.png"] == after["rank_sets.png"]
    assert (folder / "rank.json").read_bytes() == result


def test_a_second_call_reads_what_is_there(ranked: tuple[Path, str], config_path: Path) -> None:
    folder, said = ranked
    before = (folder / "rank.json").stat().st_mtime_ns
    result = call("rank", config_path, "--output", folder)
    assert result.stdout == said
    assert (folder / "rank.json").stat().st_mtime_ns == before


def test_a_ranking_that_was_interrupted_takes_the_proposals_that_were_made(
    ranked: tuple[Path, str], config_path: Path
) -> None:
    folder = ranked[0]
    before = read(folder)
    (folder / "rank.json").unlink()
    kept, made = sorted((folder / ".rank").glob("*.json"))
    made.unlink()
    when = kept.stat().st_mtime_ns
    assert call("rank", config_path, "--output", folder, "--quiet").exit_code == 0
    assert read(folder) == before
    assert kept.stat().st_mtime_ns == when
    assert made.is_file()


def test_another_setting_makes_it_again(ranked: tuple[Path, str], config_path: Path) -> None:
    folder = ranked[0]
    before = read(folder)
    result = call("rank", config_path, "--output", folder, "--no-sets", "--quiet")
    assert result.exit_code == 0, result.output
    after = read(folder)
    assert "proposal" not in after["stages"]["zee"]
    assert after["stages"]["zee"]["features"] == before["stages"]["zee"]["features"]


@pytest.fixture(scope="module")
def toy() -> tuple[Events, Cascade]:
    events = toy_events()
    return events, training.train(events, toy_cascade(), seed=1)


@pytest.fixture(scope="module")
def trials(toy: tuple[Events, Cascade]) -> dict[str, stage_trials.StageTrials]:
    events, cascade = toy
    simulation = stage_trials.unseen_simulation(events, cascade)
    return stage_trials.of_stages(simulation, cascade, toy_cascade(), seed=1, device=resolve_device("cpu"))


def test_events_that_reach_a_stage_are_those_that_trained_it(toy: tuple[Events, Cascade]) -> None:
    events, cascade = toy
    simulation = stage_trials.unseen_simulation(events, cascade)
    for stage, mask in zip(cascade.stages, stage_trials.reaching(simulation, cascade), strict=True):
        reaching = mask & simulation.of_process("signal", *stage.classifier.against)
        counts = stage.classifier.summary.negative_weights
        assert counts is not None
        assert reaching.sum() == sum(count.events for count in counts.processes.values())


def test_the_fold_held_out_has_no_influence_on_what_chooses(
    toy: tuple[Events, Cascade], trials: dict[str, stage_trials.StageTrials]
) -> None:
    one = trials["zee"]
    held_out = one.context.folds == stage_trials.HELD_OUT
    columns = {name: np.where(held_out, column[::-1], column) for name, column in one.context.events.columns.items()}
    events = replace(one.context.events, columns=columns)
    other = replace(one, context=replace(one.context, events=events))
    fold = stage_trials.CHOOSING[0]
    in_fold = one.rows([fold])
    np.testing.assert_array_equal(
        one.train(one.problem, fold).scores[in_fold], other.train(one.problem, fold).scores[in_fold]
    )


def test_the_folds_of_a_study_are_independent_of_those_of_the_cascade(toy: tuple[Events, Cascade]) -> None:
    events, cascade = toy
    table = np.zeros((cascade.n_folds, stage_trials.N_FOLDS))
    of_cascade = (events.event_id % np.uint64(cascade.n_folds)).astype(int)
    np.add.at(table, (of_cascade, stage_trials.folds_of_study(events.event_id, cascade.n_folds)), 1)
    expected = len(events) / table.size
    assert np.abs(table - expected).max() < 5 * np.sqrt(expected)


def test_the_merit_of_scores_is_their_area_and_its_gain_over_itself_is_zero() -> None:
    rng = np.random.default_rng(0)
    scores, is_signal = rng.random(300).astype(np.float32), rng.random(300) < 0.5
    weights = np.where(rng.random(300) < 0.1, -1.0, 1.0)
    found = stage_trials.merit(scores, weights, is_signal, "auc")
    assert found.value == roc_auc(scores, weights, is_signal)
    gain = found.gain_over(found)
    assert (gain.value, gain.uncertainty) == (0.0, 0.0)


def test_the_uncertainty_of_a_gain_is_its_spread_over_samples() -> None:
    rng = np.random.default_rng(1)
    gains, uncertainties = [], []
    for _ in range(300):
        is_signal = np.arange(400) % 2 == 0
        first = rng.normal(is_signal, 1.0)
        second = first + rng.normal(0, 0.5, 400)
        good, bad = (
            stage_trials.merit(scores.astype(np.float32), np.ones(400), is_signal, "auc") for scores in (first, second)
        )
        gain = good.gain_over(bad)
        gains.append(gain.value)
        uncertainties.append(gain.uncertainty)
    assert np.mean(uncertainties) == pytest.approx(np.std(gains), rel=0.15)  # 300 samples: 4 %


def test_the_logarithmic_loss_is_the_mean_of_both_classes() -> None:
    scores = np.array([0.8, 0.5, 0.2, 0.1], np.float32)
    is_signal = np.array([True, True, False, False])
    found = stage_trials.merit(scores, np.array([1.0, 3.0, 2.0, 2.0]), is_signal, "log_loss")
    signal, background = -(np.log(0.8) + 3 * np.log(0.5)) / 4, -(np.log(0.8) + np.log(0.9)) / 2
    assert found.value == pytest.approx(-(signal + background) / 2, rel=1e-6)


@pytest.fixture(scope="module")
def stump() -> Scored:
    """One tree of one cut at 0 in x, and events of which nine tenths of each class are on their side."""
    x = np.tile(np.array([1, 1, 1, 1, 1, 1, 1, 1, 1, -1], np.float32), 40) * np.repeat([1, -1], 200).astype(np.float32)
    is_signal = np.arange(400) < 200
    columns = {"x": x, "z": np.random.default_rng(0).random(400).astype(np.float32)}
    data = xgb.DMatrix(np.stack(list(columns.values()), axis=1), label=is_signal, feature_names=["x", "z"])
    parameters = {"objective": "binary:logistic", "base_score": 0.5, "max_depth": 1, "reg_lambda": 0, "eta": 1}
    booster = xgb.train({**parameters, "nthread": 1}, data, 1)
    model, event_id = np.zeros(400, np.int64), np.arange(400, dtype=np.uint64)
    return Scored([booster], ("x", "z"), columns, model, np.ones(400), is_signal, event_id)


def test_the_importance_of_a_stump_is_what_theory_says(stump: Scored) -> None:
    lost, contributions = permutation(stump, n_repeats=20, seed=1), shap(stump)
    assert lost["x"].value == pytest.approx(0.9 - 0.5, abs=0.02)  # exchanged values decide nothing; 20 permutations
    assert contributions["x"] == pytest.approx(1.6, rel=1e-5)  # leaves of +-1.6: 2 (2 p - 1) with p = 0.9, base 0
    assert contributions["z"] == 0.0
    assert lost["z"].value == pytest.approx(0.0, abs=1e-12)  # a mean of equal numbers


def test_the_ranking_does_not_depend_on_the_number_of_jobs(toy: tuple[Events, Cascade], tiny: Config) -> None:
    config = tiny.model_copy(update={"cascade": toy_cascade()})
    alone, together = (rank_stages(*toy, config, jobs=jobs).to_json() for jobs in (1, 2))
    assert alone == together
