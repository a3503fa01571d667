"""The sorter: which control region a rejected event goes to."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from cascadebdt import training
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import CascadeConfig, RegionsConfig
from cascadebdt.errors import InputError, TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.histograms import contents, yields
from tiny_analysis import toy_cascade, toy_events

SORTED = {"assign": "sorter", "bdt": {"n_estimators": 15, "max_depth": 3, "learning_rate": 0.3}}


def config(**changes: Any) -> CascadeConfig:
    return toy_cascade(**{"control": SORTED, "folds": 4, **changes})


def stage(name: str, working_point: dict[str, float]) -> dict[str, Any]:
    return {"name": name, "against": name, "features": ["x", "y"], "working_point": working_point}


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events()


@pytest.fixture(scope="module")
def trained(events: Events) -> Cascade:
    return training.train(events, config())


@pytest.fixture(scope="module")
def scores(trained: Cascade, events: Events) -> Scores:
    return trained.score(events, unblind=True)


def test_the_sorter_moves_events_between_control_regions_alone(
    trained: Cascade, events: Events, scores: Scores
) -> None:
    by_stage = replace(trained, sorter=None).score(events, unblind=True)
    np.testing.assert_array_equal(scores.region == 2, by_stage.region == 2)
    assert (scores.region != by_stage.region).any()


def test_a_rejected_event_goes_to_its_most_probable_background_by_a_model_that_never_saw_it(
    trained: Cascade, events: Events, scores: Scores
) -> None:
    assert trained.sorter is not None
    rejected = scores.region < 2
    table = np.column_stack([events.columns[name] for name in trained.sorter.features])
    folds = fold_of(events.event_id, 4)
    for fold, booster in enumerate(trained.sorter.boosters):
        rows = rejected & (folds == fold)
        expected = booster.predict(xgb.DMatrix(table[rows], feature_names=list(trained.sorter.features)))
        np.testing.assert_array_equal(scores.region[rows], expected.argmax(axis=1))
        assert scores.sorted_as is not None
        np.testing.assert_allclose(scores.sorted_as[rows], expected.max(axis=1), rtol=1e-5)


def test_sorted_regions_are_purer(trained: Cascade, events: Events, scores: Scores) -> None:
    against = {"zee": ("zee",), "wjets": ("wjets",)}
    tables = [
        contents.region_table(yields.fill(events, found, RegionsConfig()), against, "signal")
        for found in (scores, replace(trained, sorter=None).score(events, unblind=True))
    ]
    after, before = (min(table[name].purity or 0.0 for name in ("CR_zee", "CR_wjets")) for table in tables)
    assert after > before + 0.1


def test_a_control_region_is_binned_in_the_probability_of_its_background(events: Events, scores: Scores) -> None:
    assert scores.sorted_as is not None
    filled = yields.fill(events, scores, RegionsConfig())
    edges = filled["CR_zee"].axes[2].edges
    assert edges[-1] == scores.sorted_as[(scores.region == 0) & ~events.is_data].max()
    assert np.isnan(scores.sorted_as[scores.region == 2]).all()


def test_the_labels_of_a_fold_change_no_model_of_the_sorter_that_scores_it(events: Events) -> None:
    nested = config(stages=[stage(name, {"threshold": 0.5}) for name in ("zee", "wjets")], mode="nested")
    swapped = np.array([0, 2, 1, 3], np.int16)[events.process]
    other = replace(events, process=np.where(fold_of(events.event_id, 4) == 2, swapped, events.process))
    models = [training.train(found, nested).sorter for found in (events, other)]
    bits = [bytes(model.boosters[2].save_raw("ubj")) for model in models if model is not None]
    assert len(bits) == 2
    assert bits[0] == bits[1]


def test_permuted_labels_leave_the_sorter_nothing_to_learn(events: Events) -> None:
    simulated = events.take(~events.is_data)
    order = np.random.default_rng(0).permutation(len(simulated))
    shuffled = replace(simulated, columns={name: column[order] for name, column in simulated.columns.items()})
    model = training.train(shuffled, config()).sorter
    assert model is not None
    assert all(abs(auc - 0.5) < 0.04 for auc in model.summary["auc"].values())


def test_the_number_of_jobs_changes_no_bit(trained: Cascade, events: Events) -> None:
    parallel = training.train(events, config(), jobs=3).sorter
    assert parallel is not None
    assert trained.sorter is not None
    for one, other in zip(trained.sorter.boosters, parallel.boosters, strict=True):
        assert bytes(one.save_raw("ubj")) == bytes(other.save_raw("ubj"))


def test_a_saved_sorter_sorts_plain_columns_alone(
    trained: Cascade, events: Events, scores: Scores, tmp_path: Path
) -> None:
    trained.save(tmp_path)
    loaded = Cascade.load(tmp_path)
    found = loaded.score(dict(events.columns), events.event_id)
    np.testing.assert_array_equal(found.region, scores.region)
    np.testing.assert_array_equal(found.sorted_as, scores.sorted_as)
    np.testing.assert_array_equal(loaded.classify(events, unblind=True), scores.region)
    assert json.loads((tmp_path / "cascade.json").read_text())["sorter"]["classes"] == ["zee", "wjets"]


def test_a_missing_model_of_the_sorter_is_named(trained: Cascade, tmp_path: Path) -> None:
    trained.save(tmp_path)
    (tmp_path / "sorter" / "fold_1.ubj").unlink()
    with pytest.raises(InputError, match=r"fold_1.ubj: a model of stage 'sorter' is missing"):
        Cascade.load(tmp_path)


def test_events_of_a_validation_region_stay_there(events: Events) -> None:
    point = {"signal_efficiency": 0.9, "validation_efficiency": 0.95}
    stages = [stage(name, point) for name in ("zee", "wjets")]
    model = training.train(events, config(stages=stages))
    by_stage, by_sorter = (found.score(events, unblind=True) for found in (replace(model, sorter=None), model))
    assert model.regions == ("CR_zee", "VR_zee", "CR_wjets", "VR_wjets", "SR")
    for code in (1, 3, 4):
        np.testing.assert_array_equal(by_sorter.region == code, by_stage.region == code)


def test_a_stage_may_only_sort(events: Events) -> None:
    stages = [stage("zee", {"signal_efficiency": 0.8}), stage("wjets", {"threshold": 0})]
    found = training.train(events, config(stages=stages)).score(events, unblind=True)
    assert (found.region == found.regions.index("CR_wjets")).any()
    assert not np.isnan(found.scores[found.region == 2]).any()


def test_too_few_rejected_events_are_an_error_with_a_cure(events: Events) -> None:
    nothing_rejected = config(stages=[stage(name, {"threshold": 0}) for name in ("zee", "wjets")])
    with pytest.raises(TrainingError, match=r"'sorter': process .* effective events .* set control.assign to 'stage'"):
        training.train(events, nothing_rejected)


def test_a_process_of_two_stages_cannot_be_sorted() -> None:
    stages = [{"name": n, "against": "zee", "features": ["x"], "working_point": {"threshold": 0}} for n in ("a", "b")]
    with pytest.raises(ValueError, match="'zee' is the background of more than one stage"):
        config(stages=stages)
