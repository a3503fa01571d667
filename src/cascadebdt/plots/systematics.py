"""Figures of systematics: their largest effects before and after the treatment, and what was pruned."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from cascadebdt.arrays import FloatArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.plots import style
from cascadebdt.workspace.treatment import VariationNote
from cascadebdt.workspace.varied import effect

N_COLUMNS = 3
SIDES = (("up", style.SIGNAL_COLOUR), ("down", style.BACKGROUND_COLOURS[0]))
LABEL_SIZE = 9  # points
KEPT = ("normalisation and shape", "normalisation alone", "shape alone", "pruned")
KEPT_COLOURS = ("#3f90da", "#92dadd", "#ffa90e", "#94a4a2", "white")


def systematics(
    yields: Yields, workspace: Mapping[str, Any], notes: Sequence[VariationNote], *, n_shown: int = 6
) -> Figure:
    """Draw the largest effects of systematics: up and down over nominal, as they were filled and as they are fitted.

    Only effects of the fitted regions that are found from events, the largest of every systematic first, in units of
    the statistical uncertainty of as many events as are expected.

    Parameters
    ----------
    yields : every region's histogram
    workspace : that was built from them
    notes : ``workspace.notes.variations``
    n_shown : how many effects
    """
    shown = _largest(yields, workspace, notes, n_shown)
    n_rows, n_columns = max(1, -(-len(shown) // N_COLUMNS)), min(max(len(shown), 1), N_COLUMNS)
    figure = style.figure(3.6 * n_columns + 0.4, 2.7 * n_rows + 0.6)
    axes = figure.subplots(n_rows, n_columns, squeeze=False).ravel()
    for ax, note in zip(axes, shown, strict=False):
        filled = _filled(yields[note.region], note)
        treated = effect(workspace, note.region, note.process, note.parameter)
        _panel(ax, note, filled, treated, _statistical(yields[note.region], note.process))
    for ax in axes[len(shown) :]:
        ax.set_visible(False)
    axes[0].set_ylabel("Change [%]")
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=5, frameon=False, fontsize=10)
    return figure


def pruning(notes: Sequence[VariationNote]) -> Figure:
    """Draw what is left of every systematic in every region and process after the treatment.

    Parameters
    ----------
    notes : ``workspace.notes.variations``
    """
    rows = list(dict.fromkeys(note.systematic for note in notes))
    columns = list(dict.fromkeys((note.region, note.process) for note in notes))
    kept = np.full((len(rows), len(columns)), len(KEPT))  # white where a systematic does not act
    for note in notes:
        kept[rows.index(note.systematic), columns.index((note.region, note.process))] = _what_is_left(note)
    below = style.label_width([process for _, process in columns], LABEL_SIZE)
    figure = style.figure(
        2.2 + style.label_width(rows, LABEL_SIZE) + 0.19 * len(columns), 1.7 + below + 0.27 * len(rows)
    )
    ax = figure.subplots()
    ax.imshow(kept, cmap=ListedColormap(KEPT_COLOURS), vmin=-0.5, vmax=len(KEPT) + 0.5, aspect="auto")
    ax.set_xticks(range(len(columns)), [process for _, process in columns], rotation=90, fontsize=LABEL_SIZE)
    ax.set_yticks(range(len(rows)), rows, fontsize=LABEL_SIZE, parse_math=False)
    ax.tick_params(length=0)
    _name_regions(ax, [region for region, _ in columns])
    handles = [Patch(facecolor=colour, label=name) for name, colour in zip(KEPT, KEPT_COLOURS, strict=False)]
    figure.legend(handles=handles, loc="outside upper center", ncols=4, frameon=False, fontsize=10)
    return figure


def _largest(
    yields: Yields, workspace: Mapping[str, Any], notes: Sequence[VariationNote], n_shown: int
) -> list[VariationNote]:
    """Return the largest effects, every systematic in turn."""
    sizes = {index: _size(yields[note.region], workspace, note) for index, note in enumerate(notes)}
    turns: Counter[str] = Counter()
    ordered = []
    for index in sorted((index for index in sizes if sizes[index] > 0), key=lambda index: -sizes[index]):
        ordered.append((turns[notes[index].systematic], -sizes[index], index))
        turns[notes[index].systematic] += 1
    return [notes[index] for *_, index in sorted(ordered)[:n_shown]]


def _size(histogram: Histogram, workspace: Mapping[str, Any], note: VariationNote) -> float:
    """Return the change of all bins in units of the statistical uncertainty of the expected events; 0 without any."""
    sides = effect(workspace, note.region, note.process, note.parameter)
    own = _cells(histogram, note.process, NOMINAL)["value"]
    if sides is None or len(sides[0]) != len(own):
        return 0.0
    processes = [name for name in histogram.axes["process"] if name != DATA]
    expected = np.maximum(sum(_cells(histogram, name, NOMINAL)["value"] for name in processes), 1.0)
    return float(np.sqrt(sum(np.square(side * own) for side in sides) / expected).max())


def _cells(histogram: Histogram, process: str, variation: str) -> Any:
    axes = histogram.axes
    return histogram.view(flow=False)[axes["process"].index(process), axes["variation"].index(variation)]


def _filled(histogram: Histogram, note: VariationNote) -> list[FloatArray | None]:
    """Return the relative change of the yields up and down; None for a side that was not filled."""
    nominal = _cells(histogram, note.process, NOMINAL)["value"]
    sides: list[FloatArray | None] = []
    for side, _ in SIDES:
        name = f"{note.systematic}_{side}"
        if name not in histogram.axes["variation"]:
            sides.append(None)
            continue
        varied = _cells(histogram, note.process, name)["value"]
        sides.append(np.divide(varied, nominal, out=np.ones(len(nominal)), where=nominal > 0) - 1)
    return sides


def _statistical(histogram: Histogram, process: str) -> FloatArray:
    cells = _cells(histogram, process, NOMINAL)
    error = np.sqrt(cells["variance"])
    return np.asarray(np.divide(error, cells["value"], out=np.zeros(len(error)), where=cells["value"] > 0))


def _panel(
    ax: Axes,
    note: VariationNote,
    filled: Sequence[FloatArray | None],
    treated: tuple[FloatArray, FloatArray] | None,
    statistical: FloatArray,
) -> None:
    """Draw one effect: dashed as filled, solid as fitted, over the statistical uncertainty of the nominal yields."""
    n_bins = len(statistical)
    edges = np.arange(n_bins + 1)
    reach = [0.01]
    band = 100 * statistical
    ax.stairs(band, edges, baseline=-band, fill=True, color="0.87", label="statistical")
    for index, (side, colour) in enumerate(SIDES):
        before = filled[index]
        if before is not None:
            ax.stairs(100 * before, edges, baseline=None, color=colour, linestyle=":", label=f"{side}, filled")
            reach.append(float(np.nanquantile(np.abs(before), 0.9)))
        if treated is not None and len(treated[index]) == n_bins:
            ax.stairs(100 * treated[index], edges, baseline=None, color=colour, linewidth=1.8, label=f"{side}, fitted")
            reach.append(float(np.abs(treated[index]).max()))
    ax.axhline(0, color="0.4", linewidth=0.8)
    ax.set_xlim(0, n_bins)
    ax.set_ylim(-130 * max(reach), 130 * max(reach))
    style.frame(ax)
    ax.set_title(f"{note.systematic}: {note.process} in {note.region}", fontsize=10, parse_math=False)
    ax.set_xlabel("Bin")


def _what_is_left(note: VariationNote) -> int:
    """Return the index in `KEPT` of what the treatment left of an effect."""
    has_normalisation = "normalisation pruned" not in note.actions
    has_shape = "shape pruned" not in note.actions
    return (1 - has_shape) if has_normalisation else 3 - has_shape


def _name_regions(ax: Axes, regions: Sequence[str]) -> None:
    """Write the names of regions above their columns, and lines between them."""
    for region in dict.fromkeys(regions):
        places = [index for index, name in enumerate(regions) if name == region]
        ax.text(float(np.mean(places)), -0.65, region, ha="center", va="bottom", fontsize=LABEL_SIZE)
        ax.axvline(places[-1] + 0.5, color="black", linewidth=0.8)
