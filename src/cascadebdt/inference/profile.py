"""-2 ln L as a function of one parameter, and where such functions cross a level."""

from collections.abc import Callable

import numpy as np
import scipy.optimize

from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.minimise import TOLERANCE, Minimum, minimum, newton
from cascadebdt.inference.search import Valley

NEVER = 1e6
"""Stands for infinity in a root search."""


class Profile:
    """-2 ln L relative to its minimum as a function of one parameter, minimised over all others.

    Every point starts from the nearest one known, so that a scan costs a few steps per point. Each of the minima that
    the best one knows of is followed on its own, and at every point others are looked for, because a minimum may exist
    at some values of the parameter alone; the lowest counts.
    """

    def __init__(self, objective: Objective, parameter: int, best: Minimum) -> None:
        self._objective = objective
        self._parameter = parameter
        self._reference = best.deviance
        others = [Minimum(theta, objective.value(theta)) for theta in best.modes]
        self._branches = [{float(found.theta[parameter]): found} for found in (best, *others)]
        self._points: dict[float, float] = {}

    def __call__(self, value: float) -> float:
        """Return the increase of -2 ln L, +inf where the likelihood is impossible.

        Raises
        ------
        FitError
            If it is lower than at the supposed minimum.
        """
        if value not in self._points:
            self._points[value] = self._explored(value)
        return self._points[value]

    def _explored(self, value: float) -> float:
        """Return the increase of -2 ln L at a new point, from branches known and new."""
        lowest = min((self._followed(branch, value) for branch in self._branches), key=lambda m: m.deviance)
        if np.isfinite(lowest.deviance):
            valley = Valley.around(self._objective, lowest, {self._parameter: value})
            for found in valley.neighbours():
                if all(valley.are_apart(found.theta, branch[value].theta) for branch in self._branches):
                    self._branches.append({value: found})
        increase = min(branch[value].deviance for branch in self._branches) - self._reference
        if increase < -TOLERANCE:
            name = self._objective.likelihood.names[self._parameter]
            raise FitError(f"fit: -2 ln L at {name} = {value:g} is {-increase:.4f} below its supposed minimum")
        return max(increase, 0.0)

    def _followed(self, branch: dict[float, Minimum], value: float) -> Minimum:
        """Return the minimum that continues a branch; +inf where the likelihood is impossible."""
        if value not in branch:
            nearest = branch[min(branch, key=lambda known: abs(known - value))]
            origins = (nearest.theta, self._objective.likelihood.start)
            trials = (newton(self._objective, fixed={self._parameter: value}, start=origin) for origin in origins)
            branch[value] = next((t for t in trials if np.isfinite(t.deviance)), Minimum(nearest.theta, np.inf))
        return branch[value]

    def is_confirmed(self, value: float) -> bool:
        """Return whether both minimisers agree on this point; a lower one they find starts a branch."""
        known = min((branch[value] for branch in self._branches if value in branch), key=lambda m: m.deviance)
        found = minimum(self._objective, fixed={self._parameter: value}, start=known.theta)
        if known.deviance <= found.deviance + TOLERANCE:
            return True
        self._branches.append({value: found})
        self._points.clear()
        return False


def crossing(function: Callable[[float], float], *, start: float, step: float, bound: float) -> float:
    """Return where `function`, negative at `start`, changes sign in the direction of `step`.

    The bracket doubles until it holds the change or meets `bound`, which is then the answer.
    """

    def finite(value: float) -> float:
        return min(function(value), NEVER)

    near, far = start, start + step
    while True:
        far = min(far, bound) if step > 0 else max(far, bound)
        if finite(far) >= 0:
            return float(scipy.optimize.brentq(finite, near, far, xtol=1e-6 * abs(step), rtol=1e-6))
        if far == bound:
            return bound
        near, far = far, far + 2 * (far - near)
