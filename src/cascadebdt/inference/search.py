"""The lowest of several minima.

Where variations are asymmetric or bend the yields, -2 ln L can have a minimum for either sign of a nuisance parameter.
Two minimisers that start at the same point then agree on the wrong one. Each parameter is therefore pushed across its
constraint and released, from the best minimum known, until no push leads lower.

Most pushes fall back. Whether one does is seen before the other parameters have reached their best values: they follow
the pushed one as their covariance says, a step of Newton's method tells what is left to gain from there, and the push
ends as soon as the profile so bounded rises like a parabola. The first steps use the Hessian at the minimum and cost
one gradient each; a Hessian computed on the way serves the pushes farther out on the same side. Only where the profile
is softer than a parabola, or bends down, is the parameter released.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.minimise import (
    TOLERANCE,
    UNDAMPED,
    Minimum,
    at_bounds,
    damped,
    minimum,
    movable,
    newton,
    scaled,
    solve,
)

logger = logging.getLogger(__name__)

PUSHES = (-2.0, -1.0, -0.5, 0.5, 1.0, 2.0)
"""Where parameters are pushed to, in widths of the constraint from its center; also to the mirror image of their value,
because a yield that rises in both directions is even about the center, where interpolations bend most."""

NEAR = 0.1, 1.0
"""Distance in widths of the constraint, and in standard deviations after the fit, that is no push."""

STIFF = 0.5
"""A push that costs less than this part of what the curvature says may have left for another minimum."""

RISING = 0.3
"""A profile that rises by less than this part of the slope of the parabola may lead to another minimum."""

MARGIN = 2.0
"""The others are allowed to gain this many times what the inverse of the Hessian at the minimum says."""

MAX_STEPS = 12
"""Steps in which the others follow a push before it is carried out in full."""

SMALL, SLOW = 0.5, 0.3
"""The Hessian is renewed when it promises a gain above these parts of the parabola, and of the last step's gain."""

ROUGH = 1e-4
"""Expected decrease of -2 ln L below which two minima can be told apart: parameters within 1 % of their uncertainty."""

PRECISE = 0.05
"""The profile is known when the others gain less than this part of the parabola."""

RELEVANT = 9.0
"""Minima within this of the lowest -2 ln L are remembered, because profiles may cross from one to the other."""

SAME = 0.1
"""Distance of two minima that are the same, in standard deviations of a parameter."""

MAX_SWEEPS = 5
SMALLEST_EIGENVALUE = 1e-9


def global_minimum(
    objective: Objective,
    *,
    fixed: Mapping[int, float] | None = None,
    start: FloatArray | None = None,
    others: Sequence[FloatArray] = (),
) -> Minimum:
    """Minimise -2 ln L as `minimum` does, and look for lower minima beside the one that it finds.

    Parameters
    ----------
    objective, fixed, start : as for `minimum`
    others : further points to look from, such as other minima for similar data

    Returns
    -------
    The lowest minimum, on which both methods agree; `modes` are the others within 9 units of -2 ln L.
    """
    return explored(objective, minimum(objective, fixed=fixed, start=start), fixed=fixed, others=others)


def explored(
    objective: Objective,
    best: Minimum,
    *,
    fixed: Mapping[int, float] | None = None,
    others: Sequence[FloatArray] = (),
) -> Minimum:
    """Return the lowest minimum to which pushes from a known one lead, with its `modes`; see `global_minimum`."""
    fixed = fixed or {}
    known = [best]
    followed = [newton(objective, fixed=fixed, start=theta) for theta in (*others, *best.modes)]
    for _ in range(MAX_SWEEPS):
        valley = Valley.around(objective, best, fixed)
        known += [*followed, *valley.neighbours()]
        lowest = min(known, key=lambda other: other.deviance)
        if lowest is best or lowest.deviance > best.deviance - TOLERANCE:
            break
        logger.info("a minimum of -2 ln L that is lower by %.4f", best.deviance - lowest.deviance)
        best, followed = minimum(objective, fixed=fixed, start=lowest.theta), []
        known.append(best)
    return replace(best, modes=_modes(known, best, valley))


