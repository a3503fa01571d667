"""The figure of limits from pseudo-experiments."""

import numpy as np
from matplotlib.figure import Figure

from cascadebdt.inference import Limits, ToyLimit
from cascadebdt.plots import style


def toy_limit(result: ToyLimit, asymptotic: Limits | None = None) -> Figure:
    """Draw CLs against the signal strength, with the limits of asymptotic formulas.

    Parameters
    ----------
    result : of `inference.toy_limit`
    asymptotic : limits by asymptotic formulas, drawn as lines
    """
    figure = style.figure(6.8, 4.8)
    ax = figure.subplots()
    mus = np.array([point.mu for point in result.points])
    bands = np.maximum([point.expected for point in result.points], 1e-4)
    ax.fill_between(mus, bands[:, 0], bands[:, 4], color=style.TWO_SIGMA, linewidth=0, label="expected, 95 %")
    ax.fill_between(mus, bands[:, 1], bands[:, 3], color=style.ONE_SIGMA, linewidth=0, label="expected, 68 %")
    ax.plot(mus, bands[:, 2], color="black", linestyle="--", linewidth=1.3, label="expected, median")
    seen = [point.expected[2] if point.observed is None else point.observed for point in result.points]
    errors = [point.uncertainty for point in result.points]
    word = "its uncertainty" if result.observed is None else "observed"
    ax.errorbar(mus, np.maximum(seen, 1e-4), yerr=errors, fmt="o", color="black", markersize=4.5, label=word)
    ax.axhline(result.level, color="0.5", linewidth=1, linestyle=":")
    if asymptotic is not None and (found := asymptotic.limit) is not None:
        value = found.expected[2] if found.observed is None else found.observed
        ax.axvline(value, color=style.SIGNAL_COLOUR, linewidth=1.2, label="asymptotic limit")
    ax.set_yscale("log")
    ax.set_ylim(min(0.3 * result.level, 0.01), 1.2)
    ax.set_xlabel("Signal strength")
    ax.set_ylabel("CLs of pseudo-experiments")
    ax.legend(frameon=False, fontsize=9.5)
    style.frame(ax)
    return figure
