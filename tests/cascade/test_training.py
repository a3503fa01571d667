from dataclasses import replace

import numpy as np
import pytest

from cascadebdt import cascade
from cascadebdt.cascade import Cascade, boosting
from cascadebdt.cascade.folds import fold_of
from cascadebdt.config import CascadeConfig
from cascadebdt.errors import ConfigError, TrainingError
from cascadebdt.events import Events
from tiny_analysis import toy_cascade, toy_events

KEEP_ALL = {"threshold": 0.0}


def keep_all() -> CascadeConfig:
    """Return a cascade whose stages pass everything, so that a change in one fold reaches no other by survivors."""
    stage = {"features": ["x", "y"], "working_point": KEEP_ALL}
    return toy_cascade(
        stages=[{**stage, "name": "zee", "against": "zee"}, {**stage, "name": "wjets", "against": "wjets"}],
        bdt={"n_estimators": 10, "max_depth": 3, "early_stopping_rounds": 3},
    )


def models(trained: Cascade, fold: int) -> list[bytes]:
    classifiers = [stage.classifier for stage in trained.stages] + ([trained.final] if trained.final else [])
    return [bytes(classifier.boosters[fold].save_raw("ubj")) for classifier in classifiers]


def scrambled(events: Events, fold: int) -> Events:
    """Return the events with the features of one fold shuffled and their labels thereby made wrong."""
    rows = np.flatnonzero(fold_of(events.event_id, 3) == fold)
    shuffled = np.random.default_rng(1).permutation(rows)
    columns = {name: column.copy() for name, column in events.columns.items()}
    for name, column in columns.items():
        column[rows] = events.columns[name][shuffled]
    return replace(events, columns=columns)


@pytest.mark.parametrize("fold", [0, 1, 2])
def test_the_models_of_a_fold_never_saw_its_events_at_any_stage(fold: int) -> None:
    events = toy_events()
    reference = cascade.train(events, keep_all())
    changed = cascade.train(scrambled(events, fold), keep_all())
    assert models(changed, fold) == models(reference, fold)
    assert models(changed, (fold + 1) % 3) != models(reference, (fold + 1) % 3)


def test_the_result_does_not_depend_on_the_number_of_jobs() -> None:
    one, four = (cascade.train(toy_events(), toy_cascade(), jobs=jobs) for jobs in (1, 4))
    assert [models(one, fold) for fold in range(3)] == [models(four, fold) for fold in range(3)]


def test_a_global_scale_of_the_weights_changes_no_model() -> None:
    events = toy_events()
    scaled = replace(events, weights={name: 1024.0 * weight for name, weight in events.weights.items()})
    one, other = cascade.train(events, toy_cascade()), cascade.train(scaled, toy_cascade())
    assert models(one, 0) == models(other, 0)
    assert one.stages[1].working_point == other.stages[1].working_point


def test_data_and_variations_train_nothing() -> None:
    events = toy_events()
    without = events.take(~events.is_data)
    variation = np.where(np.arange(len(events)) % 5 == 0, 1, 0).astype(np.int16)
    mixed = replace(events, variation=variation, variations=("nominal", "scale_up"))
    assert models(cascade.train(events, toy_cascade()), 1) == models(cascade.train(without, toy_cascade()), 1)
    nominal_only = mixed.take(mixed.is_nominal)
    assert models(cascade.train(mixed, toy_cascade()), 1) == models(cascade.train(nominal_only, toy_cascade()), 1)


def test_a_stage_trains_only_on_what_earlier_stages_pass() -> None:
    events = toy_events()
    trained = cascade.train(events, toy_cascade())
    scores = trained.score(events)
    reached = scores.region >= 1
    effective = trained.stages[1].classifier.summary["effective_events"]
    weight = events.weights["nominal"][reached & events.of_process("wjets")]
    assert effective["wjets"] == pytest.approx(weight.sum() ** 2 / (weight**2).sum())


def test_the_threshold_keeps_the_asked_fraction_of_the_signal() -> None:
    trained = cascade.train(toy_events(), toy_cascade())
    for stage in trained.stages:
        assert 0.9 <= stage.working_point.efficiencies["signal"] < 0.91


def test_boosters_are_cut_to_their_best_iteration() -> None:
    trained = cascade.train(toy_events(), toy_cascade())
    for stage in trained.stages:
        rounds = [booster.num_boosted_rounds() for booster in stage.classifier.boosters]
        assert [best + 1 for best in stage.classifier.summary["best_iterations"]] == rounds


def test_too_few_events_name_the_stage_and_the_process() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': process signal has .* effective events"):
        cascade.train(toy_events(), toy_cascade(min_effective_events=1e6))


def test_negative_weights_are_an_error_if_asked() -> None:
    with pytest.raises(TrainingError, match=r"stage 'zee': \d+ of \d+ events have negative weights"):
        cascade.train(toy_events(), toy_cascade(negative_weights="error"))


def test_a_missing_gpu_is_an_error_only_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    if boosting._n_cuda_devices():
        pytest.skip("this machine's driver shows a GPU all the same")
    with pytest.raises(ConfigError, match="'cuda' was asked for"):
        cascade.train(toy_events(), toy_cascade(device="cuda"))
    assert cascade.train(toy_events(), toy_cascade(device="auto")).stages[0].classifier.summary["device"] == "cpu"
