"""The figure of the purity matrix."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.arrays import FloatArray
from cascadebdt.plots import style
from cascadebdt.plots.appearance import PLAIN, Appearance

DARK = 0.5  # shares above it are written in white


def purity(matrix: Mapping[str, Mapping[str, float]], *, appearance: Appearance = PLAIN) -> Figure:
    """Draw what every region is made of, a row per region and a column per process.

    Parameters
    ----------
    matrix : region -> process -> its share in the prediction, as `contents.purity_matrix` returns it
    appearance : labels
    """
    regions = list(matrix)
    processes = list(dict.fromkeys(name for shares in matrix.values() for name in shares))
    shares = np.array([[matrix[region].get(name, 0.0) for name in processes] for region in regions])
    figure = style.figure(2.0 + 0.85 * max(len(processes), 3), 1.3 + 0.45 * max(len(regions), 2))
    ax = figure.subplots()
    image = ax.imshow(shares, cmap="Blues", vmin=0.0, vmax=1.0, aspect="auto")
    ax.set_xticks(range(len(processes)), [appearance.label(name) for name in processes], rotation=30, ha="right")
    ax.set_yticks(range(len(regions)), [appearance.label(name) for name in regions])
    ax.tick_params(length=0, labelsize=10.5)
    _write(ax, shares)
    figure.colorbar(image, ax=ax, label="Share of the prediction")
    return figure


def _write(ax: Axes, shares: FloatArray) -> None:
    """Write every share into its cell."""
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > DARK else "black"
        ax.text(column, row, f"{share:.3f}", ha="center", va="center", fontsize=9.5, color=colour)
