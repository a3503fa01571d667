import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import NOMINAL, CascadeConfig
from cascadebdt.errors import ConfigError, TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.training import boosting
from tiny_analysis import toy_cascade, toy_events

KEEP_ALL = {"threshold": 0.0}


def keep_all(**keys: Any) -> CascadeConfig:
    """Return a cascade whose stages pass everything, so that a change in one fold reaches no other by survivors."""
    stage = {"features": ["x", "y"], "working_point": KEEP_ALL}
    return toy_cascade(
        stages=[{**stage, "name": "zee", "against": "zee"}, {**stage, "name": "wjets", "against": "wjets"}],
        bdt={"n_estimators": 10, "max_depth": 3, "early_stopping_rounds": 3},
        **keys,
    )


def models(trained: Cascade, fold: int) -> list[bytes]:
    classifiers = [stage.classifier for stage in trained.stages] + ([trained.final] if trained.final else [])
    return [bytes(classifier.boosters[fold].save_raw("ubj")) for classifier in classifiers]


def scrambled(events: Events, fold: int, n_folds: int) -> Events:
    """Return the events with the features of one fold shuffled and their labels thereby made wrong."""
    rows = np.flatnonzero(fold_of(events.event_id, n_folds) == fold)
    shuffled = np.random.default_rng(1).permutation(rows)
    columns = {name: column.copy() for name, column in events.columns.items()}
    for name, column in columns.items():
        column[rows] = events.columns[name][shuffled]
    return replace(events, columns=columns)


@pytest.mark.parametrize("fold", [0, 3])
def test_nested_models_of_a_fold_know_nothing_of_its_events_at_any_stage(fold: int) -> None:
    events, config = toy_events(), keep_all(mode="nested", folds=4)
    reference = training.train(events, config)
    changed = training.train(scrambled(events, fold, 4), config)
    assert models(changed, fold) == models(reference, fold)
    assert models(changed, (fold + 1) % 4) != models(reference, (fold + 1) % 4)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_the_models_of_a_fold_know_of_its_events_no_more_than_the_values_of_features(fold: int) -> None:
    """Folds share the borders of bins, which are found without labels and weights."""
    events = toy_events()
    mine = fold_of(events.event_id, 3) == fold
    weights = events.weights[NOMINAL] * np.where(mine, np.random.default_rng(2).uniform(0.5, 2, len(events)), 1.0)
    reference = training.train(events, keep_all())
    changed = training.train(replace(events, weights={NOMINAL: weights}), keep_all())
    assert models(changed, fold) == models(reference, fold)
    assert models(changed, (fold + 1) % 3) != models(reference, (fold + 1) % 3)


def test_the_result_does_not_depend_on_the_number_of_jobs() -> None:
    one, four = (training.train(toy_events(), toy_cascade(), jobs=jobs) for jobs in (1, 4))
    assert [models(one, fold) for fold in range(3)] == [models(four, fold) for fold in range(3)]


def test_a_global_scale_of_the_weights_changes_no_model() -> None:
    events = toy_events()
    scaled = replace(events, weights={name: 1024.0 * weight for name, weight in events.weights.items()})
    one, other = training.train(events, toy_cascade()), training.train(scaled, toy_cascade())
    assert models(one, 0) == models(other, 0)
    assert one.stages[1].working_point == other.stages[1].working_point


def splits(trained: Cascade) -> list[str]:
    """Return all trees of all folds without the values of their leaves."""
    boosters = [booster for stage in trained.stages for booster in stage.classifier.boosters]
    return [re.sub("leaf=.*", "", tree) for booster in boosters for tree in booster.get_dump()]


def test_any_global_scale_of_the_weights_leaves_the_trees() -> None:
    """Raw weights would change them through min_child_weight and the regularisation of leaves."""
    events = toy_events()
    scaled = replace(events, weights={name: 3.7e-5 * weight for name, weight in events.weights.items()})
    one, other = training.train(events, toy_cascade()), training.train(scaled, toy_cascade())
    assert splits(one) == splits(other)
    np.testing.assert_allclose(one.score(events).scores, other.score(events).scores, rtol=1e-5)
    raw, raw_scaled = (training.train(found, toy_cascade(class_balance="none")) for found in (events, scaled))
    assert splits(raw) != splits(raw_scaled)


