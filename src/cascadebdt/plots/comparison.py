"""The figure of a comparison: limits, how well they are known against one strategy, and spurious signals."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.arrays import FloatArray
from cascadebdt.plots import style


@dataclass(frozen=True)
class ComparedStrategy:
    """What is drawn of a strategy.

    Attributes
    ----------
    name : of the strategy
    limit : expected, at -2, -1, 0, +1, +2 standard deviations of the background-only hypothesis
    ratio : of its uncertainty of the signal strength to that of the reference, and the spread of the ratio
    spurious : rms and largest, in units of its uncertainty of the signal strength
    """

    name: str
    limit: tuple[float, float, float, float, float]
    ratio: tuple[float, float]
    spurious: tuple[float, float]


def comparison(strategies: Sequence[ComparedStrategy], reference: str) -> Figure:
    """Draw what strategies reach, the first at the top.

    Parameters
    ----------
    strategies : with what each reaches
    reference : name of the strategy that ratios are taken to
    """
    names = [strategy.name for strategy in strategies]
    figure = style.figure(8.6 + style.label_width(names, 10.5), 1.6 + 0.42 * len(names))
    axes = figure.subplots(1, 3, sharey=True, width_ratios=(1.5, 1, 1))
    rows = np.arange(len(names), dtype=np.float64)
    _limits(axes[0], rows, np.array([strategy.limit for strategy in strategies]))
    _ratios(axes[1], rows, np.array([strategy.ratio for strategy in strategies]), reference)
    _spurious(axes[2], rows, np.array([strategy.spurious for strategy in strategies]))
    for ax in axes:
        style.frame(ax)
        ax.tick_params(axis="y", which="both", left=False, right=False)
    axes[0].set_yticks(rows, names)
    axes[0].set_ylim(len(names) - 0.4, -0.6)
    handles = [item for ax in axes for item in ax.get_legend_handles_labels()[0]]
    labels = [item for ax in axes for item in ax.get_legend_handles_labels()[1]]
    figure.legend(handles, labels, loc="outside upper center", ncols=5, frameon=False, fontsize=9.5)
    return figure


def _limits(ax: Axes, rows: FloatArray, limits: FloatArray) -> None:
    for low, high, colour, label in ((0, 4, style.TWO_SIGMA, "± 2 σ"), (1, 3, style.ONE_SIGMA, "± 1 σ")):
        ax.barh(rows, limits[:, high] - limits[:, low], left=limits[:, low], height=0.6, color=colour, label=label)
    ax.plot(limits[:, 2], rows, "|", color="black", markersize=15, markeredgewidth=1.8, label="median")
    for row, median, high in zip(rows, limits[:, 2], limits[:, 4], strict=True):
        ax.annotate(f"{median:.3g}", (high, row), xytext=(4, 0), textcoords="offset points", va="center", fontsize=9)
    ax.set_xlim(0, 1.16 * limits[:, 4].max())
    ax.set_xlabel("Expected limit on μ")


def _ratios(ax: Axes, rows: FloatArray, ratios: FloatArray, reference: str) -> None:
    ax.axvline(1, color="0.6", linewidth=1)
    ax.errorbar(ratios[:, 0], rows, xerr=ratios[:, 1], fmt="o", color="black", markersize=4, capsize=2)
    ax.set_xlabel(f"σ(μ) / σ(μ) of {reference}")


def _spurious(ax: Axes, rows: FloatArray, spurious: FloatArray) -> None:
    ax.barh(rows, spurious[:, 0], height=0.5, color=style.BACKGROUND_COLOURS[0], label="rms of all tilts")
    ax.plot(spurious[:, 1], rows, "D", color=style.SIGNAL_COLOUR, markersize=4.5, label="largest")
    ax.set_xlim(0, 1.1 * max(float(spurious.max()), 1e-3))
    ax.set_xlabel("Spurious signal / σ(μ)")
