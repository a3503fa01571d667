"""The figure of the parts of an uncertainty."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.inference import Breakdown
from cascadebdt.plots import style

Ends = tuple[float | None, float | None]
MAX_LENGTH = 34
MIN_NAMED_SHARE = 0.04


def breakdown(parts: Breakdown, *, n_shown: int = 16) -> Figure:
    """Draw the parts of the uncertainty below and above the best value, and their shares in its variance, stacked.

    Parameters
    ----------
    parts : result of `inference.breakdown`
    n_shown : how many groups, the largest first
    """
    groups = dict(sorted(parts.groups.items(), key=lambda item: -_size(item[1]))[:n_shown])
    whole = {"total": parts.total, "statistical": parts.statistical, "systematic": parts.systematic}
    rows = {**whole, "data alone": parts.data, **groups}
    figure = style.figure(8.6, 3.0 + 0.33 * len(rows))
    bars, stack = figure.subplots(2, 1, height_ratios=(0.33 * len(rows) + 0.8, 0.9))
    _bars(bars, rows, parts.parameter)
    _stack(stack, {"data alone": parts.data, **groups})
    return figure


def _size(ends: Ends) -> float:
    return max(end or 0.0 for end in ends)


def _bars(ax: Axes, rows: Mapping[str, Ends], parameter: str) -> None:
    """Draw every part as a bar to both sides; a side without an end is left out."""
    positions = np.arange(len(rows))
    colours = ["0.25", *["0.55"] * 3, *[style.BACKGROUND_COLOURS[0]] * (len(rows) - 4)]
    for side, sign in ((0, -1), (1, 1)):
        ax.barh(
            positions, [sign * (ends[side] or 0.0) for ends in rows.values()], color=colours, height=0.7, linewidth=0
        )
    reach = 1.7 * max([_size(ends) for ends in rows.values()] + [1e-12])
    ax.set_xlim(-reach, reach)
    style.frame(ax)
    ax.axvline(0, color="0.3", linewidth=0.9)
    for position, (below, above) in enumerate(rows.values()):
        text = f"{_number('−', below)} {_number('+', above)}"
        ax.text(0.99, position, text, transform=ax.get_yaxis_transform(), ha="right", va="center", fontsize=9.5)
    ax.set_yticks(positions, [_short(name) for name in rows])
    ax.tick_params(axis="y", which="both", left=False, right=False)
    ax.set_ylim(len(rows) - 0.4, -0.6)
    ax.set_xlabel(f"Uncertainty of {_short(parameter)}")


def _stack(ax: Axes, rows: Mapping[str, Ends]) -> None:
    """Draw the shares in the sum of squares as one stacked bar."""
    squares = {name: _size(ends) ** 2 for name, ends in rows.items()}
    total, left = sum(squares.values()) or 1.0, 0.0
    for number, (name, square) in enumerate(sorted(squares.items(), key=lambda item: -item[1])):
        share = square / total
        colour = style.BACKGROUND_COLOURS[number % len(style.BACKGROUND_COLOURS)]
        ax.barh(0, share, left=left, color=colour, height=0.8, linewidth=0.5, edgecolor="white",
                label=f"{_short(name)} {100 * share:.0f} %" if share >= MIN_NAMED_SHARE else None)  # fmt: skip
        left += share
    ax.set_xlim(0, 1)
    ax.set_ylim(-0.5, 0.5)
    ax.set_yticks([])
    style.frame(ax)
    ax.set_xlabel("Share in the sum of squares")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.55), ncols=4, frameon=False, fontsize=9)


def _number(sign: str, value: float | None) -> str:
    return "–" if value is None else f"{sign}{style.significant(value, value)}"


def _short(name: str) -> str:
    return name if len(name) <= MAX_LENGTH else f"{name[: MAX_LENGTH - 1]}…"
