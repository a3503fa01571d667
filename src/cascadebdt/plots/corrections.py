"""The figure of a correction: how simulation describes the data before and after."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.corrections.closure import Closure
from cascadebdt.plots import style

N_COLUMNS = 5
BEFORE, AFTER = style.BACKGROUND_COLOURS[0], style.BACKGROUND_COLOURS[1]


def corrections(closures: Sequence[Closure], process: str) -> Figure:
    """Draw data less the other backgrounds over the simulation of a process, before and after its correction.

    Every event was corrected by weights that were learnt from others; simulation has the yield of the data.

    Parameters
    ----------
    closures : one panel each
    process : that is corrected
    """
    n_rows = -(-len(closures) // N_COLUMNS)
    figure = style.figure(2.9 * min(len(closures), N_COLUMNS) + 0.6, 2.9 * n_rows + 0.3)
    axes = figure.subplots(n_rows, min(len(closures), N_COLUMNS), squeeze=False).ravel()
    for ax, closure in zip(axes, closures, strict=False):
        _panel(ax, closure)
    for ax in axes[len(closures) :]:
        ax.set_visible(False)
    axes[0].set_ylabel(f"(data − others) / {process}")
    return figure


def _panel(ax: Axes, closure: Closure) -> None:
    """Draw one variable in one region, in bins of equal width."""
    n_bins = len(closure.data)
    centers = np.arange(n_bins) + 0.5
    for label, own, colour, shift, corrected in (
        ("before", closure.before, BEFORE, -0.12, False),
        ("after", closure.after, AFTER, 0.12, True),
    ):
        expected = np.where(own > 0, own, np.nan) * closure.scale
        error = np.sqrt(np.maximum(closure.data, 0.0) + closure.variance) / expected
        chi2 = closure.chi2(corrected=corrected)
        ax.errorbar(
            centers + shift,
            (closure.data - closure.others) / expected,
            yerr=error,
            fmt="o",
            color=colour,
            markersize=4,
            label=f"{label}: χ² = {chi2:.1f} / {n_bins - 1}",
        )
    ax.axhline(1.0, color="0.5", linewidth=1, linestyle="--")
    style.frame(ax)
    ax.set_xlim(0, n_bins)
    ax.set_ylim(0.4, 1.8)
    ax.set_xticks(np.arange(n_bins + 1), [f"{edge:.3g}" for edge in closure.edges], rotation=60, fontsize=8)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set_xlabel(closure.variable)
    ax.set_title(closure.region, fontsize=11)
    ax.legend(frameon=False, fontsize=8)
