"""Pseudo-experiments: whether fits return what was put in, and p-values and limits without asymptotic formulas."""

import itertools
import logging
import math
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import norm

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import prepare
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.limits import BAND, limit
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.profile import Profile
from cascadebdt.inference.pseudo import Experiments, Failure, Failures, Hypothesis, Unfinished, drawn, q_tilde, q_zero
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import spread
from cascadebdt.records import Record

logger = logging.getLogger(__name__)


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
    weights = likelihood.fillable.astype(np.float64)
    for number in range(n):
        try:
            rows.append(_fitted(drawn(likelihood, truth.theta, weights, (seed, number)), truth, shown))
        except FitError as error:
            failures.append(Failure(number, str(error)))
            logger.warning("toy %d: %s", number, error)
    if not rows:
        raise FitError(f"toys: no fit succeeded; the first failed with: {failures[0].reason}")
    values, uncertainties, covered = (np.array(column) for column in zip(*rows, strict=True))
    names = tuple(likelihood.names[index] for index in shown)
    return Toys(names, truth.theta[shown], values, uncertainties, covered, tuple(failures))


def _fitted(toy: Objective, truth: Minimum, shown: Any) -> tuple[FloatArray, FloatArray, list[bool]]:
    """Return values, uncertainties and coverage of the parameters shown."""
    best = global_minimum(toy, start=truth.theta)
    at_best = spread(toy, best)
    at_best.require(np.eye(len(best.theta))[shown], "fit")
    errors = at_best.errors[shown]
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


@dataclass(frozen=True)
class ToyPoint(Record):
    """CLs of a signal strength from pseudo-experiments.

    Parameters
    ----------
    mu : the signal strength
    expected : CLs at -2, -1, 0, +1, +2 standard deviations of the background-only hypothesis
    observed : CLs of the data; None while blind
    uncertainty : of `observed`, or of the median, binomial
    """

    mu: float
    expected: tuple[float, float, float, float, float]
    observed: float | None
    uncertainty: float


@dataclass(frozen=True)
class ToyLimit(Record):
    """Upper limit on the signal strength from pseudo-experiments.

    Parameters
    ----------
    level : the limit excludes at confidence level 1 - level
    expected : at -2, -1, 0, +1, +2 standard deviations of the background-only hypothesis; NaN beyond the points
    observed : None while blind
    uncertainty : of `observed`, or of the median, from the number of pseudo-experiments
    points : CLs of the signal strengths between which the limits are interpolated
    toys : how many pseudo-experiments were fitted, of each hypothesis
    failures : fits that failed
    """

    level: float
    expected: tuple[float, float, float, float, float]
    observed: float | None
    uncertainty: float
    points: tuple[ToyPoint, ...]
    toys: int
    failures: Failures


@dataclass(frozen=True)
class ToyAnswers(Record):
    """All answers of pseudo-experiments: ``toys.json``.

    Parameters
    ----------
    n, seed : how many of each hypothesis, and of which random numbers
    goodness_of_fit : p-value against the saturated model, while blind of the open regions
    significance : p-value of the background; None while blind or if undefined
    limit : None if undefined
    """

    n: int
    seed: int
    goodness_of_fit: ToyTest
    significance: ToyTest | None
    limit: ToyLimit | None


BACKGROUND_STREAM, SIGNAL_STREAM = 1, 2
"""Streams of random numbers of the background, and from where on those of signal strengths."""

FIRST_POINTS = 4
"""Signal strengths from the lowest to the highest of the asymptotic limits, with which a search for limits begins."""

REACH = 0.5, 1.5
"""By what the lowest, or the highest, signal strength is multiplied where a limit lies beyond."""

CLOSE = 1.1
"""Ratio of signal strengths between which CLs is interpolated without one more between."""

ROUNDS = 4
"""How often signal strengths are added."""


def toy_cls(workspace: Mapping[str, Any], mu: float, n: int, *, seed: int, jobs: int = 1) -> ToyTest:
    """Return CLs of a signal strength from pseudo-experiments, with the test statistic q-tilde.

    `n` of them have this signal, as many none; nuisance parameters are those that fit the data best in either case. At
    the limit of `limit`, where asymptotic formulas hold, the result is its level.

    Parameters
    ----------
    mu : the signal strength
    n : how many of each hypothesis
    seed : of the random numbers
    jobs : processes; they do not change the result

    References
    ----------
    arXiv:1007.1727, Eq. (16); Read, J. Phys. G 28 (2002) 2693.
    """
    experiments = Experiments(n, seed, jobs)
    observed = float(_of_data(workspace, (mu,))[0])
    (with_signal, failed), (without, failed_too) = experiments.statistics(
        workspace,
        Hypothesis("q_tilde", mu, (mu,), SIGNAL_STREAM),
        Hypothesis("q_tilde", 0.0, (mu,), BACKGROUND_STREAM),
    )
    value, error = _cls(with_signal[:, 0], without[:, 0], observed)
    return ToyTest(observed, value, error, len(without), failed + failed_too)


