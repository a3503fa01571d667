"""The method `bins`: a ratio of densities that is a product of one factor per variable.

The logarithm of the ratio is a sum of functions of one variable each, linear between knots. It makes the corrected
simulation agree with the data in the sums of all the functions it is made of, as the maximum of the Poisson likelihood
does; a Gaussian prior on the steps between neighbouring knots keeps noise out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray
from cascadebdt.corrections.purified import Purified
from cascadebdt.errors import InputError
from cascadebdt.records import Record

MAX_ITERATIONS = 100
TOLERANCE = 1e-9
FREE = 10.0  # width of the prior of what is not to be constrained: a factor of e^10
KEPT_VARIANCE = 0.99
"""Share of the variance of the logarithm of the ratio that the statistical directions hold together."""


@dataclass(frozen=True, eq=False)
class Additive(Record):
    """The logarithm of a ratio: a constant and a function per variable.

    Attributes
    ----------
    knots : variable -> where its function is given, increasing; it is linear between and constant outside
    values : variable -> the function at its knots
    constant : added to their sum
    """

    knots: dict[str, tuple[float, ...]]
    values: dict[str, tuple[float, ...]]
    constant: float = 0.0

    def log_ratio(self, columns: Mapping[str, FeatureArray]) -> FloatArray:
        """Return the logarithm of the ratio, ``(n_events,)``; a variable without a value adds nothing."""
        total: FloatArray = np.full(len(next(iter(columns.values()))), self.constant)
        for name, knots in self.knots.items():
            total += np.nan_to_num(np.interp(columns[name], knots, self.values[name]), nan=0.0)
        return total

    def shifted(self, constant: float) -> Self:
        """Return the same with another constant added."""
        return replace(self, constant=self.constant + constant)


@dataclass(frozen=True, eq=False)
class Basis:
    """The functions of which an `Additive` is made: one per knot, 1 there and 0 at all others.

    Attributes
    ----------
    knots : variable -> its knots, increasing
    prior : expected size of the logarithm of the ratio along a variable
    """

    knots: Mapping[str, tuple[float, ...]]
    prior: float

    @classmethod
    def of(cls, columns: Mapping[str, FeatureArray], weights: FloatArray, n_bins: int, prior: float) -> Self:
        """Put knots at the ends and borders of bins of equal yield, the outermost at 2 % from either end.

        Parameters
        ----------
        columns, weights : of all selected events of the process, so that the knots reach where the signal is
        """
        shares = np.linspace(0.02, 0.98, n_bins + 1)
        found = {name: tuple(_quantiles(column, weights, shares)) for name, column in columns.items()}
        knots = {name: values for name, values in found.items() if len(values) > 1}
        if not knots:
            raise InputError(f"corrections: none of the variables {list(columns)} varies; name others")
        return cls(knots, prior)

    def __call__(self, columns: Mapping[str, FeatureArray]) -> FloatArray:
        """Return the value of every function, ``(n_events, n_functions)``; the first is 1 everywhere."""
        parts: list[FloatArray] = [np.ones((len(next(iter(columns.values()))), 1))]
        for name, knots in self.knots.items():
            hats = [np.interp(columns[name], knots, row) for row in np.eye(len(knots))]
            parts.append(np.nan_to_num(np.stack(hats, axis=1), nan=0.0))
        return np.concatenate(parts, axis=1)

    def precision(self) -> FloatArray:
        """Return the inverse covariance of the prior: steps between knots are independent, the level is free."""
        blocks = [np.array([[1 / FREE**2]])]
        for knots in self.knots.values():
            steps = np.diff(np.eye(len(knots)), axis=0)
            # The function that is the same at all knots is the constant again: without a prior it would be any.
            level = np.ones((len(knots), len(knots))) / (len(knots) * self.prior) ** 2
            blocks.append(steps.T @ steps * (len(steps) / self.prior**2) + level)
        size = sum(len(block) for block in blocks)
        result, start = np.zeros((size, size)), 0
        for block in blocks:
            stop = start + len(block)
            result[start:stop, start:stop] = block
            start = stop
        return result

    def additive(self, coefficients: FloatArray) -> Additive:
        """Return the sum of the functions with these coefficients."""
        values, start = {}, 1
        for name, knots in self.knots.items():
            values[name] = tuple(coefficients[start : start + len(knots)].tolist())
            start += len(knots)
        return Additive(dict(self.knots), values, float(coefficients[0]))


def fit(sample: Purified, basis: Basis) -> Additive:
    """Return the ratio of the data less the other backgrounds to the simulation, of the same sum of weights."""
    functions = basis(sample.simulated)
    target = sample.weights_of_data @ basis(sample.data) - sample.weights_of_others @ basis(sample.others)
    coefficients = _maximum(functions, sample.weights, target, basis.precision(), sample.where)
    return sample.normalised(basis.additive(coefficients))


def directions(sample: Purified, basis: Basis, log_ratio: FloatArray) -> tuple[Additive, ...]:
    """Return independent changes of the logarithm of the ratio by one standard deviation, the largest first.

    Statistical fluctuations of the data, of the simulation and of what is subtracted, together with what the prior
    does not know; the changes keep the sum of weights in the region.

    Parameters
    ----------
    sample : the purified region, all folds
    basis : functions to change by
    log_ratio : (n_simulated,) of the correction
    """
    functions, weights = basis(sample.simulated), sample.weights * np.exp(log_ratio)
    precision = basis.precision()
    hessian = (functions * weights[:, None]).T @ functions + precision
    inverse = np.linalg.inv(hessian)
    # The bias of a maximum a posteriori has the covariance of the prior: inverse @ precision @ inverse.
    covariance = inverse @ (_noise(sample, basis, functions, weights) + precision) @ inverse
    mean = weights @ functions / weights.sum()
    centred = functions - mean
    metric = (centred * weights[:, None]).T @ centred / weights.sum()
    root = np.linalg.cholesky(covariance + 1e-12 * np.eye(len(covariance)))
    sizes, axes = np.linalg.eigh(root.T @ metric @ root)
    order = np.argsort(sizes)[::-1]
    n_kept = 1 + int(np.searchsorted(np.cumsum(sizes[order]) / sizes.sum(), KEPT_VARIANCE))
    found = []
    for column in (root @ axes[:, order[:n_kept]]).T:
        found.append(basis.additive(column).shifted(-float(mean @ column)))
    return tuple(found)


def _noise(sample: Purified, basis: Basis, functions: FloatArray, weights: FloatArray) -> FloatArray:
    """Return the covariance of the sums that the fit compares, data less others with simulation."""
    data, others = basis(sample.data), basis(sample.others)
    # Data, and expected events in their place, have the variance of Poisson counts: their sum.
    noise = (data * sample.weights_of_data[:, None]).T @ data
    noise += (others * np.square(sample.weights_of_others)[:, None]).T @ others
    noise += (functions * np.square(weights)[:, None]).T @ functions
    names = np.arange(len(sample.covariance_of_others))
    sums = np.stack(
        [(sample.weights_of_others * (sample.process_of_others == name)) @ others for name in names], axis=1
    )
    return np.asarray(noise + sums @ sample.covariance_of_others @ sums.T)


def _maximum(
    functions: FloatArray, weights: FloatArray, target: FloatArray, precision: FloatArray, where: str
) -> FloatArray:
    """Return what maximises the Poisson likelihood with a prior, by Newton's method; the problem is convex."""
    if not target[0] > 0:
        raise InputError(
            f"corrections: {where} holds {target[0]:.4g} events of data less the other backgrounds; "
            "expected a positive number: choose a purer region"
        )
    coefficients = np.zeros(functions.shape[1])
    coefficients[0] = np.log(target[0] / weights.sum())

    def value(at: FloatArray) -> float:
        return float(weights @ np.exp(functions @ at) - target @ at + at @ precision @ at / 2)

    best = value(coefficients)
    for _ in range(MAX_ITERATIONS):
        expected = weights * np.exp(functions @ coefficients)
        gradient = expected @ functions - target + precision @ coefficients
        step = np.linalg.solve((functions * expected[:, None]).T @ functions + precision, gradient)
        scale = 1.0
        while (found := value(coefficients - scale * step)) > best and scale > TOLERANCE:
            scale /= 2
        coefficients = coefficients - scale * step
        if best - found < TOLERANCE * max(1.0, abs(found)):
            return coefficients
        best = found
    raise InputError(f"corrections: the fit in {where} found no maximum; take fewer variables or a smaller prior")


def _quantiles(values: FeatureArray, weights: FloatArray, shares: FloatArray) -> FloatArray:
    """Return the distinct weighted quantiles of the values that are numbers."""
    is_number = ~np.isnan(values)
    order = np.argsort(values[is_number], kind="stable")
    cumulative = np.cumsum(np.abs(weights[is_number][order]))
    if not len(order):
        return np.empty(0)
    found = values[is_number][order][np.searchsorted(cumulative, shares * cumulative[-1])]
    return np.unique(found).astype(np.float64)
