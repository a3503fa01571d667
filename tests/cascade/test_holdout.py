"""A holdout: simulation of the fold held out stands for all of it, once; data are all left."""

from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb

from cascadebdt import training
from cascadebdt.cascade import Cascade, holdout
from cascadebdt.errors import InputError
from cascadebdt.events.folds import fold_of
from cascadebdt.events.selection import UNSEEN, Cutflow
from tiny_analysis import toy_cascade, toy_events

FOLDS = 4


@pytest.fixture(scope="module")
def trained() -> Cascade:
    return training.train(toy_events(), toy_cascade(mode="holdout", folds=FOLDS))


def test_a_cascade_with_a_holdout_scores_unseen_events_alone_by_one_model_per_stage(trained: Cascade) -> None:
    events = toy_events()
    with pytest.raises(InputError, match="took part in the training"):
        trained.score(events)
    left = trained.unseen(events)
    assert trained.cuts == (UNSEEN,)
    scores = trained.score(left, unblind=True)
    for k, classifier in enumerate(trained.classifiers[:2]):
        (booster,) = classifier.member.boosters
        columns = np.stack([left.columns[name] for name in classifier.features], axis=1)
        expected = booster.predict(xgb.DMatrix(columns, feature_names=list(classifier.features)))
        reached = ~np.isnan(scores.scores[:, k])
        np.testing.assert_array_equal(scores.scores[reached, k], expected[reached])


def test_data_are_all_left_and_simulation_of_the_held_out_fold_weighs_as_much_as_all_folds() -> None:
    events = toy_events()
    left = holdout.unseen(events, FOLDS)
    is_left = events.is_data | (fold_of(events.event_id, FOLDS) == 0)
    np.testing.assert_array_equal(left.event_id, events.event_id[is_left])
    factor = np.where(events.is_data, 1, FOLDS)[is_left]
    for name, weight in events.weights.items():
        np.testing.assert_array_equal(left.weights[name], weight[is_left] * factor)


def test_the_holdout_is_applied_once() -> None:
    left = holdout.unseen(toy_events(), FOLDS)
    assert holdout.unseen(left, FOLDS) is left


def test_events_that_trained_are_refused_with_their_number() -> None:
    events = toy_events()
    n_seen = int(np.sum(~events.is_data & (fold_of(events.event_id, FOLDS) != 0)))
    with pytest.raises(InputError, match=rf"score: {n_seen} simulated events took part .* holds out fold 0 of 4"):
        holdout.require_unseen(events, FOLDS)
    holdout.require_unseen(holdout.unseen(events, FOLDS), FOLDS)


def test_the_cutflow_ends_with_the_events_that_are_left_of_each_sample_none_for_a_sample_without_events() -> None:
    events = toy_events()
    samples = (*events.samples, "absent")
    left = holdout.unseen(replace(events, cutflow=Cutflow.empty((), samples)), FOLDS)
    weights = [left.weights["nominal"][left.sample == code] for code in range(len(samples))]
    assert left.cutflow.cuts[-1] == UNSEEN
    assert left.cutflow.entries[:, -1].tolist() == [len(weight) for weight in weights]
    assert left.cutflow.sumw[:, -1] == pytest.approx([weight.sum() for weight in weights])
    assert left.cutflow.sumw2[:, -1] == pytest.approx([(weight**2).sum() for weight in weights])
