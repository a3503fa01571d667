"""How every figure looks: colours, frames, ticks, files.

Everything is set on the artists themselves, so that no figure depends on, or changes, global settings of matplotlib.
"""

import io
import textwrap
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.textpath import TextToPath
from scipy import stats

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.atomic import write_bytes
from cascadebdt.config import DATA
from cascadebdt.plots.ticks import draw_minor_ticks, write_powers

DATA_COLOUR = "black"
SIGNAL_COLOUR = "#bd1f01"
ONE_SIGMA = "#cfe3b8"
TWO_SIGMA = "#f5ecc2"
BACKGROUND_COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#832db6",
    "#94a4a2",
    "#a96b59",
    "#e76300",
    "#b9ac70",
    "#717581",
    "#92dadd",
)
DPI = 110
COLUMNS = 3  # of panels
NAMELESS = {"CreationDate": None, "Producer": None, "Creator": None}  # of a PDF, so that equal figures are equal bytes


def colours(processes: Iterable[str], *, signal: str) -> dict[str, str]:
    """Return one colour per process, fixed by the order of first appearance.

    The signal is red and data are black; beyond nine backgrounds the colours return in a lighter shade.

    References
    ----------
    Petroff, arXiv:2107.02270: sequences of colours that the colour-blind can tell apart.
    """
    chosen = {signal: SIGNAL_COLOUR, DATA: DATA_COLOUR}
    for name in processes:
        if name not in chosen:
            lap, index = divmod(len(chosen) - 2, len(BACKGROUND_COLOURS))
            chosen[name] = _lighter(BACKGROUND_COLOURS[index], 0.6**lap)
    return chosen


def figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in inches, that lays itself out and needs no display."""
    result = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(result)
    return result


def panels(
    names: Sequence[str], size: tuple[float, float], *, margin: float, x: str, y: str
) -> tuple[Figure, list[Axes]]:
    """Return a figure with a panel for each name, at most `COLUMNS` in a row, and the panels.

    Parameters
    ----------
    names : above the panels
    size : of a panel in inches
    margin : inches that the figure is higher
    x, y : labels of the lowest panel of every column, and of the first of every row
    """
    columns = min(COLUMNS, len(names))
    rows = -(-len(names) // columns)
    drawn = figure(size[0] * columns + 0.5, size[1] * rows + margin)
    grid = list(drawn.subplots(rows, columns, squeeze=False).ravel())
    axes = grid[: len(names)]
    for ax, name in zip(axes, names, strict=True):
        ax.set_title(name, fontsize=11, loc="left")
    for ax in grid[len(names) :]:
        ax.set_axis_off()
    for ax in axes[-columns:]:
        ax.set_xlabel(x)
    for ax in axes[::columns]:
        ax.set_ylabel(y)
    return drawn, axes


def label_width(labels: Sequence[str], size: float) -> float:
    """Return the width in inches of the longest label, `size` in points, so that a figure can make room for it."""
    properties = FontProperties(size=size)
    widths = (TextToPath().get_text_width_height_descent(text, properties, ismath=False)[0] for text in labels)
    return max(widths, default=0.0) / 72


def wrapped(label: str, size: float, width: float) -> str:
    """Return a label, `size` in points, in as many lines as it needs to be no wider than `width` inches."""
    longest = max(1, int(len(label) * width / max(label_width([label], size), width)))
    return "\n".join(textwrap.wrap(label, longest)) if longest < len(label) else label


def frame(ax: Axes) -> None:
    """Give an Axes inward ticks on all sides and the fonts of the house."""
    draw_minor_ticks(ax)
    write_powers(ax)
    ax.tick_params(which="major", direction="in", top=True, right=True, length=6, labelsize=10.5)
    ax.tick_params(which="minor", direction="in", top=True, right=True, length=3)
    ax.xaxis.label.set_fontsize(12)
    ax.yaxis.label.set_fontsize(12)
    ax.set_axisbelow(False)


def save(figure: Figure, path: Path | str) -> tuple[Path, Path]:
    """Write a figure as ``<path>.png`` and ``<path>.pdf``; equal figures give equal bytes.

    Parameters
    ----------
    figure : any
    path : without suffix; its folder is made if missing

    Returns
    -------
    paths of the PNG and the PDF file
    """
    for ax in figure.axes:
        write_powers(ax)
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # names with dollar signs, which workspaces of other programs may have
    path = Path(path)
    png, pdf = path.with_name(f"{path.name}.png"), path.with_name(f"{path.name}.pdf")
    # Canvases draw once; Figure.savefig draws everything once more for each file, to lay out what is laid out already.
    canvas, engine, dpi = figure.canvas, figure.get_layout_engine(), figure.dpi
    # Into memory: after a write that failed, the PDF backend fails once more as it closes, which hides the reason.
    pixels, vectors = io.BytesIO(), io.BytesIO()
    FigureCanvasAgg(figure).print_png(pixels, metadata={"Software": None})  # type: ignore[no-untyped-call]
    figure.set_layout_engine("none")
    FigureCanvasPdf(figure).print_pdf(vectors, metadata=NAMELESS)  # type: ignore[no-untyped-call]
    figure.set_canvas(canvas)
    figure.set_layout_engine(engine)
    figure.set_dpi(dpi)
    return write_bytes(png, pixels.getvalue()), write_bytes(pdf, vectors.getvalue())


def poisson_interval(counts: AnyArray) -> FloatArray:
    """Return the lower and upper ends of the central 68.27 % interval of Poisson means, ``(2, n_bins) float64``.

    References
    ----------
    Garwood, Biometrika 28 (1936) 437; Particle Data Group, Review of Particle Physics, chapter Statistics.
    """
    tail = stats.norm.sf(1.0)
    lower = np.where(counts > 0, stats.chi2.ppf(tail, 2 * counts) / 2, 0.0)
    return np.stack([lower, stats.chi2.isf(tail, 2 * (counts + 1)) / 2])


def significant(value: float, uncertainty: float | None = None) -> str:
    """Write a number with two significant digits of its uncertainty, or three of its own."""
    scale = abs(value) / 10 if not uncertainty else abs(uncertainty)
    digits = 1 if not np.isfinite(scale) or scale == 0 else max(0, 1 - int(np.floor(np.log10(scale))))
    return f"{value:,.{digits}f}"


def _lighter(colour: str, share: float) -> str:
    """Mix a colour with white."""
    red, green, blue = (1 - share * (1 - part) for part in to_rgb(colour))
    return to_hex((red, green, blue))
