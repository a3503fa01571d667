"""Nominal yields -> templates that a fit can digest: no bin without a positive expectation, and every edit on record.

- A bin of a background without positive yield gets a thousandth of that background's mean weight, and the variance
  that one event of mean weight would have if it could be in any of the process's empty bins of that region.
- A bin without positive total background gets the background it cannot exclude: its own uncertainty, +- 100 %.
- A negative signal bin is set to zero. A process without any event in a region is left out of that region.

Each is logged with region, process and bins: the first, which is common in the tails, as information, the others as
warnings. Where ``regions.empty_bins`` is ``error``, a bin without positive total background and a negative background
are errors instead.
"""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.errors import YieldError
from cascadebdt.records import Record

if TYPE_CHECKING:
    from cascadebdt.histograms.yields import Histogram


logger = logging.getLogger(__name__)

FLOOR = 1e-3
"""Yield of an empty bin in units of the process's mean weight: small beside one event, large beside rounding."""


@dataclass(frozen=True)
class BinNote(Record):
    """An edit of bins of a process in a region.

    Attributes
    ----------
    action : ``floored`` (background without positive yield), ``filled`` (no background at all), ``set to zero``
        (negative signal), ``borrowed`` (the shape is that of other events)
    added : sum of the expectation after less before
    uncertainty : of each bin afterwards
    """

    region: str
    process: str
    bins: tuple[int, ...]
    action: str
    added: float
    uncertainty: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class Template:
    """The simulated yields of one process in one region, ready for a fit.

    `values` and `variances` are (n_bins,) float64; `edited` marks bins that the policy changed; `varied` has the raw
    yields per variation. Where the shape is borrowed, `own` has the process's own events, to which variations are
    compared, and `changes` the relative effect of one standard deviation of each nuisance parameter of the shape.
    """

    values: FloatArray
    variances: FloatArray
    edited: BoolArray
    varied: Mapping[str, FloatArray]
    own: "Template | None" = None
    changes: Mapping[str, FloatArray] = field(default_factory=dict)


Templates = dict[str, Template]


Edit = Callable[[Templates], tuple[Templates, list[BinNote]]]


def of_region(
    region: str, histogram: "Histogram", *, signal: str, strict: bool, borrow: Edit | None = None
) -> tuple[Templates, list[BinNote]]:
    """Return the templates of every simulated process that has events in a region, and the edits of their bins.

    Parameters
    ----------
    strict : whether bins that would be edited in a way that hides a problem are errors
    borrow : gives backgrounds another shape, before bins are edited

    Raises
    ------
    YieldError
        If there is no positive background, or if `strict` and a bin has none or a background is negative in it.
    """
    templates = _raw_templates(region, histogram)
    backgrounds = {name: template for name, template in templates.items() if name != signal}
    _require_background(region, backgrounds, strict=strict)
    notes: list[BinNote] = []
    if borrow is not None:
        backgrounds, notes = borrow(backgrounds)
        templates |= backgrounds
    for process, template in templates.items():
        edit = _without_negative_signal if process == signal else _floored
        templates[process], edits = edit(region, process, template)
        notes += edits
    filled, edits = _filled(region, {name: templates[name] for name in backgrounds})
    return templates | filled, notes + edits


def _raw_templates(region: str, histogram: "Histogram") -> Templates:
    """Return the unedited templates of the simulated processes that have nominal events."""
    templates: Templates = {}
    variations = [name for name in names(histogram, "variation") if name != NOMINAL]
    for process in names(histogram, "process"):
        if process == DATA:
            continue
        values, variances = content(histogram, process, NOMINAL)
        varied = {name: content(histogram, process, name)[0] for name in variations}
        # Events of opposite weights may cancel in the sums, but not in the sums of squares.
        if values.any() or variances.any():
            templates[process] = Template(values, variances, np.zeros(len(values), np.bool_), varied)
            continue
        only_varied = [name for name, values in varied.items() if values.any()]
        logger.info(
            "region '%s': process '%s' has no events%s and is left out",
            region, process, f" but in the variations {only_varied}" if only_varied else "",
        )  # fmt: skip
    return templates


def names(histogram: "Histogram", axis: str) -> list[str]:
    """Return the categories of an axis."""
    return [str(name) for name in histogram.axes[axis]]


def content(histogram: "Histogram", process: str, variation: str) -> tuple[FloatArray, FloatArray]:
    """Return the sum of weights and of squared weights per bin, zeros if the variation is not filled."""
    if variation not in names(histogram, "variation"):
        empty = np.zeros(histogram.axes[2].size)
        return empty, empty
    # The cells themselves: a slice of a histogram is a new histogram, a hundred times as slow.
    cells = histogram.view(flow=False)[histogram.axes[0].index(process), histogram.axes[1].index(variation)]
    return np.array(cells["value"], dtype=np.float64), np.array(cells["variance"], dtype=np.float64)


