"""The figure of a fit to some regions and its prediction in all."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt.inference import ProjectedRegion, Projection
from cascadebdt.plots import style

MAX_NAME = 28


def projection(projection: Projection) -> Figure:
    """Draw the sum of the bins of every region: data over prediction, with its uncertainty.

    Parameters
    ----------
    projection : result of `inference.project`
    """
    regions = projection.regions
    figure = style.figure(2.6 + 0.85 * max(len(regions), 3), 5.4)
    upper, lower = figure.subplots(2, 1, height_ratios=(3, 1.3), sharex=True)
    for position, region in enumerate(regions.values()):
        _total(upper, position, region)
        _ratio(lower, position, region)
    upper.set_yscale("log")
    upper.set_ylabel("Events")
    upper.legend(*_once(upper), frameon=False, fontsize=9.5)
    lower.axhline(1, color="0.5", linewidth=1, linestyle="--")
    lower.set_ylabel("Data / prediction")
    for ax in (upper, lower):
        style.frame(ax)
        ax.tick_params(axis="x", which="minor", bottom=False, top=False)
    names = [name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 1]}…" for name in regions]
    lower.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor", fontsize=9.5)
    lower.set_xlim(-0.6, len(names) - 0.4)
    return figure


def _total(ax: Axes, position: int, region: ProjectedRegion) -> None:
    """Draw the prediction of a region as a band, and its data."""
    colour = style.BACKGROUND_COLOURS[0] if region.is_fitted else style.BACKGROUND_COLOURS[1]
    word = "fitted region" if region.is_fitted else "predicted region"
    ends = [position - 0.38, position + 0.38]
    ax.plot(ends, [region.total] * 2, color=colour, linewidth=2, label=word)
    low, high = region.total - region.total_uncertainty, region.total + region.total_uncertainty
    ax.fill_between(ends, [max(low, 1e-3 * region.total)] * 2, [high] * 2, color=colour, alpha=0.3, linewidth=0)
    if region.data is not None and (events := float(region.data.sum())) > 0:
        errors = np.abs(style.poisson_interval(np.array([events])) - events)
        ax.errorbar([position], [events], yerr=errors, fmt="o", color=style.DATA_COLOUR, markersize=5, label="data")


def _ratio(ax: Axes, position: int, region: ProjectedRegion) -> None:
    """Draw data over prediction."""
    if not region.total > 0:
        return
    part = region.total_uncertainty / region.total
    ax.fill_between([position - 0.38, position + 0.38], [1 - part] * 2, [1 + part] * 2, color="0.7", linewidth=0)
    if region.data is not None:
        events = float(region.data.sum())
        errors = np.abs(style.poisson_interval(np.array([events])) - events) / region.total
        ax.errorbar([position], [events / region.total], yerr=errors, fmt="o", color=style.DATA_COLOUR, markersize=5)


def _once(ax: Axes) -> tuple[list[object], list[str]]:
    """Return the legend's handles and labels, each label once."""
    found = dict(zip(*reversed(ax.get_legend_handles_labels()), strict=True))
    return list(found.values()), list(found)
