"""Figures of the regions: stacked predictions, data, their ratio.

Bins of unequal width are drawn equally wide, because quantile bins would hide where the events are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, FigureBase
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FixedLocator, NullLocator

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.config.region_names import SIGNAL_REGION, is_validation
from cascadebdt.errors import FitError, did_you_mean
from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.inference import FitResult
from cascadebdt.plots import style
from cascadebdt.plots.appearance import PLAIN, Appearance

BINS_PER_ROW = 46
BIN_WIDTH = 0.3  # inches, in the overview
LEGEND_SIZE = 11  # points
MAX_EDGES = 20  # of unequal bins that are written below a region
LEGEND_HANDLE = 0.75  # inches, of the sample of a colour and the space around it
_SIGNAL_LINE = "signal line"
_UNCERTAINTY = "Uncertainty"
_HALO = withStroke(linewidth=3.8, foreground="white")
BAND: dict[str, Any] = {"facecolor": "none", "edgecolor": "0.25", "hatch": "//////", "linewidth": 0}


@dataclass(frozen=True, eq=False)
class Content:
    """What is drawn of one region.

    Attributes
    ----------
    name, observable : of the region
    edges : (n_bins + 1,)
    stack : process -> (n_bins,), what the prediction consists of
    total, uncertainty : (n_bins,), the prediction
    signal : (n_bins,), the nominal signal, for a line of its own
    data : (n_bins,) events; None where there are none to show
    is_blind : whether data are withheld
    """

    name: str
    observable: str
    edges: FloatArray
    stack: Mapping[str, FloatArray]
    total: FloatArray
    uncertainty: FloatArray
    signal: FloatArray
    data: FloatArray | None
    is_blind: bool

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return len(self.edges) - 1

    @property
    def width(self) -> float:
        """Width in an overview, in bins: room for the bins, and for the name above them."""
        return max(float(self.n_bins), len(self.name) / 2.7)


def regions(
    yields: Yields,
    fit: FitResult | None = None,
    *,
    signal: str = "signal",
    title: str | None = None,
    appearance: Appearance = PLAIN,
) -> Figure:
    """Draw all regions side by side: yields, composition of the prediction, data over prediction.

    The prediction is the background before the fit, with its statistical uncertainty; with `fit` it is what the
    fit made of it, with the signal if data of the signal region were fitted. A signal region of a blind fit, or
    without a fit one without any data, is marked as blinded and shows none. Validation regions, which no fit sees, are
    drawn only before the fit.

    Parameters
    ----------
    yields : every region's histogram
    fit : result of a fit to them
    signal : name of the signal process, drawn as a line, scaled so that it can be seen
    title : written above
    appearance : labels, colours and order
    """
    shown = {n: h for n, h in yields.items() if fit is None or n in fit.postfit or not is_validation(n)}
    contents = [content(name, histogram, fit, signal=signal) for name, histogram in shown.items()]
    heading = " · ".join(filter(None, [title, _fit_label(fit)]))
    return draw_rows(rows_of(contents), look_of(contents, list(shown.values()), signal, appearance), heading)


def draw_rows(rows: Sequence[Sequence[Content]], look: "Look", heading: str) -> Figure:
    """Draw rows of regions below each other, with one legend under a heading."""
    widest = max(sum(drawn.width for drawn in row) for row in rows)
    figure = style.figure(max(2.0 + BIN_WIDTH * widest, 9.0), 1.3 + 5.7 * len(rows))
    _squeeze(figure)
    for row, part in zip(rows, np.atleast_1d(np.asarray(figure.subfigures(len(rows), 1), object)), strict=True):
        _overview_row(part, row, look)
    figure.supxlabel("Bin number (bins of unequal width are drawn equally wide)", fontsize=12)
    legend(figure, look, heading, columns=int(figure.get_figwidth() / 1.5))
    return figure


def region(
    histogram: Histogram,
    name: str,
    fit: FitResult | None = None,
    *,
    signal: str = "signal",
    title: str | None = None,
    appearance: Appearance = PLAIN,
) -> Figure:
    """Draw one region: yields and data over prediction, as `regions` does.

    Parameters
    ----------
    histogram : of the region
    name : of the region
    fit, signal, title, appearance : as for `regions`
    """
    drawn = content(name, histogram, fit, signal=signal)
    look = look_of([drawn], [histogram], signal, appearance)
    figure = style.figure(7.6, 6.8)
    _squeeze(figure)
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    edges = _drawn_edges(drawn)
    yields_panel(top, drawn, edges, look)
    top.set(ylim=log_range([drawn], look.factor), ylabel="Events / bin")
    top.set_title(look.label(name), loc="left", fontsize=13, fontweight="bold")
    ratio_panel(bottom, drawn, edges, ratio_reach([drawn]))
    bottom.set_ylabel("Data / prediction")
    _edge_ticks(bottom, drawn, edges, look.label(drawn.observable))
    figure.align_ylabels([top, bottom])
    legend(figure, look, " · ".join(filter(None, [title, _fit_label(fit)])), columns=4)
    return figure


def content(name: str, histogram: Histogram, fit: FitResult | None, *, signal: str) -> Content:
    """Collect what is drawn of one region.

    Raises
    ------
    FitError
        If the fit is not of this region.
    """
    process, variation, observable = histogram.axes
    cells: AnyArray = np.asarray(histogram.view(flow=False))[:, variation.index(NOMINAL)]
    values = {p: np.asarray(cells["value"][i]) for i, p in enumerate(process)}
    variances = {p: np.asarray(cells["variance"][i]) for i, p in enumerate(process)}
    data = values.pop(DATA, None)
    nominal_signal = values.get(signal, np.zeros(len(observable)))
    withheld = fit.blind if fit is not None else data is not None and not data.any()
    is_blind = name == SIGNAL_REGION and data is not None and withheld
    if fit is None:
        stack = {p: value for p, value in values.items() if p != signal}
        total = sum(stack.values(), np.zeros(len(observable)))
        uncertainty = np.sqrt(sum((variances[p] for p in stack), np.zeros(len(observable))))
    else:
        stack, total, uncertainty = _fitted(name, list(values), len(observable), fit, signal)
    return Content(
        name=name,
        observable=observable.name,
        edges=np.asarray(observable.edges),
        stack=stack,
        total=total,
        uncertainty=uncertainty,
        signal=nominal_signal,
        data=None if is_blind else data,
        is_blind=is_blind,
    )


def _fitted(
    name: str, processes: Sequence[str], n_bins: int, fit: FitResult, signal: str
) -> tuple[dict[str, FloatArray], FloatArray, FloatArray]:
    """Return stack, total and uncertainty after the fit; the signal is stacked if a positive one was found."""
    if name not in fit.postfit:
        raise FitError(f"fit: no region '{name}'{did_you_mean(name, fit.postfit)}; fit the yields that are drawn")
    total, uncertainty = fit.total[name], fit.total_uncertainty[name]
    if len(total) != n_bins:
        raise FitError(f"fit: region '{name}' has {len(total)} bins, its histogram {n_bins}; fit what is drawn")
    hidden = {signal} if fit.blind or fit.mu[0] <= 0 else set()
    postfit = fit.postfit[name]
    stack = {p: postfit[p] for p in processes if p in postfit and p not in hidden}
    return stack, total, uncertainty


def signal_factor(contents: Sequence[Content]) -> float:
    """Return the power of ten that brings the signal close to the prediction where it is looked for."""
    looked_at = next((c for c in contents if c.name == SIGNAL_REGION), max(contents, key=lambda c: c.signal.sum()))
    both = (looked_at.signal > 0) & (looked_at.total > 0)
    if not both.any():
        return 1.0
    typical = float(np.median(looked_at.total[both] / looked_at.signal[both]))
    return float(10 ** max(0, int(np.floor(np.log10(typical)))))


@dataclass(frozen=True)
class Look:
    """What all panels share: the order of the stack, one colour per process, the factor of the signal line."""

    signal: str
    order: tuple[str, ...]
    colours: Mapping[str, str]
    factor: float
    appearance: Appearance = PLAIN

    def label(self, name: str) -> str:
        """Return the label of a process, a region or a feature."""
        return self.appearance.label(name)


def look_of(
    contents: Sequence[Content], histograms: Sequence[Histogram], signal: str, appearance: Appearance = PLAIN
) -> Look:
    """Order the stack with small processes below and the signal on top; colours follow the order of the histograms."""
    processes = dict.fromkeys(name for histogram in histograms for name in histogram.axes["process"])
    sums = {name: sum(float(np.sum(drawn.stack.get(name, 0.0))) for drawn in contents) for name in processes}
    order = sorted(sums, key=lambda name: (name == signal, appearance.rank(name), sums[name]))
    colours = appearance.colours_of(processes, signal=signal)
    return Look(signal, tuple(order), colours, signal_factor(contents), appearance)


def rows_of(contents: Sequence[Content]) -> list[list[Content]]:
    """Break the regions into rows as wide as `BINS_PER_ROW` bins at most."""
    rows: list[list[Content]] = [[]]
    for drawn in contents:
        if rows[-1] and sum(other.width for other in rows[-1]) + drawn.width > BINS_PER_ROW:
            rows.append([])
        rows[-1].append(drawn)
    return rows


def _squeeze(figure: Figure) -> None:
    """Leave no space between panels."""
    figure.set_layout_engine("constrained", w_pad=0.03, h_pad=0.03, wspace=0.0, hspace=0.0)


def _overview_row(figure: FigureBase, contents: Sequence[Content], look: Look) -> None:
    """Draw regions side by side, each a column of three panels."""
    axes = figure.subplots(
        3,
        len(contents),
        sharex="col",
        sharey="row",
        squeeze=False,
        width_ratios=[drawn.width for drawn in contents],
        height_ratios=(3.2, 1, 1),
    )
    reach = ratio_reach(contents)
    for (top, middle, bottom), drawn in zip(axes.T, contents, strict=True):
        edges = np.arange(0.5, drawn.n_bins + 1, dtype=np.float64)
        yields_panel(top, drawn, edges, look)
        _composition(middle, drawn, edges, look)
        ratio_panel(bottom, drawn, edges, reach)
        top.set_title(look.label(drawn.name), fontsize=10.5, fontweight="bold")
        _bin_ticks(bottom, drawn, look.label(drawn.observable))
    axes[0, 0].set(ylim=log_range(contents, look.factor), ylabel="Events / bin")
    axes[1, 0].set(ylim=(0, 1), ylabel="Composition")
    axes[2, 0].set_ylabel("Data / pred.")
    figure.align_ylabels(axes[:, 0])


def yields_panel(ax: Axes, drawn: Content, edges: FloatArray, look: Look) -> None:
    """Draw the stack with its uncertainty, the signal line and the data."""
    names = [name for name in look.order if name in drawn.stack]
    ax.set_yscale("log")
    if names:
        mplhep.histplot(
            [drawn.stack[name] for name in names],
            edges,
            ax=ax,
            stack=True,
            histtype="fill",
            color=[look.colours[name] for name in names],
            label=[f"{look.label(name)} (fitted)" if name == look.signal else look.label(name) for name in names],
            flow="none",
        )
    ax.stairs(drawn.total, edges, color="black", linewidth=0.8, baseline=None)
    _band(ax, edges, drawn.total - drawn.uncertainty, drawn.total + drawn.uncertainty)
    if drawn.signal.any():
        line = ax.stairs(
            look.factor * drawn.signal, edges, baseline=None, color=look.colours[look.signal], linewidth=2.2
        )
        line.set(label=_SIGNAL_LINE, path_effects=[_HALO])
    if drawn.data is not None:
        _points(ax, edges, drawn.data, np.abs(style.poisson_interval(drawn.data) - drawn.data))
    if drawn.is_blind:
        _stamp(ax, 0.8, 0.88)
    ax.set_xlim(edges[0], edges[-1])
    style.frame(ax)


def _composition(ax: Axes, drawn: Content, edges: FloatArray, look: Look) -> None:
    """Draw the share of each process in the prediction; negative yields count as none."""
    below = np.zeros(drawn.n_bins)
    total = np.sum([np.maximum(values, 0) for values in drawn.stack.values()], axis=0)
    for name in (name for name in look.order if name in drawn.stack):
        share = np.divide(np.maximum(drawn.stack[name], 0), total, out=np.zeros(drawn.n_bins), where=total > 0)
        ax.stairs(below + share, edges, baseline=below, fill=True, color=look.colours[name])
        below = below + share
    style.frame(ax)
    ax.yaxis.set_major_locator(FixedLocator([0.25, 0.5, 0.75]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.set_xlim(edges[0], edges[-1])


def ratio_panel(ax: Axes, drawn: Content, edges: FloatArray, reach: float) -> None:
    """Draw data over prediction with the errors of the data; the relative uncertainty of the prediction is a band."""
    ax.axhline(1, color="0.4", linewidth=0.8)
    if drawn.is_blind:
        _stamp(ax, 0.5, 0.5)
    relative = ratio(drawn.uncertainty, drawn.total)
    _band(ax, edges, 1 - relative, 1 + relative)
    if drawn.data is not None:
        errors = np.abs(style.poisson_interval(drawn.data) - drawn.data)
        _points(ax, edges, ratio(drawn.data, drawn.total), ratio(errors, drawn.total))
        _arrows(ax, edges, ratio(drawn.data, drawn.total), reach)
    ax.set(xlim=(edges[0], edges[-1]), ylim=(1 - 1.12 * reach, 1 + 1.12 * reach))
    style.frame(ax)
    ax.yaxis.set_major_locator(FixedLocator([1 - reach, 1, 1 + reach]))


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """Divide, NaN where the denominator is not positive; its own uncertainty is drawn apart."""
    shape = np.broadcast_shapes(np.shape(numerator), np.shape(denominator))
    result = np.full(shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result


def _band(ax: Axes, edges: FloatArray, low: FloatArray, high: FloatArray) -> None:
    """Draw an uncertainty as a hatched band."""
    low, high = np.nan_to_num(low, nan=1.0), np.nan_to_num(high, nan=1.0)
    ax.stairs(high, edges, baseline=low, fill=True, label=_UNCERTAINTY, **BAND)


def _points(ax: Axes, edges: FloatArray, values: FloatArray, errors: FloatArray) -> None:
    """Draw data, ``errors`` being (2, n_bins): downward, upward."""
    style_of = {"color": style.DATA_COLOUR, "markersize": 7, "elinewidth": 1.2, "label": "Data", "zorder": 5}
    mplhep.histplot(values, edges, ax=ax, yerr=errors, histtype="errorbar", flow="none", **style_of)


def _arrows(ax: Axes, edges: FloatArray, values: FloatArray, reach: float) -> None:
    """Point at ratios outside the panel, which reaches from ``1 - reach`` to ``1 + reach``."""
    centers = (edges[1:] + edges[:-1]) / 2
    for outside, place, marker in ((values > 1 + reach, 1 + reach, "^"), (values < 1 - reach, 1 - reach, "v")):
        x = centers[outside]
        ax.plot(x, np.full(len(x), place), marker=marker, linestyle="none", color=style.DATA_COLOUR, markersize=6)


def _stamp(ax: Axes, x: float, y: float) -> None:
    """Say that data are withheld."""
    box = {"facecolor": "white", "edgecolor": "0.5", "boxstyle": "round,pad=0.35", "linewidth": 0.8}
    text = ax.text(x, y, "blinded", transform=ax.transAxes, ha="center", va="center", bbox=box, zorder=6)
    text.set(fontsize=11, style="italic")


def log_range(contents: Sequence[Content], factor: float) -> tuple[float, float]:
    """Return limits of a log axis that hold the prediction, the signal and the data."""
    shown = [np.concatenate([c.total, factor * c.signal, c.total if c.data is None else c.data]) for c in contents]
    values = np.concatenate(shown)
    values = values[values > 0]
    if not len(values):
        return 0.1, 10.0
    totals = np.concatenate([c.total for c in contents])
    low = 0.3 * min(float(totals[totals > 0].min(initial=values.max())), 10.0)
    return low, float(values.max()) * (float(values.max()) / low) ** 0.08


def ratio_reach(contents: Sequence[Content]) -> float:
    """Return how far the ratio panel reaches from 1, so that it holds nearly all data and their bands."""
    reach = [0.0]
    for drawn in contents:
        if drawn.data is not None or len(contents) == 1:
            reach += list(ratio(drawn.uncertainty, drawn.total))
        if drawn.data is not None:
            reach += list(np.abs(ratio(drawn.data, drawn.total) - 1))
    widest = 1.2 * float(np.nanquantile(reach, 0.97))
    return next((half for half in (0.1, 0.2, 0.5) if widest <= half), 1.0)


def _is_regular(edges: FloatArray) -> bool:
    return bool(np.allclose(np.diff(edges), np.diff(edges)[0], rtol=1e-6))


def _drawn_edges(drawn: Content) -> FloatArray:
    return drawn.edges if _is_regular(drawn.edges) else np.arange(drawn.n_bins + 1, dtype=np.float64)


def _bin_ticks(ax: Axes, drawn: Content, label: str) -> None:
    """Set one tick per bin, with its number."""
    step = 1 if drawn.n_bins <= 12 else 2
    ax.xaxis.set_major_locator(FixedLocator(list(range(1, drawn.n_bins + 1, step))))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(label, fontsize=10.5)


def _edge_ticks(ax: Axes, drawn: Content, edges: FloatArray, label: str) -> None:
    """Write the edges of unequal bins at equal distances, not all where there are many."""
    if _is_regular(drawn.edges):
        ax.set_xlabel(label)
        return
    step = -(-drawn.n_bins // MAX_EDGES)
    ax.set_xticks(
        edges[::step], [f"{edge:.3g}" for edge in drawn.edges[::step]], rotation=35 if drawn.n_bins > 6 else 0
    )
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xlabel(f"{label} (bins of unequal width are drawn equally wide)")


def legend(figure: Figure, look: Look, heading: str, *, columns: int) -> None:
    """Write one legend above all panels, in rows of equal length of at most `columns` entries that fit the figure."""
    handles: dict[str, Any] = {}
    for ax in figure.axes:
        handles |= dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    first = [label for label in ("Data", _SIGNAL_LINE) if label in handles]
    names = [label for label in handles if label not in (*first, _UNCERTAINTY)]
    order = [*first, *names, *([_UNCERTAINTY] if _UNCERTAINTY in handles else [])]
    shown = {_SIGNAL_LINE: f"{look.label(look.signal)}{_times(look.factor)}"}
    widest = LEGEND_HANDLE + style.label_width([shown.get(label, label) for label in order], LEGEND_SIZE)
    columns = max(1, min(columns, int(figure.get_figwidth() / widest)))
    drawn = figure.legend(
        [handles[label] for label in order],
        [shown.get(label, label) for label in order],
        loc="outside upper center",
        ncols=-(-len(order) // -(-len(order) // columns)),
        frameon=False,
        fontsize=LEGEND_SIZE,
        title=heading,
        title_fontproperties={"size": 12, "weight": "bold"},
    )
    drawn.set_gid("legend")


def _times(factor: float) -> str:
    """Write a power of ten as a factor."""
    exponent = str(round(np.log10(factor))).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return "" if factor == 1 else f" × {factor:.0f}" if factor <= 1000 else f" × 10{exponent}"


def _fit_label(fit: FitResult | None) -> str:
    if fit is None:
        return "Before the fit"
    return "After the fit to the control regions" if fit.blind else "After the fit"
