"""The HistFactory likelihood and its exact first and second derivatives.

A model is flat: one *cell* per process and bin that it contributes to. The rate of a cell is its nominal rate plus
shifts (histosys), times factors: parameters (normfactor, staterror, ...) and log-normal ones (normsys). A cell depends
on a few parameters only, so that loops over what it depends on beat the algebra of whole arrays.

Every term of -2 ln L is written as its *deviance*, the difference from the best value that the term can have. The
constants that this leaves out grow like the logarithm of the counts, and the terms that cancel in them like the counts
themselves: without them a constraint known to 1e-12 keeps its digits.

References
----------
Cranmer, Lewis, Moneta, Shibata, Verkerke, CERN-OPEN-2012-016 (the model, Eqs. 2 and 3); the interpolations between
variations are those that ROOT and pyhf number 4 (factors) and 4p (shifts). Barlow, Beeston, Comput. Phys. Commun. 77
(1993) 219, and Conway, arXiv:1103.0354, section 5 (one parameter per bin for the statistics of simulation). Baker,
Cousins, Nucl. Instrum. Meth. 221 (1984) 437, Eqs. 11 and 12 (the deviance of Poisson counts).
"""

import math
from typing import NamedTuple

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.kernels.jit import kernel

SERIES_RADIUS = 0.1
"""Up to this |x / (2 + x)| the deviance is summed as a series of eight terms, whose remainder is below 1e-17."""


class Cells(NamedTuple):
    """A model.

    Parameters
    ----------
    nominal : (n_cells,) rates, cells sorted by bin
    first_cell : (n_bins + 1,) the cells of bin b are ``first_cell[b]:first_cell[b + 1]``
    first_factor, factors : (n_cells + 1,) and the factors of each cell: numbers below n_parameters are parameters,
        the others log-normal factors
    owner : (n_parameters + n_log_normal,) the parameter that a factor depends on
    up, down : (n_log_normal,) values of a log-normal factor at +1 and -1
    polynomial : (n_log_normal, 6) coefficients of alpha to alpha^6 of a log-normal factor inside (-1, 1)
    first_shift, shift_owner, shift_half, shift_bend : (n_cells + 1,) and the shifts of each cell: parameter, half of
        the difference of the values at +1 and -1, and 1/16 of their sum less twice the nominal
    normal, center, width : the parameters with Gaussian constraints, where in the auxiliary data their center is, width
    poisson, observed, scale : the parameters with Poisson constraints, where in the auxiliary data their count is, the
        expected count per unit of the parameter
    floor : (n_bins,) events that stand for none in a bin without data; see `Likelihood`
    """

    nominal: FloatArray
    first_cell: IntArray
    first_factor: IntArray
    factors: IntArray
    owner: IntArray
    up: FloatArray
    down: FloatArray
    polynomial: FloatArray
    first_shift: IntArray
    shift_owner: IntArray
    shift_half: FloatArray
    shift_bend: FloatArray
    normal: IntArray
    center: IntArray
    width: FloatArray
    poisson: IntArray
    observed: IntArray
    scale: FloatArray
    floor: FloatArray


@kernel
def factor_values(theta: FloatArray, model: Cells) -> FloatArray:
    """Return (n_parameters + n_log_normal, 3): every factor's value, first and second derivative."""
    n_parameters = len(theta)
    values = np.empty((len(model.owner), 3))
    for i in range(n_parameters):
        values[i, 0], values[i, 1], values[i, 2] = theta[i], 1.0, 0.0
    for k in range(len(model.up)):
        row, alpha = n_parameters + k, theta[model.owner[n_parameters + k]]
        if abs(alpha) >= 1.0:
            slope = math.log(model.up[k]) if alpha > 0 else -math.log(model.down[k])
            value = math.exp(slope * alpha)
            values[row, 0], values[row, 1], values[row, 2] = value, slope * value, slope * slope * value
        else:
            value, first, second = 0.0, 0.0, 0.0  # of (factor - 1) / alpha, by Horner's rule
            for power in range(5, -1, -1):
                second = second * alpha + 2.0 * first
                first = first * alpha + value
                value = value * alpha + model.polynomial[k, power]
            values[row, 0] = 1.0 + value * alpha
            values[row, 1] = value + first * alpha
            values[row, 2] = 2.0 * first + second * alpha
    return values


