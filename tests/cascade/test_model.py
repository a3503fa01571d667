import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.cascade import BLINDED, Cascade
from cascadebdt.errors import InputError
from tiny_analysis import toy_cascade, toy_events


@pytest.fixture(scope="module")
def trained() -> Cascade:
    return training.train(toy_events(), toy_cascade())


def test_a_saved_cascade_scores_plain_columns_alone(trained: Cascade, tmp_path: Path) -> None:
    events = toy_events()
    trained.save(tmp_path)
    expected = trained.score(events, unblind=True)
    found = Cascade.load(tmp_path).score(dict(events.columns), events.event_id)
    np.testing.assert_array_equal(found.region, expected.region)
    np.testing.assert_array_equal(found.scores, expected.scores)
    np.testing.assert_array_equal(found.final, expected.final)


def test_a_cascade_names_each_feature_once_and_how_often_its_values_repeat(trained: Cascade) -> None:
    assert trained.features == ("x", "y")
    assert set(trained.repetition) == {"x", "y"}
    assert all(0 < share < 0.1 for share in trained.repetition.values())  # real numbers hardly repeat


def test_regions_of_stages_with_too_few_events_to_train_are_named_as_empty(trained: Cascade) -> None:
    untrained = training.train(toy_events(), toy_cascade(min_effective_events=1e6, too_few_events="pass"))
    assert untrained.empty_regions == ("CR_zee", "CR_wjets")
    assert trained.empty_regions == ()


def test_scores_without_data_have_nothing_to_blind(trained: Cascade) -> None:
    events = toy_events()
    simulation = events.take(~events.is_data)
    np.testing.assert_array_equal(trained.score(simulation).region, trained.score(simulation, unblind=True).region)


@pytest.mark.parametrize("unblind", [False, True])
def test_regions_alone_are_blinded_as_scores_are(trained: Cascade, unblind: bool) -> None:
    events = toy_events()
    region = trained.classify(events, unblind=unblind)
    np.testing.assert_array_equal(region, trained.score(events, unblind=unblind).region)
    assert (region[events.is_data] == BLINDED).any() != unblind


def test_scores_name_their_stages_and_the_stage_of_each_region(trained: Cascade) -> None:
    scores = trained.score(toy_events())
    assert scores.stages == ("zee", "wjets")
    assert scores.stage_of_region.tolist() == [0, 1, 2]


