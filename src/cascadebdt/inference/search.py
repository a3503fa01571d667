"""The lowest of several minima.

Where variations are asymmetric or bend the yields, -2 ln L can have a minimum for either sign of a nuisance parameter.
Two minimisers that start at the same point then agree on the wrong one. Each parameter is therefore pushed across its
constraint and released, from the best minimum known, until no push leads lower.
"""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.minimise import TOLERANCE, Minimum, minimum, newton

logger = logging.getLogger(__name__)

NEAR = 0.3
"""Distance in widths of the constraint that is no push."""

STIFF = 0.5
"""A push that costs less than this part of what the curvature says may have left for another minimum."""

RELEVANT = 9.0
"""Minima within this of the lowest -2 ln L are remembered, because profiles may cross from one to the other."""

MAX_SWEEPS = 5


def global_minimum(
    objective: Objective, *, fixed: Mapping[int, float] | None = None, start: FloatArray | None = None
) -> Minimum:
    """Minimise -2 ln L as `minimum` does, and look for lower minima beside the one that it finds.

    Returns
    -------
    The lowest minimum, on which both methods agree; `modes` are the others within 9 units of -2 ln L.
    """
    fixed = fixed or {}
    best = minimum(objective, fixed=fixed, start=start)
    known = [best]
    for _ in range(MAX_SWEEPS):
        found = [other for other in _released(objective, best, fixed) if not _is_known(other, known)]
        known += found
        lowest = min(known, key=lambda other: other.twice_nll)
        if lowest is best or lowest.twice_nll > best.twice_nll - TOLERANCE:
            break
        logger.info("a lower minimum of -2 ln L, %.4f instead of %.4f", lowest.twice_nll, best.twice_nll)
        best = minimum(objective, fixed=fixed, start=lowest.theta)
        known.append(best)
    others = [m.theta for m in known if m.twice_nll < best.twice_nll + RELEVANT and not _is_known(m, [best])]
    return replace(best, modes=tuple(others))


def _released(objective: Objective, best: Minimum, fixed: Mapping[int, float]) -> Iterator[Minimum]:
    """Yield the minima to which pushes of single parameters lead."""
    likelihood = objective.likelihood
    shared = likelihood.constrained & likelihood.scalar
    curvature = _stiffness(objective, best.theta, fixed)
    for index in np.flatnonzero(shared):
        for side in (-1, 1):
            value = float(likelihood.center[index] + side * likelihood.width[index])
            distance = value - best.theta[index]
            if int(index) in fixed or abs(distance) < NEAR * likelihood.width[index]:
                continue
            pushed = newton(objective, fixed={**fixed, int(index): value}, start=best.theta)
            is_soft = pushed.twice_nll - best.twice_nll < STIFF * curvature[index] * distance**2
            if is_soft or objective.value_and_gradient(pushed.theta)[1][index] * distance < 0:
                yield newton(objective, fixed=fixed, start=pushed.theta)


def _stiffness(objective: Objective, theta: FloatArray, fixed: Mapping[int, float]) -> FloatArray:
    """Return the inverse variances of all parameters, zero where there is no curvature to tell."""
    free = ~objective.likelihood.fixed
    free[list(fixed)] = False
    hessian = objective.softened(0.0).hessian(theta)[np.ix_(free, free)]
    stiffness = np.zeros(len(theta))
    try:
        variance = 2 * np.diag(np.linalg.inv(hessian))
    except np.linalg.LinAlgError:
        return stiffness
    stiffness[free] = np.where(variance > 0, 1 / np.where(variance > 0, variance, 1.0), 0.0)
    return stiffness


def _is_known(minimum: Minimum, known: list[Minimum]) -> bool:
    """Return whether a minimum is one of those known, by its value."""
    return any(abs(minimum.twice_nll - other.twice_nll) < TOLERANCE for other in known)
