"""Variations -> their effects on normalisation and shape: smoothed, symmetrised and pruned where that is asked for.

The effect of a variation on a process in a region is the ratio of varied to nominal yields. It is split into a
normalisation, the ratio of the sums, and a shape, the ratio per bin with the normalisation divided out, so that the
shape alone leaves the sum as it is.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.config import NormalisationSystematic, PruneConfig, SmoothConfig, SystematicConfig, sides
from cascadebdt.histograms.binning import merge_bins
from cascadebdt.records import Record
from cascadebdt.workspace.templates import Template

logger = logging.getLogger(__name__)

LARGEST_RATIO = 10.0
NO_EFFECT = 1e-9


@dataclass(frozen=True)
class Effect:
    """One side of a variation over the nominal yields.

    Attributes
    ----------
    normalisation : of the whole region
    shape : (n_bins,) per bin, with the normalisation divided out; 1 in bins that were edited
    """

    normalisation: float
    shape: FloatArray


@dataclass(frozen=True)
class VariationNote(Record):
    """What a systematic does to a process in a region, and what was done to it.

    Attributes
    ----------
    normalisation : up and down over nominal, as the fit sees it; 1 if it was pruned
    shape : largest change of a bin beyond the normalisation, up and down
    actions : of ``353QH smoothing``, ``merge smoothing``, ``limited``, ``mirrored up``, ``symmetrised (...)``,
        ``normalisation pruned``, ``shape pruned``, in their order
    """

    region: str
    process: str
    systematic: str
    parameter: str
    normalisation: tuple[float, float]
    shape: tuple[float, float]
    actions: tuple[str, ...]


def effects(
    region: str, process: str, template: Template, systematic: SystematicConfig, prune: PruneConfig
) -> tuple[Effect, Effect, tuple[str, ...]]:
    """Return the effects of the two sides of a systematic, up and down, and what was done to them.

    In this order: `smooth` acts on the ratio per bin, ratios beyond a factor of `LARGEST_RATIO` are limited,
    `symmetrise` (always ``up`` for what has one side only) acts on the logarithm of the normalisation and on the shape
    less 1, and `prune` sets to 1 what is below its thresholds on both sides.
    """
    flat = np.ones(len(template.values))
    if isinstance(systematic, NormalisationSystematic):
        return Effect(1 + systematic.size, flat), Effect(1 / (1 + systematic.size), flat), ()
    actions: list[str] = []
    found = []
    for variation in sides(systematic):
        effect = _ratio(template, variation)
        if systematic.smooth is not None:
            effect = replace(effect, shape=smoothed(effect.shape, template, systematic.smooth))
            actions.append(f"{systematic.smooth.method} smoothing")
        limited = _limited(effect)
        if not _is_same(effect, limited):
            actions.append("limited")
            logger.warning(
                "region '%s', process '%s', bins %s: variation '%s' changes the yield more than %g-fold, which is "
                "limited",
                region, process, np.flatnonzero(limited.shape != effect.shape).tolist(), variation, LARGEST_RATIO,
            )  # fmt: skip
        found.append(limited)
    how = "up" if len(found) == 1 else getattr(systematic, "symmetrise", None)
    up, down = found[0], found[-1]
    if how is not None:
        up, down = SYMMETRISE[how](up, down)
        actions.append("mirrored up" if len(found) == 1 else f"symmetrised ({how})")
    up, down, pruned = pruned_effects(up, down, prune)
    actions = list(dict.fromkeys([*actions, *pruned]))
    if set(actions) - {"limited", "mirrored up"}:
        logger.info(
            "region '%s', process '%s': systematic '%s': %s", region, process, systematic.name, ", ".join(actions)
        )
    return up, down, tuple(actions)


def _ratio(template: Template, variation: str) -> Effect:
    """Return a variation over the nominal, where the nominal was not edited."""
    fine = ~template.edited
    nominal, varied = template.values[fine], template.varied[variation][fine]
    shape = np.ones(len(fine))
    if not nominal.sum() > 0:
        return Effect(1.0, shape)
    total = float(varied.sum() / nominal.sum())
    limited = min(max(total, 1 / LARGEST_RATIO), LARGEST_RATIO)
    shape[fine] = np.divide(varied / limited, nominal, out=np.ones(len(nominal)), where=nominal > 0)
    return Effect(total, shape)


def _limited(effect: Effect) -> Effect:
    low, high = 1 / LARGEST_RATIO, LARGEST_RATIO
    return Effect(min(max(effect.normalisation, low), high), np.clip(effect.shape, low, high))


def _is_same(one: Effect, other: Effect) -> bool:
    return one.normalisation == other.normalisation and np.array_equal(one.shape, other.shape)


def smoothed(shape: FloatArray, template: Template, config: SmoothConfig) -> FloatArray:
    """Take statistical noise out of a shape; the nominal yield times the result sums to what it summed to before.

    Bins that were edited have no say and stay as they are.
    """
    fine = ~template.edited
    nominal, ratio = template.values[fine], shape[fine]
    if config.max_uncertainty is None:
        found = running_median(ratio)
    else:
        found = averaged(nominal, template.variances[fine], ratio, max_uncertainty=config.max_uncertainty)
    before, after = float(nominal @ ratio), float(nominal @ found)
    result = shape.copy()
    result[fine] = found * (before / after) if after > 0 else ratio
    return result


def averaged(nominal: FloatArray, variances: FloatArray, ratio: FloatArray, *, max_uncertainty: float) -> FloatArray:
    """Replace a ratio by its mean over neighbouring bins, merged until the nominal yield is precise enough in each.

    Parameters
    ----------
    nominal, variances : (n_bins,) yields and their variances
    ratio : (n_bins,) varied over nominal
    max_uncertainty : relative statistical uncertainty of the nominal yield in merged bins
    """
    starts = merge_bins([(nominal, variances)], [1 / max_uncertainty**2])
    sums, varied = (np.add.reduceat(values, starts) for values in (nominal, nominal * ratio))
    mean = np.divide(varied, sums, out=np.ones(len(sums)), where=sums > 0)
    return np.asarray(np.repeat(mean, np.diff([*starts, len(nominal)])))


def running_median(values: FloatArray) -> FloatArray:
    """Smooth a sequence by the algorithm 353QH, twice; fewer than three values stay as they are.

    The second pass smooths what the first left over, and is added. Positive sequences stay non-negative.

    References
    ----------
    Friedman, Data Analysis Techniques for High Energy Particle Physics, CERN 74-23 (1974) 271, section 4.2;
    ``TH1::SmoothArray`` of ROOT, whose treatment of the ends is followed.
    """
    if len(values) < 3:
        return values.copy()
    first = _pass_353qh(values)
    result = first + _pass_353qh(values - first)
    return np.maximum(result, 0.0) if values.min() >= 0 else result


def _pass_353qh(values: FloatArray) -> FloatArray:
    """Apply running medians of 3, 5 and 3, quadratic interpolation of flat parts, and a running mean."""
    z = _medians(values, 3)
    z[0] = np.median([3 * z[1] - 2 * z[2], values[0], z[1]])
    z[-1] = np.median([z[-2], values[-1], 3 * z[-2] - 2 * z[-3]])
    before = z
    z = _medians(before, 5)
    z[1], z[-2] = np.median(before[:3]), np.median(before[-3:])
    z = _medians(z, 3)
    y = z.copy()
    for i in range(2, len(z) - 2):
        left, right = z[i - 2] - z[i], z[i + 2] - z[i]
        if z[i - 1] != z[i] or z[i] != z[i + 1] or left * right <= 0:
            continue
        side = -1 if abs(right) > abs(left) else 1
        y[i] = -0.5 * z[i - 2 * side] + z[i] / 0.75 + z[i + 2 * side] / 6
        y[i + side] = 0.5 * (z[i + 2 * side] - z[i - 2 * side]) + z[i]
    y[1:-1] = 0.25 * y[:-2] + 0.5 * y[1:-1] + 0.25 * y[2:]
    return y


def _medians(values: FloatArray, width: int) -> FloatArray:
    """Return running medians; the ends, where the window does not fit, stay as they are."""
    result, half = values.copy(), width // 2
    if len(values) >= width:
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        result[half : len(values) - half] = np.median(windows, axis=1)
    return result


def _mirrored(effect: Effect) -> Effect:
    """Return the opposite effect: the inverse normalisation, the opposite change of the shape."""
    return Effect(1 / effect.normalisation, np.maximum(2 - effect.shape, 1 / LARGEST_RATIO))


def _average(up: Effect, down: Effect) -> tuple[Effect, Effect]:
    """Return half the difference of both sides, upwards and downwards."""
    change = (up.shape - down.shape) / 2
    both = Effect(float(np.sqrt(up.normalisation / down.normalisation)), np.maximum(1 + change, 1 / LARGEST_RATIO))
    return both, _mirrored(both)


def _larger(up: Effect, down: Effect) -> tuple[Effect, Effect]:
    """Mirror the side that changes more, of normalisation and shape each."""
    by_norm = abs(np.log(up.normalisation)) >= abs(np.log(down.normalisation))
    by_shape = np.abs(up.shape - 1).sum() >= np.abs(down.shape - 1).sum()
    (norm_up, norm_down), (shape_up, shape_down) = (
        (up, _mirrored(up)) if is_up else (_mirrored(down), down) for is_up in (by_norm, by_shape)
    )
    return Effect(norm_up.normalisation, shape_up.shape), Effect(norm_down.normalisation, shape_down.shape)


SYMMETRISE: dict[str, Callable[[Effect, Effect], tuple[Effect, Effect]]] = {
    "average": _average,
    "larger": _larger,
    "up": lambda up, _: (up, _mirrored(up)),
    "down": lambda _, down: (_mirrored(down), down),
}


def pruned_effects(up: Effect, down: Effect, config: PruneConfig) -> tuple[Effect, Effect, list[str]]:
    """Leave out what changes the yield by less than a threshold, on both sides; what has no effect is not mentioned."""
    norm = max(abs(side.normalisation - 1) for side in (up, down))
    shape = max(float(np.abs(side.shape - 1).max(initial=0.0)) for side in (up, down))
    actions = []
    if config.normalisation is not None and NO_EFFECT < norm < config.normalisation:
        up, down = (replace(side, normalisation=1.0) for side in (up, down))
        actions.append("normalisation pruned")
    if config.shape is not None and NO_EFFECT < shape < config.shape:
        up, down = (replace(side, shape=np.ones(len(side.shape))) for side in (up, down))
        actions.append("shape pruned")
    return up, down, actions
