"""Minima of -2 ln L that two methods of different kind agree on.

A damped Newton method with exact second derivatives finds the minimum in a few steps and MINUIT, with exact gradients
and started on its own, is the second opinion. Neither alone is trusted: a fit that reports success is not yet a
minimum.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg.lapack
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

UNDAMPED = 1e-12
"""Damping that only keeps rounding from making a matrix indefinite."""

SMALLEST = 1e-100
"""Second derivatives below this are zero: what a parameter multiplies is not there."""

MAX_STEPS = 300
BARRIERS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5)
"""Events in empty bins, in units of one or of the fewer that are expected, one after the other, on the way to a minimum
at the edge of the possible."""

FAR = 1e4
"""A bound this many steps away is none for MINUIT, whose transformation of bounded parameters would cost digits."""

FORBIDDEN = 1e15
"""Value for MINUIT where the likelihood is impossible: it cannot digest infinity."""


class ImpossibleError(FitError):
    """The likelihood is zero wherever a fit may start: some bin has data and can expect none."""


@dataclass(frozen=True, eq=False)
class Minimum:
    """A minimum of -2 ln L.

    `deviance` is -2 ln L relative to the model that describes all data exactly; `agreement` is that of the Newton
    method minus that of MINUIT, NaN if MINUIT was not asked; `modes` are other minima, not much higher, if they were
    sought.
    """

    theta: FloatArray
    deviance: float
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
        If they differ by more than 0.01 after all restarts; an `ImpossibleError` if there is no finite likelihood to
        start from.
    """
    fixed = fixed or {}
    starts = _starts(objective, fixed, start)
    by_newton = newton(objective, fixed=fixed, start=starts[0])
    if start is not None:
        by_newton = _lower(by_newton, newton(objective, fixed=fixed, start=start))
    by_minuit = _minuit(objective, fixed=fixed, start=starts[0])
    n_restarts = 0
    for displacement, strategy in LADDER:
        if abs(by_newton.deviance - by_minuit.deviance) <= TOLERANCE:
            break
        n_restarts += 1
        by_newton = _lower(by_newton, newton(objective, fixed=fixed, start=by_minuit.theta))
        origin = starts[-1] if displacement is None else _displaced(objective, by_newton.theta, displacement)
        by_minuit = _lower(by_minuit, _minuit(objective, fixed=fixed, start=origin, strategy=strategy))
    difference = by_newton.deviance - by_minuit.deviance
    if not abs(difference) <= TOLERANCE:
        raise FitError(
            f"fit: two minimisers disagree on the minimum of -2 ln L, which is {by_newton.deviance:.4f} (Newton) and "
            f"{by_minuit.deviance:.4f} (MINUIT) above that of a perfect description; the model is badly scaled"
        )
    if n_restarts:
        counted = {"counted": "the minimisers were restarted {} times, and always agreed"}
        logger.debug("the minimisers agree after %d restarts", n_restarts, extra=counted)
    best = _lower(by_newton, by_minuit)
    return Minimum(best.theta, best.deviance, difference)


def _lower(first: Minimum, second: Minimum) -> Minimum:
    return first if first.deviance <= second.deviance else second


def _starts(objective: Objective, fixed: Mapping[int, float], given: FloatArray | None) -> list[FloatArray]:
    """Return points of finite likelihood to start from.

    They are that of the model, the same without signal and with signal, that with all normalisations at 1, and a given
    one: a bin may hold nothing but signal, or nothing but a process whose normalisation starts at 0.
    """
    likelihood = objective.likelihood
    suggested = [likelihood.start]
    for places, value in ((likelihood.poi, 0.0), (likelihood.poi, 1.0), (~likelihood.constrained, 1.0)):
        changed = likelihood.start.copy()
        changed[places] = value
        suggested.append(np.where(likelihood.fixed, likelihood.start, changed))
    if given is not None:
        suggested.append(given)
    starts = [_placed(objective, theta, fixed) for theta in suggested]
    finite = [theta for theta in starts if np.isfinite(objective.value(theta))]
    if not finite:
        raise ImpossibleError(f"fit: the likelihood is zero, {_impossible(objective, starts[0], fixed)}")
    return finite


