"""Minima of -2 ln L that two methods of different kind agree on.

A damped Newton method with exact second derivatives finds the minimum in a few steps and MINUIT, with exact gradients
and started on its own, is the second opinion. Neither alone is trusted: a fit that reports success is not yet a
minimum.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
from iminuit import Minuit

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import Objective

logger = logging.getLogger(__name__)

TOLERANCE = 0.01
"""Largest difference in -2 ln L between two methods that agree."""

LADDER = ((0.3, 0), (None, 1), (0.1, 1), (-0.1, 1), (0.03, 2))
"""Restarts of MINUIT on disagreement: how far from the Newton method's minimum (None: the model without signal), in
units of the constraints' widths, and MINUIT's strategy."""

CONVERGED = 1e-12
"""Expected decrease of -2 ln L below which a minimum is reached: parameters within 1e-6 of their uncertainty."""

NOTHING = 1e-6
"""Expected decrease of -2 ln L that is not pursued once rounding hides it."""

NOISE = 1e-10
"""Rounding of -2 ln L: an increase by less is none."""

MAX_STEPS = 300
BARRIERS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Events in empty bins, one after the other, on the way to a minimum at the edge of the possible."""

FORBIDDEN = 1e15
"""What MINUIT is told where the likelihood is impossible: it cannot digest infinity."""


@dataclass(frozen=True)
class Minimum:
    """A minimum of -2 ln L.

    `agreement` is -2 ln L of the Newton method minus that of MINUIT, NaN if MINUIT was not asked; `modes` are other
    minima, not much higher, if they were sought.
    """

    theta: FloatArray
    twice_nll: float
    agreement: float = np.nan
    modes: tuple[FloatArray, ...] = ()


def minimum(
    objective: Objective, *, fixed: Mapping[int, float] | None = None, start: FloatArray | None = None
) -> Minimum:
    """Minimise -2 ln L with both methods.

    Parameters
    ----------
    objective : what to minimise
    fixed : values of parameters to hold constant, by index
    start : (n_parameters,) where the Newton method starts as well; both start where the model suggests

    Returns
    -------
    The lower of the two results.

    Raises
    ------
    FitError
        If they differ by more than 0.01 after all restarts, or there is no finite likelihood to start from.
    """
    fixed = fixed or {}
    starts = _starts(objective, fixed, start)
    by_newton = newton(objective, fixed=fixed, start=starts[0])
    if start is not None:
        by_newton = _lower(by_newton, newton(objective, fixed=fixed, start=start))
    by_minuit = _minuit(objective, fixed=fixed, start=starts[0])
    for displacement, strategy in LADDER:
        if abs(by_newton.twice_nll - by_minuit.twice_nll) <= TOLERANCE:
            break
        logger.info("minimisers differ, %.4f and %.4f; restart", by_newton.twice_nll, by_minuit.twice_nll)
        by_newton = _lower(by_newton, newton(objective, fixed=fixed, start=by_minuit.theta))
        origin = starts[-1] if displacement is None else _displaced(objective, by_newton.theta, displacement)
        by_minuit = _lower(by_minuit, _minuit(objective, fixed=fixed, start=origin, strategy=strategy))
    difference = by_newton.twice_nll - by_minuit.twice_nll
    if not abs(difference) <= TOLERANCE:
        raise FitError(
            f"fit: two minimisers disagree on the minimum of -2 ln L, {by_newton.twice_nll:.4f} (Newton) and "
            f"{by_minuit.twice_nll:.4f} (MINUIT); the model is degenerate or badly scaled"
        )
    best = _lower(by_newton, by_minuit)
    return Minimum(best.theta, best.twice_nll, difference)


def _lower(first: Minimum, second: Minimum) -> Minimum:
    return first if first.twice_nll <= second.twice_nll else second


def _starts(objective: Objective, fixed: Mapping[int, float], given: FloatArray | None) -> list[FloatArray]:
    """Return points of finite likelihood to start from: that of the model, the same without signal, a given one."""
    likelihood = objective.likelihood
    without = likelihood.start.copy()
    without[likelihood.poi] = 0.0
    suggested = (likelihood.start, without, *(() if given is None else (given,)))
    starts = [_placed(objective, theta, fixed) for theta in suggested]
    finite = [theta for theta in starts if np.isfinite(objective.value_and_gradient(theta)[0])]
    if not finite:
        raise FitError("fit: the likelihood is not finite at the start; a bin with data has no expected events")
    return finite


def _placed(objective: Objective, theta: FloatArray, fixed: Mapping[int, float]) -> FloatArray:
    """Return a point moved inside the bounds, with fixed parameters at their values."""
    placed = np.clip(theta, objective.likelihood.lower, objective.likelihood.upper)
    for index, value in fixed.items():
        placed[index] = value
    return placed


def _displaced(objective: Objective, theta: FloatArray, displacement: float) -> FloatArray:
    """Return a point some fraction of the constraints' widths away, from which MINUIT has to find its own way."""
    likelihood = objective.likelihood
    widths = np.where(likelihood.constrained, likelihood.width, 0.2 * np.maximum(np.abs(theta), 0.1))
    return np.clip(theta + displacement * widths * ~likelihood.fixed, likelihood.lower, likelihood.upper)


def _free(objective: Objective, fixed: Mapping[int, float]) -> BoolArray:
    free = ~objective.likelihood.fixed
    free[list(fixed)] = False
    return free