def _modes(known: list[Minimum], best: Minimum, valley: "Valley") -> tuple[FloatArray, ...]:
    """Return the minima beside the best one that are not much higher, each of them once."""
    modes: list[FloatArray] = []
    for other in sorted(known, key=lambda minimum: minimum.deviance):
        is_new = all(valley.are_apart(other.theta, theta) for theta in (best.theta, *modes))
        if other.deviance < best.deviance + RELEVANT and is_new:
            modes.append(other.theta)
    return tuple(modes)


@dataclass(frozen=True, eq=False)
class Valley:
    """A minimum with the parabola of -2 ln L around it.

    Parameters
    ----------
    objective : -2 ln L
    fixed : values of parameters that are held constant, by index
    bottom : the minimum
    inverse : (n_parameters, n_parameters) inverse of the Hessian, zero for parameters that do not move
    """

    objective: Objective
    fixed: Mapping[int, float]
    bottom: Minimum
    inverse: FloatArray

    @classmethod
    def around(cls, objective: Objective, bottom: Minimum, fixed: Mapping[int, float]) -> "Valley":
        """Return the valley of a minimum."""
        _, gradient = objective.value_and_gradient(bottom.theta)
        free = movable(objective, fixed) & ~at_bounds(objective, bottom.theta, gradient)
        inverse = np.zeros((len(free), len(free)))
        inverse[np.ix_(free, free)] = _inverse(objective.softened(0.0).hessian(bottom.theta)[np.ix_(free, free)])
        return cls(objective, fixed, bottom, inverse)

    def are_apart(self, first: FloatArray, second: FloatArray) -> bool:
        """Return whether two points differ by more than rounding of minimisers."""
        units = np.sqrt(2 * np.diag(self.inverse))
        return bool(np.any(np.abs(first - second) > SAME * units + 1e-12 * np.abs(first)))

    def neighbours(self) -> Iterator[Minimum]:
        """Yield the minima to which pushes of single parameters lead, as precise as `ROUGH`."""
        for index in map(int, np.flatnonzero(self._pushable())):
            for values in self._sides(index):
                yield from self._along(index, values)

    def _pushable(self) -> BoolArray:
        """Return which parameters are pushed: those shared by bins, with a constraint, that move."""
        likelihood = self.objective.likelihood
        return np.asarray(likelihood.constrained & likelihood.scalar & (np.diag(self.inverse) > 0))

    def _sides(self, index: int) -> tuple[list[float], list[float]]:
        """Return the values that a parameter is pushed to, below and above the minimum, each from near to far."""
        likelihood, here = self.objective.likelihood, float(self.bottom.theta[index])
        center, width = float(likelihood.center[index]), float(likelihood.width[index])
        nearest = min(NEAR[0] * width, NEAR[1] * float(np.sqrt(2 * self.inverse[index, index])))
        targets = np.array([2 * center - here, *(center + side * width for side in PUSHES)])
        values = np.unique(targets.clip(likelihood.lower[index], likelihood.upper[index]))
        return values[values <= here - nearest][::-1].tolist(), values[values >= here + nearest].tolist()

    def _along(self, index: int, values: list[float]) -> Iterator[Minimum]:
        """Yield the minima to which pushes of a parameter to one side lead."""
        point, slopes = self.bottom.theta, Slopes.around(self.inverse, index)
        for value in values:
            start = self._inside(point + slopes.response * (value - point[index]))
            start[index] = value
            point, slopes, falls_back = self._followed(index, start, slopes)
            if falls_back:
                continue
            pushed = newton(self.objective, fixed={**self.fixed, index: value}, start=start, precision=ROUGH)
            if np.isfinite(pushed.deviance):
                point = pushed.theta
                if not self._falls_back(index, pushed):
                    released = newton(self.objective, fixed=self.fixed, start=pushed.theta, precision=ROUGH)
                    if self.are_apart(released.theta, self.bottom.theta):
                        yield released

    def _followed(self, index: int, point: FloatArray, slopes: "Slopes") -> tuple[FloatArray, "Slopes", bool]:
        """Let the other parameters follow a push until it is known to fall back, or the profile at it.

        Returns
        -------
        Where that ends, the derivatives in use there, and whether the profile is stiff and rising.
        """
        distance = float(point[index] - self.bottom.theta[index])
        parabola = 0.5 * distance**2 / self.inverse[index, index]
        before, allowed = np.inf, SMALL * parabola
        for _ in range(MAX_STEPS):
            value, gradient = self.objective.value_and_gradient(point)
            if not value < before:
                return point, slopes, False
            step = slopes.step(gradient)
            if not -0.5 * gradient @ step <= allowed:
                slopes = Slopes.at(self, point, gradient, index)
                step = slopes.step(gradient)
            gain = -0.5 * float(gradient @ step)
            is_stiff = value - MARGIN * gain - self.bottom.deviance >= STIFF * parabola
            is_rising = float(gradient @ slopes.response) * distance >= 2 * RISING * parabola
            if (is_stiff and is_rising) or gain < PRECISE * parabola:
                return point, slopes, is_stiff and is_rising
            point, before, allowed = self._inside(point + step), value, SLOW * gain
        return point, slopes, False

    def _inside(self, point: FloatArray) -> FloatArray:
        return np.clip(point, self.objective.likelihood.lower, self.objective.likelihood.upper)

    def _falls_back(self, index: int, pushed: Minimum) -> bool:
        """Return whether a pushed parameter, once released, returns to the minimum that it comes from."""
        distance = float(pushed.theta[index] - self.bottom.theta[index])
        parabola = 0.5 * distance**2 / self.inverse[index, index]
        is_stiff = pushed.deviance - self.bottom.deviance >= STIFF * parabola
        return bool(is_stiff and self.objective.value_and_gradient(pushed.theta)[1][index] * distance >= 0)


