"""Ticks that cost little: minor ones as one artist, powers of ten without mathematics.

A tick of matplotlib is an object of six artists, and most of those of a figure are minor ones without a label. To make,
lay out and draw them took a third of the time of a figure.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backend_bases import RendererBase
from matplotlib.lines import Line2D
from matplotlib.markers import TICKDOWN, TICKLEFT, TICKRIGHT, TICKUP, MarkerStyle
from matplotlib.ticker import Formatter, Locator, LogFormatter, LogLocator

SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
LENGTH = 3.0  # points
LABELLED = (1, 2, 5)  # multiples of powers of ten
LEAST_DECADES = 1.3  # of a logarithmic axis whose minor ticks need no labels


class PowersOfTen(Formatter):
    """Write the ticks of a logarithmic axis: 0.1 to 99 as they are, others with an exponent; not all between powers."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of a tick."""
        if x <= 0:
            return ""
        exponent = int(np.floor(np.log10(x) + 1e-9))
        mantissa = round(x / 10.0**exponent)
        if mantissa not in LABELLED:
            return ""
        if abs(exponent) <= 1:
            return f"{x:g}"
        power = f"10{str(exponent).translate(SUPERSCRIPTS)}"
        return power if mantissa == 1 else f"{mantissa} × {power}"


class _Quiet(Locator):
    """A locator of minor ticks that `_MinorTicks` draws, so that the axis makes none, unless they need labels."""

    def __init__(self, locator: Locator) -> None:
        self.places = locator

    def set_axis(self, axis: Any) -> None:
        """Set the axis, which places depend on."""
        super().set_axis(axis)
        self.places.set_axis(axis)

    def __call__(self) -> Sequence[float]:
        """Return the places of the ticks that the axis makes itself."""
        return self.places() if self.need_labels else []

    @property
    def need_labels(self) -> bool:
        """Whether a logarithmic axis has too few major ticks to be read."""
        if not isinstance(self.places, LogLocator):
            return False
        low, high = sorted(self.axis.get_view_interval())  # type: ignore[union-attr]
        return bool(low > 0 and np.log10(high / low) < LEAST_DECADES)


class _MinorTicks(Artist):
    """The minor ticks of an Axes, on the sides that its parameters name."""

    def __init__(self) -> None:
        super().__init__()
        self.set_in_layout(False)
        self.set_zorder(2.5)

    def draw(self, renderer: RendererBase) -> None:
        """Draw a row of markers along every side."""
        ax = self.axes
        assert ax is not None
        if not ax.get_visible():
            return
        for axis, sides in ((ax.xaxis, ("bottom", "top")), (ax.yaxis, ("left", "right"))):
            locator = axis.get_minor_locator()
            if isinstance(locator, _Quiet) and not locator.need_labels:
                for side in sides:
                    if axis.get_tick_params(which="minor").get(side, True):
                        self._row(renderer, axis, side, locator.places())

    def _row(self, renderer: RendererBase, axis: Axis, side: str, places: Sequence[float]) -> None:
        low, high = sorted(axis.get_view_interval())
        along = np.array([place for place in places if low <= place <= high])
        across = np.full(len(along), float(side in ("top", "right")))
        is_x = side in ("bottom", "top")
        ax = self.axes
        assert ax is not None
        marker = {"bottom": TICKUP, "top": TICKDOWN, "left": TICKRIGHT, "right": TICKLEFT}[side]
        line = Line2D(
            *((along, across) if is_x else (across, along)),
            linestyle="none",
            marker=MarkerStyle(marker),
            markersize=LENGTH,
            markeredgewidth=0.6,
            color="black",
            transform=ax.get_xaxis_transform("grid") if is_x else ax.get_yaxis_transform("grid"),
        )
        line.set_figure(ax.figure)
        line.axes = ax
        line.draw(renderer)


def draw_minor_ticks(ax: Axes) -> None:
    """Give an Axes minor ticks, inward on all sides, that go where the axis says when it is drawn.

    Locators set later take their place, as `NullLocator` does where there are to be none.
    """
    ax.minorticks_on()
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(_Quiet(axis.get_minor_locator()))
    if not any(isinstance(artist, _MinorTicks) for artist in ax.artists):
        ax.add_artist(_MinorTicks())


def write_powers(ax: Axes) -> None:
    """Write the ticks of logarithmic axes without mathematics."""
    for axis in (ax.xaxis, ax.yaxis):
        if isinstance(axis.get_major_formatter(), LogFormatter):
            axis.set_major_formatter(PowersOfTen())
            axis.set_minor_formatter(PowersOfTen())