def _require_background(region: str, backgrounds: Templates, *, strict: bool) -> None:
    """Require something to fit; if `strict`, in every bin."""
    total = np.sum([template.values for template in backgrounds.values()], axis=0)
    if not np.any(total > 0):
        raise YieldError(
            f"region '{region}': no bin has a positive background, processes {list(backgrounds) or 'none'}; "
            "merge regions or simulate more events"
        )
    if not strict:
        return
    negative = [(name, template.values < 0) for name, template in backgrounds.items()]
    for process, refused in [*negative, ("all backgrounds", ~(total > 0))]:
        if refused.any():
            raise YieldError(
                f"region '{region}', process '{process}', bin {int(np.argmax(refused))}: no positive expectation, and "
                "regions.empty_bins is 'error'; give other bins, or allow 'merge' or 'floor'"
            )


def _without_negative_signal(region: str, process: str, template: Template) -> tuple[Template, list[BinNote]]:
    """Set negative bins of the signal to zero."""
    edited = template.values < 0
    if not edited.any():
        return template, []
    values = np.where(edited, 0.0, template.values)
    note = _note(region, process, "set to zero", template, values, template.variances, edited)
    logger.warning(
        "region '%s', process '%s', bins %s: negative signal is set to zero, which adds %.3g",
        region, process, list(note.bins), note.added,
    )  # fmt: skip
    return replace(template, values=values, edited=edited), [note]


def _floored(region: str, process: str, template: Template) -> tuple[Template, list[BinNote]]:
    """Give bins without positive yield a tiny one with the uncertainty of an event that could be in any of them."""
    values, variances, edited = floored(template.values, template.variances)
    if not edited.any():
        return template, []
    note = _note(region, process, "floored", template, values, variances, edited)
    logger.info(
        "region '%s', process '%s', bins %s: no positive yield; set to %.3g with uncertainty of at least %.3g",
        region, process, list(note.bins), values[edited][0], values[edited][0] / FLOOR / math.sqrt(edited.sum()),
    )  # fmt: skip
    return replace(template, values=values, variances=variances, edited=edited), [note]


def floored(values: FloatArray, variances: FloatArray) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Return the yields of a process in a region, their variances, and the bins that were edited.

    Parameters
    ----------
    values, variances : (..., n_bins), those of several processes at once if there are more dimensions
    """
    edited = values <= 0
    weight = mean_weight(values, variances)[..., None]
    # One unseen event of mean weight w could be in any of the n empty bins: a variance of w^2 / n in each. The error
    # of an empty bin must not be 0, as pyhf would take it (scikit-hep/pyhf#1944), nor w in each of many bins.
    unseen = weight**2 / np.maximum(edited.sum(axis=-1, keepdims=True), 1)
    return np.where(edited, FLOOR * weight, values), np.where(edited, np.maximum(variances, unseen), variances), edited


def mean_weight(values: FloatArray, variances: FloatArray) -> FloatArray:
    """Return the mean weight of a process, sum w^2 / sum w, but at most the error of its sum, sqrt(sum w^2)."""
    # Where weights of both signs nearly cancel, sum w^2 / sum w has no upper bound; one event of the error's size is
    # then the most that the sum can miss. With positive weights, sum w^2 / sum w is the smaller of the two.
    total, squared = values.sum(axis=-1), variances.sum(axis=-1)
    error = np.sqrt(squared)
    mean = np.divide(squared, total, out=np.full_like(total, np.inf), where=total > 0)
    return np.asarray(np.where(squared > 0, np.minimum(mean, error), np.abs(total)))


def _filled(region: str, backgrounds: Templates) -> tuple[Templates, list[BinNote]]:
    """Give bins in which every background was floored a background as large as its uncertainty."""
    # A fit moves a rate by a factor of 10 at most (pyhf's bounds of a staterror): it would take any event in a bin with
    # nothing but floored backgrounds as signal.
    templates, notes = dict(backgrounds), []
    for index in np.flatnonzero(np.all([template.edited for template in backgrounds.values()], axis=0)):
        process = max(templates, key=lambda name: float(templates[name].variances[index]))
        error = math.sqrt(sum(float(template.variances[index]) for template in templates.values()))
        logger.warning(
            "region '%s', process '%s', bin %d: no background at all; set to %.3g +- 100 %%",
            region, process, index, error,
        )  # fmt: skip
        template = templates[process]
        is_filled = np.arange(len(template.values)) == index
        values = np.where(is_filled, error, template.values)
        notes.append(_note(region, process, "filled", template, values, template.variances, is_filled))
        templates[process] = replace(template, values=values)
    return templates, notes


def _note(
    region: str,
    process: str,
    action: str,
    before: Template,
    values: FloatArray,
    variances: FloatArray,
    bins: BoolArray,
) -> BinNote:
    """Record an edit of `bins`."""
    added = float((values - before.values)[bins].sum())
    indices: Sequence[int] = np.flatnonzero(bins).tolist()
    return BinNote(region, process, tuple(indices), action, added, tuple(np.sqrt(variances[bins]).tolist()))
