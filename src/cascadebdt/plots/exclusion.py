"""The figure of a patch set: which of its points are excluded."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.tri import Triangulation

from cascadebdt.arrays import FloatArray
from cascadebdt.plots import style

WIDTH, HEIGHT, MARGIN = 7.2, 5.6, 1.2
"""Of the figure, and of what it needs beside its axes, in inches."""

LABEL_SIZE = 12.0
"""Of the labels of axes, in points."""

MAX_NUMBERS = 80
"""Points up to which each has its limit written beside it."""

THINNEST = 1e-6
"""Part of its length below which the spread of points makes no area."""


@dataclass(frozen=True)
class ExclusionPoint:
    """A signal with upper limits on its strength.

    Attributes
    ----------
    values : what the signal is, such as masses
    observed : limit; None while blind
    expected : limits at -2, -1, 0, +1, +2 standard deviations of the background-only hypothesis
    """

    values: tuple[float, ...]
    observed: float | None
    expected: tuple[float, float, float, float, float]


def exclusion(points: Sequence[ExclusionPoint], labels: Sequence[str]) -> Figure:
    """Draw where signals of strength 1 are excluded.

    In the first two quantities that differ between points, contours of the limit 1 (interpolated in its logarithm
    between neighbours) with the points and their limits; where only one differs, or the points lie on a line, the
    limits over it.

    Parameters
    ----------
    points : the signals
    labels : what their values are
    """
    values = np.array([point.values for point in points], dtype=np.float64)
    varying = [index for index in range(len(labels)) if np.ptp(values[:, index]) > 0][:2] or [0]
    figure = style.figure(WIDTH, HEIGHT)
    ax = figure.subplots()
    limits = np.array([point.expected for point in points], dtype=np.float64)
    observed = np.array([np.nan if point.observed is None else point.observed for point in points], dtype=np.float64)
    if len(varying) == 2 and _is_area(values[:, varying]):
        _contours(ax, values[:, varying], limits, observed)
        ax.set_ylabel(style.wrapped(labels[varying[1]], LABEL_SIZE, HEIGHT - MARGIN), parse_math=False)
    else:
        _band(ax, values[:, varying[0]], limits, observed)
        ax.set_ylabel("Upper limit on the signal strength")
    ax.set_xlabel(style.wrapped(labels[varying[0]], LABEL_SIZE, WIDTH - MARGIN), parse_math=False)
    style.frame(ax)
    return figure


def _is_area(values: FloatArray) -> bool:
    """Return whether points span an area."""
    scaled = (values - values.mean(axis=0)) / values.std(axis=0)
    sizes = np.linalg.svd(scaled, compute_uv=False)
    return len(values) > 2 and bool(sizes[-1] > THINNEST * sizes[0])


def _contours(ax: Axes, values: FloatArray, limits: FloatArray, observed: FloatArray) -> None:
    """Draw the contours of the limit 1 in two quantities."""
    scale = np.ptp(values, axis=0)
    triangles = Triangulation(values[:, 0], values[:, 1], Triangulation(*(values / scale).T).triangles)
    handles: list[Line2D] = []
    for column, dashes, width in ((1, ":", 1.2), (3, ":", 1.2), (2, "--", 1.8)):
        _contour(ax, triangles, limits[:, column], color="black", linestyle=dashes, width=width)
    handles.append(Line2D([], [], color="black", linestyle="--", linewidth=1.8, label="expected"))
    handles.append(Line2D([], [], color="black", linestyle=":", linewidth=1.2, label="expected ± 1 σ"))
    reference = limits[:, 2]
    if np.isfinite(observed).all():
        reference = observed
        _contour(ax, triangles, observed, color=style.SIGNAL_COLOUR, linestyle="-", width=2.2)
        handles.append(Line2D([], [], color=style.SIGNAL_COLOUR, linewidth=2.2, label="observed"))
    point: dict[str, Any] = {"linestyle": "none", "marker": "o", "markersize": 4}
    excluded = reference < 1
    for chosen, colour in ((excluded, style.SIGNAL_COLOUR), (~excluded, "0.55")):
        ax.plot(*values[chosen].T, color=colour, **point)
    handles.append(Line2D([], [], color=style.SIGNAL_COLOUR, label="excluded at strength 1", **point))
    if len(values) <= MAX_NUMBERS:
        for (x, y), limit in zip(values, reference, strict=True):
            ax.annotate(f"{limit:.3g}", (x, y), xytext=(0, 4), textcoords="offset points", ha="center", fontsize=7.5)
    low, high = values.min(axis=0) - 0.08 * scale, values.max(axis=0) + 0.08 * scale
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=10)


def _contour(
    ax: Axes, triangles: Triangulation, limits: FloatArray, *, color: str, linestyle: str, width: float
) -> None:
    """Draw where a limit is 1, if it is anywhere."""
    height = np.log(limits)
    if height.min() < 0 < height.max():
        ax.tricontour(triangles, height, levels=[0.0], colors=[color], linestyles=[linestyle], linewidths=[width])


def _band(ax: Axes, values: FloatArray, limits: FloatArray, observed: FloatArray) -> None:
    """Draw limits over one quantity."""
    order = np.argsort(values, kind="stable")
    x, sorted_limits = values[order], limits[order]
    ax.fill_between(x, sorted_limits[:, 0], sorted_limits[:, 4], color=style.TWO_SIGMA, label="expected ± 2 σ")
    ax.fill_between(x, sorted_limits[:, 1], sorted_limits[:, 3], color=style.ONE_SIGMA, label="expected ± 1 σ")
    ax.plot(x, sorted_limits[:, 2], color="black", linestyle="--", marker=".", label="expected")
    if np.isfinite(observed).all():
        ax.plot(x, observed[order], color=style.SIGNAL_COLOUR, linewidth=2, marker="o", markersize=4, label="observed")
    ax.axhline(1, color="0.5", linewidth=1)
    ax.set_yscale("log")
    ax.figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=10)