def test_the_cross_section_of_a_background_leaves_the_trees_of_its_stage() -> None:
    events = toy_events()
    factor = np.where(events.of_process("zee"), 64.0, 1.0)
    scaled = replace(events, weights={name: factor * weight for name, weight in events.weights.items()})
    one, other = training.train(events, toy_cascade()), training.train(scaled, toy_cascade())
    assert [models(one, fold)[:2] for fold in range(3)] == [models(other, fold)[:2] for fold in range(3)]
    assert models(one, 0)[2] != models(other, 0)[2]  # the final discriminant weighs its backgrounds as they are


def test_processes_of_the_final_background_may_count_equally_whatever_their_cross_sections() -> None:
    events = toy_events()
    factor = np.where(events.of_process("zee"), 64.0, 1.0)
    scaled = replace(events, weights={name: factor * weight for name, weight in events.weights.items()})
    one, other = (training.train(found, toy_cascade(class_balance="processes")) for found in (events, scaled))
    assert models(one, 0) == models(other, 0)


@pytest.mark.parametrize("policy", ["absolute", "drop", "zero", "pair"])
def test_negative_weights_train_by_the_policy_and_count_with_their_sign_elsewhere(policy: str) -> None:
    """Quality, efficiencies and thresholds use the true weights whatever the training does with them."""
    events = toy_events()
    trained = training.train(events, toy_cascade(negative_weights=policy))
    first = trained.stages[0]
    found = first.classifier.summary.negative_weights
    assert found
    for name in ("signal", "zee"):
        weight = events.weights["nominal"][events.of_process(name)]
        used = {"absolute": np.abs(weight), "pair": weight}.get(policy, np.maximum(weight, 0)).sum()
        assert found.processes[name].sum_true == pytest.approx(weight.sum())
        assert found.processes[name].sum_used == pytest.approx(used)
        assert found.processes[name].bias == pytest.approx(used / weight.sum() - 1, abs=1e-12)
        passes = trained.score(events).region[events.of_process(name)] > 0
        assert first.working_point.efficiencies[name] == pytest.approx(weight[passes].sum() / weight.sum())


def test_zeroed_events_still_shape_the_bins_and_are_counted_dropped_ones_are_not() -> None:
    events = toy_events()
    summaries, found = [], []
    for policy in ("drop", "zero"):
        trained = training.train(events, toy_cascade(negative_weights=policy))
        report = trained.stages[0].classifier.summary.negative_weights
        assert report
        summaries.append(report.processes["zee"])
        found.append(models(trained, 0))
    dropped, zeroed = summaries
    assert (dropped.used_events, zeroed.used_events) == (1500 - dropped.negative_events, 1500)
    assert dropped.sum_used == zeroed.sum_used
    assert found[0] != found[1]


def test_the_order_of_the_events_changes_no_model() -> None:
    """XGBoost sums gradients in the order of the rows, which are therefore sorted by identity."""
    events = toy_events()
    shuffled = events.take(np.random.default_rng(5).permutation(len(events)))
    one, other = training.train(events, toy_cascade()), training.train(shuffled, toy_cascade())
    assert [models(one, fold) for fold in range(3)] == [models(other, fold) for fold in range(3)]
    assert [stage.working_point for stage in one.stages] == [stage.working_point for stage in other.stages]
    assert one.stages[0].classifier.summary == other.stages[0].classifier.summary