@dataclass(frozen=True, eq=False)
class Slopes:
    """How the other parameters follow a pushed one, from second derivatives.

    Parameters
    ----------
    response : (n_parameters,) change of the best values per unit of the pushed parameter, 1 for itself
    step : a gradient -> (n_parameters,) the step of the others to their best values, 0 for the pushed one
    """

    response: FloatArray
    step: Callable[[FloatArray], FloatArray]

    @classmethod
    def around(cls, inverse: FloatArray, index: int) -> "Slopes":
        """Return what the inverse of the whole Hessian says."""
        response = inverse[index] / inverse[index, index]

        def step(gradient: FloatArray) -> FloatArray:
            return np.asarray(inverse[index] * float(response @ gradient) - inverse @ gradient)

        return cls(response, step)

    @classmethod
    def at(cls, valley: "Valley", point: FloatArray, gradient: FloatArray, index: int) -> "Slopes":
        """Return what the Hessian at a point says, with rates taken as linear (Gauss-Newton).

        Far from a minimum the whole Hessian bends down in some directions, and its steps overshoot.
        """
        objective = valley.objective
        others = movable(objective, {**valley.fixed, index: 0.0}) & ~at_bounds(objective, point, gradient)
        hessian = objective.hessian(point, linear=True)
        scale, matrix = scaled(hessian[others][:, others])
        factor, _ = damped(matrix, UNDAMPED)
        response = np.zeros(len(point))
        response[index], response[others] = 1.0, -scale * solve(factor, scale * hessian[others, index])

        def step(gradient: FloatArray) -> FloatArray:
            change = np.zeros(len(gradient))
            change[others] = -scale * solve(factor, scale * gradient[others])
            return change

        return cls(response, step)


def _inverse(matrix: FloatArray) -> FloatArray:
    """Return the inverse of a Hessian; directions without curvature have a large finite variance."""
    diagonal = np.abs(np.diag(matrix))
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    scaled = scale[:, None] * matrix * scale
    if not np.isfinite(scaled).all():
        return np.zeros_like(matrix)
    eigenvalues, eigenvectors = np.linalg.eigh(scaled)
    inverted = 1 / np.maximum(np.abs(eigenvalues), SMALLEST_EIGENVALUE)
    return np.asarray(scale[:, None] * (eigenvectors * inverted @ eigenvectors.T) * scale)
