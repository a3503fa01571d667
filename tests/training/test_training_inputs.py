"""Bad input to training is one sentence that names stage, process, fold and feature; doubts are kept for the report."""

from dataclasses import replace

import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.arrays import AnyArray, FeatureArray
from cascadebdt.config import NOMINAL
from cascadebdt.errors import InputError, TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import Split, fold_of
from cascadebdt.training import inputs
from cascadebdt.training.feature_rows import FeatureRows
from tiny_analysis import toy_cascade, toy_events


def with_column(events: Events, name: str, values: AnyArray | float) -> Events:
    return replace(events, columns={**events.columns, name: np.broadcast_to(values, len(events)).astype(np.float32)})


@pytest.mark.parametrize("value", [0.999, np.nan])
def test_a_feature_that_varies_nowhere_is_left_out_of_every_stage(
    value: float, caplog: pytest.LogCaptureFixture
) -> None:
    trained = training.train(with_column(toy_events(), "y", value), toy_cascade())
    assert all("y" not in stage.classifier.features for stage in trained.stages)
    assert "stage 'zee': left out y, which has one value in all" in caplog.text


def test_a_feature_that_varies_in_one_fold_only_is_told_with_the_folds_where_it_does_not() -> None:
    events = toy_events()
    first = np.flatnonzero((fold_of(events.event_id, 3) == 2) & events.of_process("signal"))[0]
    rare = with_column(events, "y", np.arange(len(events)) == first)
    summary = training.train(rare, toy_cascade()).stages[0].classifier.summary
    assert summary.constant == {"y": (1, 2)}  # fold 2 stops the model of fold 1, and never meets its own


def test_a_feature_that_does_not_vary_where_a_stage_trains_is_left_out_with_a_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = toy_events()
    only_wjets = np.where(events.of_process("wjets"), events.columns["y"], 1.0)
    stages = [
        {
            "name": name,
            "against": name,
            "features": ["x", "z"],
            "working_point": {"signal_efficiency": 0.9},
            "constraints": {"interactions": [["x", "z"]]},
        }
        for name in ("zee", "wjets")
    ]
    trained = training.train(with_column(events, "z", only_wjets), toy_cascade(stages=stages))
    assert [stage.classifier.features for stage in trained.stages] == [("x",), ("x", "z")]
    assert trained.stages[0].classifier.summary.dropped == ("z",)
    assert "stage 'zee': left out z, which has one value in all" in caplog.text


def test_a_stage_without_any_feature_that_varies_is_an_error() -> None:
    events = toy_events()
    stage = {"name": "zee", "against": "zee", "features": ["z"], "working_point": {"signal_efficiency": 0.9}}
    only_wjets = np.where(events.of_process("wjets"), events.columns["y"], 1.0)
    with pytest.raises(TrainingError, match=r"stage 'zee': no feature varies among the \d+ events that reach it"):
        training.train(with_column(events, "z", only_wjets), toy_cascade(stages=[stage]))


def test_all_stages_with_too_few_events_are_named_before_any_is_trained() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': process .*; stage 'wjets': process .*; stage 'final': "):
        training.train(toy_events(400), toy_cascade(min_effective_events=120))


def test_a_feature_that_is_missing_at_the_start_is_named() -> None:
    events = toy_events()
    with pytest.raises(InputError, match="no feature 'y'"):
        training.train(replace(events, columns={"x": events.columns["x"]}), toy_cascade())


def test_a_feature_that_tells_the_label_is_found() -> None:
    events = toy_events()
    label = events.of_process("signal") + 0.1 * np.random.default_rng(0).random(len(events))
    stage = {"name": "zee", "against": "zee", "features": ["x", "y"], "working_point": {"threshold": 0.5}}
    config = toy_cascade(stages=[stage], final=None)
    summaries = [
        training.train(e, config).stages[0].classifier.summary for e in (with_column(events, "x", label), events)
    ]
    assert [summary.leaks for summary in summaries] == [("x",), ()]


def rows_of(values: FeatureArray) -> FeatureRows:
    return FeatureRows({"x": values}, ("x",), np.arange(len(values)))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_missing_value_that_tells_the_label_is_found_too(sign: int) -> None:
    is_signal = np.arange(3000) % 3 == 0
    values = np.where(is_signal == (sign > 0), np.nan, np.random.default_rng(0).normal(size=3000)).astype(np.float32)
    assert inputs.leaks(rows_of(values), np.ones(3000), is_signal) == ["x"]


def test_a_strong_feature_is_no_leak() -> None:
    rng = np.random.default_rng(0)
    is_signal = np.arange(4000) % 2 == 0
    values = (rng.normal(size=4000) + np.where(is_signal, 4.5, 0)).astype(np.float32)
    assert inputs.leaks(rows_of(values), np.ones(4000), is_signal) == []


