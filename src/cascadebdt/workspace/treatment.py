"""Variations -> their effects on normalisation and shape: smoothed, limited, symmetrised and pruned as configured.

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

MAX_RATIO = 10.0
"""Largest change of a yield by a variation, upwards as a factor and downwards as its inverse.

A larger one comes from bins with hardly any nominal yield, and would turn rates negative between the sides.
"""
NO_EFFECT = 1e-9
"""A relative change of a yield below this is rounding."""


@dataclass(frozen=True, eq=False)
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
    """The effect of a systematic on a process in a region, and its treatment.

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
    """Return the effects of the two sides of a systematic, up and down, and the actions taken on them.

    In this order: `smooth` acts on the ratio per bin, ratios beyond a factor of `MAX_RATIO` are limited,
    `symmetrise` (always ``up`` for a systematic with one side) acts on the logarithm of the normalisation and on the
    shape less 1, and `prune` sets to 1 what is below its thresholds on both sides. Of a template with a borrowed shape
    the process's own events count.
    """
    template = template.own or template
    if isinstance(systematic, NormalisationSystematic):
        flat = np.ones(len(template.values))
        # Log-normal: the inverse, not 1 - size, so that the expected rate stays positive at any pull.
        return Effect(1 + systematic.size, flat), Effect(1 / (1 + systematic.size), flat), ()
    effects_of_sides, actions = [], []
    for variation in sides(systematic):
        effect, taken = _one_side(region, process, template, variation, systematic.smooth)
        effects_of_sides.append(effect)
        actions += taken
    up, down = effects_of_sides[0], effects_of_sides[-1]
    is_one_sided = len(effects_of_sides) == 1
    symmetrise = "up" if is_one_sided else getattr(systematic, "symmetrise", None)
    if symmetrise is not None:
        up, down = SYMMETRISE[symmetrise](up, down)
        actions.append("mirrored up" if is_one_sided else f"symmetrised ({symmetrise})")
    up, down, pruned = pruned_effects(up, down, prune)
    actions = list(dict.fromkeys([*actions, *pruned]))
    # Of the two, the first has its own warning, and the second is the rule for one side.
    if set(actions) - {"limited", "mirrored up"}:
        logger.info(
            "region '%s', process '%s': systematic '%s': %s", region, process, systematic.name, ", ".join(actions)
        )
    return up, down, tuple(actions)


def _one_side(
    region: str, process: str, template: Template, variation: str, smooth: SmoothConfig | None
) -> tuple[Effect, list[str]]:
    """Return the effect of one side, smoothed and limited, and the actions taken."""
    actions = []
    effect = _ratio(template, variation)
    if smooth is not None:
        effect = replace(effect, shape=smoothed(effect.shape, template, smooth))
        actions.append(f"{smooth.method} smoothing")
    limited = _limited(effect)
    is_limited = limited.shape != effect.shape
    if is_limited.any() or limited.normalisation != effect.normalisation:
        actions.append("limited")
        logger.warning(
            "region '%s', process '%s', bins %s: the variation '%s' changes the yield by more than a factor of %g and "
            "is limited to that",
            region, process, np.flatnonzero(is_limited).tolist(), variation, MAX_RATIO,
        )  # fmt: skip
    return limited, actions


def _ratio(template: Template, variation: str) -> Effect:
    """Return a variation over the nominal, where the nominal was not edited."""
    # An edited bin has an invented nominal yield; a ratio to it would be an invented uncertainty.
    usable = ~template.edited
    nominal, varied = template.values[usable], template.varied[variation][usable]
    shape = np.ones(len(usable))
    if not nominal.sum() > 0:
        return Effect(1.0, shape)
    normalisation = float(varied.sum() / nominal.sum())
    # The shape is taken relative to the limited normalisation, so that a sum of varied yields that is not positive
    # leaves finite shapes; the caller limits the normalisation itself and records it.
    divisor = min(max(normalisation, 1 / MAX_RATIO), MAX_RATIO)
    shape[usable] = np.divide(varied / divisor, nominal, out=np.ones(len(nominal)), where=nominal > 0)
    return Effect(normalisation, shape)


def _limited(effect: Effect) -> Effect:
    """Return the effect with no ratio beyond a factor of `MAX_RATIO`."""
    low, high = 1 / MAX_RATIO, MAX_RATIO
    return Effect(min(max(effect.normalisation, low), high), np.clip(effect.shape, low, high))


def smoothed(shape: FloatArray, template: Template, config: SmoothConfig) -> FloatArray:
    """Remove statistical noise from a shape; the sum of the nominal yield times the shape does not change.

    Edited bins are not used and stay as they are.
    """
    usable = ~template.edited
    nominal, ratio = template.values[usable], shape[usable]
    # The ratio is smoothed, as in cabinetry, and not the varied yield: both yields are from mostly the same events,
    # whose fluctuations cancel in the ratio, and smoothing a steep spectrum would bend it.
    if config.max_uncertainty is None:
        smooth = running_median(ratio)
    else:
        smooth = averaged(nominal, template.variances[usable], ratio, max_uncertainty=config.max_uncertainty)
    # Smoothing does not keep the sum; cabinetry rescales in the same way.
    before, after = float(nominal @ ratio), float(nominal @ smooth)
    result = shape.copy()
    result[usable] = smooth * (before / after) if after > 0 else ratio
    return result


