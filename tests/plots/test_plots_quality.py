import copy
from typing import Any

import numpy as np
import pytest

from cascadebdt import plots
from cascadebdt.training import train
from tiny_analysis import toy_cascade, toy_events


@pytest.fixture(scope="module")
def trained() -> dict[str, Any]:
    return dict(train(toy_events(), toy_cascade()).stages[0].classifier.summary)


@pytest.fixture
def training(trained: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(trained)


def test_every_fold_has_its_curves_and_its_best_iteration(training: dict[str, Any]) -> None:
    learning = plots.quality(training, stage="zee").axes[0]
    lines = [line for line in learning.lines if line.get_marker() != "o"]
    drawn = [
        sorted(np.asarray(line.get_ydata()).tolist() for line in lines[2 * fold : 2 * fold + 2]) for fold in range(3)
    ]
    assert drawn == [sorted([list(found["train"]), list(found["stop"])]) for found in training["learning_curves"]]
    assert list(np.asarray(lines[0].get_xdata())) == training["learning_curves"][0]["round"]
    best = [float(np.asarray(line.get_xdata())[0]) for line in learning.lines if line.get_marker() == "o"]
    assert best == [iteration + 1 for iteration in training["best_iterations"]]


def test_the_curves_are_those_of_the_summary(training: dict[str, Any]) -> None:
    _, roc, precision, _ = plots.quality(training, stage="zee").axes
    np.testing.assert_array_equal(roc.lines[0].get_xdata(), training["curve"]["signal_efficiency"])
    np.testing.assert_array_equal(precision.lines[0].get_ydata(), training["curve"]["precision"])
    assert roc.texts[0].get_text() == f"AUC {training['auc']:.4f}"


def test_a_class_without_positive_weight_is_not_drawn(training: dict[str, Any]) -> None:
    training["overtraining"]["scores"]["signal"]["train"]["shares"] = []
    training["auc"], training["average_precision"] = None, None
    training["curve"] = {"signal_efficiency": [], "background_efficiency": [], "precision": []}
    _, roc, _, scores = plots.quality(training, stage="zee").axes
    legend = scores.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["background, out of fold", "background, in training"]
    assert roc.texts[0].get_text() == "AUC –"
