"""The figure of upper limits with their bands."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from cascadebdt.inference import LimitResult
from cascadebdt.plots import style

LABEL_SIZE = 10.5  # points
HEIGHT = 0.34  # of half a band, in rows


def limits(results: Mapping[str, LimitResult]) -> Figure:
    """Draw upper limits on the signal strength, one below the other: bands of 68 % and 95 %, median, observed.

    Parameters
    ----------
    results : label -> result of `inference.limit`
    """
    labels = style.label_width(list(results), LABEL_SIZE)
    figure = style.figure(6.2 + labels, 1.7 + 0.5 * max(len(results), 1))
    ax = figure.subplots()
    for row, result in enumerate(results.values()):
        low, lower, median, higher, high = result.expected
        rows = [row - HEIGHT, row + HEIGHT]
        labels_of = [None] * 4 if row else ["expected, 95 %", "expected, 68 %", "expected, median", "observed"]
        ax.fill_betweenx(rows, low, high, color=style.TWO_SIGMA, linewidth=0, label=labels_of[0])
        ax.fill_betweenx(rows, lower, higher, color=style.ONE_SIGMA, linewidth=0, label=labels_of[1])
        ax.plot([median] * 2, rows, color="black", linestyle="--", label=labels_of[2])
        if result.observed is not None:
            ax.plot([result.observed], [row], "o", color=style.DATA_COLOUR, label=labels_of[3])
        number = median if result.observed is None else result.observed
        place = max(high, number)
        ax.annotate(style.significant(number), (place, row), (6, 0), textcoords="offset points", va="center")
    style.frame(ax)
    largest = max((max(result.expected[-1], result.observed or 0.0) for result in results.values()), default=1.0)
    ax.set_xlim(0, 1.2 * largest)
    ax.set_ylim(len(results) - 0.4, -0.6)
    ax.set_yticks(np.arange(len(results)), list(results), parse_math=False)
    ax.tick_params(axis="y", which="both", left=False, right=False, labelsize=LABEL_SIZE)
    ax.axvline(1, color="0.5", linewidth=1, linestyle=":")
    level = next((100 * (1 - result.level) for result in results.values()), 95.0)
    ax.set_xlabel(f"Upper limit on the signal strength at {level:g} % CL")
    figure.legend(*ax.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False, fontsize=10)
    return figure
