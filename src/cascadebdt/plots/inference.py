"""Figures of a fit: normalisations and pulls."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.inference import FitResult
from cascadebdt.plots import style

SIMULATION_STATISTICS = "mcstat_"
Measured = Mapping[str, Sequence[float]]


def fit(fit: FitResult) -> Figure:
    """Draw the normalisations and the pulls of the constrained parameters, those of simulation statistics left out.

    Parameters
    ----------
    fit : its result
    """
    pulls = {name: value for name, value in fit.pulls.items() if not name.startswith(SIMULATION_STATISTICS)}
    panels = [(_normalisations, fit.normalisation), (_pulls, pulls)]
    shown = [(draw, values) for draw, values in panels if values] or panels[:1]
    longest = max(len(values) for _, values in shown)
    figure = style.figure(5.4 * len(shown) + 0.6, 1.9 + 0.36 * max(longest, 2))
    axes = figure.subplots(1, len(shown), squeeze=False)[0]
    for ax, (draw, values) in zip(axes, shown, strict=True):
        draw(ax, values)
    mu, uncertainty = fit.mu
    blind = f"Expected uncertainty of the signal strength: ± {uncertainty:.3g}"
    text = blind if fit.blind else f"Signal strength: {mu:.3g} ± {uncertainty:.3g}"
    figure.suptitle(text, fontsize=12.5, fontweight="bold")
    return figure


def _normalisations(ax: Axes, values: Measured) -> None:
    """Draw normalisations around 1."""
    ax.axvline(1, color="0.5", linewidth=1, linestyle="--")
    _measured(ax, values)
    low = min([0.95, *(value - error for value, error in values.values())])
    high = max([1.05, *(value + error for value, error in values.values())])
    ax.set_xlim(low - 0.08 * (high - low), high + 0.5 * (high - low))  # the numbers stand on the right
    for row, (value, error) in enumerate(values.values()):
        text = f"{style.significant(value, error)} ± {style.significant(error, error)}"
        ax.text(0.98, row, text, transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=10.5)
    ax.set_xlabel("Normalisation (fit / simulation)")


def _pulls(ax: Axes, values: Measured) -> None:
    """Draw pulls over the bands of one and two standard deviations of the constraint."""
    ax.axvspan(-2, 2, color=style.TWO_SIGMA, linewidth=0)
    ax.axvspan(-1, 1, color=style.ONE_SIGMA, linewidth=0)
    ax.axvline(0, color="0.5", linewidth=1, linestyle="--")
    _measured(ax, values)
    reach = max([2.4, *(abs(value) + error + 0.2 for value, error in values.values())])
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("Pull (value − nominal) / constraint")


def _measured(ax: Axes, values: Measured) -> None:
    """Draw values with uncertainties, one below the other."""
    rows = np.arange(len(values))
    numbers = np.array(list(values.values()), np.float64).reshape(-1, 2)
    ax.errorbar(numbers[:, 0], rows, xerr=numbers[:, 1], fmt="o", color="black", markersize=5.5, elinewidth=1.6)
    style.frame(ax)
    ax.set_yticks(rows, list(values))
    ax.tick_params(axis="y", which="both", left=False, right=False)
    ax.set_ylim(len(values) - 0.4, -0.6)
