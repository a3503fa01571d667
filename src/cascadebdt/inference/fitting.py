"""The maximum-likelihood fit: values, uncertainties, goodness of fit, post-fit yields."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.stats

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.inference import uncertainty
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import MC_STATISTICS, Likelihood, Objective, is_of_bin
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import Ends, Spread, held
from cascadebdt.records import ABSENT, Record

logger = logging.getLogger(__name__)

MAX_SHOWN = 4
"""Parameters of a degenerate combination that a sentence names."""


@dataclass(frozen=True, eq=False)
class FitResult(Record):
    """Outcome of a fit.

    Parameters
    ----------
    parameters : n_parameters unique names, such as ``mu``, ``norm_zee``, ``lumi``, ``mcstat_SR[3]``
    values, uncertainties : (n_parameters,) uncertainties from the exact second derivatives; 0 for constants, NaN where
        the data do not determine a parameter
    covariance, correlation : (n_parameters, n_parameters), NaN for what the data do not determine
    twice_nll : -2 ln L at the minimum
    goodness_of_fit : p-value against the saturated model, while blind of the open regions' fit without signal; None
        without degrees of freedom
    blind : whether the data of some regions were not looked at
    poi : name of the parameter of interest, the signal strength
    mu : signal strength and its uncertainty
    normalisation : per floating process the normalisation and its uncertainty, if the data determine it
    pulls : per constrained parameter (value - center) / width and uncertainty / width of its constraint
    postfit : per region and process the expected events per bin; while blind what the open regions predict without
        signal
    total, total_uncertainty : per region the sum over processes, with correlations propagated
    at_bound : parameters that the fit would move beyond their bounds, or beyond what is possible, with the distances
        below and above at which -2 ln L has risen by 1: 0 on the side of the bound, None where it does not rise so much
    degenerate : combinations of parameters that the data do not determine: each parameter's part in a shift that
        leaves -2 ln L as it is
    agreement : difference of -2 ln L between the two minimisers
    intervals : per parameter without constraint the ends of its profile interval (see `intervals`); None if they were
        not asked for

    Examples
    --------
    >>> result = cb.fit(workspace)
    >>> value, uncertainty = result.normalisation["zee"]
    >>> again = cb.FitResult.from_json(result.to_json())
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
    at_bound: dict[str, Ends]
    degenerate: tuple[dict[str, float], ...]
    agreement: float
    intervals: dict[str, tuple[float, float]] | None = field(default=None, metadata=ABSENT)

    def pulled(self, *, beyond: float = 1.0) -> dict[str, float]:
        """Return the pulls beyond so many widths of the constraint, the largest first."""
        pulls = {name: pull for name, (pull, _) in self.pulls.items() if abs(pull) > beyond}
        return dict(sorted(pulls.items(), key=lambda item: -abs(item[1])))

    def constrained(self, *, below: float = 0.5) -> dict[str, float]:
        """Return the uncertainties below such a part of the width of the constraint, the smallest first."""
        parts = {name: part for name, (_, part) in self.pulls.items() if part < below and name not in self.at_bound}
        return dict(sorted(parts.items(), key=lambda item: item[1]))

    def grouped_correlation(self) -> tuple[tuple[str, ...], FloatArray]:
        """Return names and correlations with one row for all statistics of simulation.

        Its correlation with a parameter is the multiple one, sqrt(1 - V_held / V) with `V_held` the variance of the
        parameter while all of them are held constant; it has no sign.
        """
        of_bin = np.array([is_of_bin(name) and name in self.pulls for name in self.parameters], dtype=bool)
        if not of_bin.any():
            return self.parameters, self.correlation
        names = tuple(name for name, is_left_out in zip(self.parameters, of_bin, strict=True) if not is_left_out)
        kept = self.correlation[np.ix_(~of_bin, ~of_bin)]
        variances = np.diag(self.covariance)[~of_bin]
        left = np.diag(held(self.covariance, of_bin))[~of_bin]
        shares = 1 - np.divide(left, variances, out=np.ones_like(left), where=variances > 0)
        multiple = np.sqrt(shares.clip(0, 1))
        return (*names, MC_STATISTICS), np.block([[kept, multiple[:, None]], [multiple[None, :], np.ones((1, 1))]])

    def measured(self, parameter: str) -> str:
        """Return value and uncertainty of a parameter in words that fit a line."""
        index = self.parameters.index(parameter)
        value, error = self.values[index], self.uncertainties[index]
        if not np.isfinite(value):
            return "not determined by the data"
        if parameter not in self.at_bound:
            return f"{value:.3g} +- {error:.3g}"
        below, above = self.at_bound[parameter]
        side = "lower" if below == 0 else "upper"
        if (distance := above if below == 0 else below) is None:
            return f"{value:.3g} (at the {side} end of its range; the data do not limit it)"
        return f"{value:.3g} {'+' if below == 0 else '-'}{distance:.3g} (at the {side} end of its range)"


