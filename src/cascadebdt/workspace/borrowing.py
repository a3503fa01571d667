"""Templates with a borrowed shape: the yield of a process's own events, spread over the bins as other events say.

The shape of all simulated events, weighted by likelihood ratios, is normalised to the yield of the process in the
region, and tilted as far as the process's own events ask for it. A shape of a looser selection is normalised in groups
of neighbouring bins, each of which has enough of the process's own events, because the cuts change the shape; a bin
that has enough keeps its own events. How far a borrowed shape may be wrong is a tilt over the bins with a nuisance
parameter.
"""

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.config import NOMINAL, TemplatesConfig
from cascadebdt.histograms.binning import merge_bins
from cascadebdt.workspace.templates import BinNote, Template, Templates, content, mean_weight, names

if TYPE_CHECKING:
    from cascadebdt.histograms.yields import Histogram

LARGEST_CHANGE = 0.9
"""Largest relative change of a bin by one standard deviation, so that yields stay positive."""


def borrow(
    region: str, templates: Templates, shapes: "Histogram", config: TemplatesConfig
) -> tuple[Templates, list[BinNote]]:
    """Return the templates with the shapes of a histogram, where it has one and a process has a positive yield.

    Parameters
    ----------
    templates : of the processes' own events, as they were filled
    shapes : with axes process, variation and the observable of the region
    """
    with_shape = _by_likelihood if config.shapes == "likelihood" else _by_selection
    borrowed: Templates = {}
    for process in (name for name in templates if name in names(shapes, "process")):
        own, (shape, squares) = templates[process], content(shapes, process, NOMINAL)
        if own.values.sum() > 0 and shape.sum() > 0 and (shape >= 0).all():
            borrowed[process] = with_shape(f"{region}_{process}", own, shape, squares, config)
    notes = [_note(region, process, template) for process, template in borrowed.items() if template.own]
    return templates | borrowed, notes


def _by_likelihood(
    where: str, own: Template, shape: FloatArray, squares: FloatArray, config: TemplatesConfig
) -> Template:
    """Return the template with a shape that is normalised to the yield of the region."""
    total = float(own.values.sum())
    scale = total / float(shape.sum())
    values = shape * scale
    error = min(math.sqrt(float(own.variances.sum())) / total, LARGEST_CHANGE)
    position = _centred(values, np.zeros(len(values), np.int64))
    slope, variance = _own_slope(own, values, position)
    # The tilt that own events prefer, and the one that is expected before, combine as two measurements.
    known = config.prior**2 / (config.prior**2 + variance)
    tilted = 1 + _change(slope * known, position)
    changes = {
        f"mcstat_{where}": np.full(len(values), error),
        f"shape_{where}": np.clip(
            _change(math.sqrt(variance * known), position) / tilted, -LARGEST_CHANGE, LARGEST_CHANGE
        ),
    }
    return replace(own, values=values * tilted, variances=squares * (scale * tilted) ** 2, own=own, changes=changes)


def _by_selection(
    where: str, own: Template, shape: FloatArray, squares: FloatArray, config: TemplatesConfig
) -> Template:
    """Return the template with a shape that is normalised in groups of bins with enough own events."""
    starts = merge_bins([(own.values, own.variances)], [config.min_effective_events])
    group = np.repeat(np.arange(len(starts)), np.diff([*starts, len(shape)]))
    sums, variances, of_shape = (np.add.reduceat(part, starts) for part in (own.values, own.variances, shape))
    usable = (np.bincount(group) > 1) & (sums > 0) & (of_shape > 0)
    if not usable.any():
        return own
    borrows = usable[group]
    scale = np.divide(sums, of_shape, out=np.zeros(len(sums)), where=usable)[group]
    values = np.where(borrows, shape * scale, own.values)
    position = np.where(borrows, _centred(values, group), 0.0)
    size = math.hypot(_trend(sums, variances, of_shape, starts / len(shape)), config.prior)
    errors = np.minimum(np.sqrt(variances) / np.where(usable, sums, 1.0), LARGEST_CHANGE)
    changes = {
        f"mcstat_{where}_{starts[k]}": np.where(group == k, errors[k], 0.0) for k in np.flatnonzero(usable).tolist()
    }
    return replace(
        own,
        values=values,
        variances=np.where(borrows, squares * scale**2, own.variances),
        own=own,
        changes={**changes, f"shape_{where}": _change(size, position)},
    )


def _centred(values: FloatArray, group: IntArray) -> FloatArray:
    """Return the position of each bin, from 0 to 1 over the region, less the mean of its group, ``(n_bins,)``."""
    position = np.linspace(0.0, 1.0, len(values))
    moments, sums = np.bincount(group, np.maximum(values, 0.0) * position), np.bincount(group, np.maximum(values, 0.0))
    return np.asarray(position - np.divide(moments, sums, out=np.zeros(len(sums)), where=sums > 0)[group])


def _own_slope(own: Template, values: FloatArray, position: FloatArray) -> tuple[float, float]:
    """Return the slope c of yields v_b (1 + c x_b) that own events prefer, and its variance.

    For sum v_b x_b = 0 and events of the mean weight w, the maximum of the likelihood at small c is
    c = sum (own_b - v_b) x_b / sum v_b x_b^2, with the variance w / sum v_b x_b^2.
    """
    spread = float(values @ np.square(position))
    if spread == 0:
        return 0.0, 0.0
    return float((own.values - values) @ position) / spread, float(mean_weight(own.values, own.variances)) / spread


def _trend(sums: FloatArray, variances: FloatArray, of_shape: FloatArray, position: FloatArray) -> float:
    """Return the slope of the logarithm of own over borrowed yields of groups, by least squares; 0 for a single one."""
    used = (sums > 0) & (of_shape > 0)
    if np.count_nonzero(used) < 2:
        return 0.0
    weights = np.square(sums[used]) / variances[used]  # inverse variances of logarithms
    x, y = position[used], np.log(sums[used] / of_shape[used])
    x = x - np.average(x, weights=weights)
    return float((weights * x) @ y / ((weights * x) @ x))


def _change(size: float, position: FloatArray) -> FloatArray:
    """Return the relative change of each bin by a tilt, at most as large as yields stay positive."""
    largest = LARGEST_CHANGE / max(float(np.abs(position).max(initial=0.0)), 1e-300)
    return np.asarray(min(max(size, -largest), largest) * position)


def _note(region: str, process: str, template: Template) -> BinNote:
    changes = np.sum([np.square(change * template.values) for change in template.changes.values()], axis=0)
    bins = np.flatnonzero(changes > 0)
    uncertainty = np.sqrt(template.variances + changes)[bins]
    return BinNote(region, process, tuple(bins.tolist()), "borrowed", 0.0, tuple(uncertainty.tolist()))


def modifiers(template: Template) -> list[dict[str, Any]]:
    """Return the uncertainties of a borrowed shape as modifiers of HistFactory."""
    return [
        {
            "name": name,
            "type": "histosys",
            "data": {
                "hi_data": (template.values * (1 + change)).tolist(),
                "lo_data": (template.values * (1 - change)).tolist(),
            },
        }
        for name, change in template.changes.items()
    ]
