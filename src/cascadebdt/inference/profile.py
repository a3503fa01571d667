"""-2 ln L as a function of one parameter, and where such functions cross a level."""

from collections.abc import Callable

import numpy as np
import scipy.optimize

from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.minimise import TOLERANCE, Minimum, minimum, newton

NEVER = 1e6
"""Stands for infinity in a root search."""


class Profile:
    """-2 ln L relative to its minimum as a function of one parameter, minimised over all others.

    Every point starts from the nearest one known, so that a scan costs a few steps per point. Each of the minima that
    the best one knows of is followed on its own; the lowest counts.
    """

    def __init__(self, objective: Objective, parameter: int, best: Minimum) -> None:
        self._objective = objective
        self._parameter = parameter
        self._reference = best.twice_nll
        others = [Minimum(theta, objective.value_and_gradient(theta)[0]) for theta in best.modes]
        self._branches = [{float(found.theta[parameter]): found} for found in (best, *others)]

    def __call__(self, value: float) -> float:
        """Return the increase of -2 ln L, +inf where the likelihood is impossible.

        Raises
        ------
        FitError
            If it is lower than at the supposed minimum.
        """
        increase = min(self._followed(branch, value) for branch in self._branches) - self._reference
        if increase < -TOLERANCE:
            name = self._objective.likelihood.names[self._parameter]
            raise FitError(f"fit: -2 ln L at {name} = {value:g} is {-increase:.4f} below its supposed minimum")
        return max(increase, 0.0)

    def _followed(self, branch: dict[float, Minimum], value: float) -> float:
        """Return -2 ln L of the minimum that continues a branch."""
        if value not in branch:
            nearest = branch[min(branch, key=lambda known: abs(known - value))]
            origins = (nearest.theta, self._objective.likelihood.start)
            trials = (newton(self._objective, fixed={self._parameter: value}, start=origin) for origin in origins)
            found = next((trial for trial in trials if np.isfinite(trial.twice_nll)), None)
            if found is None:
                return np.inf
            branch[value] = found
        return branch[value].twice_nll

    def is_confirmed(self, value: float) -> bool:
        """Return whether both minimisers agree on this point; a lower one they find starts a branch."""
        known = min((branch[value] for branch in self._branches if value in branch), key=lambda m: m.twice_nll)
        found = minimum(self._objective, fixed={self._parameter: value}, start=known.theta)
        if known.twice_nll <= found.twice_nll + TOLERANCE:
            return True
        self._branches.append({value: found})
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
