"""Which events reach which model: plain cross-fitting, nested, and with a holdout."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydantic import ValidationError

from cascadebdt import training
from cascadebdt.arrays import BoolArray, FeatureArray
from cascadebdt.cascade import Cascade
from cascadebdt.cascade.working_point import efficiency_of, threshold_at
from cascadebdt.config import NOMINAL, CascadeConfig, Mode
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.events.selection import UNSEEN, Cutflow
from cascadebdt.training.lineage import lineages
from tiny_analysis import toy_cascade, toy_events

FOLDS = 4


def config(mode: Mode) -> CascadeConfig:
    bdt = {"n_estimators": 12, "max_depth": 3, "learning_rate": 0.3, "early_stopping_rounds": 3}
    return toy_cascade(mode=mode, folds=FOLDS, bdt=bdt)


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events()


@pytest.fixture(scope="module")
def plain(events: Events) -> Cascade:
    return training.train(events, config("cross_fit"))


@pytest.fixture(scope="module")
def nested(events: Events) -> Cascade:
    return training.train(events, config("nested"))


@pytest.fixture(scope="module")
def held_out(events: Events) -> Cascade:
    return training.train(events, config("holdout"))


def permuted(events: Events, fold: int) -> Events:
    """Return the events with signal and zee swapped among those of one fold."""
    swapped = np.array([1, 0, *range(2, len(events.processes))], np.int16)[events.process]
    return replace(events, process=np.where(fold_of(events.event_id, FOLDS) == fold, swapped, events.process))


def bits(model: Cascade, fold: int) -> list[bytes]:
    """Return the models that score the events of a fold, at every stage and in the end."""
    assert model.final
    classifiers = [*(stage.classifier for stage in model.stages), model.final]
    return [bytes(classifier.boosters[fold].save_raw("ubj")) for classifier in classifiers]


def scores_everywhere(model: Cascade, events: Events, mask: BoolArray) -> list[FeatureArray]:
    """Return the scores of some events at every stage and in the end, whether or not earlier stages pass them."""
    everything = replace(
        model,
        stages=tuple(
            replace(stage, working_point=replace(stage.working_point, threshold=np.float32(0)))
            for stage in model.stages
        ),
    )
    found = everything.score(events.take(mask & ~events.is_data), unblind=True)
    assert found.final is not None
    return [*found.scores.T, found.final]


@pytest.mark.parametrize("fold", [0, 2])
def test_nested_scores_of_a_fold_do_not_know_its_labels_at_any_stage(
    nested: Cascade, events: Events, fold: int
) -> None:
    changed = training.train(permuted(events, fold), config("nested"))
    of_fold = fold_of(events.event_id, FOLDS) == fold
    pairs = zip(scores_everywhere(nested, events, of_fold), scores_everywhere(changed, events, of_fold), strict=True)
    for before, after in pairs:
        np.testing.assert_array_equal(before, after)
    assert bits(changed, fold) == bits(nested, fold)
    assert bits(changed, (fold + 1) % FOLDS) != bits(nested, (fold + 1) % FOLDS)


@pytest.mark.parametrize("fold", [0, 2])
def test_plain_scores_of_a_fold_do_not_know_its_labels_at_the_first_stage(
    plain: Cascade, events: Events, fold: int
) -> None:
    changed = training.train(permuted(events, fold), config("cross_fit"))
    of_fold = fold_of(events.event_id, FOLDS) == fold
    before, after = (scores_everywhere(model, events, of_fold) for model in (plain, changed))
    np.testing.assert_array_equal(before[0], after[0])
    assert not np.array_equal(before[1], after[1])  # through the survivors that other folds' models chose


def test_the_model_of_the_holdout_is_that_of_its_nested_fold(nested: Cascade, held_out: Cascade) -> None:
    assert bits(held_out, 0) == bits(nested, 0)
    assert [len(stage.classifier.boosters) for stage in held_out.stages] == [1, 1]


def test_the_events_held_out_decide_nothing(held_out: Cascade, events: Events) -> None:
    test_part = fold_of(events.event_id, FOLDS) == 0
    noise = np.random.default_rng(3).normal(size=len(events)).astype(np.float32)
    changed = replace(
        permuted(events, 0), columns={name: np.where(test_part, noise, x) for name, x in events.columns.items()}
    )
    found = training.train(changed, config("holdout"))
    assert bits(found, 0) == bits(held_out, 0)
    thresholds = [[stage.working_point.threshold for stage in model.stages] for model in (found, held_out)]
    assert thresholds[0] == thresholds[1]


def test_with_a_holdout_efficiencies_are_those_of_the_events_held_out(held_out: Cascade, events: Events) -> None:
    test_part = events.take((fold_of(events.event_id, FOLDS) == 0) & events.of_process("signal"))
    first = held_out.stages[0]
    (scores, *_) = scores_everywhere(held_out, test_part, np.ones(len(test_part), np.bool_))
    expected = efficiency_of(first.working_point.threshold, scores=scores, weights=test_part.weights[NOMINAL])
    assert first.working_point.efficiencies["signal"] == expected
    assert threshold_at(0.9, scores=scores, weights=test_part.weights[NOMINAL]) != first.working_point.threshold


def test_every_fold_but_that_of_the_holdout_is_a_lineage_of_the_nested_mode() -> None:
    folds = np.arange(30) % 3
    (plain,), nested, (holdout,) = (lineages(mode, 3, folds) for mode in ("cross_fit", "nested", "holdout"))
    assert plain.alive.all()
    assert [lineage.held_out for lineage in nested] == [0, 1, 2]
    assert all(not lineage.alive[folds == lineage.held_out].any() for lineage in nested)
    assert (holdout.folds, holdout.deployed, holdout.members) == ((1, 2), (0,), (1, 2, 0))


@pytest.mark.parametrize(
    ("mode", "folds", "rounds", "message"),
    [
        ("cross_fit", 2, 4, "early stopping needs a fold of its own: set folds to 3 or more"),
        ("nested", 3, 4, "early stopping needs a fold of its own: set folds to 4 or more for mode nested"),
        ("holdout", 3, 4, "set folds to 4 or more for mode holdout, or early_stopping_rounds to null"),
        ("nested", 2, None, "a fold held out needs two others: set folds to 3 or more for mode nested"),
    ],
)
def test_too_few_folds_for_a_mode_are_one_sentence(mode: Mode, folds: int, rounds: int | None, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        toy_cascade(mode=mode, folds=folds, bdt={"early_stopping_rounds": rounds})


@pytest.mark.parametrize(("mode", "folds"), [("cross_fit", 2), ("nested", 3), ("holdout", 3)])
def test_the_fewest_folds_train_without_early_stopping(events: Events, mode: Mode, folds: int) -> None:
    bdt = {"n_estimators": 3, "max_depth": 2, "early_stopping_rounds": None}
    trained = training.train(events, toy_cascade(mode=mode, folds=folds, bdt=bdt))
    assert len(trained.stages[0].classifier.boosters) == (1 if mode == "holdout" else folds)


@pytest.mark.parametrize("mode", ["nested", "holdout"])
def test_every_mode_survives_saving_and_loading(mode: Mode, events: Events, tmp_path: Path) -> None:
    trained = training.train(events, config(mode))
    trained.save(tmp_path)
    loaded = Cascade.load(tmp_path)
    assert loaded.mode == mode
    columns = dict(events.columns)
    expected, found = (model.score(columns, events.event_id) for model in (trained, loaded))
    np.testing.assert_array_equal(found.scores, expected.scores)
    assert not np.isnan(found.scores[:, 0]).any()


def with_cutflow(events: Events) -> Events:
    cutflow = Cutflow(
        cuts=("all events", "last"),
        samples=events.samples,
        entries=np.array([[9999, (events.sample == code).sum()] for code in range(4)]),
        sumw=np.zeros((4, 2)),
        sumw2=np.zeros((4, 2)),
    )
    return replace(events, cutflow=cutflow)


def test_simulation_that_trained_is_not_scored_again(held_out: Cascade, events: Events) -> None:
    with pytest.raises(InputError, match=r"score: \d+ simulated events took part in the training .* fold 0 of 4"):
        held_out.score(events)
    left = held_out.unseen(with_cutflow(events))
    assert held_out.score(left).region.shape == (len(left),)
    simulated = ~left.is_data
    assert (fold_of(left.event_id[simulated], FOLDS) == 0).all()
    assert left.is_data.sum() == events.is_data.sum()


def test_what_is_left_stands_for_all_and_the_cutflow_accounts_for_the_rest(held_out: Cascade, events: Events) -> None:
    before = with_cutflow(events)
    left = held_out.unseen(before)
    for name, weight in left.weights.items():
        factor = np.where(left.is_data, 1, FOLDS)
        kept = ~((fold_of(events.event_id, FOLDS) != 0) & ~events.is_data)
        np.testing.assert_array_equal(weight, events.weights[name][kept] * factor)
    assert left.cutflow.cuts[-1] == UNSEEN
    selected, scored = left.cutflow.entries[:, -2], left.cutflow.entries[:, -1]
    assert left.cutflow.used_in_training == dict(zip(events.samples, selected - scored, strict=True))
    assert left.cutflow.used_in_training["data"] == 0
    assert left.cutflow.sumw[0, -1] == pytest.approx(left.weights[NOMINAL][left.sample == 0].sum())
    assert len(held_out.unseen(left)) == len(left)
    np.testing.assert_array_equal(held_out.unseen(left).weights[NOMINAL], left.weights[NOMINAL])


def test_without_a_holdout_every_event_is_unseen(plain: Cascade, events: Events) -> None:
    assert plain.unseen(events) is events
    assert set(events.cutflow.used_in_training.values()) <= {0}


@pytest.mark.parametrize("mode", ["cross_fit", "nested", "holdout"])
def test_efficiencies_hold_for_events_that_had_no_part_in_anything(mode: Mode) -> None:
    """Closure: what the out-of-fold scores of a stage promise is what an untouched sample keeps, stage after stage."""
    trained = training.train(toy_events(12_000), config(mode))
    untouched = toy_events(40_000, seed=11)
    region = trained.score(dict(untouched.columns), untouched.event_id).region
    weights = untouched.weights[NOMINAL]
    for k, stage in enumerate(trained.stages):
        for name, promised in stage.working_point.efficiencies.items():
            rows = untouched.of_process(name) & (region >= k)
            kept = weights[rows & (region > k)].sum() / weights[rows].sum()
            n_effective = 0.6 * rows.sum() / (4 if mode != "holdout" else 16)  # of the smaller sample, signed weights
            assert kept == pytest.approx(promised, abs=4 * np.sqrt(kept * (1 - kept) / n_effective) + 0.01)
