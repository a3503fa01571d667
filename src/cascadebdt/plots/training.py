"""Figures of what the cascade does: the scores of a stage, and the flow of yields through the stages."""

from collections.abc import Mapping, Sequence
from typing import Literal

import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.arrays import FloatArray
from cascadebdt.config import DATA
from cascadebdt.histograms.contents import Flow
from cascadebdt.histograms.yields import Histogram
from cascadebdt.plots import style
from cascadebdt.plots.appearance import PLAIN, Appearance


def scores(
    histogram: Histogram,
    *,
    stage: str,
    signal: str,
    against: Sequence[str],
    threshold: float | None,
    validation_threshold: float | None = None,
    efficiencies: Mapping[str, float] | None = None,
    yscale: Literal["linear", "log"] = "log",
    appearance: Appearance = PLAIN,
) -> Figure:
    """Draw the normalised scores of the signal and of the background of a stage, with its working point.

    Parameters
    ----------
    histogram : with axes ``process`` and ``score``, as from `contents.score_histograms`
    stage : its name
    signal, against : the processes that the stage was trained on; others are thin and dashed
    threshold : the working point, None for the final discriminant, which cuts nothing
    validation_threshold : where the validation region begins, if there is one
    efficiencies : what the working point keeps of each process, for the legend
    yscale : of the vertical axis
    appearance : labels and colours
    """
    figure = style.figure(9.0, 5.0)
    ax = figure.subplots()
    processes = [name for name in histogram.axes[0] if name != DATA]
    colours = appearance.colours_of(processes, signal=signal)
    main = [name for name in processes if name in (signal, *against)]
    for name in [*main, *(name for name in processes if name not in main)]:
        label = _label(appearance.label(name), (efficiencies or {}).get(name))
        is_filled = name in against and len(against) == 1
        _score(ax, histogram, name, colour=colours[name], label=label, is_main=name in main, is_filled=is_filled)
    if threshold is not None:
        _working_point(ax, threshold, validation_threshold)
    ax.set(xlim=(0, 1), yscale=yscale, ylabel="Density (unit area)")
    ax.set_xlabel("Final discriminant" if threshold is None else f"Score of stage {stage}")
    ax.set_title(
        f"{appearance.label(signal)} against {' + '.join(map(appearance.label, against))}", loc="left", fontsize=12
    )
    _limit(ax)
    style.frame(ax)
    title = "Process (kept)" if efficiencies else None
    figure.legend(loc="outside right upper", frameon=False, fontsize=10.5, title=title, alignment="left")
    return figure


def flow(flow: Flow, *, signal: str = "signal", appearance: Appearance = PLAIN) -> Figure:
    """Draw the yield of every process that reaches each stage, and what each stage keeps.

    Parameters
    ----------
    flow : what the stages leave, as from `contents.flow`
    signal : name of the signal process
    appearance : labels and colours
    """
    steps = flow.steps
    yields = {name: np.asarray(values, np.float64) for name, values in flow.yields.items()}
    labels = {name: appearance.label(name) for name in yields}
    figure = style.figure(max(10.0, 6.0 + 1.0 * len(steps)), 5.2)
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _flow_lines(left, steps, yields, appearance.colours_of(yields, signal=signal), labels, signal)
    _kept_table(right, steps, yields, labels)
    return figure


def _label(name: str, efficiency: float | None) -> str:
    return name if efficiency is None else f"{name}  ({_percent(efficiency)})"


def _percent(fraction: float) -> str:
    """Write a fraction in per cent with two or three significant digits."""
    percent = 100 * fraction
    if not np.isfinite(percent):
        return "–"
    if 0 < abs(percent) < 0.01:
        return "<0.01 %"
    digits = 0 if percent >= 99.95 or percent == 0 else 1 if abs(percent) >= 1 else 2
    return f"{percent:.{digits}f} %"


def _score(
    ax: Axes, histogram: Histogram, name: str, *, colour: str, label: str, is_main: bool, is_filled: bool
) -> None:
    """Draw the normalised score of one process; one without positive sum has no shape."""
    edges = histogram.axes[1].edges
    values = histogram.view(flow=False)[histogram.axes[0].index(name)]["value"]
    if values.sum() <= 0:
        return
    density = values / values.sum() / np.diff(edges)
    if is_filled:
        mplhep.histplot(density, edges, ax=ax, histtype="fill", color=colour, alpha=0.35, flow="none", yerr=False)
    mplhep.histplot(
        density,
        edges,
        ax=ax,
        label=label,
        color=colour,
        linewidth=2.4 if is_main else 1.1,
        zorder=3 if is_main else 2,
        linestyle="-" if is_main else "--",
        edges=False,
        yerr=False,
        flow="none",
    )


