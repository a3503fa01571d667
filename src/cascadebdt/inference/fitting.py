"""The maximum-likelihood fit: values, uncertainties, goodness of fit, post-fit yields."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats

from cascadebdt.arrays import FloatArray
from cascadebdt.inference import uncertainty
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.search import global_minimum
from cascadebdt.records import ABSENT, Record


@dataclass(frozen=True, eq=False)
class FitResult(Record):
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
    poi : name of the parameter of interest, the signal strength
    mu : signal strength and its uncertainty
    normalisation : per floating process the normalisation and its uncertainty
    pulls : per constrained parameter (value - center) / width and uncertainty / width of its constraint
    postfit : per region and process the expected events per bin; while blind what the open regions predict without
        signal
    total, total_uncertainty : per region the sum over processes, with correlations propagated
    at_bound : parameters that the fit would move beyond their bounds
    agreement : difference of -2 ln L between the two minimisers
    intervals : per parameter without constraint the ends of its profile interval (see `intervals`); None if they were
        not asked for
    """

    parameters: tuple[str, ...]
    values: FloatArray
    uncertainties: FloatArray
    covariance: FloatArray
    correlation: FloatArray
    twice_nll: float
    goodness_of_fit: float | None
    blind: bool
    poi: str
    mu: tuple[float, float]
    normalisation: dict[str, tuple[float, float]]
    pulls: dict[str, tuple[float, float]]
    postfit: dict[str, dict[str, FloatArray]]
    total: dict[str, FloatArray]
    total_uncertainty: dict[str, FloatArray]
    at_bound: tuple[str, ...]
    agreement: float
    intervals: dict[str, tuple[float, float]] | None = field(default=None, metadata=ABSENT)


def fit(workspace: Mapping[str, Any]) -> FitResult:
    """Fit a workspace.

    Blind regions take part with the background that the others predict (see `conditioned`).

    Raises
    ------
    FitError
        If the minimisers disagree, or the data do not determine a parameter.
    """
    target = prepare(workspace)
    return _result(target.everything, global_minimum(target.everything), fixed=(), target=target)


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
    covariance, bounded = uncertainty.covariance(objective, best, fixed)
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
        twice_nll=best.deviance + objective.saturated(),
        goodness_of_fit=_goodness_of_fit(*seen),
        blind=target.is_blind,
        poi=likelihood.names[likelihood.poi],
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
    covariance, _ = uncertainty.covariance(objective, best, fixed)
    errors = np.sqrt(np.diag(covariance))
    scale = np.where(errors > 0, errors, 1.0)
    rates = likelihood.rates(best.theta)
    rate_errors = uncertainty.of_rates(likelihood, best.theta, errors, covariance / np.outer(scale, scale))
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
    return float(scipy.stats.chi2.sf(best.deviance, degrees))
