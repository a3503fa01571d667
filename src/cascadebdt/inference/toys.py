"""Pseudo-experiments: whether fits return what was put in, and whether asymptotic formulas hold."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Likelihood, Objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.profile import Profile
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import spread
from cascadebdt.records import Record

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failure(Record):
    """A fit of a pseudo-experiment that failed: number of the pseudo-experiment, and reason."""

    toy: int
    reason: str


Failures = tuple[Failure, ...]


@dataclass(frozen=True, eq=False)
class Toys(Record):
    """Fits of pseudo-experiments.

    Parameters
    ----------
    parameters : mu and the free normalisations
    truth : (n_parameters,) what the pseudo-experiments were drawn from
    values, uncertainties : (n_fitted, n_parameters)
    covered : (n_fitted, n_parameters) whether the 68 % interval of the profile holds the truth
    failures : fits that failed
    """

    parameters: tuple[str, ...]
    truth: FloatArray
    values: FloatArray
    uncertainties: FloatArray
    covered: BoolArray
    failures: Failures

    @property
    def pulls(self) -> FloatArray:
        """(n_fitted, n_parameters): (value - truth) / uncertainty."""
        return (self.values - self.truth) / self.uncertainties

    def summary(self) -> dict[str, dict[str, float]]:
        """Return per parameter the mean and width of the pulls and the coverage, each with its uncertainty."""
        n = len(self.values)
        means, widths, coverages = self.pulls.mean(axis=0), self.pulls.std(axis=0, ddof=1), self.covered.mean(axis=0)
        return {
            name: {
                "mean": float(mean),
                "mean_uncertainty": float(width / np.sqrt(n)),
                "width": float(width),
                "width_uncertainty": float(width / np.sqrt(2 * (n - 1))),
                "coverage": float(coverage),
                "coverage_uncertainty": float(np.sqrt(coverage * (1 - coverage) / n)),
            }
            for name, mean, width, coverage in zip(self.parameters, means, widths, coverages, strict=True)
        }


@on_one_thread
def toys(workspace: Mapping[str, Any], n: int, *, seed: int, mu: float | None = None) -> Toys:
    """Fit pseudo-experiments drawn from the fit to the data.

    Events are Poisson and auxiliary data fluctuate with their constraints (parametric bootstrap). Toy k depends on the
    seed and k alone.

    Parameters
    ----------
    n : how many
    seed : of the random numbers
    mu : true signal strength, with nuisance parameters that fit the data best; that of the fit if not given

    Raises
    ------
    FitError
        If the fit to the data fails, or all fits of pseudo-experiments do; single failures are counted and logged.

    Examples
    --------
    >>> result = cb.toys(workspace, 5, seed=1)
    >>> coverage = result.summary()["mu"]["coverage"]
    """
    target = prepare(workspace)
    likelihood = target.likelihood
    fixed = {} if mu is None else {likelihood.poi: mu}
    truth = global_minimum(target.everything, fixed=fixed)
    shown = np.flatnonzero(~likelihood.constrained & ~likelihood.fixed)
    shown = np.array([likelihood.poi, *(index for index in shown if index != likelihood.poi)])
    rows, failures = [], []
    for number, toy in enumerate(drawn(likelihood, truth.theta, n, seed)):
        try:
            rows.append(_fitted(toy, truth, shown))
        except FitError as error:
            failures.append(Failure(number, str(error)))
            logger.warning("toy %d: %s", number, error)
    if not rows:
        raise FitError(f"toys: no fit succeeded; the first failed with: {failures[0].reason}")
    values, uncertainties, covered = (np.array(column) for column in zip(*rows, strict=True))
    names = tuple(likelihood.names[index] for index in shown)
    return Toys(names, truth.theta[shown], values, uncertainties, covered, tuple(failures))


def drawn(likelihood: Likelihood, theta: FloatArray, n: int, seed: int) -> Iterator[Objective]:
    """Yield the -2 ln L of pseudo-experiments."""
    cells, rates = likelihood.cells, likelihood.totals(theta)
    weights = likelihood.fillable.astype(np.float64)
    for number in range(n):
        rng = np.random.default_rng([seed, number])
        auxiliary = likelihood.auxiliary.copy()
        auxiliary[cells.center] = rng.normal(theta[cells.normal], cells.width)
        auxiliary[cells.observed] = rng.poisson(theta[cells.poisson] * cells.scale)
        yield Objective(likelihood, likelihood.dataset(rng.poisson(np.maximum(rates, 0.0)), auxiliary), weights)


def _fitted(toy: Objective, truth: Minimum, shown: Any) -> tuple[FloatArray, FloatArray, list[bool]]:
    """Return values, uncertainties and coverage of the parameters shown."""
    best = global_minimum(toy, start=truth.theta)
    found = spread(toy, best)
    found.require(np.eye(len(best.theta))[shown], "fit")
    errors = found.errors[shown]
    covered = [Profile(toy, int(index), best)(float(truth.theta[index])) <= 1 for index in shown]
    return best.theta[shown], errors, covered


@dataclass(frozen=True)
class ToyTest(Record):
    """A p-value from pseudo-experiments.

    Parameters
    ----------
    observed : test statistic of the data
    value : p-value, or CLs
    uncertainty : of `value`, binomial
    toys : how many pseudo-experiments were fitted, of each hypothesis
    failures : fits that failed
    """

    observed: float
    value: float
    uncertainty: float
    toys: int
    failures: Failures


@on_one_thread
def toy_cls(workspace: Mapping[str, Any], mu: float, n: int, *, seed: int) -> ToyTest:
    """Return CLs of a signal strength from pseudo-experiments, with the test statistic q-tilde.

    Half of them have this signal, half none; nuisance parameters are those that fit the data best in either case. At
    the limit of `limit`, where asymptotic formulas hold, the result is its level.

    References
    ----------
    arXiv:1007.1727, Eq. (16); Read, J. Phys. G 28 (2002) 2693.
    """
    target = prepare(workspace)
    observed = _q_tilde(target.everything, mu)
    with_signal, failed = _statistics(target, mu, lambda toy: _q_tilde(toy, mu), n, seed)
    without, failed_too = _statistics(target, 0.0, lambda toy: _q_tilde(toy, mu), n, seed + 1)
    above, above_without = (float(np.mean(found >= observed)) for found in (with_signal, without))
    if above_without == 0:
        raise FitError(f"toys: none of {len(without)} without signal is as signal-like as the data; draw more")
    value = above / above_without
    # of a ratio of two binomial fractions; at least one event stands for the uncertainty of none
    variance = (1 - above) / max(above * len(with_signal), 1.0) + (1 - above_without) / (above_without * len(without))
    error = max(value, 1 / (above_without * len(with_signal))) * float(np.sqrt(variance))
    return ToyTest(observed, value, error, len(without), failed + failed_too)


@on_one_thread
def toy_significance(workspace: Mapping[str, Any], n: int, *, seed: int) -> ToyTest:
    """Return the p-value of the background from pseudo-experiments, with the test statistic q_0.

    References
    ----------
    arXiv:1007.1727, Eq. (12).
    """
    target = prepare(workspace)
    observed = _q_zero(target.everything)
    statistics, failures = _statistics(target, 0.0, _q_zero, n, seed)
    value = float(np.mean(statistics >= observed))
    return ToyTest(observed, value, float(np.sqrt(value * (1 - value) / len(statistics))), len(statistics), failures)


def _statistics(
    target: Target, mu: float, statistic: Callable[[Objective], float], n: int, seed: int
) -> tuple[FloatArray, Failures]:
    """Return the test statistic of pseudo-experiments with a signal strength."""
    truth = global_minimum(target.everything, fixed={target.likelihood.poi: mu})
    found, failures = [], []
    for number, toy in enumerate(drawn(target.likelihood, truth.theta, n, seed)):
        try:
            found.append(statistic(toy))
        except FitError as error:
            failures.append(Failure(number, str(error)))
            logger.warning("toy %d with mu = %g: %s", number, mu, error)
    if not found:
        raise FitError(f"toys: no fit succeeded; the first failed with: {failures[0].reason}")
    return np.array(found), tuple(failures)


def _q_tilde(toy: Objective, mu: float) -> float:
    """Return q-tilde: no deviation where the best signal is stronger than mu, mu = 0 instead of a negative best fit."""
    poi = toy.likelihood.poi
    best = global_minimum(toy)
    if best.theta[poi] > mu:
        return 0.0
    others = best.modes
    reference = best if best.theta[poi] > 0 else global_minimum(toy, fixed={poi: 0.0}, start=best.theta, others=others)
    fixed = global_minimum(toy, fixed={poi: mu}, start=best.theta, others=others)
    return max(fixed.deviance - reference.deviance, 0.0)


def _q_zero(toy: Objective) -> float:
    """Return q_0: no deviation for a deficit."""
    poi = toy.likelihood.poi
    best = global_minimum(toy)
    without = global_minimum(toy, fixed={poi: 0.0}, start=best.theta, others=best.modes)
    return max(without.deviance - best.deviance, 0.0) if best.theta[poi] > 0 else 0.0
