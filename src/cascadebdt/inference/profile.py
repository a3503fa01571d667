"""-2 ln L as a function of one parameter, and where such functions cross a level."""

from collections.abc import Callable

import numpy as np
import scipy.optimize

from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.minimise import TOLERANCE, Minimum, minimum, newton
from cascadebdt.inference.search import Valley

ALIKE = 0.25
"""Difference in -2 ln L of two points of a profile, one of which is searched for other minima for both."""

ON_THE_WAY = 4.0
"""The same between points whose values are no results: two standard deviations; see `Profile.is_settled`."""

NEVER = 1e6
"""Stands for infinity in a root search."""


class Profile:
    """-2 ln L relative to its minimum as a function of one parameter, minimised over all others.

    Every point starts from the nearest one known, so that a scan costs a few steps per point. Each of the minima that
    the best one knows of is followed on its own, and others are looked for wherever -2 ln L has changed, because a
    minimum may exist at some values of the parameter alone; the lowest counts.

    Parameters
    ----------
    objective : -2 ln L
    parameter : index
    best : its minimum
    alike : increase of -2 ln L from one point where other minima are looked for to the next
    """

    def __init__(self, objective: Objective, parameter: int, best: Minimum, *, alike: float = ALIKE) -> None:
        self._objective = objective
        self._alike = alike
        self._parameter = parameter
        self._reference = best.deviance
        others = [Minimum(theta, objective.value(theta)) for theta in best.modes]
        self._branches = [{float(found.theta[parameter]): found} for found in (best, *others)]
        self._points: dict[float, float] = {}
        self._searched = {float(best.theta[parameter]): best.deviance}

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
        if np.isfinite(lowest.deviance) and self._is_new(value, lowest.deviance, self._alike):
            self._search(lowest, value)
        increase = self._lowest(value).deviance - self._reference
        if increase < -TOLERANCE:
            name = self._objective.likelihood.names[self._parameter]
            raise FitError(f"fit: -2 ln L at {name} = {value:g} is {-increase:.4f} below its supposed minimum")
        return max(increase, 0.0)

    def _search(self, lowest: Minimum, value: float) -> None:
        """Look for other minima at a point, each of which starts a branch."""
        self._searched[value] = lowest.deviance
        fixed = {self._parameter: value}
        valley = Valley.around(self._objective, lowest, fixed)
        for neighbour in valley.neighbours():
            if all(valley.are_apart(neighbour.theta, branch[value].theta) for branch in self._branches):
                self._branches.append({value: newton(self._objective, fixed=fixed, start=neighbour.theta)})

    def _is_new(self, value: float, deviance: float, alike: float) -> bool:
        """Return whether no point has been searched for other minima that -2 ln L tells little apart from this one."""
        nearest = min(self._searched, key=lambda known: abs(known - value), default=None)
        return nearest is None or abs(self._searched[nearest] - deviance) > alike

    def _lowest(self, value: float) -> Minimum:
        """Return the lowest known minimum at a point that was asked for."""
        return min((branch[value] for branch in self._branches if value in branch), key=lambda m: m.deviance)

    def is_settled(self, value: float) -> bool:
        """Return whether no lower minimum is found at a point that was asked for; if one is, all others are forgotten.

        What a search for a crossing returns is settled before it is a result.
        """
        known = self._lowest(value)
        if np.isfinite(known.deviance) and self._is_new(value, known.deviance, ALIKE):
            self._search(known, value)
        if self._lowest(value).deviance >= known.deviance - TOLERANCE:
            return True
        self._points.clear()
        return False

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
        known = self._lowest(value)
        confirmed = minimum(self._objective, fixed={self._parameter: value}, start=known.theta)
        if known.deviance <= confirmed.deviance + TOLERANCE:
            return True
        self._branches.append({value: confirmed})
        self._points.clear()
        self._searched.clear()
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