@pytest.mark.parametrize("mode", ["nested", "holdout"])
def test_no_mode_depends_on_the_number_of_jobs(mode: str) -> None:
    config = toy_cascade(mode=mode, folds=4, bdt={"n_estimators": 8, "subsample": 0.7, "early_stopping_rounds": 3})
    one, two = (training.train(toy_events(), config, jobs=jobs, seed=7) for jobs in (1, 2))
    assert [models(one, fold) for fold in range(len(one.stages[0].classifier.boosters))] == [
        models(two, fold) for fold in range(len(two.stages[0].classifier.boosters))
    ]


def test_the_seed_matters_only_where_rows_are_drawn() -> None:
    drawn = toy_cascade(bdt={"n_estimators": 8, "subsample": 0.5, "early_stopping_rounds": 3})
    events = toy_events()
    one, two = (training.train(events, drawn, seed=seed) for seed in (1, 2))
    assert models(one, 0) != models(two, 0)
    assert models(training.train(events, toy_cascade(), seed=1), 0) == models(
        training.train(events, toy_cascade(), seed=2), 0
    )


def test_a_stage_tells_its_learning_curves_quality_and_importance() -> None:
    summary = training.train(toy_events(), toy_cascade()).stages[0].classifier.summary
    assert summary.learning_curves
    assert summary.importance
    assert summary.overtraining
    assert len(summary.learning_curves) == 3
    for best, curve in zip(summary.best_iterations, summary.learning_curves, strict=True):
        assert curve.stop
        assert curve.train
        assert curve.round[np.argmin(curve.stop)] == best + 1
        assert curve.train[0] > curve.train[-1]
    assert sum(summary.importance.values()) == pytest.approx(1)
    assert list(summary.importance) == ["x", "y"]
    assert np.std(np.array(summary.auc_of_folds, float), ddof=1) == pytest.approx(summary.auc_spread)
    assert summary.overtraining.auc.out_of_fold == summary.auc


def test_data_and_variations_train_nothing() -> None:
    events = toy_events()
    without = events.take(~events.is_data)
    variation = np.where(np.arange(len(events)) % 5 == 0, 1, 0).astype(np.int16)
    mixed = replace(events, variation=variation, variations=("nominal", "scale_up"))
    assert models(training.train(events, toy_cascade()), 1) == models(training.train(without, toy_cascade()), 1)
    nominal_only = mixed.take(mixed.is_nominal)
    assert models(training.train(mixed, toy_cascade()), 1) == models(training.train(nominal_only, toy_cascade()), 1)


def test_a_stage_trains_only_on_what_earlier_stages_pass() -> None:
    events = toy_events()
    trained = training.train(events, toy_cascade())
    scores = trained.score(events)
    reached = scores.region >= 1
    effective = trained.stages[1].classifier.summary.effective_events
    assert effective
    weight = events.weights["nominal"][reached & events.of_process("wjets")]
    assert effective["wjets"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


def test_the_threshold_keeps_the_asked_fraction_of_the_signal() -> None:
    trained = training.train(toy_events(), toy_cascade())
    for stage in trained.stages:
        assert 0.9 <= stage.working_point.efficiencies["signal"] < 0.91


def test_boosters_are_cut_to_their_best_iteration() -> None:
    trained = training.train(toy_events(), toy_cascade())
    for stage in trained.stages:
        rounds = [booster.num_boosted_rounds() for booster in stage.classifier.boosters]
        assert [best + 1 for best in stage.classifier.summary.best_iterations] == rounds


def test_too_few_events_name_the_stage_and_the_process() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': process signal has .* effective events"):
        training.train(toy_events(), toy_cascade(min_effective_events=1e6))


def test_negative_weights_are_an_error_if_asked() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': \d+ of \d+ events have negative weights"):
        training.train(toy_events(), toy_cascade(negative_weights="error"))


def test_a_missing_gpu_is_an_error_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    if boosting._n_cuda_devices():
        pytest.skip("this machine's driver shows a GPU all the same")
    with pytest.raises(ConfigError, match="'cuda' was asked for"):
        training.train(toy_events(), toy_cascade(device="cuda"))
    assert training.train(toy_events(), toy_cascade(device="auto")).stages[0].classifier.summary.device == "cpu"
