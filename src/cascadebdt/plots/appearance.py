"""How an analysis wants its figures: style, texts above them, labels, colours and order of processes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import matplotlib as mpl
import mplhep
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

from cascadebdt.config import Config, PlotStyle
from cascadebdt.plots import style

HEADER = 0.36  # inches, of the line above a figure
SIZE = 13.0  # points
FALLBACK = "DejaVu Sans"  # has the glyphs that the font of the experiments lacks
TAKEN = ("axes.linewidth", "xaxis.labellocation", "yaxis.labellocation")
"""What is taken of a style of mplhep beside its font: no sizes, since figures of many panels have their own."""
STYLES: Mapping[PlotStyle, Mapping[str, Any]] = {"plain": {}, "atlas": mplhep.style.ATLAS, "cms": mplhep.style.CMS}
SLANTED: Mapping[PlotStyle, tuple[bool, bool]] = {
    "plain": (False, False),
    "atlas": (True, False),
    "cms": (False, True),
}
"""Whether the experiment and the status are in italics, by the rules of the collaborations."""


@dataclass(frozen=True)
class Appearance:
    """How figures look.

    Attributes
    ----------
    style : ``plain``, ``atlas`` or ``cms``
    experiment, status, conditions : texts above every figure: on the left, in bold; beside it; on the right
    labels : process, region or feature -> label
    colours : process -> colour
    order : background processes from the bottom of the stack to its top; others are below them
    """

    style: PlotStyle = "plain"
    experiment: str = ""
    status: str = ""
    conditions: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    colours: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()

    @classmethod
    def of(cls, config: Config) -> Self:
        """Return what a configuration asks for."""
        wanted = config.plots
        energy = "" if wanted.sqrt_s_tev is None else f"√s = {wanted.sqrt_s_tev:g} TeV"
        luminosity = wanted.luminosity
        if luminosity is None:
            has_header = bool(wanted.experiment or wanted.status or energy)
            luminosity = f"{config.luminosity_fb:g} fb⁻¹" if has_header else ""
        return cls(
            style=wanted.style,
            experiment=wanted.experiment,
            status=wanted.status,
            conditions=", ".join(filter(None, [energy, luminosity])),
            labels=wanted.labels,
            colours=wanted.colours,
            order=wanted.order,
        )

    def label(self, name: str) -> str:
        """Return the label of a process, a region or a feature: its name if it has none."""
        return self.labels.get(name, name)

    def colours_of(self, processes: Iterable[str], *, signal: str) -> dict[str, str]:
        """Return one colour per process; those without one of their own have that of `style.colours`."""
        return style.colours(processes, signal=signal) | dict(self.colours)

    def rank(self, process: str) -> int:
        """Return the place of a process in the stack; 0 for those without one, which are below."""
        return self.order.index(process) + 1 if process in self.order else 0

    def saved(self, figures: Iterable[tuple[str, Figure]], folder: Path) -> dict[str, tuple[Path, Path]]:
        """Draw figures in the style, write the texts above them and save them; return name -> paths of PNG and PDF."""
        with self._settings():
            return {name: style.save(self.headed(figure), folder / name) for name, figure in figures}

    @contextmanager
    def _settings(self) -> Iterator[None]:
        """Draw in the style; settings of matplotlib are as before afterwards."""
        chosen = STYLES[self.style]
        taken: Any = {key: value for key, value in chosen.items() if key in TAKEN}
        if chosen:
            taken["font.family"] = [chosen["font.sans-serif"][0], FALLBACK]
        with mpl.rc_context(taken):
            yield

    def headed(self, figure: Figure) -> Figure:
        """Write the texts above a figure, which grows by a line; without texts it stays as it is."""
        if not (self.experiment or self.status or self.conditions):
            return figure
        _grow(figure)
        experiment, status = SLANTED[self.style]
        left = [_words(self.experiment, bold=True, italic=experiment), _words(self.status, italic=status)]
        _add(figure, "upper left", left)
        _add(figure, "upper right", [_words(self.conditions)])
        return figure


PLAIN = Appearance()


def _grow(figure: Figure) -> None:
    """Make a figure higher by a line above all that is on it."""
    width, height = figure.get_size_inches()
    share = height / (height + HEADER)
    figure.set_size_inches(width, height + HEADER)
    engine: Any = figure.get_layout_engine()
    if engine is None:
        places = figure.subplotpars
        figure.subplots_adjust(bottom=places.bottom * share, top=places.top * share)
        for legend in figure.legends:
            legend.set_bbox_to_anchor((0, 0, 1, share), transform=figure.transFigure)
    elif not _lower_titles(figure):
        engine.set(rect=(0, 0, 1, share))


def _lower_titles(figure: Figure) -> bool:
    """Begin what the layout puts at the top of a figure, whatever its rectangle is, with an empty line.

    Returns whether the panels are then below that line.
    """
    sides = [getattr(legend, "_outside_loc", None) for legend in figure.legends]  # which has no public name
    for legend, side in zip(figure.legends, sides, strict=True):
        if side in ("upper", "right"):
            title = legend.get_title()
            legend.set_title(f"\n{title.get_text()}" if title.get_text() else " ", title.get_fontproperties())
    title_of_all = figure.get_suptitle()
    for text in (text for text in figure.texts if title_of_all and text.get_text() == title_of_all):
        text.set_text(f"\n{title_of_all}")
    return bool(title_of_all) or "upper" in sides


def _words(text: str, *, bold: bool = False, italic: bool = False) -> Artist:
    font = {"fontsize": SIZE, "fontweight": "bold" if bold else "normal", "fontstyle": "italic" if italic else "normal"}
    return TextArea(text, textprops=font)


def _add(figure: Figure, place: str, words: list[Artist]) -> None:
    """Put texts beside each other into a corner of a figure."""
    box = HPacker(children=words, align="baseline", pad=0, sep=6)
    corner = AnchoredOffsetbox(place, child=box, frameon=False, pad=0, borderpad=0.5, bbox_to_anchor=figure.bbox)
    figure.add_artist(corner)
