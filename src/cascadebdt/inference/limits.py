"""Upper limits and discovery significances from asymptotic formulas.

References: Cowan, Cranmer, Gross, Vitells, arXiv:1007.1727 (test statistics, Asimov data);
Read, J. Phys. G 28 (2002) 2693 (CLs).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.special import log_ndtr
from scipy.stats import norm

from cascadebdt.errors import FitError
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.minimise import ImpossibleError, Minimum
from cascadebdt.inference.profile import ALIKE, ON_THE_WAY, Profile, crossing
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import standard_deviation
from cascadebdt.records import ABSENT, Record

BAND = (-2, -1, 0, 1, 2)
LARGEST = 1e8
"""Multiple of the expected uncertainty beyond which no limit is sought."""


class UndefinedError(FitError):
    """A question without an answer: it compares with a signal strength of 0, which the data exclude."""


@dataclass(frozen=True)
class LimitResult(Record):
    """Upper limit on the signal strength.

    Parameters
    ----------
    level : the limit excludes at confidence level 1 - level
    expected : at -2, -1, 0, +1, +2 standard deviations of the background-only hypothesis
    observed : None while blind
    """

    level: float
    expected: tuple[float, float, float, float, float]
    observed: float | None


@dataclass(frozen=True)
class SignificanceResult(Record):
    """Discovery significance in standard deviations.

    Parameters
    ----------
    expected : median for the signal strength 1
    observed : None while blind
    """

    expected: float
    observed: float | None


@dataclass(frozen=True)
class PValues(Record):
    """P-values of a signal strength with the test statistic q-tilde.

    Parameters
    ----------
    q : the test statistic
    cl_sb : probability of data that are as background-like, with this signal
    cl_b : the same without signal
    cls : their ratio
    """

    q: float
    cl_sb: float
    cl_b: float
    cls: float


@dataclass(frozen=True)
class Exclusion(Record):
    """Whether a signal strength is excluded: at confidence level 1 - CLs.

    Parameters
    ----------
    mu : the signal strength
    expected : CLs at -2, -1, 0, +1, +2 standard deviations of the background-only hypothesis
    observed : None while blind
    """

    mu: float
    expected: tuple[float, float, float, float, float]
    observed: PValues | None


@dataclass(frozen=True)
class Limits(Record):
    """Limits and significances, observed and expected: ``limits.json``.

    Parameters
    ----------
    limit : upper limit on the signal strength; None if undefined
    significance : of an excess; None if undefined
    undefined : why the data exclude a signal strength of 0, with which both compare
    exclusions : of chosen signal strengths, if any were asked for
    """

    limit: LimitResult | None
    significance: SignificanceResult | None
    undefined: str | None = field(default=None, metadata=ABSENT)
    exclusions: tuple[Exclusion, ...] | None = field(default=None, metadata=ABSENT)

    @classmethod
    def of(cls, workspace: Mapping[str, Any], *, level: float = 0.05, mus: Sequence[float] = ()) -> "Limits":
        """Return limit and significance, or why they are undefined.

        Parameters
        ----------
        level : of the limit
        mus : signal strengths whose exclusion is asked for

        Raises
        ------
        FitError
            If a fit fails or the data do not limit the signal.
        """
        try:
            exclusions = tuple(exclusion(workspace, mu) for mu in mus)
            return cls(limit(workspace, level=level), significance(workspace), exclusions=exclusions or None)
        except UndefinedError as error:
            return cls(None, None, str(error))


@on_one_thread
def limit(workspace: Mapping[str, Any], *, level: float = 0.05) -> LimitResult:
    """Return the CLs upper limit on the signal strength with the test statistic q-tilde.

    The expected limits are those of the Asimov data without signal, with the nuisance parameters that fit the visible
    data best; n standard deviations up, the limit is where sqrt(q_A(mu)) = Phi^-1(1 - level Phi(n)) + n.

    Raises
    ------
    FitError
        If a fit fails or the data do not limit the signal; an `UndefinedError` if the data are impossible without it.

    References
    ----------
    arXiv:1007.1727, Eqs. (62)-(66), (88), (89).

    Examples
    --------
    >>> median = cb.limit(workspace).expected[2]
    """
    if not 0 < level < 0.5:
        raise FitError(f"limit: level must lie between 0 and 0.5, got {level}")
    target = prepare(workspace)
    _require_background(target, "limit")
    asimov, background = target.without_signal
    poi = target.likelihood.poi
    sigma = _scale(asimov, background, poi)
    profile = Profile(asimov, poi, background, alike=ON_THE_WAY)
    expected = _expected(profile, sigma, level)
    observed = None if target.is_blind else _observed(target, profile, sigma, level)
    return LimitResult(level, expected, observed)


def _require_background(target: Target, question: str) -> None:
    """Require that the data are possible without signal."""
    try:
        _ = target.background
    except ImpossibleError as error:
        name = target.likelihood.names[target.likelihood.poi]
        reason = str(error).removeprefix("fit: the likelihood is zero, ")
        raise UndefinedError(
            f"{question}: the data exclude {name} = 0, {reason}; ask for an interval of {name}"
        ) from None


def _scale(asimov: Objective, background: Minimum, poi: int) -> float:
    """Return the scale of the signal strength on which -2 ln L rises by about 1."""
    sigma = standard_deviation(asimov, background.theta, poi)
    if np.isfinite(sigma):
        return sigma
    # Where neither background nor data exist, -2 ln L = 2 mu s has a slope but no curvature.
    slope = asimov.softened(0.0).value_and_gradient(background.theta)[1][poi]
    if not slope > 0:
        raise FitError("limit: the likelihood does not depend on the signal strength")
    return float(1 / slope)


def _expected(profile: Profile, sigma: float, level: float) -> tuple[float, float, float, float, float]:
    """Return the expected limits, from low to high: each search starts at the one before."""
    limits: list[float] = []
    for shift in BAND:
        goal = float(norm.isf(level * norm.cdf(shift))) + shift

        def distance(mu: float, goal: float = goal) -> float:
            return float(np.sqrt(profile(mu))) - goal

        start = limits[-1] if limits else 0.0
        step = sigma * goal - start
        limits.append(_solved(distance, (profile,), start=start, step=step, sigma=sigma, is_confirmed=shift == 0))
    low, lower, median, higher, high = limits
    return low, lower, median, higher, high


def _solved(
    function: Callable[[float], float],
    profiles: tuple[Profile, ...],
    *,
    start: float,
    step: float,
    sigma: float,
    is_confirmed: bool = True,
) -> float:
    """Return the zero above `start` of an increasing function of profiles, settled and confirmed by both minimisers."""
    for _ in range(3):
        mu = crossing(function, start=start, step=max(step, 0.1 * sigma), bound=LARGEST * sigma)
        if mu == LARGEST * sigma:
            raise FitError(f"limit: the data do not limit the signal strength, sought up to {mu:.3g}")
        settled = [profile.is_settled(mu) for profile in profiles]
        if all(settled) and not (is_confirmed and [profile for profile in profiles if not profile.is_confirmed(mu)]):
            return mu
    raise FitError(f"limit: the minimisers do not settle at a signal strength of {mu:.4g}")


def _of_data(target: Target, *, alike: float = ALIKE) -> tuple[Profile, float]:
    """Return the profile of the data that q-tilde is made of, and the best signal strength."""
    best = target.best
    mu_hat = float(best.theta[target.likelihood.poi])
    # q-tilde compares with mu = 0 where the best fit is negative.
    start = best if mu_hat > 0 else target.background
    return Profile(target.everything, target.likelihood.poi, start, alike=alike), mu_hat


@on_one_thread
def exclusion(workspace: Mapping[str, Any], mu: float) -> Exclusion:
    """Return CLs of a signal strength, its p-values with and without signal, and the expected band of CLs.

    n standard deviations up, the expected CLs is (1 - Phi(sqrt(q_A) - n)) / Phi(n).

    Raises
    ------
    FitError
        If the signal strength is not positive, or a fit fails; an `UndefinedError` if the data are impossible without
        signal.

    References
    ----------
    arXiv:1007.1727, Eqs. (16), (62)-(66), (88), (89).

    Examples
    --------
    >>> from cascadebdt import inference
    >>> median = inference.exclusion(workspace, 1.0).expected[2]
    """
    if not mu > 0:
        raise FitError(f"exclusion: the signal strength must be positive, got {mu:g}")
    target = prepare(workspace)
    _require_background(target, "exclusion")
    asimov, background = target.without_signal
    q_asimov = _confirmed(Profile(asimov, target.likelihood.poi, background), mu)
    low, lower, median, higher, high = (
        float(np.exp(log_ndtr(shift - np.sqrt(q_asimov)) - log_ndtr(shift))) for shift in BAND
    )
    return Exclusion(
        mu, (low, lower, median, higher, high), None if target.is_blind else _p_values(target, mu, q_asimov)
    )


def _p_values(target: Target, mu: float, q_asimov: float) -> PValues:
    """Return the observed p-values."""
    profile, mu_hat = _of_data(target)
    q = _confirmed(profile, mu) if mu > mu_hat else 0.0
    log_sb, log_b = log_p_values(q, q_asimov)
    return PValues(q, float(np.exp(log_sb)), float(np.exp(log_b)), float(np.exp(log_sb - log_b)))


def _confirmed(profile: Profile, mu: float) -> float:
    """Return a point of a profile that both minimisers agree on."""
    for _ in range(3):
        value = profile(mu)
        if not np.isfinite(value) or profile.is_confirmed(mu):
            return value
    raise FitError(f"exclusion: the minimisers do not settle at a signal strength of {mu:.4g}")


def _observed(target: Target, asimov: Profile, sigma: float, level: float) -> float:
    """Return the observed limit."""
    profile, mu_hat = _of_data(target, alike=ON_THE_WAY)

    def undercoverage(mu: float) -> float:
        q = profile(mu) if mu > mu_hat else 0.0
        return float(np.log(level)) - log_cls(q, asimov(mu))

    step = max(mu_hat, 0.0) + 2 * sigma
    return _solved(undercoverage, (profile, asimov), start=0.0, step=step, sigma=sigma)


def log_cls(q: float, q_asimov: float) -> float:
    """Return ln CLs of the test statistic q-tilde, observed `q`, for the Asimov data without signal `q_asimov`."""
    if not np.isfinite(q):
        return -np.inf
    with_signal, without = log_p_values(q, q_asimov)
    return with_signal - without


def log_p_values(q: float, q_asimov: float) -> tuple[float, float]:
    """Return ln CLsb and ln CLb of the test statistic q-tilde; see `log_cls`.

    References
    ----------
    arXiv:1007.1727, Eqs. (65), (66).
    """
    if not np.isfinite(q):
        return -np.inf, 0.0
    root, root_asimov = np.sqrt(q), np.sqrt(q_asimov)
    if root <= root_asimov or root_asimov == 0:
        with_signal, without = root, root - root_asimov
    else:
        with_signal = (q + q_asimov) / (2 * root_asimov)
        without = (q - q_asimov) / (2 * root_asimov)
    return float(log_ndtr(-with_signal)), float(log_ndtr(-without))


@on_one_thread
def significance(workspace: Mapping[str, Any]) -> SignificanceResult:
    """Return the significance sqrt(q_0) of an excess, 0 for a deficit, and its median for the signal strength 1.

    The expectation is that of Asimov data with signal, whose nuisance parameters fit the visible data best at mu = 1.

    Raises
    ------
    FitError
        If a fit fails; an `UndefinedError` if the data are impossible without signal, which a significance of infinity
        would stand for.

    References
    ----------
    arXiv:1007.1727, Eqs. (12), (52).

    Examples
    --------
    >>> expected = cb.significance(workspace).expected  # in standard deviations
    """
    target = prepare(workspace)
    _require_background(target, "significance")
    asimov, signal = target.asimov(1.0)
    fixed = {target.likelihood.poi: 0.0}
    without = global_minimum(asimov, fixed=fixed, start=signal.theta, others=signal.modes)
    expected = _root(without, signal)
    if target.is_blind:
        return SignificanceResult(expected, None)
    best = target.best
    has_excess = best.theta[target.likelihood.poi] > 0
    return SignificanceResult(expected, _root(target.background, best) if has_excess else 0.0)


def _root(without: Minimum, best: Minimum) -> float:
    return float(np.sqrt(max(without.deviance - best.deviance, 0.0)))