def test_a_background_without_positive_weight_after_the_cuts_is_named() -> None:
    events = toy_events()
    weights = np.where(events.of_process("wjets") & (events.columns["x"] > 0.5), -3.0, 1.0)
    with pytest.raises(TrainingError, match=r"stage 'wjets': the weights of process wjets sum to -.* after the cuts"):
        training.train(replace(events, weights={NOMINAL: weights}), toy_cascade(min_effective_events=0))


def test_a_fold_without_events_of_a_process_is_named() -> None:
    events = toy_events()
    folds = fold_of(events.event_id, 3)
    without = events.take(~(events.of_process("zee") & (folds == 1)))
    with pytest.raises(TrainingError, match=r"stage 'zee', fold 0: process zee has no event .* to stop the training"):
        training.train(without, toy_cascade())


def test_too_few_effective_events_name_stage_and_process_also_if_many_rows_have_little_weight() -> None:
    events = toy_events()
    weights = np.where(events.of_process("wjets"), 1e-9, 1.0)
    weights[np.flatnonzero(events.of_process("wjets"))[:3]] = 1.0
    with pytest.raises(TrainingError, match=r"stage 'wjets': process wjets has \d\.\d effective events \(\d+ rows\)"):
        training.train(replace(events, weights={NOMINAL: weights}), toy_cascade())


def test_a_stage_with_too_few_events_passes_everything_if_asked() -> None:
    events = toy_events()
    few = events.take(~events.of_process("wjets") | (np.arange(len(events)) % 150 == 0))
    trained = training.train(few, toy_cascade(too_few_events="pass"))
    zee, wjets = trained.stages
    assert (wjets.classifier.summary.untrained or "").startswith("process wjets has")
    assert zee.classifier.summary.untrained is None
    scores = trained.score(few, unblind=True)
    assert not (scores.region == 1).any()
    reached = scores.region >= 1
    assert (scores.scores[reached, 1] == np.float32(0.5)).all()
    assert set(wjets.working_point.efficiencies.values()) == {1.0}


@pytest.mark.parametrize("mode", ["nested", "holdout"])
def test_passing_everything_is_possible_in_every_mode(mode: str) -> None:
    config = toy_cascade(mode=mode, folds=4, too_few_events="pass", min_effective_events=1e9)
    events = toy_events()
    trained = training.train(events, config)
    assert (trained.score(dict(events.columns), events.event_id).region == 2).all()
    assert trained.final
    assert trained.final.summary.untrained


REPEATS = {"x": 0.001, "flag": 0.9}


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("x", np.full(1234, 0.999), r"data: feature 'x' is 0\.999 in all 1234 events, but varies in the simulation"),
        ("x", np.full(50, np.nan), r"data: feature 'x' has no value in all 50 events"),
        ("flag", np.zeros(1234), r"data: feature 'flag' is 0 in all 1234 events"),
    ],
)
def test_a_feature_that_died_in_data_is_an_error(name: str, values: FeatureArray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        inputs.require_alive({name: inputs._range(values.astype(np.float32))}, REPEATS)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("flag", np.zeros(100)),
        ("x", np.array([1.0])),
        ("x", np.array([1.0, 2.0] * 50)),
        ("x", np.array([1.0, np.nan] * 50)),
        ("unknown", np.zeros(1000)),
    ],
)
def test_what_may_well_be_chance_is_no_error(name: str, values: FeatureArray) -> None:
    inputs.require_alive({name: inputs._range(values.astype(np.float32))}, REPEATS)


def test_ranges_of_parts_join_to_that_of_the_whole() -> None:
    values = np.array([3.0, np.nan, 1.0, 7.0, np.nan], np.float32)
    parts = inputs._range(values[:2]).plus(inputs._range(values[2:]))
    assert parts == inputs._range(values) == inputs.Range(5, 2, 1.0, 7.0)


def test_repetition_is_the_largest_share_of_one_value_in_any_process() -> None:
    columns = {"x": np.array([1.0] * 150 + [*range(50)] + [np.nan] * 90 + [*range(10)], np.float32)}
    first = np.arange(300) < 200
    assert inputs.repetition(columns, [first, ~first])["x"] == pytest.approx(0.9)
    assert inputs.repetition(columns, [first])["x"] == pytest.approx(151 / 200)
    assert inputs.repetition(columns, []) == {"x": 1.0}


def test_a_split_says_which_models_meet_one_value_only() -> None:
    features = rows_of(np.array([1.0, 1.0, 2.0], np.float32))
    nothing = np.zeros(3, np.bool_)
    splits = {0: Split(np.array([True, True, False]), nothing), 1: Split(np.array([True, True, True]), nothing)}
    assert inputs.constant_in(features, splits) == {"x": [0]}