def _at_bounds(objective: Objective, theta: FloatArray, gradient: FloatArray) -> BoolArray:
    """Return which parameters lie at a bound that -2 ln L would have them cross."""
    likelihood = objective.likelihood
    return ((theta <= likelihood.lower) & (gradient > 0)) | ((theta >= likelihood.upper) & (gradient < 0))


def newton(objective: Objective, *, fixed: Mapping[int, float], start: FloatArray) -> Minimum:
    """Minimise with the damped Newton method inside the bounds.

    Where empty bins would prefer negative rates, the minimum lies on the edge of the possible. It is then approached
    from inside, with fewer and fewer events in the empty bins (an interior-point method: Nocedal, Wright, Numerical
    Optimization, section 19.6). The result is +inf if the likelihood is impossible at the start.
    """
    found = _newton(objective, fixed=fixed, start=start)
    if not objective.is_walled(found.theta):
        return found
    inside = _placed(objective, start, fixed)
    for events in BARRIERS:
        inside = _newton(objective.softened(events), fixed=fixed, start=inside).theta
    return _lower(found, _newton(objective, fixed=fixed, start=inside))


def _newton(objective: Objective, *, fixed: Mapping[int, float], start: FloatArray) -> Minimum:
    """Take damped Newton steps until the expected decrease is negligible.

    A step solves (H + damping) step = -gradient in units in which the diagonal of H is one. Parameters at a bound are
    set aside while the gradient pushes them outwards.

    References
    ----------
    Bertsekas, SIAM J. Control Optim. 20 (1982) 221 (bounds); Nocedal, Wright, Numerical Optimization, section 3.4.
    """
    theta = _placed(objective, start, fixed)
    value, gradient = objective.value_and_gradient(theta)
    damping = 1e-3
    for _ in range(MAX_STEPS):
        moving = _free(objective, fixed) & ~_at_bounds(objective, theta, gradient)
        if not moving.any():
            break
        scale, matrix = _scaled(objective.hessian(theta)[np.ix_(moving, moving)])
        slope = scale * gradient[moving]
        decrease = 0.5 * slope @ _solved(matrix, slope, damping=1e-12)
        if decrease < CONVERGED:
            break
        for _attempt in range(40):
            trial = theta.copy()
            trial[moving] -= scale * _solved(matrix, slope, damping=damping)
            trial[moving] = trial.clip(objective.likelihood.lower, objective.likelihood.upper)[moving]
            trial_value, trial_gradient = objective.value_and_gradient(trial)
            if trial_value < value + NOISE:
                break
            damping = max(10 * damping, 1e-6)
        else:
            break
        damping /= 10
        is_stalled = decrease < NOTHING and value - trial_value < NOISE
        theta, value, gradient = trial, trial_value, trial_gradient
        if is_stalled:
            break
    return Minimum(theta, value)


def _scaled(hessian: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the units in which the diagonal of a matrix is one, and the matrix in these units."""
    diagonal = np.abs(np.diag(hessian))
    scale = 1 / np.sqrt(np.where(diagonal > 1e-12, diagonal, 1.0))
    return scale, scale[:, None] * hessian * scale


def _solved(matrix: FloatArray, slope: FloatArray, *, damping: float) -> FloatArray:
    """Solve (matrix + damping) x = slope, with more damping where that would lead not downhill but to a saddle.

    Where the second derivatives are no numbers, x = slope.

    References
    ----------
    Nocedal, Wright, Numerical Optimization, algorithm 3.3.
    """
    while damping < 1e12:
        try:
            factor = scipy.linalg.cho_factor(matrix + damping * np.eye(len(matrix)), check_finite=False)
        except scipy.linalg.LinAlgError:
            damping = max(4 * damping, 1e-3)
        else:
            return np.asarray(scipy.linalg.cho_solve(factor, slope, check_finite=False))
    return slope


class _ForMinuit:
    """-2 ln L and its gradient as two functions that share an evaluation."""

    def __init__(self, objective: Objective) -> None:
        self._objective = objective
        self._theta: bytes = b""
        self._result: tuple[float, FloatArray] = (0.0, np.zeros(0))

    def _evaluate(self, theta: FloatArray) -> tuple[float, FloatArray]:
        theta = np.asarray(theta, dtype=np.float64)
        if theta.tobytes() != self._theta:
            self._result = self._objective.value_and_gradient(theta)
            self._theta = theta.tobytes()
        return self._result

    def value(self, theta: FloatArray) -> float:
        return min(self._evaluate(theta)[0], FORBIDDEN)

    def gradient(self, theta: FloatArray) -> FloatArray:
        return self._evaluate(theta)[1]


def _minuit(objective: Objective, *, fixed: Mapping[int, float], start: FloatArray, strategy: int = 0) -> Minimum:
    """Minimise with MIGRAD and exact gradients."""
    likelihood, function = objective.likelihood, _ForMinuit(objective)
    free = _free(objective, fixed)
    start = _placed(objective, start, fixed)
    minuit = Minuit(function.value, start, grad=function.gradient)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.strategy = strategy
    minuit.print_level = 0
    steps = np.where(likelihood.constrained, likelihood.width, 0.1 * np.maximum(np.abs(start), 1.0))
    for index, is_free in enumerate(free):
        minuit.errors[index], minuit.fixed[index] = steps[index], not is_free
        minuit.limits[index] = (likelihood.lower[index], likelihood.upper[index]) if is_free else None
    if free.any():
        minuit.migrad(ncall=10_000)
    theta = np.array(minuit.values)
    return Minimum(theta, objective.value_and_gradient(theta)[0])