def test_saving_twice_writes_the_same_bytes(trained: Cascade, tmp_path: Path) -> None:
    for name in ("a", "b"):
        trained.save(tmp_path / name)
    first = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.*"))
    assert len(first) == 10
    assert all((tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes() for path in first)


def test_thresholds_are_kept_exactly(trained: Cascade, tmp_path: Path) -> None:
    trained.save(tmp_path)
    for saved, loaded in zip(trained.stages, Cascade.load(tmp_path).stages, strict=True):
        assert saved.working_point == loaded.working_point
    content = json.loads((tmp_path / "cascade.json").read_text())
    assert float.fromhex(content["stages"][0]["threshold"]["hex"]) == trained.stages[0].working_point.threshold


def test_regions_follow_from_the_scores(trained: Cascade) -> None:
    scores = trained.score(toy_events(), unblind=True)
    thresholds = [stage.working_point.threshold for stage in trained.stages]
    passes = [scores.scores[:, k] >= thresholds[k] for k in range(2)]
    expected = np.where(~passes[0], 0, np.where(~passes[1], 1, 2))
    np.testing.assert_array_equal(scores.region, expected)
    np.testing.assert_array_equal(np.isnan(scores.scores[:, 1]), ~passes[0])
    assert scores.regions == ("CR_zee", "CR_wjets", "SR")


def test_data_of_the_signal_region_are_dropped_unless_unblinded(trained: Cascade) -> None:
    events = toy_events()
    blind, full = trained.score(events), trained.score(events, unblind=True)
    hidden = events.is_data & (full.region == 2)
    assert hidden.any()
    np.testing.assert_array_equal(blind.region == BLINDED, hidden)
    assert np.isnan(blind.scores[hidden]).all()
    assert blind.final is not None
    assert np.isnan(blind.final[hidden]).all()
    np.testing.assert_array_equal(blind.region[~hidden], full.region[~hidden])


def test_scores_of_an_event_do_not_depend_on_its_neighbours(trained: Cascade) -> None:
    events = toy_events()
    rows = np.random.default_rng(0).permutation(len(events))[:100]
    np.testing.assert_array_equal(trained.score(events.take(rows)).scores, trained.score(events).scores[rows])


@pytest.mark.parametrize(
    ("columns", "event_id", "message"),
    [
        ({"x": np.zeros(2)}, None, "plain columns need event_id"),
        ({"x": np.zeros(2)}, np.zeros(2), "event_id must be uint64, got float64"),
        ({"x": np.zeros(3)}, np.zeros(2, np.uint64), r"column 'x' has shape \(3,\), expected \(2,\)"),
        ({"x": np.zeros(2), "yy": np.zeros(2)}, np.zeros(2, np.uint64), "no feature 'y'; did you mean 'yy'?"),
    ],
)
def test_wrong_columns_are_one_sentence(trained: Cascade, columns: object, event_id: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        trained.score(columns, event_id)  # type: ignore[arg-type]


def test_a_model_that_was_tampered_with_is_refused(trained: Cascade, tmp_path: Path) -> None:
    trained.save(tmp_path)
    (tmp_path / "zee" / "fold_0.ubj").write_bytes((tmp_path / "zee" / "fold_1.ubj").read_bytes())
    with pytest.raises(InputError, match=r"fold_0.ubj: not the model that cascade.json describes"):
        Cascade.load(tmp_path)


def test_a_missing_model_is_named(trained: Cascade, tmp_path: Path) -> None:
    trained.save(tmp_path)
    (tmp_path / "final" / "fold_2.ubj").unlink()
    with pytest.raises(InputError, match=r"fold_2.ubj: a model of stage 'final' is missing"):
        Cascade.load(tmp_path)


def test_a_folder_without_a_cascade_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a saved cascade"):
        Cascade.load(tmp_path)


def test_a_cascade_of_fewer_folds_leaves_no_models_of_the_one_before(tmp_path: Path) -> None:
    events = toy_events(600)
    training.train(events, toy_cascade(folds=5)).save(tmp_path)
    stages = [{**stage.model_dump(), "name": f"other_{stage.name}"} for stage in toy_cascade().stages]
    training.train(events, toy_cascade(folds=3, stages=stages, final=None)).save(tmp_path)
    content = json.loads((tmp_path / "cascade.json").read_text())
    named = {model["file"] for stage in content["stages"] for model in stage["models"]}
    left = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert left == {"cascade.json", *named}
    assert not (tmp_path / "final").exists()


def test_saving_touches_nothing_but_models(trained: Cascade, tmp_path: Path) -> None:
    others = [tmp_path / "notes.txt", tmp_path / "old" / "notes.txt", tmp_path / "deeper" / "zee" / "fold_9.ubj"]
    stale = [tmp_path / "old" / "fold_0.ubj", tmp_path / "zee" / "fold_9.ubj"]
    for path in [*others, *stale]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    trained.save(tmp_path)
    assert all(path.exists() for path in others)
    assert not any(path.exists() for path in stale)


@pytest.mark.parametrize("names", [("final", "wjets"), ("zee", "zee")])
def test_a_stage_takes_no_name_that_is_taken(trained: Cascade, names: tuple[str, str]) -> None:
    stages = [
        replace(stage, classifier=replace(stage.classifier, name=name))
        for stage, name in zip(trained.stages, names, strict=True)
    ]
    with pytest.raises(InputError, match=f"the stage name '{names[0]}' is taken"):
        replace(trained, stages=tuple(stages))


def test_other_thresholds_give_the_regions_that_follow_from_the_scores(trained: Cascade) -> None:
    events = toy_events()
    changed = trained.with_working_points({"wjets": 0.75})
    assert [stage.working_point.threshold for stage in changed.stages] == [
        trained.stages[0].working_point.threshold,
        np.float32(0.75),
    ]
    scores, before = changed.score(events, unblind=True), trained.score(events, unblind=True)
    np.testing.assert_array_equal(scores.margins, before.margins)
    assert set(scores.region) == {0, 1, 2}
    np.testing.assert_array_equal(scores.region == 2, scores.scores[:, 1] >= np.float32(0.75))
    np.testing.assert_array_equal(scores.region == 0, before.region == 0)


def test_other_thresholds_are_saved_and_promise_no_efficiencies(trained: Cascade, tmp_path: Path) -> None:
    changed = trained.with_working_points({"zee": 0.25})
    changed.save(tmp_path)
    (point, *_) = [stage.working_point for stage in Cascade.load(tmp_path).stages]
    assert (point.threshold, point.signal_efficiency, dict(point.efficiencies)) == (np.float32(0.25), None, {})
    assert changed.stages[1] is trained.stages[1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_a_threshold_may_pass_everything_or_nearly_nothing(trained: Cascade, value: float) -> None:
    region = trained.with_working_points({"zee": value}).classify(toy_events())
    assert (region == 0).any() == bool(value)


@pytest.mark.parametrize(
    ("thresholds", "validation", "message"),
    [
        ({"zee_": 0.5}, {}, "no stage 'zee_'; did you mean 'zee'?"),
        ({"zee": 1.5}, {}, r"stage 'zee': threshold 1.5, expected a score in \[0, 1\]"),
        ({"zee": float("nan")}, {}, "stage 'zee': threshold nan"),
        ({}, {"zee": 0.1}, "stage 'zee' has no validation region"),
        ({}, {"none": 0.1}, "no stage 'none'"),
    ],
)
def test_thresholds_that_do_not_fit_are_one_sentence(
    trained: Cascade, thresholds: Mapping[str, float], validation: Mapping[str, float], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        trained.with_working_points(thresholds, validation=validation)
