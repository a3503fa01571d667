"""Profiles of -2 ln L: intervals, and scans in one or two parameters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import prepare
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import TOLERANCE, ImpossibleError, Minimum
from cascadebdt.inference.profile import Profile, crossing
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import Ends, spread, standard_deviation
from cascadebdt.records import Json, Record

SPAN = 3.0
"""Half-width of a scan whose values are not given, in standard deviations."""

FARTHEST = 1e4
"""An end of an interval is sought up to this many standard deviations away."""


@dataclass(frozen=True, eq=False)
class Scan(Record):
    """A profile of -2 ln L.

    Parameters
    ----------
    parameters : one or two names
    values : (n_points,) values of each of them
    increases : -2 ln L relative to its minimum, one dimension per parameter; +inf where impossible
    best : values at the minimum
    """

    parameters: tuple[str, ...]
    values: tuple[FloatArray, ...]
    increases: FloatArray
    best: tuple[float, ...]

    def to_json(self) -> Json:
        """Return the scan as plain JSON; impossible points are None, because JSON has no infinity."""
        finite = self.increases.astype(object)
        finite[~np.isfinite(self.increases)] = None
        return {**super().to_json(), "increases": finite.tolist()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Self:
        """Return the scan that `to_json` wrote; see `Record.from_json`."""
        scan = super().from_json(content)
        return replace(scan, increases=np.where(np.isnan(scan.increases), np.inf, scan.increases))


def profile_interval(workspace: Mapping[str, Any], parameter: str, *, increase: float = 1.0) -> tuple[float, float]:
    """Return the interval in which the profile of -2 ln L rises by less than `increase`: 1 for 68 %, 3.84 for 95 %.

    An end that the profile does not reach inside the parameter's bounds is the bound.

    Raises
    ------
    FitError
        If there is no such parameter, or a fit fails.
    """
    return intervals(workspace, (parameter,), increase=increase)[parameter]


@on_one_thread
def intervals(
    workspace: Mapping[str, Any], parameters: Iterable[str] | None = None, *, increase: float = 1.0
) -> dict[str, tuple[float, float]]:
    """Return the profile intervals of several parameters, as MINOS gives them; see `profile_interval`.

    Parameters
    ----------
    parameters : names; those without constraint term (mu and the free normalisations) that the data determine, if not
        given

    Raises
    ------
    FitError
        If there is no such parameter, the data do not determine it, or a fit fails.
    """
    prepared = prepare(workspace)
    target, best = prepared.everything, prepared.best
    likelihood = target.likelihood
    at_best = spread(target, best)
    if parameters is None:
        floating = ~likelihood.constrained & ~likelihood.fixed & ~at_best.undetermined
        indices = [int(index) for index in np.flatnonzero(floating)]
    else:
        indices = [_movable(likelihood, parameter) for parameter in parameters]
        at_best.require(np.eye(len(best.theta))[indices], "interval")
    return {likelihood.names[index]: _interval(target, index, best, increase) for index in indices}


def _movable(likelihood: Likelihood, parameter: str) -> int:
    index = likelihood.index(parameter)
    if likelihood.fixed[index]:
        raise FitError(f"parameter '{parameter}' is a constant of the model")
    return index


def _interval(target: Objective, index: int, best: Minimum, increase: float) -> tuple[float, float]:
    """Return both ends, each confirmed by both minimisers."""
    (low, _), (high, _) = _ends(target, index, best, increase)
    return low, high


def distances(target: Objective, index: int, best: Minimum) -> Ends:
    """Return how far below and above the best value -2 ln L has risen by 1; None where no bound allows that."""
    value = float(best.theta[index])
    (low, is_low_found), (high, is_high_found) = _ends(target, index, best, 1.0)
    return value - low if is_low_found else None, high - value if is_high_found else None


def _ends(target: Objective, index: int, best: Minimum, increase: float) -> tuple[tuple[float, bool], ...]:
    """Return both ends, and of each whether the profile has risen there; if not, it is the bound."""
    step = _step(target, index, best) * np.sqrt(increase)
    value, farthest = float(best.theta[index]), FARTHEST * step
    low = max(float(target.likelihood.lower[index]), value - farthest)
    high = min(float(target.likelihood.upper[index]), value + farthest)
    profile, ends = Profile(target, index, best), []
    for distance, bound in ((-step, low), (step, high)):
        end = _end(profile, best, index, increase, distance, bound)
        ends.append((end, end != bound))
    return tuple(ends)


def _step(target: Objective, index: int, best: Minimum) -> float:
    step = standard_deviation(target, best.theta, index)
    return step if np.isfinite(step) else 0.1 * max(abs(float(best.theta[index])), 1.0)


def _end(profile: Profile, best: Minimum, index: int, increase: float, step: float, bound: float) -> float:
    """Return where the profile has risen in the direction of `step`, or the bound."""
    for _ in range(3):
        end = crossing(lambda x: profile(x) - increase, start=float(best.theta[index]), step=step, bound=bound)
        if end == bound or profile.is_confirmed(end):
            return end
    raise FitError(f"fit: the minimisers do not settle at an end of the interval, near {end:.4g}")


@on_one_thread
def scan(
    workspace: Mapping[str, Any], parameter: str, values: Sequence[float] | None = None, *, n_points: int = 41
) -> Scan:
    """Return the profile of -2 ln L in one parameter.

    Parameters
    ----------
    parameter : its name
    values : where to compute it; `n_points` between -3 and +3 standard deviations if not given

    Raises
    ------
    FitError
        If there is no such parameter, or a fit fails.

    Examples
    --------
    >>> figure = cb.plots.scan(cb.scan(workspace, "mu", n_points=5))
    """
    prepared = prepare(workspace)
    target, best = prepared.everything, prepared.best
    index = _movable(target.likelihood, parameter)
    points = _points(target, index, best, values, n_points)
    profile, center = Profile(target, index, best), float(best.theta[index])
    # from the minimum outwards, so that every fit starts near its answer
    increases = {value: profile(value) for value in sorted(points, key=lambda value: abs(value - center))}
    return Scan((parameter,), (points,), np.array([increases[value] for value in points]), (center,))


@on_one_thread
def scan_2d(
    workspace: Mapping[str, Any],
    parameters: tuple[str, str],
    values: tuple[Sequence[float], Sequence[float]] | None = None,
    *,
    n_points: int = 21,
) -> Scan:
    """Return the profile of -2 ln L in two parameters, increases of shape (n_first, n_second).

    Parameters
    ----------
    parameters : two names
    values : where to compute it; `n_points` of each between -3 and +3 standard deviations if not given

    Raises
    ------
    FitError
        If there is no such parameter, or a fit fails.

    Examples
    --------
    >>> from cascadebdt import inference
    >>> plane = inference.scan_2d(workspace, ("mu", "lumi"), n_points=5)
    >>> figure = cb.plots.scan(plane)
    """
    prepared = prepare(workspace)
    target, best = prepared.everything, prepared.best
    first, second = (_movable(target.likelihood, parameter) for parameter in parameters)
    xs = _points(target, first, best, values and values[0], n_points)
    ys = _points(target, second, best, values and values[1], n_points)
    increases = np.array([_row(target, best, (first, float(x)), second, ys) for x in xs])
    return Scan(parameters, (xs, ys), increases, (float(best.theta[first]), float(best.theta[second])))


def _row(target: Objective, best: Minimum, held: tuple[int, float], second: int, ys: FloatArray) -> FloatArray:
    """Return the increases along the second parameter, (n_second,), with the first one held; +inf where impossible."""
    first, value = held
    origins = [np.where(np.arange(len(theta)) == first, value, theta) for theta in (best.theta, *best.modes)]
    objective = target.held(np.arange(len(best.theta)) == first, origins[0])
    try:
        lowest = global_minimum(objective, start=origins[0], others=origins[1:])
    except ImpossibleError:
        return np.full(len(ys), np.inf)
    if (offset := lowest.deviance - best.deviance) < -TOLERANCE:
        name = target.likelihood.names[first]
        raise FitError(f"fit: -2 ln L at {name} = {value:g} is {-offset:.4f} below its supposed minimum")
    profile, increases = Profile(objective, second, lowest), np.empty(len(ys))
    for column in sorted(range(len(ys)), key=lambda i: abs(ys[i] - lowest.theta[second])):
        increases[column] = max(offset, 0.0) + profile(float(ys[column]))
    return increases


def _points(target: Objective, index: int, best: Minimum, values: Sequence[float] | None, n_points: int) -> FloatArray:
    """Return the values of a scan: given, or around the minimum inside the bounds."""
    if values is not None:
        return np.asarray(values, dtype=np.float64)
    center, span = float(best.theta[index]), SPAN * _step(target, index, best)
    low, high = target.likelihood.lower[index], target.likelihood.upper[index]
    return np.linspace(max(center - span, low), min(center + span, high), n_points)
