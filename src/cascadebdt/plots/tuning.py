"""The figure of trials of hyperparameters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cascadebdt.plots import style

LOWEST = 4.0  # a trial may be worse than the best is good, before it leaves the panel at its lower edge
HELD_OUT = "#3f90da"


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of a stage.

    Attributes
    ----------
    gain : (n_trials,), of the merit over that of the configuration
    is_pruned : (n_trials,), whether a trial ended early
    claimed, held_out : gain of the best trial and its uncertainty, where it was chosen and in a fold that took no part
    """

    gain: Sequence[float]
    is_pruned: Sequence[bool]
    claimed: tuple[float, float]
    held_out: tuple[float, float]


def tuning(stages: Mapping[str, Trials]) -> Figure:
    """Draw the gain of every trial over the configuration, a panel for each stage, and what a fold held out says.

    Parameters
    ----------
    stages : stage -> its trials
    """
    size = (3.8, 2.7)
    figure, axes = style.panels(list(stages), size, margin=0.7, x="Trial", y="Gain over the configuration")
    for ax, trials in zip(axes, stages.values(), strict=True):
        _panel(ax, trials)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=9.5)
    return figure


def _panel(ax: Axes, trials: Trials) -> None:
    gain, is_pruned = np.array(trials.gain), np.array(trials.is_pruned)
    number = np.arange(1, len(gain) + 1)
    sizes = np.abs([*trials.claimed, trials.held_out[1]])
    lowest = -LOWEST * (sizes[np.isfinite(sizes)].max(initial=0.0) or 1.0)
    shown = np.maximum(gain, lowest)  # the worst ones lie on the lower edge
    ax.axhline(0.0, color="0.6", linewidth=0.9)
    ax.plot(number[~is_pruned], shown[~is_pruned], "o", color="black", markersize=3.5, label="trial")
    ax.plot(number[is_pruned], shown[is_pruned], "x", color="0.55", markersize=4, label="ended early")
    best = np.maximum.accumulate(np.where(is_pruned, -np.inf, gain))
    ax.step(number, np.maximum(best, lowest), where="post", color="black", linewidth=0.9, label="best so far")
    end = len(gain) + max(1.0, 0.06 * len(gain))
    for x, (value, error), colour, label in (
        (end, trials.claimed, style.SIGNAL_COLOUR, "best, as claimed"),
        (end + 0.05 * len(gain), trials.held_out, HELD_OUT, "best, held out"),
    ):
        ax.errorbar([x], [value], yerr=[error], fmt="s", color=colour, markersize=5, label=label)
    ax.set_ylim(bottom=1.08 * lowest)
    style.frame(ax)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