@on_one_thread
def _of_data(workspace: Mapping[str, Any], mus: Sequence[float]) -> FloatArray:
    """Return q-tilde of the data."""
    return q_tilde(prepare(workspace).everything, mus)


def _cls(with_signal: FloatArray, without: FloatArray, observed: float) -> tuple[float, float]:
    """Return CLs and its uncertainty."""
    above, above_without = (float(np.mean(statistics >= observed)) for statistics in (with_signal, without))
    if above_without == 0:
        raise FitError(f"toys: none of {len(without)} without signal is as signal-like as the data; draw more")
    value = above / above_without
    # of a ratio of two binomial fractions; at least one event stands for the uncertainty of none
    variance = (1 - above) / max(above * len(with_signal), 1.0) + (1 - above_without) / (above_without * len(without))
    return value, max(value, 1 / (above_without * len(with_signal))) * float(np.sqrt(variance))


def toy_significance(workspace: Mapping[str, Any], n: int, *, seed: int, jobs: int = 1) -> ToyTest:
    """Return the p-value of the background from pseudo-experiments, with the test statistic q_0.

    Parameters
    ----------
    n, seed, jobs : as for `toy_cls`

    References
    ----------
    arXiv:1007.1727, Eq. (12).
    """
    return _significance(workspace, Experiments(n, seed, jobs))


def _significance(workspace: Mapping[str, Any], experiments: Experiments) -> ToyTest:
    observed = on_one_thread(q_zero)(prepare(workspace).everything)
    return _p_value(workspace, experiments, Hypothesis("q_zero", 0.0, (), BACKGROUND_STREAM), observed)


def toy_goodness_of_fit(workspace: Mapping[str, Any], n: int, *, seed: int, jobs: int = 1) -> ToyTest:
    """Return the p-value of the fit against the saturated model from pseudo-experiments drawn from the fit.

    While blind, it is that of the open regions' fit without signal.

    Parameters
    ----------
    n, seed, jobs : as for `toy_cls`

    References
    ----------
    Baker, Cousins, Nucl. Instrum. Meth. 221 (1984) 437 (the statistic); Cousins, "Generalization of chisquare
    goodness-of-fit test for binned data using saturated models" (2013).

    Examples
    --------
    >>> from cascadebdt import inference
    >>> p_value = inference.toy_goodness_of_fit(workspace, 5, seed=1).value
    """
    return _goodness_of_fit(workspace, Experiments(n, seed, jobs))


def _goodness_of_fit(workspace: Mapping[str, Any], experiments: Experiments) -> ToyTest:
    target = prepare(workspace)
    observed = (target.background if target.is_blind else target.best).deviance
    return _p_value(workspace, experiments, Hypothesis("goodness", None), observed)


def _p_value(
    workspace: Mapping[str, Any], experiments: Experiments, hypothesis: Hypothesis, observed: float
) -> ToyTest:
    """Return how often a statistic is as large as that of the data."""
    ((statistics, failures),) = experiments.statistics(workspace, hypothesis)
    value = float(np.mean(statistics[:, 0] >= observed))
    error = float(np.sqrt(value * (1 - value) / len(statistics)))
    return ToyTest(observed, value, error, len(statistics), failures)


def toy_limit(workspace: Mapping[str, Any], n: int, *, seed: int, jobs: int = 1, level: float = 0.05) -> ToyLimit:
    """Return the CLs upper limit from pseudo-experiments, with the test statistic q-tilde.

    CLs is found at signal strengths between the asymptotic limits, then where each limit seems to lie, or beyond the
    others, and interpolated in its logarithm. The expected limits are those of quantiles of the statistic without
    signal.

    Parameters
    ----------
    n, seed, jobs : as for `toy_cls`
    level : the limit excludes at confidence level 1 - level

    Raises
    ------
    FitError
        If the data do not limit the signal, all fits fail, or too few pseudo-experiments are signal-like.

    Examples
    --------
    >>> from cascadebdt import inference
    >>> median = inference.toy_limit(workspace, 5, seed=1).expected[2]
    """
    return _limit(workspace, Experiments(n, seed, jobs), level)


def _limit(workspace: Mapping[str, Any], experiments: Experiments, level: float) -> ToyLimit:
    asymptotic = limit(workspace, level=level)
    known = [*asymptotic.expected, *(() if asymptotic.observed is None else (asymptotic.observed,))]
    wanted = tuple(float(mu) for mu in np.geomspace(min(known), max(known), FIRST_POINTS))
    points: list[ToyPoint] = []
    failures: Failures = ()
    with experiments.together() as shared:
        for _ in range(ROUNDS):
            added, failed, n_fitted = _points(
                workspace, shared, wanted, len(points), is_blind=asymptotic.observed is None
            )
            points, failures = sorted([*points, *added], key=lambda point: point.mu), failures + failed
            if not (wanted := _wanted(points, level)):
                break
    *bands, (best, error) = (_crossing(points, curve, level) for curve in (*_bands(points), _seen(points)))
    low, lower, median, higher, high = (mu for mu, _ in bands)
    observed = None if asymptotic.observed is None else best
    return ToyLimit(level, (low, lower, median, higher, high), observed, error, tuple(points), n_fitted, failures)