@kernel
def bends(theta: FloatArray) -> FloatArray:
    """Return (n_parameters, 3): what multiplies `shift_bend` in each shift, with its first and second derivative.

    A shift is ``alpha * shift_half + bend(alpha) * shift_bend``: straight lines beyond +1 and -1, and between them the
    polynomial that continues both with two derivatives.
    """
    values = np.empty((len(theta), 3))
    for i in range(len(theta)):
        alpha = theta[i]
        if abs(alpha) > 1.0:
            slope = 8.0 if alpha > 0.0 else -8.0
            values[i, 0], values[i, 1], values[i, 2] = slope * alpha, slope, 0.0
        else:
            square = alpha * alpha
            values[i, 0] = square * (15.0 + square * (3.0 * square - 10.0))
            values[i, 1] = alpha * (30.0 + square * (18.0 * square - 40.0))
            values[i, 2] = 30.0 + square * (90.0 * square - 120.0)
    return values


@kernel
def shifted_rates(theta: FloatArray, bend: FloatArray, model: Cells) -> FloatArray:
    """Return the (n_cells,) rates before factors."""
    shifted = model.nominal.copy()
    first, owner = model.first_shift, model.shift_owner
    for cell in range(len(shifted)):
        total = 0.0
        for j in range(first[cell], first[cell + 1]):
            total += theta[owner[j]] * model.shift_half[j] + bend[owner[j], 0] * model.shift_bend[j]
        shifted[cell] += total
    return shifted


@kernel
def products(factors: FloatArray, model: Cells) -> tuple[FloatArray, FloatArray]:
    """Return the product of each cell's factors, (n_cells,), and for each factor that of the cell's others."""
    first, index = model.first_factor, model.factors
    whole, others = np.ones(len(model.nominal)), np.empty(len(index))
    for cell in range(len(whole)):
        before, after = 1.0, 1.0
        for j in range(first[cell], first[cell + 1]):
            others[j] = before
            before *= factors[index[j], 0]
        for j in range(first[cell + 1] - 1, first[cell] - 1, -1):
            others[j] *= after
            after *= factors[index[j], 0]
        whole[cell] = before
    return whole, others


@kernel
def rates(theta: FloatArray, model: Cells) -> FloatArray:
    """Return the (n_cells,) rates."""
    whole, _ = products(factor_values(theta, model), model)
    return whole * shifted_rates(theta, bends(theta), model)


@kernel
def deviance(events: float, excess: float) -> float:
    """Return -2 ln of a Poisson probability relative to its largest value, ``2 n (x - ln(1 + x))``.

    Parameters
    ----------
    events : observed events n > 0
    excess : x = (rate - n) / n > -1

    References
    ----------
    Loader, Fast and Accurate Computation of Binomial Probabilities (2000), the function D_0; x - ln(1 + x) is summed
    from the series of 2 atanh(x / (2 + x)), because the difference loses its digits where x is small.
    """
    ratio = excess / (2.0 + excess)
    if abs(ratio) > SERIES_RADIUS:
        return 2.0 * events * (excess - math.log1p(excess))
    square, series = ratio * ratio, 0.0
    for power in range(17, 1, -2):
        series = series * square + 1.0 / power
    return 2.0 * events * ratio * (excess - 2.0 * square * series)


@kernel
def poisson_slopes(
    rates: FloatArray, data: FloatArray, weights: FloatArray, model: Cells
) -> tuple[float, FloatArray, FloatArray]:
    """Return the deviance of the bins, its (n_bins,) first and second derivatives in their rates; NaN if impossible."""
    n_bins = len(weights)
    value, slopes, curvatures = 0.0, np.zeros(n_bins), np.zeros(n_bins)
    for b in range(n_bins):
        if weights[b] == 0.0:
            continue
        rate, events = 0.0, data[b]
        for cell in range(model.first_cell[b], model.first_cell[b + 1]):
            rate += rates[cell]
        if events > 0.0 and rate > 0.0:
            value += weights[b] * deviance(events, (rate - events) / events)
            slopes[b] = 2.0 * weights[b] * ((rate - events) / rate)
            curvatures[b] = 2.0 * weights[b] * events / (rate * rate)
        elif events > model.floor[b] or not rate >= 0.0:
            return math.nan, slopes, curvatures
        else:  # no data, and no rate or a bin that holds exactly nothing
            value += 2.0 * weights[b] * rate
            slopes[b] = 2.0 * weights[b]
    return value, slopes, curvatures