def averaged(nominal: FloatArray, variances: FloatArray, ratio: FloatArray, *, max_uncertainty: float) -> FloatArray:
    """Replace a ratio by its mean over neighbouring bins, merged until the nominal yield is precise enough in each.

    Parameters
    ----------
    nominal, variances : (n_bins,) yields and their variances
    ratio : (n_bins,) varied over nominal
    max_uncertainty : relative statistical uncertainty of the nominal yield in merged bins
    """
    # A relative uncertainty u of a sum of weights is 1 / u^2 effective events.
    starts = merge_bins([(nominal, variances)], [1 / max_uncertainty**2])
    sums, varied = (np.add.reduceat(values, starts) for values in (nominal, nominal * ratio))
    mean = np.divide(varied, sums, out=np.ones(len(sums)), where=sums > 0)
    return np.asarray(np.repeat(mean, np.diff([*starts, len(nominal)])))


def running_median(values: FloatArray) -> FloatArray:
    """Smooth a sequence by the algorithm 353QH, twice; fewer than three values stay as they are.

    The second pass smooths the residuals of the first, and is added. Sequences that are not negative stay so.

    References
    ----------
    Friedman, Data Analysis Techniques for High Energy Particle Physics, CERN 74-23 (1974) 271, section 4.2 (the
    algorithm: page 292); ``TH1::SmoothArray`` of ROOT, whose treatment of the ends is followed.
    """
    if len(values) < 3:
        return values.copy()
    smooth = _pass_353qh(values)
    result = smooth + _pass_353qh(values - smooth)
    # Friedman does not clip; ROOT does, because a negative yield is none.
    return np.maximum(result, 0.0) if values.min() >= 0 else result


def _pass_353qh(values: FloatArray) -> FloatArray:
    """Apply running medians of 3, 5 and 3, quadratic interpolation of flat parts, and a running mean."""
    first = _medians(values, 3)
    # Tukey's rule for the ends. The proceedings take the value before the median, y_1 and y_n, ROOT the one after it,
    # z_1 and z_n: these are equal, because the median of 3 leaves the ends as they are.
    first[0] = np.median([3 * first[1] - 2 * first[2], values[0], first[1]])
    first[-1] = np.median([first[-2], values[-1], 3 * first[-2] - 2 * first[-3]])
    second = _medians(first, 5)
    # The window of 5 does not fit next to the ends either; ROOT takes the median of the 3 values there.
    second[1], second[-2] = np.median(first[:3]), np.median(first[-3:])
    return _running_mean(_without_flat_parts(_medians(second, 3)))


def _without_flat_parts(values: FloatArray) -> FloatArray:
    """Replace peaks and valleys that medians cut flat by a parabola through the neighbours.

    Three equal values between two larger, or two smaller, ones are such a part. The coefficients are those of ROOT's
    ``TH1::SmoothArray``; the parabola leans to the side that is less steep.
    """
    result = values.copy()
    for i in range(2, len(values) - 2):
        left, right = values[i - 2] - values[i], values[i + 2] - values[i]
        if values[i - 1] != values[i] or values[i] != values[i + 1] or left * right <= 0:
            continue
        side = -1 if abs(right) > abs(left) else 1
        result[i] = -0.5 * values[i - 2 * side] + values[i] / 0.75 + values[i + 2 * side] / 6
        result[i + side] = 0.5 * (values[i + 2 * side] - values[i - 2 * side]) + values[i]
    return result


def _running_mean(values: FloatArray) -> FloatArray:
    """Return the mean of neighbours with weights 1/4, 1/2, 1/4 ("hanning"); the ends stay as they are."""
    result = values.copy()
    result[1:-1] = 0.25 * values[:-2] + 0.5 * values[1:-1] + 0.25 * values[2:]
    return result


def _medians(values: FloatArray, width: int) -> FloatArray:
    """Return running medians; the ends, where the window does not fit, stay as they are."""
    result, half = values.copy(), width // 2
    if len(values) >= width:
        windows = np.lib.stride_tricks.sliding_window_view(values, width)
        result[half : len(values) - half] = np.median(windows, axis=1)
    return result


def _mirrored(effect: Effect) -> Effect:
    """Return the opposite effect: the inverse normalisation, the opposite change of the shape."""
    # The normalisation is interpolated exponentially in a fit and its opposite is the inverse; the shape is
    # interpolated linearly per bin (pyhf's code4p around 0) and its opposite is 1 - (shape - 1).
    return Effect(1 / effect.normalisation, np.maximum(2 - effect.shape, 1 / MAX_RATIO))


def _average(up: Effect, down: Effect) -> tuple[Effect, Effect]:
    """Return half the difference of both sides, upwards and downwards; of the logarithms for the normalisation."""
    change = (up.shape - down.shape) / 2
    both = Effect(float(np.sqrt(up.normalisation / down.normalisation)), np.maximum(1 + change, 1 / MAX_RATIO))
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
    """Return the effects without a normalisation or shape that changes the yield by less than a threshold.

    Both sides must be below it, since a parameter with one side would be lopsided; an effect that equals the threshold
    is kept. What is zero but for rounding is no action, and `workspace` writes no modifier for it.
    """
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
