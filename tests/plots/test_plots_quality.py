from dataclasses import replace

import numpy as np
import pytest

from cascadebdt import plots
from cascadebdt.cascade.summary import ScorePair, ScoreShares, SeparationCurve, TrainingSummary
from cascadebdt.training import train
from tiny_analysis import toy_cascade, toy_events


@pytest.fixture(scope="module")
def training() -> TrainingSummary:
    return train(toy_events(), toy_cascade()).stages[0].classifier.summary


def test_every_fold_has_its_curves_and_its_best_iteration(training: TrainingSummary) -> None:
    learning = plots.quality(training, stage="zee").axes[0]
    curves = training.learning_curves
    assert curves is not None
    lines = [line for line in learning.lines if line.get_marker() != "o"]
    drawn = [
        sorted(tuple(np.asarray(line.get_ydata()).tolist()) for line in lines[2 * fold : 2 * fold + 2])
        for fold in range(3)
    ]
    assert drawn == [sorted([curve.train or (), curve.stop or ()]) for curve in curves]
    assert tuple(np.asarray(lines[0].get_xdata())) == curves[0].round
    best = [float(np.asarray(line.get_xdata())[0]) for line in learning.lines if line.get_marker() == "o"]
    assert best == [iteration + 1 for iteration in training.best_iterations]


def test_the_curves_are_those_of_the_summary(training: TrainingSummary) -> None:
    _, roc, precision, _ = plots.quality(training, stage="zee").axes
    assert training.curve is not None
    np.testing.assert_array_equal(roc.lines[0].get_xdata(), training.curve.signal_efficiency)
    np.testing.assert_array_equal(precision.lines[0].get_ydata(), training.curve.precision)
    assert roc.texts[0].get_text() == f"AUC {training.auc:.4f}"


def test_a_class_without_positive_weight_is_not_drawn(training: TrainingSummary) -> None:
    assert training.overtraining is not None
    scores = training.overtraining.scores
    without = ScorePair(ScoreShares((), ()), scores["signal"].out_of_fold)
    compared = replace(training.overtraining, scores={**scores, "signal": without})
    empty = replace(
        training, auc=None, average_precision=None, curve=SeparationCurve((), (), ()), overtraining=compared
    )
    _, roc, _, panel = plots.quality(empty, stage="zee").axes
    legend = panel.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["background, out of fold", "background, in training"]
    assert roc.texts[0].get_text() == "AUC –"


def test_curves_have_the_mean_of_folds_in_a_band_from_the_smallest_to_the_largest(training: TrainingSummary) -> None:
    _, roc, precision, _ = plots.quality(training, stage="zee").axes
    folds = training.curves_of_folds
    assert folds is not None
    assert len(folds) == 3
    kept = np.array([fold.background_efficiency for fold in folds]), np.array([fold.precision for fold in folds])
    for ax, values in zip((roc, precision), kept, strict=True):
        np.testing.assert_allclose(np.asarray(ax.lines[1].get_ydata()), values.mean(axis=0))
        (band,) = ax.collections
        corners = np.asarray(band.get_paths()[0].vertices)
        for x, low, high in zip(folds[0].signal_efficiency, values.min(axis=0), values.max(axis=0), strict=True):
            at_x = corners[np.isclose(corners[:, 0], x), 1]
            assert (at_x.min(), at_x.max()) == pytest.approx((low, high))


def test_a_summary_without_curves_of_folds_has_no_band(training: TrainingSummary) -> None:
    _, roc, precision, _ = plots.quality(replace(training, curves_of_folds=None), stage="zee").axes
    assert [len(ax.collections) for ax in (roc, precision)] == [0, 0]
