"""Figures of the features: data and prediction in a region, signal and background at a stage."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cascadebdt.arrays import FloatArray
from cascadebdt.config import DATA
from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.histograms.inputs import Inputs
from cascadebdt.histograms.yields import Histogram
from cascadebdt.plots import style
from cascadebdt.plots.appearance import PLAIN, Appearance
from cascadebdt.plots.yields import Content, legend, log_range, look_of, ratio_panel, ratio_reach, yields_panel

N_COLUMNS = 4
PANEL = 2.9  # inches


def inputs(
    filled: Inputs,
    region: str,
    *,
    signal: str = "signal",
    features: Sequence[str] | None = None,
    title: str = "",
    appearance: Appearance = PLAIN,
) -> Figure:
    """Draw features in a region: data and prediction before the fit with its uncertainty, and their ratio.

    The hatched band is the quadratic sum of the statistical uncertainty of the simulation and of all systematics before
    the fit, half the difference of their two sides each; free normalisations have none before the fit. Data of a blind
    signal region are not in the histograms, and not drawn.

    Parameters
    ----------
    filled : histograms of the features
    region : its name
    signal : name of the signal process, drawn as a line, scaled so that it can be seen
    features : those to draw; all if not given
    title : written above
    appearance : labels, colours and order
    """
    histograms = _at(filled.regions, "region", region, features)
    systematics = _at(filled.systematics, "region", region, [name for name in histograms if name in filled.systematics])
    contents = [
        _content(name, histogram, region, signal, systematics.get(name)) for name, histogram in histograms.items()
    ]
    look = look_of(contents, list(histograms.values()), signal, appearance)
    n_rows, n_columns = _grid(len(contents))
    figure = _fixed(n_rows, n_columns, row=1.35 * PANEL, left=0.75, top=0.95)
    axes = figure.subplots(2 * n_rows, n_columns, squeeze=False, height_ratios=(3, 1) * n_rows)
    reach = ratio_reach(contents)
    for index, drawn in enumerate(contents):
        row, column = divmod(index, n_columns)
        upper, lower = axes[2 * row, column], axes[2 * row + 1, column]
        yields_panel(upper, drawn, drawn.edges, look)
        upper.set_ylim(log_range([drawn], look.factor))
        upper.tick_params(axis="x", labelbottom=False)
        ratio_panel(lower, drawn, drawn.edges, reach)
        lower.xaxis.set_major_locator(MaxNLocator(4))
        lower.set_xlabel(look.label(drawn.observable))
        if column == 0:
            upper.set_ylabel("Events / bin")
            lower.set_ylabel("Data / pred.")
    _hide(axes, len(contents), height=2)
    legend(figure, look, " · ".join(filter(None, [title, f"{look.label(region)}, before the fit"])), columns=5)
    return figure


def separation(
    filled: Inputs,
    stage: str,
    *,
    signal: str,
    against: Sequence[str],
    features: Sequence[str] | None = None,
    appearance: Appearance = PLAIN,
) -> Figure:
    """Draw the features of what reaches a stage, the signal and the background it is trained against, to unit area.

    Parameters
    ----------
    filled : histograms of the features
    stage : its name
    signal, against : processes
    features : those to draw; all if not given
    appearance : labels and colours
    """
    histograms = _at(filled.stages, "stage", stage, features)
    background = " + ".join(appearance.label(name) for name in against)
    colours = appearance.colours_of(against, signal=signal)
    n_rows, n_columns = _grid(len(histograms))
    figure = _fixed(n_rows, n_columns, row=0.9 * PANEL, left=0.15, top=0.75)
    axes = figure.subplots(n_rows, n_columns, squeeze=False)
    for ax, (name, histogram) in zip(axes.ravel(), histograms.items(), strict=False):
        _shape(ax, histogram, against, label=background, colour=colours[against[0]], is_filled=True)
        _shape(ax, histogram, [signal], label=appearance.label(signal), colour=colours[signal], is_filled=False)
        ax.set_xlabel(appearance.label(name))
        ax.set_ylim(bottom=0)
        ax.set_yticks([])
        style.frame(ax)
        ax.xaxis.set_major_locator(MaxNLocator(4))
    _hide(axes, len(histograms), height=1)
    figure.legend(
        *axes[0, 0].get_legend_handles_labels(),
        loc="outside upper center",
        ncols=2,
        frameon=False,
        fontsize=11,
        title=f"What reaches stage {stage}, unit area",
    )
    return figure


def most_important(importance: Mapping[str, float], filled: Inputs, n_shown: int) -> list[str]:
    """Return the features of the largest gain that have histograms."""
    ordered = sorted(importance, key=lambda name: -importance[name])
    return [name for name in ordered if name in filled.regions][:n_shown]


def regions_to_show(filled: Inputs) -> list[str]:
    """Return the regions that have data, all if none has."""
    histogram: Any = next(iter(filled.regions.values()))
    regions, processes = list(histogram.axes["region"]), list(histogram.axes["process"])
    if DATA not in processes:
        return regions
    with_data = histogram.view()["value"][:, processes.index(DATA)].any(axis=1)
    return [name for name, has_data in zip(regions, with_data, strict=True) if has_data] or regions


def _fixed(n_rows: int, n_columns: int, *, row: float, left: float, top: float) -> Figure:
    """Return a figure with margins of known size, in inches: to lay panels out would take longer than to draw them."""
    width, height = max(PANEL * n_columns + left, 7.0), row * n_rows + top
    figure = style.figure(width, height)
    figure.set_layout_engine(None)
    gap = 0.62  # for numbers and names of axes
    figure.subplots_adjust(
        left=left / width,
        right=1 - 0.15 / width,
        top=1 - top / height,
        bottom=gap / height,
        wspace=0.28,
        hspace=0.32,
    )
    return figure


def _at(
    histograms: Mapping[str, Histogram], axis: str, place: str, features: Sequence[str] | None
) -> dict[str, Histogram]:
    """Return the histograms of features in a region, or at a stage."""
    names = histograms if features is None else features
    chosen: dict[str, Any] = {name: histograms[name][{axis: place}] for name in names}
    return chosen


def _grid(n_panels: int) -> tuple[int, int]:
    return -(-n_panels // N_COLUMNS), min(n_panels, N_COLUMNS)


def _hide(axes: np.ndarray[tuple[int, int], np.dtype[np.object_]], n_panels: int, *, height: int) -> None:
    """Leave the rest of the last row empty."""
    n_columns = axes.shape[1]
    for index in range(n_panels, axes.size // height):
        row, column = divmod(index, n_columns)
        for ax in axes[height * row : height * (row + 1), column]:
            ax.set_visible(False)


def _content(name: str, histogram: Histogram, region: str, signal: str, systematics: "Histogram | None") -> Content:
    """Return what is drawn of a feature in a region; without systematics the uncertainty is statistical."""
    cells: Any = histogram.view(flow=False)
    values = {process: cells["value"][index] for index, process in enumerate(histogram.axes["process"])}
    variances = {process: cells["variance"][index] for index, process in enumerate(histogram.axes["process"])}
    data = values.pop(DATA, None)
    stack = {process: part for process, part in values.items() if process != signal}
    empty = np.zeros(cells.shape[1])
    deviation = empty if systematics is None else np.asarray(systematics.values())
    total = sum(stack.values(), empty)
    is_blind = region == SIGNAL_REGION and data is not None and not data.any()
    if data is not None:  # beyond the reach of data and prediction there is nothing to show
        data = np.where((data == 0) & (total <= 0), np.nan, data)
    return Content(
        name=region,
        observable=name,
        edges=np.asarray(histogram.axes[name].edges),
        stack=stack,
        total=total,
        uncertainty=np.sqrt(sum((variances[process] for process in stack), deviation**2)),
        signal=values.get(signal, empty),
        data=None if is_blind else data,
        is_blind=is_blind,
    )


def _shape(
    ax: Axes, histogram: Histogram, processes: Sequence[str], *, label: str, colour: str, is_filled: bool
) -> None:
    """Draw the normalised sum of processes with its statistical uncertainty; without positive sum it has no shape."""
    cells: Any = histogram.view(flow=False)
    rows = [histogram.axes["process"].index(name) for name in processes]
    values: FloatArray = cells["value"][rows].sum(axis=0)
    error: FloatArray = np.sqrt(cells["variance"][rows].sum(axis=0))
    edges = histogram.axes[-1].edges
    if values.sum() <= 0:
        return
    scale = 1 / values.sum() / np.diff(edges)
    if is_filled:
        ax.stairs(scale * values, edges, fill=True, color=colour, alpha=0.4, label=label)
    else:
        ax.stairs(scale * values, edges, color=colour, linewidth=1.8, label=label)
    ax.stairs(scale * (values + error), edges, baseline=scale * (values - error), fill=True, color=colour, alpha=0.3)
    ax.set_xlim(edges[0], edges[-1])
