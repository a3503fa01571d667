"""Figures of how a stage was trained: learning curves, separation, and scores in training beside those out of fold."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.cascade.summary import LearningCurve, ScorePair, SeparationCurve, TrainingSummary
from cascadebdt.plots import style

TRAIN, STOP = "#3f90da", "#e76300"
ALL, FOLDS = "all events", "#832db6"
LOWEST = 3e-5  # share of a class that is shown
SIGNAL, BACKGROUND = style.SIGNAL_COLOUR, "#3f90da"


def quality(training: TrainingSummary, *, stage: str) -> Figure:
    """Draw the learning curves of every fold, the ROC and the precision-recall curve, and the scores of both classes.

    Both curves are of out-of-fold scores: of all events, and with two folds or more the mean of the curves of the
    folds, in a band from the smallest to the largest of them, at the same signal efficiency. The legend of the ROC
    curve is that of both.

    Parameters
    ----------
    training : of a trained classifier, ``stage.classifier.summary``
    stage : its name
    """
    figure = style.figure(10.0, 7.2)
    figure.set_layout_engine(None)  # four panels of known size: to lay them out would take longer than to draw them
    figure.subplots_adjust(left=0.07, right=0.985, bottom=0.075, top=0.955, wspace=0.2, hspace=0.23)
    (learning, roc), (precision, scores) = figure.subplots(2, 2)
    _learning(learning, training.learning_curves or (), training.best_iterations)
    if training.curve is not None:
        folds = [curve for curve in training.curves_of_folds or () if curve.signal_efficiency]
        _roc(roc, training.curve, folds, training.auc)
        _precision(precision, training.curve, folds, training.average_precision)
    if training.overtraining is not None:
        _scores(scores, training.overtraining.scores)
    learning.set_title(f"Stage {stage}", loc="left", fontsize=12)
    for ax in (learning, roc, precision, scores):
        style.frame(ax)
    return figure


def _learning(ax: Axes, curves: Sequence[LearningCurve], best: Sequence[int]) -> None:
    """Draw the loss of every fold against the number of trees, the best iteration marked."""
    for fold, (curve, iteration) in enumerate(zip(curves, best, strict=True)):
        parts = ((curve.train, "events that train", TRAIN), (curve.stop, "events that stop it", STOP))
        for losses, label, colour in parts:
            if losses is not None:
                ax.plot(curve.round, losses, color=colour, linewidth=1.2, label=label if fold == 0 else None)
        if curve.stop is not None:
            marker = (iteration + 1, curve.stop[curve.round.index(iteration + 1)])
            ax.plot(*marker, "o", color="black", markersize=4, label="best iteration" if fold == 0 else None, zorder=3)
    ax.set(xlabel="Trees", ylabel="Logarithmic loss")
    ax.legend(frameon=False, fontsize=10)


def _roc(ax: Axes, curve: SeparationCurve, folds: Sequence[SeparationCurve], auc: float | None) -> None:
    """Draw what is kept of the background against what is kept of the signal."""
    background = np.array(curve.background_efficiency)
    ax.set(xlabel="Signal kept", ylabel="Background kept", yscale="log", xlim=(0, 1))
    ax.plot(curve.signal_efficiency, np.where(background > 0, background, np.nan), color="black", label=ALL)
    _folds(ax, folds, [fold.background_efficiency for fold in folds])
    _note(ax, "AUC", auc)
    ax.legend(frameon=False, fontsize=10, loc="lower right")


def _precision(ax: Axes, curve: SeparationCurve, folds: Sequence[SeparationCurve], area: float | None) -> None:
    """Draw the share of the signal in the expected yield against what is kept of the signal."""
    ax.plot(curve.signal_efficiency, curve.precision, color="black", label=ALL)
    _folds(ax, folds, [fold.precision for fold in folds])
    ax.set(xlabel="Signal kept", ylabel="Purity of the expected yield", xlim=(0, 1))
    ax.set_ylim(bottom=0)
    _note(ax, "average", area, low=True)


def _folds(ax: Axes, folds: Sequence[SeparationCurve], values: Sequence[Sequence[float]]) -> None:
    """Draw the mean of folds and the band from the smallest to the largest; one fold has neither."""
    if len(folds) < 2:
        return
    efficiency, of_folds = folds[0].signal_efficiency, np.array(values)
    ax.fill_between(
        efficiency, of_folds.min(axis=0), of_folds.max(axis=0), color=FOLDS, alpha=0.3, label="range of folds"
    )
    ax.plot(efficiency, of_folds.mean(axis=0), "--", color=FOLDS, linewidth=1.2, label="mean of folds")


def _note(ax: Axes, name: str, value: float | None, *, low: bool = False) -> None:
    text = f"{name} –" if value is None else f"{name} {value:.4f}"
    place = (0.05, 0.08) if low else (0.05, 0.92)
    ax.annotate(text, place, xycoords="axes fraction", va="bottom" if low else "top", fontsize=11)


def _scores(ax: Axes, scores: Mapping[str, ScorePair]) -> None:
    """Draw the scores of both classes out of fold as areas, in training as points."""
    for name, colour in (("signal", SIGNAL), ("background", BACKGROUND)):
        unseen, seen = scores[name].out_of_fold, scores[name].train
        if not unseen.shares or not seen.shares:
            continue
        edges = np.linspace(0, 1, len(unseen.shares) + 1)
        ax.stairs(unseen.shares, edges, color=colour, fill=True, alpha=0.3, label=f"{name}, out of fold")
        centres = (edges[1:] + edges[:-1]) / 2
        errors = seen.uncertainties
        ax.errorbar(centres, seen.shares, errors, fmt=".", color=colour, markersize=4, label=f"{name}, in training")
    ax.set(xlabel="Score", ylabel="Share per bin", xlim=(0, 1), yscale="log", ylim=(LOWEST, 10))
    ax.legend(frameon=False, fontsize=9.5, ncols=2, loc="upper center", handlelength=1.2, columnspacing=1.2)
