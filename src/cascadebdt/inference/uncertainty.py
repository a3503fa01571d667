"""Uncertainties of parameters and rates from the exact second derivatives at a minimum."""

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.profile import Profile, crossing

# Correlations beyond 1 - 1e-9 are degeneracies, not measurements.
SMALLEST_EIGENVALUE = 1e-9


def covariance(objective: Objective, best: Minimum, fixed: tuple[int, ...] = ()) -> tuple[FloatArray, list[int]]:
    """Return the covariance of all parameters, and those at the edge of the possible.

    The covariance is 2 / H of the parameters that are free to move. One that is held by a bound, or mu where it would
    make a rate negative, is uncorrelated with them and uncertain by the distance at which -2 ln L has risen by 1.
    """
    likelihood, theta = objective.likelihood, best.theta
    hessian = objective.softened(0.0).hessian(theta)
    covariance = np.zeros_like(hessian)
    bounded = [index for index in _bounded(objective, theta, hessian) if index not in fixed]
    free = ~likelihood.fixed
    free[[*bounded, *fixed]] = False
    covariance[np.ix_(free, free)] = 2 * _inverse(hessian[np.ix_(free, free)], np.array(likelihood.names)[free])
    for index in bounded:
        covariance[index, index] = _one_sided(objective, index, best) ** 2
    return covariance, bounded


def _bounded(objective: Objective, theta: FloatArray, hessian: FloatArray) -> list[int]:
    """List the parameters at the edge of the possible: -2 ln L falls towards it by a noticeable part of a unit."""
    likelihood = objective.likelihood
    _, gradient = objective.softened(0.0).value_and_gradient(theta)
    units = np.sqrt(2 / np.maximum(np.diag(hessian), 1e-12))
    margin = 1e-6 * np.minimum(likelihood.upper - likelihood.lower, 1.0)
    held = ((theta <= likelihood.lower + margin) & (gradient * units > 1e-3)) | (
        (theta >= likelihood.upper - margin) & (gradient * units < -1e-3)
    )
    held[likelihood.poi] |= theta[likelihood.poi] < 0 and objective.is_walled(theta)
    return [int(index) for index in np.flatnonzero(held & ~likelihood.fixed)]


def _inverse(matrix: FloatArray, names: AnyArray) -> FloatArray:
    """Return the inverse of a Hessian that must be positive definite."""
    if not matrix.size:
        return matrix
    diagonal = np.diag(matrix)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    eigenvalues, eigenvectors = np.linalg.eigh(scale[:, None] * matrix * scale)
    if eigenvalues[0] < SMALLEST_EIGENVALUE:
        flat = np.abs(eigenvectors[:, 0])
        largest = np.argsort(-flat)[:3]
        raise FitError(
            f"fit: the data do not determine {', '.join(names[largest][flat[largest] > 0.1])}: "
            "-2 ln L has no curvature there; fix or merge what they multiply"
        )
    return np.asarray(scale[:, None] * (eigenvectors / eigenvalues @ eigenvectors.T) * scale)


def _one_sided(objective: Objective, index: int, best: Minimum) -> float:
    """Return the distance from the edge of the possible at which -2 ln L has risen by 1."""
    likelihood = objective.likelihood
    profile, value = Profile(objective, index, best), float(best.theta[index])
    low, high = float(likelihood.lower[index]), float(likelihood.upper[index])
    step, bound = (0.1, high) if value - low < high - value else (-0.1, low)
    return abs(crossing(lambda x: profile(x) - 1, start=value, step=step, bound=bound) - value)


def standard_deviation(objective: Objective, theta: FloatArray, parameter: int) -> float:
    """Return the scale on which a parameter varies, from the second derivatives; +inf if nothing depends on it."""
    free = ~objective.likelihood.fixed
    hessian = objective.softened(0.0).hessian(theta)[np.ix_(free, free)]
    place = int(np.sum(free[:parameter]))
    diagonal = np.diag(hessian)
    if not diagonal[place] > 0:
        return np.inf
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    eigenvalues, eigenvectors = np.linalg.eigh(scale[:, None] * hessian * scale)
    variance = np.sum(eigenvectors[place] ** 2 / np.maximum(np.abs(eigenvalues), SMALLEST_EIGENVALUE))
    return float(scale[place] * np.sqrt(2 * variance))


def of_rates(likelihood: Likelihood, theta: FloatArray, errors: FloatArray, correlation: FloatArray) -> FloatArray:
    """Return the uncertainty of every bin's total rate, (n_bins,).

    Each parameter contributes half the difference of its variations by one standard deviation, as the field's other
    programs have it; where yields respond linearly, this is linear error propagation.
    """
    steps = np.diag(errors)[errors > 0]
    effects = np.array([likelihood.totals(theta + step) - likelihood.totals(theta - step) for step in steps]) / 2
    moving = np.ix_(errors > 0, errors > 0)
    return np.asarray(np.sqrt(np.einsum("ib,ij,jb->b", effects, correlation[moving], effects).clip(min=0)))