def _impossible(objective: Objective, theta: FloatArray, fixed: Mapping[int, float]) -> str:
    """Return which bin makes the likelihood impossible."""
    likelihood = objective.likelihood
    rates, events = likelihood.totals(theta), objective.events
    bad = np.flatnonzero((objective.weights > 0) & ~((rates > 0) | ((rates == 0) & (events == 0))))
    if not bad.size:
        return "a parameter starts where its constraint forbids it"
    region = next(name for name, bins in likelihood.regions.items() if bins.start <= bad[0] < bins.stop)
    place = f"region '{region}', bin {bad[0] - likelihood.regions[region].start}"
    held = "".join(f" with {likelihood.names[index]} = {value:g}" for index, value in fixed.items())
    return f"{place} expects {rates[bad[0]]:g} events{held}, {events[bad[0]]:g} are observed"


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


def movable(objective: Objective, fixed: Mapping[int, float]) -> BoolArray:
    """Return which parameters neither the model nor a caller holds constant."""
    free = ~objective.likelihood.fixed
    free[list(fixed)] = False
    return free


def at_bounds(objective: Objective, theta: FloatArray, gradient: FloatArray) -> BoolArray:
    """Return which parameters lie at a bound that -2 ln L would have them cross."""
    likelihood = objective.likelihood
    return ((theta <= likelihood.lower) & (gradient > 0)) | ((theta >= likelihood.upper) & (gradient < 0))


def newton(
    objective: Objective, *, fixed: Mapping[int, float], start: FloatArray, precision: float = CONVERGED
) -> Minimum:
    """Minimise with the damped Newton method inside the bounds, until the expected decrease is below `precision`.

    Where empty bins would prefer negative rates, the minimum lies on the edge of the possible. It is then approached
    from inside, with fewer and fewer events in the empty bins (an interior-point method: Nocedal, Wright, Numerical
    Optimization, section 19.6). The result is +inf if the likelihood is impossible at the start.
    """
    straight = _newton(objective, fixed=fixed, start=start, precision=precision)
    if not objective.is_walled(straight.theta):
        return straight
    inside = _placed(objective, start, fixed)
    for events in BARRIERS:
        inside = _newton(objective.softened(events), fixed=fixed, start=inside, precision=precision).theta
    return _lower(straight, _newton(objective, fixed=fixed, start=inside, precision=precision))


def _newton(objective: Objective, *, fixed: Mapping[int, float], start: FloatArray, precision: float) -> Minimum:
    """Take damped Newton steps until the expected decrease is negligible.

    A step solves (H + damping) step = -gradient in units in which the diagonal of H is one. Where H bends down in some
    direction, rates are taken as linear instead (Gauss-Newton). Parameters at a bound are set aside while the gradient
    pushes them outwards.

    References
    ----------
    Bertsekas, SIAM J. Control Optim. 20 (1982) 221 (bounds); Nocedal, Wright, Numerical Optimization, section 3.4.
    """
    theta = _placed(objective, start, fixed)
    value, gradient = objective.value_and_gradient(theta)
    free, damping = movable(objective, fixed), 1e-3
    for _ in range(MAX_STEPS):
        moving = free & ~at_bounds(objective, theta, gradient)
        if not moving.any():
            break
        scale, matrix = scaled(objective.hessian(theta)[moving][:, moving])
        factor, least = damped(matrix, UNDAMPED)
        if least > UNDAMPED:
            scale, matrix = scaled(objective.hessian(theta, linear=True)[moving][:, moving])
            factor, least = damped(matrix, UNDAMPED)
        slope = scale * gradient[moving]
        decrease = 0.5 * slope @ solve(factor, slope)
        if decrease < precision:
            break
        rounding = objective.rounding(value)
        damping = max(damping, least)
        for _attempt in range(40):
            factor, damping = damped(matrix, damping)
            trial = theta.copy()
            trial[moving] -= scale * solve(factor, slope)
            trial[moving] = trial.clip(objective.likelihood.lower, objective.likelihood.upper)[moving]
            trial_value, trial_gradient = objective.value_and_gradient(trial)
            if trial_value < value + rounding:
                break
            damping = max(10 * damping, 1e-6)
        else:
            break
        damping /= 10
        is_stalled = decrease < NOTHING and value - trial_value < rounding
        theta, value, gradient = trial, trial_value, trial_gradient
        if is_stalled:
            break
    return Minimum(theta, value)