def _points(
    workspace: Mapping[str, Any], experiments: Experiments, mus: tuple[float, ...], n_before: int, *, is_blind: bool
) -> tuple[list[ToyPoint], Failures, int]:
    """Return CLs at more signal strengths, the fits that failed, and how many without signal did not.

    Parameters
    ----------
    n_before : how many signal strengths were computed before, whose random numbers are others
    """
    background = Hypothesis("q_tilde", 0.0, mus, BACKGROUND_STREAM)
    signals = [Hypothesis("q_tilde", mu, (mu,), SIGNAL_STREAM + n_before + place) for place, mu in enumerate(mus)]
    (without, failures), *with_signals = experiments.statistics(workspace, background, *signals)
    observed = None if is_blind else _of_data(workspace, mus)
    points = [
        _point(mu, with_signals[place][0][:, 0], without[:, place], None if observed is None else observed[place])
        for place, mu in enumerate(mus)
    ]
    failures += tuple(failure for _, failed in with_signals for failure in failed)
    return points, failures, len(without)


def _wanted(points: Sequence[ToyPoint], level: float) -> tuple[float, ...]:
    """Return where CLs should be known besides: about where it falls to a level, or beyond what is known."""
    wanted: list[float] = []
    for curve in (*_bands(points), _seen(points)):
        mu, _ = _crossing(points, curve, level)
        if math.isnan(mu):
            mu = points[0].mu * REACH[0] if curve[0] < level else points[-1].mu * REACH[1]
        near = max(1.0, min(max(mu / known, known / mu) for known in (*(point.mu for point in points), *wanted)))
        if near > CLOSE:
            wanted.append(mu)
    return tuple(sorted(wanted))


def _bands(points: Sequence[ToyPoint]) -> list[list[float]]:
    """Return the expected CLs of all points, for each quantile."""
    return [[point.expected[place] for point in points] for place in range(len(BAND))]


def _seen(points: Sequence[ToyPoint]) -> list[float]:
    """Return the observed CLs of all points, while blind the median."""
    return [point.expected[2] if point.observed is None else point.observed for point in points]


def _point(mu: float, with_signal: FloatArray, without: FloatArray, observed: float | None) -> ToyPoint:
    """Return CLs at a signal strength: of the data, and of quantiles of the statistic without signal."""
    quantiles = np.atleast_1d(np.quantile(without, norm.sf(BAND), method="lower"))
    low, lower, median, higher, high = (_cls(with_signal, without, float(value)) for value in quantiles)
    seen = median if observed is None else _cls(with_signal, without, observed)
    band = (low[0], lower[0], median[0], higher[0], high[0])
    return ToyPoint(mu, band, None if observed is None else seen[0], seen[1])


def _crossing(points: Sequence[ToyPoint], values: Sequence[float], level: float) -> tuple[float, float]:
    """Return where CLs falls to a level, linear in its logarithm, and the uncertainty; NaN if between no points."""
    heights = np.log(np.maximum(values, TINY) / level)
    for place, (left, right) in enumerate(itertools.pairwise(heights)):
        if left >= 0 > right:
            first, second = points[place], points[place + 1]
            slope = (right - left) / (second.mu - first.mu)
            errors = [point.uncertainty / level for point in (first, second)]
            return float(first.mu - left / slope), float(np.mean(errors) / abs(slope))
    return math.nan, math.nan


TINY = 1e-6
"""Stands for a CLs of 0, which has no logarithm."""


def toy_answers(
    workspace: Mapping[str, Any], experiments: Experiments, *, level: float = 0.05, is_limited: bool = True
) -> ToyAnswers:
    """Return goodness of fit, significance and limit from pseudo-experiments.

    Parameters
    ----------
    experiments : how many, of which seed, in how many processes, and where finished pieces are kept
    level : of the limit
    is_limited : whether limit and significance are defined

    Raises
    ------
    FitError
        If all fits of pseudo-experiments fail.
    """
    is_open = not prepare(workspace).is_blind
    with experiments.together() as shared:
        return ToyAnswers(
            n=experiments.n,
            seed=experiments.seed,
            goodness_of_fit=_goodness_of_fit(workspace, shared),
            significance=_significance(workspace, shared) if is_limited and is_open else None,
            limit=_limit(workspace, shared, level) if is_limited else None,
        )


def toy_part(
    workspace: Mapping[str, Any], experiments: Experiments, *, level: float = 0.05, is_limited: bool = True
) -> None:
    """Make a share of the pseudo-experiments of `toy_answers`, and keep them in the store.

    Which signal strengths are asked for follows from those before them, all of which must be in the store: after
    `ROUNDS` rounds, in which all shares are made, nothing is left.

    Parameters
    ----------
    experiments : with a store and a share
    level, is_limited : as for `toy_answers`
    """
    is_open = not prepare(workspace).is_blind
    with experiments.together() as shared:
        with suppress(Unfinished):
            _goodness_of_fit(workspace, shared)
        with suppress(Unfinished):
            if is_limited and is_open:
                _significance(workspace, shared)
        with suppress(Unfinished):
            if is_limited:
                _limit(workspace, shared, level)
