"""Figures of the features: what each does at each stage, their correlations, and how many a stage needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator

from cascadebdt.arrays import FloatArray
from cascadebdt.plots import style

LABEL_SIZE = 9.5  # points
DARK = 0.6  # of the colour scale, above which numbers are white
SMALLEST_SHOWN = 5e-4  # number in a heat map
SMALLEST_CORRELATION = 0.1  # that is written


@dataclass(frozen=True, eq=False)
class Elimination:
    """Sets of features of a stage.

    Attributes
    ----------
    n_features : (n_sets,), falling
    change, uncertainty : (n_sets,), of the area under the ROC curve to that of all features
    n_proposed : features of the set that is proposed
    """

    n_features: Sequence[int]
    change: Sequence[float]
    uncertainty: Sequence[float]
    n_proposed: int


def features(measures: Mapping[str, FloatArray], *, names: Sequence[str], stages: Sequence[str]) -> Figure:
    """Draw measures of every feature at every stage, a heat map for each measure.

    The colours compare the features of one stage: the largest value of each column is the darkest.

    Parameters
    ----------
    measures : title -> (n_features, n_stages), NaN where a stage does not read a feature
    names : of the features
    stages : their names
    """
    width = 0.62 * max(len(stages), 3) + 0.3
    labels = style.label_width(names, LABEL_SIZE)
    figure = style.figure(labels + 0.5 + width * len(measures), 1.7 + 0.27 * max(len(names), 3))
    axes = np.atleast_1d(figure.subplots(1, len(measures), sharey=True))
    for ax, (title, values) in zip(axes, measures.items(), strict=True):
        _heat(ax, values)
        ax.set_title(title, fontsize=10.5)
        ax.set_xticks(range(len(stages)), stages, rotation=40, ha="right", rotation_mode="anchor")
        ax.tick_params(length=0, labelsize=LABEL_SIZE)
    axes[0].set_yticks(range(len(names)), names)
    return figure


def _heat(ax: Axes, values: FloatArray) -> None:
    """Draw a matrix, every column on a scale of its own."""
    positive = np.maximum(np.nan_to_num(values), 0.0)
    largest = positive.max(axis=0, initial=0.0)
    shares = np.divide(positive, largest, out=np.zeros(values.shape), where=largest > 0)
    ax.imshow(np.where(np.isnan(values), np.nan, shares), cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    for (row, column), value in np.ndenumerate(values):
        if abs(value) >= SMALLEST_SHOWN:
            colour = "white" if shares[row, column] > DARK else "black"
            ax.text(column, row, _short(value), ha="center", va="center", fontsize=7.5, color=colour)


def _short(value: float) -> str:
    """Write a number with two significant digits in little room."""
    return f"{value:.2f}" if abs(value) >= 0.0995 else f"{value:.3f}".replace("0.", ".")


def feature_correlations(correlations: Mapping[str, FloatArray], *, names: Sequence[str]) -> Figure:
    """Draw the correlations of the features, a matrix for each class.

    Parameters
    ----------
    correlations : class -> (n_features, n_features), NaN where there is none
    names : of the features
    """
    labels, size = style.label_width(names, LABEL_SIZE), 0.3 * max(len(names), 6)
    figure = style.figure(labels + 1.4 + (size + 0.3) * len(correlations), labels + 0.9 + size)
    axes = np.atleast_1d(figure.subplots(1, len(correlations), sharey=True))
    for ax, (title, matrix) in zip(axes, correlations.items(), strict=True):
        image = ax.imshow(matrix, vmin=-1, vmax=1, cmap="RdBu_r", aspect="auto")
        _numbers(ax, matrix)
        ax.set_title(title, fontsize=11)
        ax.set_xticks(range(len(names)), names, rotation=60, ha="right", rotation_mode="anchor")
        ax.tick_params(length=0, labelsize=LABEL_SIZE)
    axes[0].set_yticks(range(len(names)), names)
    figure.colorbar(image, ax=axes.tolist(), shrink=0.8, label="Correlation (numbers in %)")
    return figure


def _numbers(ax: Axes, matrix: FloatArray) -> None:
    """Write the correlations that are not small, but for those of a feature with itself."""
    for (row, column), value in np.ndenumerate(matrix):
        if row != column and abs(value) >= SMALLEST_CORRELATION:
            colour = "white" if abs(value) > DARK else "black"
            ax.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=6.5, color=colour)


def feature_sets(eliminations: Mapping[str, Elimination]) -> Figure:
    """Draw the area under the ROC curve against the number of features, a panel for each stage.

    Parameters
    ----------
    eliminations : stage -> its sets
    """
    size = (3.6, 2.7)
    figure, axes = style.panels(list(eliminations), size, margin=0.2, x="Features", y="Change of the AUC")
    for ax, sets in zip(axes, eliminations.values(), strict=True):
        _sets(ax, sets)
    return figure


def _sets(ax: Axes, sets: Elimination) -> None:
    ax.axhline(0.0, color="0.6", linewidth=0.9)
    ax.errorbar(sets.n_features, sets.change, yerr=sets.uncertainty, fmt="o-", color="black", markersize=3, linewidth=1)
    ax.axvline(sets.n_proposed, color=style.SIGNAL_COLOUR, linestyle="--", linewidth=1.2, label="proposed")
    ax.invert_xaxis()
    ax.legend(frameon=False, fontsize=9, loc="lower left")
    style.frame(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.xaxis.set_minor_locator(NullLocator())
