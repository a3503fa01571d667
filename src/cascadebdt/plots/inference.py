"""Figures of a fit: normalisations and pulls."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.inference import FitResult
from cascadebdt.plots import style

SIMULATION_STATISTICS = "mcstat_"
LABEL_SIZE = 10.5  # points
Measured = Mapping[str, Sequence[float]]


def fit(fit: FitResult, *, n_shown: int = 40) -> Figure:
    """Draw the normalisations and the pulls of the constrained parameters, those of simulation statistics left out.

    Where there are more, those are drawn that are furthest from what the model expects: normalisations from 1, pulls
    and their uncertainties from 0 and 1. A line below says so, and what bounds the others.

    Parameters
    ----------
    fit : its result
    n_shown : how many of each at most
    """
    pulls = {name: value for name, value in fit.pulls.items() if not name.startswith(SIMULATION_STATISTICS)}
    normalisations, other_factors = _furthest(fit.normalisation, 1.0, n_shown)
    shown_pulls, other_pulls = _furthest(pulls, 0.0, n_shown)
    panels = [
        (_normalisations, normalisations, _rest(other_factors, 1.0)),
        (_pulls, shown_pulls, _rest(other_pulls, 0.0)),
    ]
    drawn = [panel for panel in panels if panel[1]] or panels[:1]
    rows = max(len(values) for _, values, _ in drawn)
    widths = [4.4 + style.label_width(list(values), LABEL_SIZE) for _, values, _ in drawn]
    figure = style.figure(sum(widths) + 0.6, 1.9 + 0.36 * max(rows, 2))
    axes = figure.subplots(1, len(drawn), squeeze=False, width_ratios=widths)[0]
    for ax, (draw, values, rest) in zip(axes, drawn, strict=True):
        draw(ax, values)
        ax.set_ylim(rows - 0.4, -0.6)  # rows are equally high in both panels
        if rest:
            ax.set_xlabel(f"{ax.get_xlabel()}\n{rest}")
    mu, uncertainty = fit.mu
    blind = f"Expected uncertainty of the signal strength: ± {uncertainty:.3g}"
    text = blind if fit.blind else f"Signal strength: {mu:.3g} ± {uncertainty:.3g}"
    figure.suptitle(text, fontsize=12.5, fontweight="bold")
    return figure


def _furthest(values: Measured, expected: float, n_shown: int) -> tuple[Measured, Measured]:
    """Split measurements into those to draw, in their order, and the others."""

    def distance(name: str) -> float:
        value, error = values[name]
        far = abs(value - expected) if np.isfinite(value) else np.inf
        return far if expected else far + abs(1 - error if np.isfinite(error) else 1.0)

    chosen = set(sorted(values, key=distance, reverse=True)[:n_shown])
    return {n: v for n, v in values.items() if n in chosen}, {n: v for n, v in values.items() if n not in chosen}


def _rest(others: Measured, expected: float) -> str:
    """Return what bounds the measurements that are not drawn."""
    if not others:
        return ""
    numbers = np.array(list(others.values()), np.float64)
    largest, low, high = np.nanmax(np.abs(numbers[:, 0] - expected)), *np.nanquantile(numbers[:, 1], (0, 1))
    what = "|value − 1|" if expected else "|pull|"
    return f"{len(others)} more: {what} ≤ {largest:.2g}, uncertainty {low:.2g} to {high:.2g}"


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
    ax.set_yticks(rows, list(values), parse_math=False)
    ax.tick_params(axis="y", which="both", left=False, right=False, labelsize=LABEL_SIZE)
    ax.set_ylim(len(values) - 0.4, -0.6)
