"""Uncertainties of parameters and rates from the exact second derivatives at a minimum."""

from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.profile import ON_THE_WAY, Profile, crossing

SMALLEST_EIGENVALUE = 1e-9
"""Of the Hessian in units in which its diagonal is one: correlations beyond 1 - 1e-9 are degeneracies."""

UNLIMITED = 1e6
"""Distance from the edge of the possible within which a rise of -2 ln L is sought."""

SADDLE = -1e-6
"""An eigenvalue below this is no rounding: -2 ln L falls in that direction."""

PART = 1e-4
"""A parameter with a larger component in a degenerate direction is not determined."""

TINY = 1e-300
Ends = tuple[float | None, float | None]


@dataclass(frozen=True, eq=False)
class Spread:
    """Covariance of parameters at a minimum.

    Parameters
    ----------
    covariance : (n_parameters, n_parameters) 2 / H of the parameters that are free to move, without the directions in
        which -2 ln L has no curvature; a parameter at the edge of the possible is uncorrelated with the others
    at_edge : per parameter at the edge of the possible (held by a bound, or mu where it would make a rate negative)
        the distances below and above at which -2 ln L has risen by 1: 0 on the side of the edge, None where it does
        not rise so much inside the bounds
    degenerate : the directions without curvature, each as the components of its parameters, the largest 1
    directions : (n_directions, n_parameters) the same as vectors
    """

    covariance: FloatArray
    at_edge: dict[int, Ends]
    degenerate: tuple[dict[str, float], ...]
    directions: FloatArray

    @property
    def undetermined(self) -> BoolArray:
        """(n_parameters,) whether a parameter takes part in a degenerate direction."""
        return np.asarray((self.directions != 0).any(axis=0))

    def require(self, jacobian: FloatArray, question: str) -> None:
        """Require that what has these derivatives, (n_bins, n_parameters), is determined.

        Raises
        ------
        FitError
            Naming the parameters.
        """
        for direction, names in zip(self.directions, self.degenerate, strict=True):
            sizes = np.abs(jacobian) @ np.abs(direction)
            if (np.abs(jacobian @ direction) > PART * sizes).any():
                raise FitError(f"{question}: the data do not determine {' and '.join(list(names)[:3])}")

    @property
    def errors(self) -> FloatArray:
        """(n_parameters,) standard deviations; those of undetermined parameters mean nothing."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def correlation(self) -> FloatArray:
        """(n_parameters, n_parameters) correlations, 0 for constants."""
        scale = np.where(self.errors > 0, self.errors, 1.0)
        return np.asarray(self.covariance / np.outer(scale, scale))


def spread(objective: Objective, best: Minimum, fixed: tuple[int, ...] = ()) -> Spread:
    """Return the covariance of all parameters, and what the data do not determine.

    Raises
    ------
    FitError
        If -2 ln L falls in some direction: the point is no minimum.
    """
    likelihood, theta = objective.likelihood, best.theta
    hessian = objective.softened(0.0).hessian(theta)
    covariance = np.zeros_like(hessian)
    held = np.isin(np.arange(len(theta)), fixed)
    at_rest = objective.held(held, theta) if fixed else objective  # what is fixed stays so along a profile
    at_edge = {i: _distances(at_rest, i, best) for i in _at_edge(objective, theta, hessian) if i not in fixed}
    free = ~likelihood.fixed
    free[[*at_edge, *fixed]] = False
    names = np.array(likelihood.names)
    if objective.is_walled(theta) and np.linalg.eigvalsh(hessian[np.ix_(free, free)])[:1].min(initial=0.0) < 0:
        hessian = objective.hessian(theta)  # the wall of an empty bin holds what would fall without it
    inverse, directions = _inverse(hessian[np.ix_(free, free)], names[free])
    covariance[np.ix_(free, free)] = 2 * inverse
    for index, ends in at_edge.items():
        covariance[index, index] = max((end for end in ends if end is not None), default=0.0) ** 2
    everywhere = np.zeros((len(directions), len(theta)))
    everywhere[:, free] = directions
    return Spread(covariance, at_edge, tuple(_combination(direction, names) for direction in everywhere), everywhere)


def _at_edge(objective: Objective, theta: FloatArray, hessian: FloatArray) -> list[int]:
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


def _inverse(matrix: FloatArray, names: AnyArray) -> tuple[FloatArray, FloatArray]:
    """Return the inverse of a Hessian where it is curved, and the other directions, (n_directions, n_parameters)."""
    if not matrix.size:
        return matrix, np.zeros((0, 0))
    diagonal = np.diag(matrix)
    scale = 1 / np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    eigenvalues, eigenvectors = np.linalg.eigh(scale[:, None] * matrix * scale)
    if eigenvalues[0] < SADDLE:
        largest = names[np.argsort(-np.abs(eigenvectors[:, 0]))[:3]]
        raise FitError(f"fit: -2 ln L still falls along {', '.join(largest)} at its supposed minimum")
    flat = eigenvalues < SMALLEST_EIGENVALUE
    inverted = np.where(flat, 0.0, 1 / np.where(flat, 1.0, eigenvalues))
    inverse = scale[:, None] * (eigenvectors * inverted @ eigenvectors.T) * scale
    directions = np.where(np.abs(eigenvectors[:, flat].T) > PART, eigenvectors[:, flat].T, 0.0) * scale
    return np.asarray(inverse), directions / np.maximum(
        np.abs(directions).max(axis=1, keepdims=True, initial=0.0), TINY
    )


def _combination(direction: FloatArray, names: AnyArray) -> dict[str, float]:
    """Return the components of a degenerate direction, the largest first and equal to 1."""
    order = [i for i in np.argsort(-np.abs(direction), kind="stable") if direction[i] != 0]
    return {str(names[i]): float(direction[i] / direction[order[0]]) for i in order}


def _distances(objective: Objective, index: int, best: Minimum) -> Ends:
    """Return the distances below and above from the edge of the possible at which -2 ln L has risen by 1."""
    likelihood = objective.likelihood
    profile, value = Profile(objective, index, best, alike=ON_THE_WAY), float(best.theta[index])
    low, high = float(likelihood.lower[index]), float(likelihood.upper[index])
    is_lower = value - low < high - value
    step, bound = (0.1, min(high, value + UNLIMITED)) if is_lower else (-0.1, max(low, value - UNLIMITED))
    for _ in range(3):
        end = crossing(lambda x: profile(x) - 1, start=value, step=step, bound=bound)
        if end == bound or profile.is_settled(end):
            break
    distance = None if end == bound else abs(end - value)
    return (0.0, distance) if is_lower else (distance, 0.0)


def held(covariance: FloatArray, mask: BoolArray) -> FloatArray:
    """Return the covariance of all parameters with those of a mask, (n_parameters,), held constant.

    References
    ----------
    The conditional covariance of a multivariate normal distribution, a Schur complement.
    """
    finite = np.nan_to_num(covariance)
    chosen = mask & (np.diag(finite) > 0)
    shared = finite[:, chosen]
    return np.asarray(finite - shared @ np.linalg.pinv(finite[np.ix_(chosen, chosen)], hermitian=True) @ shared.T)


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
