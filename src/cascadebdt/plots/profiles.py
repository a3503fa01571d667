"""Figures of -2 ln L: correlations, scans, contours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from cascadebdt.arrays import FloatArray
from cascadebdt.inference import Scan
from cascadebdt.plots import style

LABEL_SIZE = 9  # points, in the matrix
ROTATION = 60  # degrees, of labels below the matrix
LEVELS_OF_TWO = {2.30: "68 %", 5.99: "95 %"}
"""-2 Delta ln L of joint intervals of two parameters: quantiles of the chi-square distribution with two degrees."""


def correlations(
    parameters: Sequence[str], correlation: ArrayLike, *, smallest: float = 0.2, n_shown: int = 25
) -> Figure:
    """Draw the correlation matrix of the parameters that have a noticeable correlation with any other.

    Parameters
    ----------
    parameters : n_parameters names
    correlation : (n_parameters, n_parameters)
    smallest : correlation that is noticeable
    n_shown : how many parameters at most; those with the largest correlations are kept, a line says what bounds the
        correlations of the others
    """
    matrix = np.nan_to_num(np.asarray(correlation, dtype=np.float64))
    largest = np.abs(matrix - np.diag(np.diag(matrix))).max(axis=1, initial=0.0)
    chosen = [index for index in np.argsort(-largest, kind="stable")[:n_shown] if largest[index] >= smallest]
    chosen = sorted(chosen) or list(range(min(len(parameters), n_shown)))
    names = [parameters[index] for index in chosen]
    size, labels = 1.6 + 0.36 * max(len(chosen), 3), style.label_width(names, LABEL_SIZE)
    figure = style.figure(size + 1.6 + labels, size + np.sin(np.radians(ROTATION)) * labels)
    ax = figure.subplots()
    shown = matrix[np.ix_(chosen, chosen)]
    image = ax.imshow(shown, vmin=-1, vmax=1, cmap="RdBu_r")
    for row, column in zip(*np.nonzero(np.abs(shown) >= smallest / 2), strict=True):
        colour = "white" if abs(shown[row, column]) > 0.6 else "black"
        ax.text(column, row, f"{100 * shown[row, column]:.0f}", ha="center", va="center", fontsize=7.5, color=colour)
    ax.set_xticks(
        range(len(names)),
        names,
        rotation=ROTATION,
        ha="right",
        rotation_mode="anchor",
        fontsize=LABEL_SIZE,
        parse_math=False,
    )
    ax.set_yticks(range(len(names)), names, fontsize=LABEL_SIZE, parse_math=False)
    if len(chosen) < len(parameters):
        rest = np.delete(largest, chosen).max()
        ax.set_title(
            f"{len(parameters) - len(chosen)} more parameters: correlations up to {100 * rest:.0f} %", fontsize=10
        )
    ax.tick_params(length=0)
    bar = figure.colorbar(image, ax=ax, shrink=0.8, label="Correlation (numbers in %)")
    bar.ax.tick_params(labelsize=9)
    return figure


def scan(scan: Scan, *, uncertainty: float | None = None) -> Figure:
    """Draw the profile of -2 ln L in one parameter, or its 68 % and 95 % contours in two.

    Parameters
    ----------
    scan : result of `inference.scan` or `inference.scan_2d`
    uncertainty : of the parameter, whose parabola is drawn beside the profile
    """
    figure = style.figure(6.4, 4.6)
    ax = figure.subplots()
    increases = np.where(np.isfinite(scan.increases), scan.increases, np.nan)  # gaps where the model is impossible
    values = scan.values
    (_curve if len(scan.parameters) == 1 else _contours)(ax, scan, values, increases)
    if uncertainty:
        parabola = ((values[0] - scan.best[0]) / uncertainty) ** 2
        ax.plot(values[0], parabola, color="0.45", linestyle="--", linewidth=1.2, label="from the second derivatives")
        ax.legend(frameon=False, fontsize=10, loc="upper center")
    style.frame(ax)
    return figure


def _curve(ax: Axes, scan: Scan, values: Sequence[FloatArray], increases: FloatArray) -> None:
    """Draw a profile with the levels of 68 % and 95 %."""
    for level, text in ((1.0, "68 %"), (3.84, "95 %")):
        ax.axhline(level, color="0.6", linewidth=0.9, linestyle=":")
        ax.text(0.99, level, text, transform=ax.get_yaxis_transform(), ha="right", va="bottom", fontsize=9, color="0.4")
    ax.plot(values[0], increases, color=style.SIGNAL_COLOUR, linewidth=1.8, label="profile")
    ax.set_ylim(0, max(4.5, 1.1 * float(np.nanmin([np.nanmax(increases), 9.5]))))
    ax.set_xlabel(scan.parameters[0])
    ax.set_ylabel("−2 Δ ln L")


def _contours(ax: Axes, scan: Scan, values: Sequence[FloatArray], increases: FloatArray) -> None:
    """Draw contours of 68 % and 95 % of two parameters."""
    levels: Any = sorted(LEVELS_OF_TWO)
    drawn = ax.contour(values[0], values[1], increases.T, levels=levels, colors=[style.SIGNAL_COLOUR, "0.4"])
    ax.clabel(drawn, fmt=LEVELS_OF_TWO, fontsize=9)
    ax.plot(*scan.best, marker="+", color="black", markersize=11)
    ax.set_xlabel(scan.parameters[0])
    ax.set_ylabel(scan.parameters[1])
