"""The figure of impacts."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.inference import Impact, Ranking
from cascadebdt.plots import style

LABEL_SIZE = 10  # points


def ranking(ranking: Ranking, *, n_shown: int = 25) -> Figure:
    """Draw the largest impacts on the signal strength with the pulls of their parameters.

    The parameters of the statistics of simulation, one per bin, are one row.

    Parameters
    ----------
    ranking : result of `inference.ranking`
    n_shown : how many parameters; a line says what bounds the others
    """
    everything = list(ranking.rows())
    impacts = everything[:n_shown]
    labels = style.label_width([row.parameter for row in impacts], LABEL_SIZE)
    figure = style.figure(max(8.6, 6.8 + labels), 2.1 + 0.33 * max(len(impacts), 2))
    pulls = figure.subplots()
    bars = pulls.twiny()
    pulls.set_zorder(bars.get_zorder() + 1)
    pulls.patch.set_visible(False)
    _bars(bars, impacts)
    _pulls_of_impacts(pulls, impacts)
    if others := everything[n_shown:]:
        rest = f"{len(others)} more: |Δμ| ≤ {others[0].size:.2g}"
        pulls.set_xlabel(f"{pulls.get_xlabel()}\n{rest}")
    figure.legend(*bars.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False, fontsize=9.5)
    return figure


def _bars(ax: Axes, impacts: Sequence[Impact]) -> None:
    """Draw the impacts as bars: outlines before the fit, filled after it."""
    rows = np.arange(len(impacts))
    for side, word, colour in ((0, "−", "#3f90da"), (1, "+", "#ffa90e")):
        before = [np.nan if row.prefit is None else _number(row.prefit[side]) for row in impacts]
        after = [_number(row.postfit[side]) for row in impacts]
        label = f"θ {word} Δθ"
        ax.barh(rows, after, height=0.72, color=colour, alpha=0.75, linewidth=0, label=f"{label}, after the fit")
        ax.barh(rows, before, height=0.72, fill=False, edgecolor=colour, linewidth=1.3, label=f"{label}, before")
    reach = 1.15 * max([1e-9, *(abs(value) for row in impacts for value in _changes(row))])
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("Impact on the signal strength, Δμ")
    style.frame(ax)
    ax.tick_params(axis="x", which="both", top=True, bottom=False)
    ax.tick_params(axis="y", which="both", left=False, right=False)


def _changes(row: Impact) -> list[float]:
    """List the changes of mu that exist."""
    return [value for value in (*row.postfit, *(row.prefit or ())) if value is not None]


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def _pulls_of_impacts(ax: Axes, impacts: Sequence[Impact]) -> None:
    """Draw pulls over the bars; a parameter without constraint has its value as text."""
    rows = np.arange(len(impacts))
    pulls = np.array([row.pull or (np.nan, np.nan) for row in impacts], dtype=np.float64).reshape(-1, 2)
    for position in (-1, 0, 1):
        ax.axvline(position, color="0.5", linewidth=0.9, linestyle="-" if position == 0 else ":")
    ax.errorbar(pulls[:, 0], rows, xerr=pulls[:, 1], fmt="o", color="black", markersize=4.5, elinewidth=1.4)
    for row, impact in enumerate(impacts):
        if impact.pull is None and impact.value is not None:
            value, error = impact.value
            text = f"{style.significant(value, error)} ± {style.significant(error, error)}"
            ax.text(0.985, row, text, transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=9)
    reach = max([2.2, *(abs(value) + error for value, error in pulls if np.isfinite(value))])
    ax.set_xlim(-reach, reach)
    ax.set_xlabel("Pull (θ − θ₀) / Δθ; without constraint: the value")
    style.frame(ax)
    ax.tick_params(axis="x", which="both", top=False)
    ax.set_yticks(rows, [row.parameter for row in impacts], parse_math=False)
    ax.tick_params(axis="y", which="both", left=False, right=False, labelsize=LABEL_SIZE)
    ax.set_ylim(len(impacts) - 0.4, -0.6)