@kernel
def constraints(theta: FloatArray, data: FloatArray, n_bins: int, model: Cells) -> tuple[float, FloatArray, FloatArray]:
    """Return the deviance of auxiliary data, its (n_parameters,) first and second derivatives; NaN if impossible."""
    value, slopes, curvatures = 0.0, np.zeros(len(theta)), np.zeros(len(theta))
    for k in range(len(model.normal)):
        i, width = model.normal[k], model.width[k]
        pull = (theta[i] - data[n_bins + model.center[k]]) / width
        value += pull * pull
        slopes[i] += 2.0 * pull / width
        curvatures[i] += 2.0 / (width * width)
    for k in range(len(model.poisson)):
        i, scale = model.poisson[k], model.scale[k]
        events, parameter = data[n_bins + model.observed[k]], theta[model.poisson[k]]
        if not parameter > 0.0:
            return math.nan, slopes, curvatures
        if events > 0.0:
            # Differences of parameters are exact where differences of counts of 1e24 are not.
            center = events / scale
            value += deviance(events, (parameter - center) / center)
            slopes[i] += 2.0 * scale * ((parameter - center) / parameter)
            curvatures[i] += 2.0 * events / (parameter * parameter)
        else:
            value += 2.0 * scale * parameter
            slopes[i] += 2.0 * scale
    return value, slopes, curvatures


@kernel
def value_and_gradient(
    theta: FloatArray, data: FloatArray, weights: FloatArray, model: Cells
) -> tuple[float, FloatArray]:
    """Return the deviance, NaN if the data are impossible, and its (n_parameters,) gradient.

    Parameters
    ----------
    theta : (n_parameters,)
    data : (n_bins + n_auxiliary,) events and auxiliary data
    weights : (n_bins,) how often each bin counts
    """
    factors, bend = factor_values(theta, model), bends(theta)
    whole, others = products(factors, model)
    shifted = shifted_rates(theta, bend, model)
    value, gradient, _ = constraints(theta, data, len(weights), model)
    of_bins, slopes, _ = poisson_slopes(whole * shifted, data, weights, model)
    first_cell, first_factor, first_shift = model.first_cell, model.first_factor, model.first_shift
    index, owner, shift_owner = model.factors, model.owner, model.shift_owner
    for b in range(len(weights)):
        slope = slopes[b]
        for cell in range(first_cell[b], first_cell[b + 1]):
            scaled = slope * whole[cell]
            for j in range(first_shift[cell], first_shift[cell + 1]):
                gradient[shift_owner[j]] += scaled * (
                    model.shift_half[j] + bend[shift_owner[j], 1] * model.shift_bend[j]
                )
            for j in range(first_factor[cell], first_factor[cell + 1]):
                gradient[owner[index[j]]] += slope * shifted[cell] * others[j] * factors[index[j], 1]
    return value + of_bins, gradient


@kernel
def jacobian(theta: FloatArray, model: Cells) -> FloatArray:
    """Return the derivatives of the bins' total rates, (n_bins, n_parameters)."""
    factors, bend = factor_values(theta, model), bends(theta)
    whole, others = products(factors, model)
    shifted = shifted_rates(theta, bend, model)
    first_cell, first_factor, first_shift = model.first_cell, model.first_factor, model.first_shift
    index, owner, shift_owner = model.factors, model.owner, model.shift_owner
    derivatives = np.zeros((len(first_cell) - 1, len(theta)))
    for b in range(len(derivatives)):
        for cell in range(first_cell[b], first_cell[b + 1]):
            for j in range(first_shift[cell], first_shift[cell + 1]):
                change = model.shift_half[j] + bend[shift_owner[j], 1] * model.shift_bend[j]
                derivatives[b, shift_owner[j]] += change * whole[cell]
            for j in range(first_factor[cell], first_factor[cell + 1]):
                derivatives[b, owner[index[j]]] += shifted[cell] * others[j] * factors[index[j], 1]
    return derivatives


