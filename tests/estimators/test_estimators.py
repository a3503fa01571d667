"""The estimators: what scikit-learn asks of them, and the bits of the pipeline."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.utils.estimator_checks import parametrize_with_checks

from cascadebdt import BDTClassifier, Cascade, CascadeClassifier, training
from cascadebdt.arrays import FeatureArray
from cascadebdt.config import CascadeConfig
from cascadebdt.estimators.samples import content_identity, process_names
from cascadebdt.events import Events
from tiny_analysis import toy_events

WEIGHTS = {
    "check_sample_weight_equivalence_on_dense_data": "the borders of bins and the balance of classes count events, so "
    "that an event of weight 2 is not two events"
}
SURVIVORS = dict.fromkeys(
    ("check_classifiers_train", "check_classifiers_classes"),
    "later stages train on what earlier ones pass, which is next to nothing of the three separate clusters here",
)
if tuple(map(int, version("scikit-learn").split(".")[:2])) < (1, 8):
    SURVIVORS["check_dtype_object"] = "the first stage passes no event of one class, of 40 random ones in four classes"


def expected_failed_checks(estimator: BDTClassifier) -> dict[str, str]:
    return WEIGHTS | SURVIVORS if isinstance(estimator, CascadeClassifier) else WEIGHTS


@parametrize_with_checks(  # type: ignore[untyped-decorator]  # scikit-learn has no types
    [BDTClassifier(n_estimators=20), CascadeClassifier(n_estimators=20)], expected_failed_checks=expected_failed_checks
)
@pytest.mark.filterwarnings("ignore")
def test_scikit_learn_accepts_it(estimator: BDTClassifier, check: Callable[[BDTClassifier], None]) -> None:
    check(estimator)


@pytest.fixture(scope="module")
def simulation() -> Events:
    """Return toy events without data: a signal and two backgrounds, missing values, negative weights."""
    events = toy_events()
    return events.take(~events.is_data)


def matrix(events: Events) -> FeatureArray:
    return np.stack([events.columns["x"], events.columns["y"]], axis=1)


def labels(events: Events) -> Any:
    return np.array(events.processes)[events.process]


@pytest.fixture(scope="module")
def classifier(simulation: Events) -> CascadeClassifier:
    estimator = CascadeClassifier("signal", order=["zee", "wjets"], folds=3, n_estimators=15, max_depth=3)
    return estimator.fit(
        matrix(simulation), labels(simulation), simulation.weights["nominal"], event_id=simulation.event_id
    )


def by_the_pipeline(events: Events, names: tuple[str, ...]) -> Cascade:
    bdt = {"n_estimators": 15, "max_depth": 3, "early_stopping_rounds": None, "min_child_weight": 1}
    stage = {"features": ["x0", "x1"], "working_point": {"signal_efficiency": 0.9}, "bdt": bdt}
    config = CascadeConfig.model_validate(
        {
            "folds": 3,
            "device": "cpu",
            "min_effective_events": 0,
            "stages": [{"name": name, "against": name, **stage} for name in names],
        }
    )
    return training.train(renamed(events), config)


def renamed(events: Events) -> Events:
    return replace(events, columns={"x0": events.columns["x"], "x1": events.columns["y"]})


def test_scores_and_regions_are_those_of_the_pipeline(simulation: Events, classifier: CascadeClassifier) -> None:
    expected = by_the_pipeline(simulation, ("zee", "wjets")).score(renamed(simulation))
    found = classifier.scores(matrix(simulation), simulation.event_id)
    np.testing.assert_array_equal(found.margins.view(np.int32), expected.margins.view(np.int32))
    np.testing.assert_array_equal(found.region, expected.region)
    assert found.regions == expected.regions == ("CR_zee", "CR_wjets", "SR")
    names = classifier.regions(matrix(simulation), simulation.event_id)
    np.testing.assert_array_equal(names == "SR", expected.region == 2)


def test_one_stage_gives_the_scores_of_the_pipeline(simulation: Events) -> None:
    two = simulation.take(simulation.of_process("signal", "zee"))
    y = two.of_process("signal").astype(int)
    estimator = BDTClassifier(folds=3, n_estimators=15, max_depth=3)
    estimator.fit(matrix(two), y, two.weights["nominal"], event_id=two.event_id)
    expected = by_the_pipeline(two, ("zee",)).score(renamed(two))
    np.testing.assert_array_equal(estimator.decision_function(matrix(two), two.event_id), expected.margins[:, 0])
    proba = estimator.predict_proba(matrix(two), two.event_id)
    np.testing.assert_array_equal(proba[:, 1], expected.scores[:, 0])
    np.testing.assert_array_equal(proba[:, 0], 1 - proba[:, 1])


def test_probabilities_have_the_odds_of_every_stage(simulation: Events, classifier: CascadeClassifier) -> None:
    proba = classifier.predict_proba(matrix(simulation), simulation.event_id)
    assert classifier.classes_.tolist() == ["signal", "wjets", "zee"]
    np.testing.assert_allclose(proba.sum(axis=1), 1, rtol=1e-12)
    scores = classifier.scores(matrix(simulation), simulation.event_id).scores
    for stage, column in ((0, 2), (1, 1)):
        reached = ~np.isnan(scores[:, stage])
        share = proba[reached, 0] / (proba[reached, 0] + proba[reached, column])
        np.testing.assert_allclose(share, scores[reached, stage], rtol=1e-5)


def test_the_signal_may_be_the_first_of_two_labels(simulation: Events) -> None:
    two = simulation.take(simulation.of_process("signal", "zee"))
    options: dict[str, Any] = {"folds": 3, "n_estimators": 15, "max_depth": 3}
    estimator = CascadeClassifier("signal", **options).fit(matrix(two), labels(two), event_id=two.event_id)
    scores = estimator.scores(matrix(two), two.event_id)
    proba = estimator.predict_proba(matrix(two), two.event_id)
    np.testing.assert_array_equal(proba[:, 0], scores.scores[:, 0])
    np.testing.assert_array_equal(estimator.decision_function(matrix(two), two.event_id), -scores.margins[:, 0])
    agrees = estimator.predict(matrix(two), two.event_id) == np.where(proba[:, 0] > 0.5, "signal", "zee")
    assert agrees.all()


def test_an_event_is_predicted_by_the_models_that_never_saw_it(simulation: Events) -> None:
    """With labels at random, in-fold predictions would find them again."""
    x = np.random.default_rng(1).normal(size=(600, 3))
    y = np.random.default_rng(2).integers(0, 2, 600)
    estimator = BDTClassifier(folds=3, max_depth=6, n_estimators=200).fit(x, y)
    assert abs(estimator.score(x, y) - 0.5) < 0.07
    shuffled = np.random.default_rng(3).permutation(600)
    np.testing.assert_array_equal(estimator.predict_proba(x[shuffled]), estimator.predict_proba(x)[shuffled])
    assert estimator.score(np.nextafter(x.astype(np.float32), np.float32(9)), y) > 0.6  # other identities


def test_equal_rows_share_a_fold() -> None:
    rows = np.array([[0.0, np.nan], [-0.0, -np.float32(np.nan)], [1.0, 0.0]], np.float32)
    first, second, other = content_identity(rows)
    assert first == second != other


def test_a_pickled_classifier_predicts_the_same(simulation: Events, classifier: CascadeClassifier) -> None:
    x, identity = matrix(simulation), simulation.event_id
    expected = classifier.predict_proba(x, identity)
    copied = pickle.loads(pickle.dumps(classifier))
    assert "_evaluator" in vars(classifier.cascade_)
    assert "_evaluator" not in vars(copied.cascade_)
    np.testing.assert_array_equal(copied.predict_proba(x, identity), expected)


def test_the_tools_of_scikit_learn_work_with_it(simulation: Events) -> None:
    two = simulation.take(simulation.of_process("signal", "zee"))
    x, y = matrix(two), two.of_process("signal").astype(int)
    search = GridSearchCV(BDTClassifier(folds=2, n_estimators=5), {"max_depth": [1, 3]}, cv=2, scoring="roc_auc")
    assert search.fit(x, y).best_score_ > 0.7
    assert cross_val_predict(clone(search.best_estimator_), x, y, cv=2, method="predict_proba").shape == (len(two), 2)


def test_named_columns_become_features(simulation: Events) -> None:
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"x": simulation.columns["x"], "y": simulation.columns["y"]})
    y = pandas.Series(labels(simulation))
    classifier = CascadeClassifier("signal", folds=3, n_estimators=5).fit(table, y)
    assert classifier.cascade_.features == ("x", "y")
    assert classifier.predict_proba(table).shape == (len(table), 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"signal": "sgnal"}, "signal 'sgnal', order .*: expected each of the labels"),
        ({"signal": "signal", "order": ["zee"]}, "expected each of the labels"),
        ({"signal": "signal", "order": ["zee", "zee"]}, "expected each of the labels"),
        ({"signal_efficiency": 1.5}, "signal_efficiency"),
        ({"folds": 1}, "folds"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(simulation: Events, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CascadeClassifier(**options).fit(matrix(simulation), labels(simulation))


def test_three_classes_are_too_many_for_one_stage(simulation: Events) -> None:
    with pytest.raises(ValueError, match="got 3 classes: use CascadeClassifier"):
        BDTClassifier().fit(matrix(simulation), labels(simulation))


@pytest.mark.parametrize("names", [[0, 1], ["a b", "c"], ["data", "signal"], ["final", "signal"]])
def test_labels_that_are_no_names_get_numbers(names: list[Any]) -> None:
    assert process_names(np.array(names)) == ("class_0", "class_1")
