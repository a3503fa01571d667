"""The figure of validation regions."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.inference import ValidatedRegion, Validation
from cascadebdt.plots import style


def validation(validation: Validation) -> Figure:
    """Draw data and prediction of validation regions, and below them the pulls.

    Parameters
    ----------
    validation : result of `inference.validate`
    """
    regions = validation.regions
    sizes = [len(region.data) for region in regions.values()]
    figure = style.figure(2.2 + 1.1 * len(sizes) + 0.35 * sum(sizes), 5.2)
    axes = figure.subplots(
        2, len(sizes), squeeze=False, height_ratios=(3, 1), width_ratios=[size + 2 for size in sizes]
    )
    for column, (name, region) in enumerate(regions.items()):
        _yields(axes[0, column], name, region)
        _pulls(axes[1, column], region)
    axes[0, 0].set_ylabel("Events")
    axes[1, 0].set_ylabel("Pull")
    axes[0, 0].legend(frameon=False, fontsize=9.5)
    return figure


def _yields(ax: Axes, name: str, region: ValidatedRegion) -> None:
    """Draw data over the prediction and its uncertainty."""
    data, predicted, error = region.data, region.predicted, region.uncertainty
    edges, centers = np.arange(len(data) + 1), np.arange(len(data)) + 0.5
    ax.stairs(predicted, edges, color=style.BACKGROUND_COLOURS[0], linewidth=1.8, label="prediction of the fit")
    ax.stairs(
        predicted + error, edges, baseline=predicted - error, fill=True, color="0.6", alpha=0.5, label="its uncertainty"
    )
    spread = np.abs(style.poisson_interval(data) - data)
    ax.errorbar(centers, data, yerr=spread, fmt="o", color=style.DATA_COLOUR, markersize=5, label="data")
    style.frame(ax)
    ax.set_xlim(0, len(data))
    ax.set_ylim(0, 1.35 * float(max(np.max(data + spread[1]), np.max(predicted + error))))
    ax.tick_params(axis="x", which="both", labelbottom=False)
    ax.set_title(f"{name}: p = {region.p_value:.2g}", fontsize=11)


def _pulls(ax: Axes, region: ValidatedRegion) -> None:
    """Draw the pull of each bin."""
    pulls = region.pulls
    ax.axhspan(-2, 2, color=style.TWO_SIGMA, linewidth=0)
    ax.axhspan(-1, 1, color=style.ONE_SIGMA, linewidth=0)
    ax.axhline(0, color="0.5", linewidth=1, linestyle="--")
    ax.plot(np.arange(len(pulls)) + 0.5, pulls, "o", color=style.DATA_COLOUR, markersize=5)
    style.frame(ax)
    ax.set_xlim(0, len(pulls))
    reach = max(3.2, 1.1 * float(np.max(np.abs(pulls))))
    ax.set_ylim(-reach, reach)
    ax.set_xticks(np.arange(len(pulls)) + 0.5, [str(number) for number in range(len(pulls))])
    ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    ax.set_xlabel("Bin")