def scaled(hessian: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the units in which the diagonal of a matrix is one, and the matrix in these units."""
    diagonal = np.abs(np.diag(hessian))
    scale = 1 / np.sqrt(np.where(diagonal > SMALLEST, diagonal, 1.0))
    return scale, scale[:, None] * hessian * scale


def damped(matrix: FloatArray, damping: float) -> tuple[FloatArray, float]:
    """Return the Cholesky factor of (matrix + damping), with more damping where a step would lead not downhill.

    Where the second derivatives are no numbers, the factor is that of the unit matrix.

    Returns
    -------
    The lower triangle of the factor, and the damping that was enough.

    References
    ----------
    Nocedal, Wright, Numerical Optimization, algorithm 3.3.
    """
    while damping < 1e12:
        shifted = np.array(matrix, order="F")
        shifted.ravel(order="K")[:: len(matrix) + 1] += damping
        # LAPACK itself, because the checks of scipy.linalg take longer than a matrix of some tens of rows.
        factor, info = scipy.linalg.lapack.dpotrf(shifted, lower=1, clean=0, overwrite_a=1)
        if info == 0:
            return factor, damping
        damping = max(4 * damping, 1e-3)
    return np.eye(len(matrix)), damping


def solve(factor: FloatArray, right: FloatArray) -> FloatArray:
    """Return the solution of a linear system whose matrix has this factor, for one or more right sides (columns)."""
    return np.asarray(scipy.linalg.lapack.dpotrs(factor, right, lower=1)[0]) if len(right) else right


class _ForMinuit:
    """-2 ln L and its gradient in units of steps from an origin, as two functions that share an evaluation."""

    def __init__(self, objective: Objective, origin: FloatArray, steps: FloatArray) -> None:
        self._objective = objective
        self._origin, self._steps = origin, steps
        self._theta: bytes = b""
        self._result: tuple[float, FloatArray] = (0.0, np.zeros(0))

    def place(self, steps: FloatArray) -> FloatArray:
        return np.asarray(self._origin + self._steps * np.asarray(steps, dtype=np.float64))

    def _evaluate(self, steps: FloatArray) -> tuple[float, FloatArray]:
        theta = self.place(steps)
        if theta.tobytes() != self._theta:
            self._result = self._objective.value_and_gradient(theta)
            self._theta = theta.tobytes()
        return self._result

    def value(self, steps: FloatArray) -> float:
        return min(self._evaluate(steps)[0], FORBIDDEN)

    def gradient(self, steps: FloatArray) -> FloatArray:
        return self._steps * self._evaluate(steps)[1]


def _minuit(objective: Objective, *, fixed: Mapping[int, float], start: FloatArray, strategy: int = 0) -> Minimum:
    """Minimise with MIGRAD and exact gradients."""
    likelihood = objective.likelihood
    free = movable(objective, fixed)
    start = _placed(objective, start, fixed)
    steps = np.where(likelihood.constrained, likelihood.width, 0.1 * np.maximum(np.abs(start), 1.0))
    function = _ForMinuit(objective, start, steps)
    minuit = Minuit(function.value, np.zeros(len(start)), grad=function.gradient)
    minuit.errordef = Minuit.LEAST_SQUARES
    minuit.strategy = strategy
    minuit.print_level = 0
    lower, upper = (likelihood.lower - start) / steps, (likelihood.upper - start) / steps
    for index, is_free in enumerate(free):
        minuit.errors[index], minuit.fixed[index] = 1.0, not is_free
        low = lower[index] if lower[index] > -FAR else -np.inf
        high = upper[index] if upper[index] < FAR else np.inf
        minuit.limits[index] = (low, high) if is_free else None
    if free.any():
        minuit.migrad(ncall=10_000)
    theta = _placed(objective, function.place(np.array(minuit.values)), fixed)
    return Minimum(theta, objective.value(theta))
