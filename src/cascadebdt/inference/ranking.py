"""Impacts: how much each nuisance parameter moves the signal strength."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import prepare
from cascadebdt.inference.likelihood import MC_STATISTICS, Likelihood, Objective, is_of_bin
from cascadebdt.inference.minimise import TOLERANCE, Minimum, newton
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import held, spread
from cascadebdt.records import ABSENT, Record

logger = logging.getLogger(__name__)

Pair = tuple[float, float]

WORTH_A_SECOND_OPINION = 0.1
"""Impacts above this part of the uncertainty of mu are confirmed by the second minimiser and by a search."""


@dataclass(frozen=True)
class Impact(Record):
    """The effect of one nuisance parameter on the signal strength.

    Parameters
    ----------
    parameter : its name
    value : its fitted value and uncertainty; None for a group
    pull : the same in units of its constraint, relative to its center; None if it floats freely
    postfit : change of the fitted mu with the parameter fixed one post-fit uncertainty below and above its value; None
        for a side that the model does not allow
    prefit : the same with the width of its constraint; None if it floats freely
    """

    parameter: str
    value: Pair | None
    pull: Pair | None
    postfit: tuple[float | None, float | None]
    prefit: tuple[float | None, float | None] | None

    @property
    def size(self) -> float:
        """The larger post-fit change."""
        return max(abs(change or 0.0) for change in self.postfit)

    @property
    def is_of_bin(self) -> bool:
        """Whether the parameter is one of the statistics of simulation, which have one per bin."""
        return self.pull is not None and is_of_bin(self.parameter)


@dataclass(frozen=True)
class Ranking(Record):
    """All impacts, the largest post-fit one first.

    Parameters
    ----------
    mu : signal strength and its uncertainty
    impacts : of every nuisance parameter that is no constant
    mc_statistics : what all parameters of the statistics of simulation add to the uncertainty of mu in quadrature, from
        the second derivatives; None without any
    """

    mu: Pair
    impacts: tuple[Impact, ...]
    mc_statistics: float | None = field(default=None, metadata=ABSENT)

    def rows(self) -> tuple[Impact, ...]:
        """Return the impacts with one row for all statistics of simulation, the largest first."""
        rows = [impact for impact in self.impacts if not impact.is_of_bin]
        if self.mc_statistics is not None:
            rows.append(Impact(MC_STATISTICS, None, None, (-self.mc_statistics, self.mc_statistics), None))
        return tuple(sorted(rows, key=lambda impact: -impact.size))


@on_one_thread
def ranking(workspace: Mapping[str, Any]) -> Ranking:
    """Rank every nuisance parameter by its impact on the signal strength, statistics of simulation included.

    An impact is the change of the fitted mu in a fit with the parameter fixed at its best value minus or plus its
    uncertainty, inside its bounds. Each fit starts where a linear model puts its minimum: the other parameters follow
    the fixed one as their covariance says, and at every minimum that is not much higher. Impacts of more than 10 %
    of the uncertainty of mu are confirmed by MINUIT, and other minima are looked for.

    Raises
    ------
    FitError
        If the minimisers disagree, or the data do not determine the signal strength. Other parameters that they do not
        determine are left out.

    Examples
    --------
    >>> result = cb.ranking(workspace)
    >>> largest = result.impacts[0].parameter
    >>> figure = cb.plots.ranking(result)
    """
    prepared = prepare(workspace)
    target, best = prepared.everything, prepared.best
    at_best = spread(target, best)
    likelihood = target.likelihood
    if at_best.undetermined[likelihood.poi]:
        raise FitError(f"ranking: the data do not determine {likelihood.names[likelihood.poi]}")
    movable = [int(i) for i in np.flatnonzero(~likelihood.fixed & ~at_best.undetermined) if i != likelihood.poi]
    impacts = [_impact(target, best, at_best.covariance, index) for index in movable]
    ordered = tuple(sorted(impacts, key=lambda impact: -impact.size))
    error = float(at_best.errors[likelihood.poi])
    return Ranking((float(best.theta[likelihood.poi]), error), ordered, _of_simulation(likelihood, at_best.covariance))


def _of_simulation(likelihood: Likelihood, covariance: FloatArray) -> float | None:
    """Return what the statistics of simulation add to the uncertainty of mu."""
    if not likelihood.per_bin.any():
        return None
    poi = likelihood.poi
    return float(np.sqrt(max(covariance[poi, poi] - held(covariance, likelihood.per_bin)[poi, poi], 0.0)))


def _impact(target: Objective, best: Minimum, covariance: FloatArray, index: int) -> Impact:
    """Return the impact of one parameter."""
    likelihood, value = target.likelihood, float(best.theta[index])
    error = float(np.sqrt(covariance[index, index]))
    is_constrained = bool(likelihood.constrained[index])
    center, width = float(likelihood.center[index]), float(likelihood.width[index])
    return Impact(
        parameter=likelihood.names[index],
        value=(value, error),
        pull=((value - center) / width, error / width) if is_constrained else None,
        postfit=_changes(target, best, covariance, index, error),
        prefit=_changes(target, best, covariance, index, width) if is_constrained else None,
    )


def _changes(
    target: Objective, best: Minimum, covariance: FloatArray, index: int, size: float
) -> tuple[float | None, float | None]:
    """Return the changes of mu for both directions."""
    down, up = (_change(target, best, covariance, index, sign * size) for sign in (-1, 1))
    return down, up


def _change(target: Objective, best: Minimum, covariance: FloatArray, index: int, shift: float) -> float | None:
    """Return the change of mu with a parameter fixed beside its best value, None where that is impossible."""
    likelihood, poi = target.likelihood, target.likelihood.poi
    value = float(np.clip(best.theta[index] + shift, likelihood.lower[index], likelihood.upper[index]))
    moved = value - best.theta[index]
    guess = best.theta + (covariance[index] / covariance[index, index] * moved if covariance[index, index] > 0 else 0.0)
    fixed = {index: value}
    trials = [newton(target, fixed=fixed, start=origin) for origin in (guess, *best.modes)]
    lowest = min(trials, key=lambda trial: trial.deviance)
    change = float(lowest.theta[poi] - best.theta[poi])
    is_large = abs(change) > WORTH_A_SECOND_OPINION * np.sqrt(covariance[poi, poi])
    if is_large or not best.deviance - TOLERANCE <= lowest.deviance < np.inf:
        try:
            lowest = global_minimum(target, fixed=fixed, start=lowest.theta, others=best.modes)
        except FitError as error:
            logger.warning("no impact of %s at %.4g: %s", likelihood.names[index], value, error)
            return None
        change = float(lowest.theta[poi] - best.theta[poi])
    return change