@kernel
def hessian(theta: FloatArray, data: FloatArray, weights: FloatArray, model: Cells, linear: bool) -> FloatArray:
    """Return the second derivatives of -2 ln L, (n_parameters, n_parameters), NaN where the data are impossible.

    Parameters
    ----------
    theta, data, weights, model : as for `value_and_gradient`
    linear : leave out the second derivatives of the rates
    """
    factors, bend = factor_values(theta, model), bends(theta)
    whole, others = products(factors, model)
    shifted = shifted_rates(theta, bend, model)
    value, _, diagonal = constraints(theta, data, len(weights), model)
    of_bins, slopes, curvatures = poisson_slopes(whole * shifted, data, weights, model)
    # Each pair of parameters is added to one of its two elements, whichever comes first, and the halves in the end.
    halves = np.full((len(theta), len(theta)), 0.0 if value + of_bins == value + of_bins else math.nan)
    row = np.zeros(len(theta))
    for b in range(len(weights)):
        if weights[b] == 0.0:
            continue
        row[:] = 0.0
        for cell in range(model.first_cell[b], model.first_cell[b + 1]):
            add_slopes(cell, factors, bend, whole[cell], others, shifted[cell], model, row)
            if not linear:
                add_curvatures(cell, slopes[b], factors, bend, whole[cell], others, shifted[cell], model, halves)
        add_squares(row, curvatures[b], halves)
    for i in range(len(theta)):
        halves[i, i] += diagonal[i]
        for k in range(i):
            halves[i, k] += halves[k, i]
            halves[k, i] = halves[i, k]
    return halves


@kernel
def add_slopes(
    cell: int,
    factors: FloatArray,
    bend: FloatArray,
    whole: float,
    others: FloatArray,
    shifted: float,
    model: Cells,
    row: FloatArray,
) -> None:
    """Add the derivatives of a cell's rate to the row of its bin."""
    for j in range(model.first_shift[cell], model.first_shift[cell + 1]):
        i = model.shift_owner[j]
        row[i] += (model.shift_half[j] + bend[i, 1] * model.shift_bend[j]) * whole
    for j in range(model.first_factor[cell], model.first_factor[cell + 1]):
        row[model.owner[model.factors[j]]] += shifted * others[j] * factors[model.factors[j], 1]


@kernel
def add_squares(row: FloatArray, scale: float, halves: FloatArray) -> None:
    """Add ``scale * outer(row, row)``, whose elements may be zero for the most part."""
    touched = np.flatnonzero(row)
    if len(touched) == 0:
        return
    end = touched[-1] + 1
    if 2 * len(touched) > end - touched[0]:  # few zeros between: whole rows, which become vector instructions
        for i in touched:
            sums, others, scaled = halves[i, i:end], row[i:end], scale * row[i]
            for k in range(len(sums)):
                sums[k] += scaled * others[k]
        return
    for j in range(len(touched)):
        i, scaled = touched[j], scale * row[touched[j]]
        for k in range(j, len(touched)):
            halves[i, touched[k]] += scaled * row[touched[k]]


@kernel
def add_curvatures(
    cell: int,
    slope: float,
    factors: FloatArray,
    bend: FloatArray,
    whole: float,
    others: FloatArray,
    shifted: float,
    model: Cells,
    halves: FloatArray,
) -> None:
    """Add the second derivatives of a cell's rate, times the slope of its bin."""
    index, owner = model.factors, model.owner
    begin, end = model.first_factor[cell], model.first_factor[cell + 1]
    first_shift, last_shift = model.first_shift[cell], model.first_shift[cell + 1]
    shift_owner, changes = model.shift_owner[first_shift:last_shift], np.empty(last_shift - first_shift)
    for j in range(len(changes)):
        i, curved = shift_owner[j], model.shift_bend[first_shift + j]
        changes[j] = model.shift_half[first_shift + j] + bend[i, 1] * curved
        halves[i, i] += slope * bend[i, 2] * curved * whole
    for k in range(begin, end):
        i, first = owner[index[k]], slope * factors[index[k], 1]
        halves[i, i] += slope * shifted * others[k] * factors[index[k], 2]
        line = halves[i]
        for j in range(len(changes)):
            line[shift_owner[j]] += first * others[k] * changes[j]
            if shift_owner[j] == i:  # a parameter that both shifts and scales the cell adds its mixed derivative twice
                line[i] += first * others[k] * changes[j]
        for j in range(begin, k):
            product = without(factors, index, begin, end, others[k], k, j)
            twice = 2.0 if owner[index[j]] == i else 1.0
            line[owner[index[j]]] += twice * shifted * first * factors[index[j], 1] * product


@kernel
def without(
    factors: FloatArray, index: IntArray, begin: int, end: int, others: float, skipped: int, second: int
) -> float:
    """Return the product of a cell's factors but two, given that without the first of them."""
    if factors[index[second], 0] != 0.0:
        return float(others / factors[index[second], 0])
    product = 1.0
    for j in range(begin, end):
        if j not in (skipped, second):
            product *= factors[index[j], 0]
    return product
