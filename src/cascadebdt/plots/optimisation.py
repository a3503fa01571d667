"""The figure of an optimisation: what was tried, and what is kept on events held out."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.arrays import FloatArray
from cascadebdt.plots import style

TRIAL, START, BEST, FINALIST = "#94a4a2", "#3f90da", "#bd1f01", "#ffa90e"
HIGHEST_SHOWN = 1.6
"""Trials beyond this multiple of the best are not shown: they would leave no room for the others."""


def optimisation(
    sigmas: FloatArray,
    finalists: Sequence[tuple[int, float]],
    *,
    start: tuple[float, float],
    best: tuple[float, float],
    complexity: int,
) -> Figure:
    """Draw the trials in their order, the finalists by complexity, and claimed against held-out uncertainties.

    Parameters
    ----------
    sigmas : (n_trials,) expected uncertainty of the signal strength by the surrogate, NaN where a floor is not met
    finalists : complexity and fitted uncertainty of each
    start, best : fitted uncertainty on the events of the search, and on those held out
    complexity : of the best
    """
    figure = style.figure(11.5, 3.8)
    trials, simple, kept = figure.subplots(1, 3, width_ratios=(1.4, 1.0, 1.0))
    _trials(trials, sigmas)
    _finalists(simple, finalists, best[0], complexity)
    _kept(kept, start, best)
    return figure


def _trials(ax: Axes, sigmas: FloatArray) -> None:
    """Draw every trial, and the smallest value so far."""
    number = np.arange(1, len(sigmas) + 1)
    smallest = np.fmin.accumulate(sigmas)
    ax.plot(number, sigmas, ".", color=TRIAL, markersize=2.5, label="trials")
    ax.plot(number, smallest, color=BEST, linewidth=1.6, label="smallest so far")
    lowest = np.nanmin(sigmas)
    ax.set_ylim(0.98 * lowest, min(HIGHEST_SHOWN * lowest, 1.02 * np.nanmax(sigmas)))
    ax.set_xlabel("Trial")
    ax.set_ylabel("Expected σ(μ), surrogate")
    ax.legend(frameon=False, fontsize=9.5)
    style.frame(ax)


def _finalists(ax: Axes, finalists: Sequence[tuple[int, float]], best: float, complexity: int) -> None:
    """Draw the fitted uncertainty of the finalists against their complexity."""
    ax.plot(*np.array(finalists).T, "o", color=FINALIST, markersize=5, label="finalists")
    ax.plot([complexity], [best], "o", color=BEST, markersize=9, fillstyle="none", label="proposed")
    ax.set_xlabel("Stages that cut + changed bins")
    ax.set_ylabel("Expected σ(μ), fit")
    ax.margins(0.15)
    ax.legend(frameon=False, fontsize=9.5)
    style.frame(ax)


def _kept(ax: Axes, start: tuple[float, float], best: tuple[float, float]) -> None:
    """Draw what is claimed and what is held out, of the start and of the proposal."""
    for values, colour, label in ((start, START, "as configured"), (best, BEST, "proposed")):
        ax.plot([0, 1], values, "o-", color=colour, label=label)
    ax.set_xticks([0, 1], ["searched", "held out"])
    ax.set_xlim(-0.4, 1.4)
    ax.margins(y=0.25)
    ax.set_ylabel("Expected σ(μ), fit")
    ax.legend(frameon=False, fontsize=9.5)
    style.frame(ax)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