def _working_point(ax: Axes, threshold: float, validation_threshold: float | None) -> None:
    """Mark the threshold, and shade what fails, the validation region less."""
    ax.axvline(threshold, color="black", linewidth=1.4, gid="working point")
    ax.axvspan(0, threshold, color="black", alpha=0.06, linewidth=0, zorder=0)
    if validation_threshold is not None:
        ax.axvline(validation_threshold, color="black", linewidth=1.0, linestyle=":", gid="validation region")
        ax.axvspan(0, validation_threshold, color="black", alpha=0.06, linewidth=0, zorder=0)
    ax.annotate(
        f"passes: ≥ {threshold:.3f}" if threshold < 0.7 else f"passes: ≥ {threshold:.3f} →",
        (threshold, 0.965),
        (6 if threshold < 0.7 else -6, 0),
        xycoords=ax.get_xaxis_transform(),
        textcoords="offset points",
        ha="left" if threshold < 0.7 else "right",
        va="top",
        fontsize=10.5,
    )


def _limit(ax: Axes) -> None:
    """Leave room for the working point's label, and show four decades at most."""
    high = ax.dataLim.y1
    if ax.get_yscale() == "log":
        ax.set_ylim(max(0.5 * ax.dataLim.minposy, 1e-4 * high), 4 * high)
    else:
        ax.set_ylim(0, 1.15 * high)


def _flow_lines(
    ax: Axes,
    steps: Sequence[str],
    yields: Mapping[str, FloatArray],
    colours: Mapping[str, str],
    labels: Mapping[str, str],
    signal: str,
) -> None:
    """Draw yields against steps, the name of each process at the end of its line."""
    x = np.arange(len(steps))
    for name, values in yields.items():
        positive = np.where(values > 0, values, np.nan)
        width = 3.0 if name == signal else 1.8
        ax.plot(x, positive, color=colours[name], marker="o", markersize=5, linewidth=width, label=labels[name])
    ax.set(yscale="log", ylabel="Expected events", xlim=(-0.25, len(steps) - 0.85))
    ax.set_xticks(x, list(steps), rotation=35, ha="right", rotation_mode="anchor")
    ax.set_title("Yields that reach each stage", loc="left", fontsize=12)
    style.frame(ax)
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set_axisbelow(True)
    ax.grid(axis="x", color="0.9")
    ends = {name: values[values > 0][-1] for name, values in yields.items() if (values > 0).any()}
    for name, position in _spread(ends, ax.get_ylim()).items():
        kept = yields[name][-1] / yields[name][0] if yields[name][0] > 0 else np.nan
        text = f"{labels[name]}  {_percent(kept)}"
        ax.annotate(
            text,
            (1, position),
            (8, 0),
            xycoords=ax.get_yaxis_transform(),
            textcoords="offset points",
            va="center",
            color=colours[name],
            fontsize=10.5,
            fontweight="bold" if name == signal else "normal",
            annotation_clip=False,
        )


def _spread(values: Mapping[str, float], limits: tuple[float, float], gap: float = 0.055) -> dict[str, float]:
    """Move values apart on a log axis until labels, each `gap` of the axis high, do not overlap."""
    low, high = np.log(limits)
    names = sorted(values, key=lambda name: values[name])
    places = [(float(np.log(values[name])) - low) / (high - low) for name in names]
    for index in range(1, len(places)):
        places[index] = max(places[index], places[index - 1] + gap)
    excess = max(0.0, places[-1] - 1) if places else 0.0
    for index in reversed(range(len(places))):
        ceiling = 1.0 if index == len(places) - 1 else places[index + 1] - gap
        places[index] = min(places[index], ceiling) if excess else places[index]
    return {name: float(np.exp(low + place * (high - low))) for name, place in zip(names, places, strict=True)}


def _kept_table(ax: Axes, steps: Sequence[str], yields: Mapping[str, FloatArray], labels: Mapping[str, str]) -> None:
    """Draw a matrix: the share of each process that each stage keeps."""
    kept = np.array([_ratio(values[1:], values[:-1]) for values in yields.values()]).reshape(len(yields), -1)
    ax.imshow(np.clip(kept, 0, 1), cmap="Blues", vmin=0, vmax=1.6, aspect="auto")
    for (row, column), value in np.ndenumerate(kept):
        ax.text(column, row, _percent(value).removesuffix(" %"), ha="center", va="center", fontsize=10)
    ax.set_xticks(np.arange(len(steps) - 1), list(steps[:-1]), rotation=35, ha="right", rotation_mode="anchor")
    ax.set_yticks(np.arange(len(yields)), [labels[name] for name in yields])
    ax.set_title("Kept by each stage [%]", loc="left", fontsize=12)
    ax.tick_params(length=0, labelsize=10.5)
    ax.spines[:].set_visible(False)


def _ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    result = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
