"""The maximum-likelihood fit: values, uncertainties, goodness of fit, post-fit yields."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import Minimum, minimum
from cascadebdt.inference.profile import Profile, crossing

# Correlations beyond 1 - 1e-9 are degeneracies, not measurements.
SMALLEST_EIGENVALUE = 1e-9


@dataclass(frozen=True, eq=False)
class FitResult:
    """Outcome of a fit.

    Parameters
    ----------
    parameters : n_parameters unique names, such as ``mu``, ``norm_zee``, ``lumi``, ``mcstat_SR[3]``
    values, uncertainties : (n_parameters,) uncertainties from the exact second derivatives; 0 for constants
    covariance, correlation : (n_parameters, n_parameters)
    twice_nll : -2 ln L at the minimum
    goodness_of_fit : p-value against the saturated model, while blind of the open regions' fit without signal; None
        without degrees of freedom
    blind : whether the data of some regions were not looked at
    mu : signal strength and its uncertainty
    normalisation : per floating process the normalisation and its uncertainty
    pulls : per constrained parameter (value - center) / width and uncertainty / width of its constraint
    postfit : per region and process the expected events per bin; while blind what the open regions predict without
        signal
    total, total_uncertainty : per region the sum over processes, with correlations propagated
    at_bound : parameters that the fit would move beyond their bounds
    agreement : difference of -2 ln L between the two minimisers
    """

    parameters: tuple[str, ...]
    values: FloatArray
    uncertainties: FloatArray
    covariance: FloatArray
    correlation: FloatArray
    twice_nll: float
    goodness_of_fit: float | None
    blind: bool
    mu: tuple[float, float]
    normalisation: dict[str, tuple[float, float]]
    pulls: dict[str, tuple[float, float]]
    postfit: dict[str, dict[str, FloatArray]]
    total: dict[str, FloatArray]
    total_uncertainty: dict[str, FloatArray]
    at_bound: tuple[str, ...]
    agreement: float

    def to_json(self) -> dict[str, Any]:
        """Return the result with lists in place of arrays and tuples."""
        return {name: _plain(value) for name, value in vars(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, tuple) else value


def fit(workspace: Mapping[str, Any]) -> FitResult:
    """Fit a workspace.

    Blind regions take part with the background that the others predict (see `conditioned`).

    Raises
    ------
    FitError
        If the minimisers disagree, or the data do not determine a parameter.
    """
    target = prepare(workspace)
    return _result(target.everything, minimum(target.everything), fixed=(), target=target)


def fit_background(workspace: Mapping[str, Any]) -> FitResult:
    """Fit a workspace without signal, while blind to the open regions alone.

    The post-fit yields of blind regions are then predictions from the open ones.

    Raises
    ------
    FitError
        If the minimisers disagree, or the data do not determine a parameter.
    """
    target = prepare(workspace)
    return _result(target.visible, target.background, fixed=(target.likelihood.poi,), target=target)


def _result(objective: Objective, best: Minimum, *, fixed: tuple[int, ...], target: Target) -> FitResult:
    """Collect what follows from a minimum."""
    likelihood = objective.likelihood
    covariance, bounded = _covariance(objective, best, fixed)
    errors = np.sqrt(np.diag(covariance))
    scale = np.where(errors > 0, errors, 1.0)
    correlation = covariance / np.outer(scale, scale)
    pairs = [(float(value), float(error)) for value, error in zip(best.theta, errors, strict=True)]
    floating = ~likelihood.constrained & ~likelihood.fixed & (np.arange(len(pairs)) != likelihood.poi)
    seen = (target.visible, target.background, (likelihood.poi,)) if target.is_blind else (objective, best, fixed)
    has_data = bool(target.visible.weights.any())
    return FitResult(
        parameters=likelihood.names,
        values=best.theta,
        uncertainties=errors,
        covariance=covariance,
        correlation=correlation,
        twice_nll=best.twice_nll,
        goodness_of_fit=_goodness_of_fit(*seen),
        blind=target.is_blind,
        mu=pairs[likelihood.poi],
        normalisation={likelihood.names[i].removeprefix("norm_"): pairs[i] for i in np.flatnonzero(floating)},
        pulls=_pulls(likelihood, best.theta, errors),
        **_prediction(*(seen if has_data else (objective, best, fixed))),
        at_bound=tuple(likelihood.names[i] for i in bounded),
        agreement=best.agreement,
    )


def _prediction(objective: Objective, best: Minimum, fixed: tuple[int, ...]) -> dict[str, Any]:
    """Return the expected events after a fit, per region: of each process, in all, and their uncertainty."""
    likelihood = objective.likelihood
    covariance, _ = _covariance(objective, best, fixed)
    errors = np.sqrt(np.diag(covariance))
    scale = np.where(errors > 0, errors, 1.0)
    rates = likelihood.rates(best.theta)
    rate_errors = _rate_errors(likelihood, best.theta, errors, covariance / np.outer(scale, scale))
    regions = likelihood.regions.items()
    return {
        "postfit": {
            region: {
                process: rates[row, bins] for row, process in enumerate(likelihood.processes) if rates[row, bins].any()
            }
            for region, bins in regions
        },
        "total": {region: rates[:, bins].sum(axis=0) for region, bins in regions},
        "total_uncertainty": {region: rate_errors[bins] for region, bins in regions},
    }


def _pulls(likelihood: Likelihood, theta: FloatArray, errors: FloatArray) -> dict[str, tuple[float, float]]:
    """Return value and uncertainty of constrained parameters in units of their constraints."""
    return {
        likelihood.names[index]: (
            float((theta[index] - likelihood.center[index]) / likelihood.width[index]),
            float(errors[index] / likelihood.width[index]),
        )
        for index in np.flatnonzero(likelihood.constrained)
    }


def _covariance(objective: Objective, best: Minimum, fixed: tuple[int, ...]) -> tuple[FloatArray, list[int]]:
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


def _rate_errors(likelihood: Likelihood, theta: FloatArray, errors: FloatArray, correlation: FloatArray) -> FloatArray:
    """Return the uncertainty of every bin's total rate, (n_bins,).

    Each parameter contributes half the difference of its variations by one standard deviation, as the field's other
    programs have it; where yields respond linearly, this is linear error propagation.
    """
    steps = np.diag(errors)[errors > 0]
    effects = np.array([likelihood.totals(theta + step) - likelihood.totals(theta - step) for step in steps]) / 2
    moving = np.ix_(errors > 0, errors > 0)
    return np.asarray(np.sqrt(np.einsum("ib,ij,jb->b", effects, correlation[moving], effects).clip(min=0)))


def _goodness_of_fit(objective: Objective, best: Minimum, fixed: tuple[int, ...]) -> float | None:
    """Return the p-value of a fit against the saturated model.

    References
    ----------
    Baker, Cousins, Nucl. Instrum. Meth. 221 (1984) 437.
    """
    free = ~objective.likelihood.constrained & ~objective.likelihood.fixed
    free[list(fixed)] = False
    degrees = int(np.sum(objective.weights > 0)) - int(np.sum(free))
    if degrees <= 0:
        return None
    return float(scipy.stats.chi2.sf(best.twice_nll - objective.saturated(), degrees))


def profile_interval(workspace: Mapping[str, Any], parameter: str, *, increase: float = 1.0) -> tuple[float, float]:
    """Return the interval in which the profile of -2 ln L rises by less than `increase`: 1 for 68 %, 3.84 for 95 %.

    An end that the profile does not reach inside the parameter's bounds is the bound.

    Raises
    ------
    FitError
        If there is no such parameter, or a fit fails.
    """
    target = prepare(workspace)
    likelihood = target.likelihood
    index = likelihood.index(parameter)
    if likelihood.fixed[index]:
        raise FitError(f"parameter '{parameter}' is a constant of the model")
    best = minimum(target.everything)
    profile = Profile(target.everything, index, best)
    center = float(best.theta[index])
    step = standard_deviation(target.everything, best.theta, index) * np.sqrt(increase)
    if not np.isfinite(step):
        step = 0.1 * max(abs(center), 1.0)

    def excess(value: float) -> float:
        return profile(value) - increase

    low = crossing(excess, start=center, step=-step, bound=float(likelihood.lower[index]))
    high = crossing(excess, start=center, step=step, bound=float(likelihood.upper[index]))
    return low, high