@on_one_thread
def fit(workspace: Mapping[str, Any]) -> FitResult:
    """Fit a workspace.

    Blind regions take part with the background that the others predict (see `with_expectation`).

    Raises
    ------
    FitError
        If the minimisers disagree. What the data do not determine has no numbers; see `FitResult.degenerate`.

    Examples
    --------
    >>> result = cb.fit(workspace)
    >>> mu, uncertainty = result.mu
    """
    target = prepare(workspace)
    return _result(target.everything, target.best, fixed=(), target=target)


@on_one_thread
def fit_background(workspace: Mapping[str, Any]) -> FitResult:
    """Fit a workspace without signal, while blind to the open regions alone.

    The post-fit yields of blind regions are then predictions from the open ones.

    Raises
    ------
    FitError
        If the minimisers disagree. What the data do not determine has no numbers; see `FitResult.degenerate`.
    """
    target = prepare(workspace)
    return _result(target.visible, target.background, fixed=(target.likelihood.poi,), target=target)


def _result(objective: Objective, best: Minimum, *, fixed: tuple[int, ...], target: Target) -> FitResult:
    """Collect what follows from a minimum."""
    likelihood = objective.likelihood
    spread = uncertainty.spread(objective, best, fixed)
    if (mu := float(best.theta[likelihood.poi])) > target.declared:
        text = "fit: %s = %.4g lies above the model's upper bound %g, which is not applied to the parameter of interest"
        logger.warning(text, likelihood.names[likelihood.poi], mu, target.declared)
    for combination in spread.degenerate:
        logger.warning("%s", _not_determined(combination))
    blurred = spread.undetermined
    values, errors = (np.where(blurred, np.nan, numbers) for numbers in (best.theta, spread.errors))
    errors[[index for index, ends in spread.at_edge.items() if None in ends]] = np.nan
    pairs = [(float(value), float(error)) for value, error in zip(values, errors, strict=True)]
    floating = ~likelihood.constrained & ~likelihood.fixed & ~blurred & (np.arange(len(pairs)) != likelihood.poi)
    seen = (target.visible, target.background, (likelihood.poi,)) if target.is_blind else (objective, best, fixed)
    is_apart = target.is_blind and bool(target.visible.weights.any())
    return FitResult(
        parameters=likelihood.names,
        values=values,
        uncertainties=errors,
        covariance=_without(spread.covariance, blurred),
        correlation=_without(spread.correlation, blurred),
        twice_nll=best.deviance + objective.saturated(),
        goodness_of_fit=goodness_of_fit(*seen),
        blind=target.is_blind,
        poi=likelihood.names[likelihood.poi],
        mu=pairs[likelihood.poi],
        normalisation={likelihood.names[i].removeprefix("norm_"): pairs[i] for i in np.flatnonzero(floating)},
        pulls=_pulls(likelihood, values, errors),
        **(
            _prediction(target.visible, target.background, uncertainty.spread(*seen))
            if is_apart
            else _prediction(objective, best, spread)
        ),
        at_bound={likelihood.names[index]: ends for index, ends in spread.at_edge.items()},
        degenerate=spread.degenerate,
        agreement=best.agreement,
    )


def _not_determined(combination: Mapping[str, float]) -> str:
    """Return what a degenerate combination means, as one sentence."""
    shown = list(combination.items())[:MAX_SHOWN]
    parts = "".join(f" {'-' if part < 0 else '+'} {abs(part):.2g} {name}" for name, part in shown).removeprefix(" + 1 ")
    more = "" if len(combination) == len(shown) else f" and {len(combination) - len(shown)} more"
    return (
        f"fit: the data do not determine the combination {parts}{more}: -2 ln L does not change along it; fix or merge "
        "what these parameters multiply"
    )


def _without(matrix: FloatArray, blurred: BoolArray) -> FloatArray:
    """Return a matrix without the numbers of some parameters."""
    return np.where(blurred[:, None] | blurred, np.nan, matrix)


def _prediction(objective: Objective, best: Minimum, spread: Spread) -> dict[str, Any]:
    """Return the expected events after a fit, per region: of each process, in all, and their uncertainty."""
    likelihood = objective.likelihood
    spread.require(likelihood.jacobian(best.theta), "prediction of blind regions")
    rates = likelihood.rates(best.theta)
    rate_errors = uncertainty.of_rates(likelihood, best.theta, spread.errors, spread.correlation)
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
        for index in np.flatnonzero(likelihood.constrained & np.isfinite(theta))
    }


def goodness_of_fit(objective: Objective, best: Minimum, fixed: tuple[int, ...]) -> float | None:
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
