"""A HistFactory model as -2 ln L with exact derivatives.

pyhf builds the model, compiled kernels evaluate it. Data, and which bins count, are arguments, so that one model
serves every fit: to data, to Asimov data, to the control regions alone.
"""

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyhf
from scipy.special import gammaln, xlogy

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray, IntArray
from cascadebdt.errors import FitError, did_you_mean
from cascadebdt.inference import histfactory
from cascadebdt.inference.checks import check_model, check_observations, check_parts
from cascadebdt.inference.flatten import EMPTY, flatten
from cascadebdt.inference.histfactory import Cells

NO_RATE = 1e3
"""A rate of an empty bin below this many times the events that stand for none has run into zero."""

ROUNDING = 1e-10
"""Rounding of the deviance of a model of moderate counts."""

MC_STATISTICS = "MC statistics"
"""Name of the group of all parameters of the statistics of simulation."""

LARGE_COUNT = 50.0
"""From here on four terms of Stirling's series are exact."""


def is_of_bin(parameter: str) -> bool:
    """Return whether a parameter is one of a set with one per bin."""
    return parameter.endswith("]")


@dataclass(frozen=True, eq=False)
class Likelihood:
    """A model, without data.

    Parameters
    ----------
    names : one per scalar parameter, such as ``mu`` or ``mcstat_SR[3]``
    start, lower, upper : (n_parameters,) suggested start and bounds
    fixed : (n_parameters,) parameters that the model holds constant
    center, width : (n_parameters,) of the constraint terms; NaN for free parameters
    poi : index of the parameter of interest
    auxiliary : (n_constraints,) nominal auxiliary data
    regions : bins of each region among all bins
    processes : in the order of `rates`
    cells : the model in the form that kernels evaluate; its `floor` is what empty bins count
    process_of_cell, bin_of_cell : (n_cells,)
    """

    names: tuple[str, ...]
    start: FloatArray
    lower: FloatArray
    upper: FloatArray
    fixed: BoolArray
    center: FloatArray
    width: FloatArray
    poi: int
    auxiliary: FloatArray
    regions: Mapping[str, slice]
    processes: tuple[str, ...]
    cells: Cells
    process_of_cell: IntArray
    bin_of_cell: IntArray

    @property
    def scalar(self) -> BoolArray:
        """(n_parameters,) whether a parameter is shared by bins, not one of a set with one per bin."""
        return np.array([not is_of_bin(name) for name in self.names])

    @property
    def per_bin(self) -> BoolArray:
        """(n_parameters,) whether a parameter is one of a set with one per bin, each with a constraint.

        These stand for the statistics of simulation: ``staterror``, and ``shapesys``, as which ROOT writes those of
        single processes.
        """
        return self.constrained & ~self.scalar

    @property
    def n_bins(self) -> int:
        """Number of bins of all regions."""
        return int(max(bins.stop for bins in self.regions.values()))

    @functools.cached_property
    def fillable(self) -> BoolArray:
        """(n_bins,) whether any process can contribute to a bin."""
        cells = self.cells
        shifts = np.abs(cells.shift_half) + np.abs(cells.shift_bend)
        shifted = np.add.reduceat(np.append(shifts, 0.0), cells.first_shift[:-1]) * (np.diff(cells.first_shift) > 0)
        return np.asarray(np.add.reduceat(np.abs(cells.nominal) + shifted, cells.first_cell[:-1]) > 0)

    @property
    def constrained(self) -> BoolArray:
        """(n_parameters,) whether a constraint term, not only the bins, measures a parameter."""
        return np.isfinite(self.width) & ~self.fixed

    def index(self, parameter: str) -> int:
        """Return the position of a parameter.

        Raises
        ------
        FitError
            If there is none of that name.
        """
        if parameter not in self.names:
            raise FitError(f"no parameter '{parameter}'{did_you_mean(parameter, self.names)}")
        return self.names.index(parameter)

    def rates(self, theta: FloatArray) -> FloatArray:
        """Return the expected events, (n_processes, n_bins)."""
        rates = np.zeros((len(self.processes), self.n_bins))
        rates[self.process_of_cell, self.bin_of_cell] = histfactory.rates(theta, self.cells)
        return rates

    def totals(self, theta: FloatArray) -> FloatArray:
        """Return the expected events of all processes, (n_bins,)."""
        return np.add.reduceat(histfactory.rates(theta, self.cells), self.cells.first_cell[:-1])

    def jacobian(self, theta: FloatArray) -> FloatArray:
        """Return the derivatives of `totals`, (n_bins, n_parameters)."""
        return np.asarray(histfactory.jacobian(theta, self.cells))

    def dataset(self, events: AnyArray, auxiliary: FloatArray | None = None) -> FloatArray:
        """Return events, in empty bins the model's `floor`, and auxiliary data, nominal if not given."""
        filled = np.maximum(events, self.cells.floor)
        return np.concatenate([filled, self.auxiliary if auxiliary is None else auxiliary])

    def asimov(self, theta: FloatArray) -> FloatArray:
        """Return the data set that equals its expectation, (n_bins + n_constraints,)."""
        auxiliary, cells = self.auxiliary.copy(), self.cells
        auxiliary[cells.center] = theta[cells.normal]
        auxiliary[cells.observed] = theta[cells.poisson] * cells.scale
        return np.concatenate([self.totals(theta), auxiliary])


@dataclass(frozen=True, eq=False)
class Objective:
    """-2 ln L of one data set, to be minimised, as its deviance: relative to the model that describes all data exactly.

    Parameters
    ----------
    likelihood : the model
    data : (n_bins + n_constraints,) events, in empty bins the model's `floor`, and auxiliary data
    weights : (n_bins,) 1 for bins that count, 0 for those that do not
    """

    likelihood: Likelihood
    data: FloatArray
    weights: FloatArray

    @property
    def events(self) -> FloatArray:
        """(n_bins,) events, 0 in empty bins."""
        events = self.data[: self.likelihood.n_bins]
        return np.where(events <= self.likelihood.cells.floor, 0.0, events)

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return the deviance and its gradient; +inf and zeros where a rate is negative or anything is not finite."""
        value, gradient = histfactory.value_and_gradient(theta, self.data, self.weights, self.likelihood.cells)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros(len(theta))
        return value, gradient

    def value(self, theta: FloatArray) -> float:
        """Return the deviance, +inf where the data are impossible."""
        return self.value_and_gradient(theta)[0]

    def hessian(self, theta: FloatArray, *, linear: bool = False) -> FloatArray:
        """Return the second derivatives of -2 ln L, (n_parameters, n_parameters).

        With `linear`, rates are taken as linear in the parameters (Gauss-Newton), so that no direction bends down.
        """
        return np.asarray(histfactory.hessian(theta, self.data, self.weights, self.likelihood.cells, linear))

    def rounding(self, value: float) -> float:
        """Return how far rounding of the rates moves a deviance of this size.

        A rate's relative error of 1e-15 moves the term of a bin by that times 2 |rate - events|.
        """
        total = float(self.data[: self.likelihood.n_bins] @ self.weights)
        return ROUNDING + 1e-15 * float(np.sqrt(total * (1.0 + value)))

    def softened(self, events: float) -> "Objective":
        """Return the same with at least so many events in every bin, in units of its scale; 0 restores empty bins."""
        data, n_bins, floor = self.data.copy(), self.likelihood.n_bins, self.likelihood.cells.floor
        least = events * floor / EMPTY
        data[:n_bins] = np.where(data[:n_bins] <= floor, least, np.maximum(data[:n_bins], least))
        return Objective(self.likelihood, data, self.weights)

    def held(self, mask: BoolArray, theta: FloatArray) -> "Objective":
        """Return the same with some more parameters, (n_parameters,), held constant at their values in `theta`."""
        model = self.likelihood
        start = np.where(mask, theta, model.start)
        return Objective(replace(model, start=start, fixed=model.fixed | mask), self.data, self.weights)

    def is_walled(self, theta: FloatArray) -> bool:
        """Return whether the rate of an empty bin has run into zero."""
        floor = self.likelihood.cells.floor
        empty = (self.data[: self.likelihood.n_bins] <= floor) & (self.weights > 0)
        return bool(empty.any() and (self.likelihood.totals(theta) < NO_RATE * floor)[empty].any())

    def saturated(self) -> float:
        """Return -2 ln L of the model that describes all data exactly: the difference of -2 ln L and the deviance."""
        likelihood, cells = self.likelihood, self.likelihood.cells
        events, auxiliary = np.split(self.data, [likelihood.n_bins])
        gaussian = np.sum(np.log(2 * np.pi) + 2 * np.log(cells.width))
        return float(self.weights @ _saturated(events) + np.sum(_saturated(auxiliary[cells.observed])) + gaussian)


def _saturated(events: FloatArray) -> FloatArray:
    """Return -2 ln of the Poisson probabilities of expecting what is observed."""
    few = np.minimum(events, LARGE_COUNT)
    exact = -2 * (xlogy(few, few) - few - gammaln(few + 1))
    many = np.maximum(events, LARGE_COUNT)
    stirling = np.log(2 * np.pi * many) + 1 / (6 * many) - 1 / (180 * many**3) + 1 / (630 * many**5)
    return np.asarray(np.where(events < LARGE_COUNT, exact, stirling))


def objective(workspace: Mapping[str, Any], *, skip: tuple[str, ...] = ()) -> Objective:
    """Return the -2 ln L of a workspace's observation; bins of regions in `skip`, or without observation, do not count.

    Raises
    ------
    FitError
        If the workspace has no usable model, parameter of interest or observation.
    """
    likelihood = compiled(Specification.of(workspace))
    sizes = {region: bins.stop - bins.start for region, bins in likelihood.regions.items()}
    observed = check_observations(workspace["observations"], sizes)
    events = np.concatenate([observed.get(region, [0.0] * size) for region, size in sizes.items()])
    weights = (likelihood.fillable | (events > 0)).astype(np.float64)
    for region in {*skip, *(sizes.keys() - observed.keys())}:
        weights[likelihood.regions[region]] = 0.0
    return Objective(likelihood, likelihood.dataset(events), weights)


@dataclass(frozen=True)
class Specification:
    """The content that a model is built from; two are equal if their digests are.

    Parameters
    ----------
    digest : of all below
    channels, parameters, poi : as in a workspace
    """

    digest: bytes
    channels: Sequence[Mapping[str, Any]] = field(compare=False, repr=False)
    parameters: Sequence[Mapping[str, Any]] = field(compare=False, repr=False)
    poi: str = field(compare=False)

    @classmethod
    def of(cls, workspace: Mapping[str, Any]) -> "Specification":
        """Return the specification of a workspace's first measurement."""
        measurement = check_parts(workspace)
        channels, parameters = workspace["channels"], measurement.get("parameters") or []
        digest = hashlib.blake2b()
        for part in (measurement["poi"], parameters, *channels):  # one by one, because a workspace may be large
            digest.update(json.dumps(part, sort_keys=True).encode())
        return cls(digest.digest(), channels, parameters, measurement["poi"])


@functools.lru_cache(maxsize=4)
def compiled(specification: Specification) -> Likelihood:
    """Build a model; models seen lately are remembered."""
    channels, poi = specification.channels, specification.poi
    check_model(channels, poi, specification.parameters)
    with _numpy_backend():
        try:
            # The check is stricter than pyhf's schema, whose validation takes several times as long as all else here.
            spec = {"channels": channels, "parameters": specification.parameters}
            return _likelihood(pyhf.Model(spec, poi_name=poi, validate=False), channels)
        except FitError:
            raise
        except Exception as error:  # pyhf's own have no common base, and it lets KeyError and others through
            raise FitError(f"workspace: pyhf rejects the model, {' '.join(str(error).split())[:300]}") from error


@contextmanager
def _numpy_backend() -> Iterator[None]:
    """Lend pyhf's NumPy backend; models of the caller, which may use another, are not told of the change."""
    backend, optimizer = pyhf.get_backend()
    pyhf.events.disable("tensorlib_changed")
    try:
        pyhf.set_backend("numpy", precision="64b")
        yield
    finally:
        pyhf.set_backend(backend, optimizer)
        pyhf.events.enable("tensorlib_changed")


def _likelihood(model: Any, channels: Sequence[Mapping[str, Any]]) -> Likelihood:
    """Collect what fits need of a pyhf model."""
    config = model.config
    bounds = np.array(config.suggested_bounds(), dtype=np.float64)
    center, width = _constraints(model)
    cells = flatten(model, channels)
    bin_of_cell = np.repeat(np.arange(config.nmaindata), np.diff(cells.first_cell))
    return Likelihood(
        names=tuple(config.par_names),
        start=np.array(config.suggested_init(), dtype=np.float64),
        lower=bounds[:, 0],
        upper=bounds[:, 1],
        fixed=np.array(config.suggested_fixed(), dtype=bool),
        center=center,
        width=width,
        poi=config.poi_index,
        auxiliary=np.array(config.auxdata, dtype=np.float64),
        regions=dict(config.channel_slices),
        processes=tuple(config.samples),
        cells=cells,
        process_of_cell=_processes_of_cells(config, channels),
        bin_of_cell=bin_of_cell,
    )


def _processes_of_cells(config: Any, channels: Sequence[Mapping[str, Any]]) -> IntArray:
    """Return the process of each cell: bin by bin, in the order of all processes."""
    present = {channel["name"]: {sample["name"] for sample in channel["samples"]} for channel in channels}
    return np.concatenate(
        [
            np.tile(
                [i for i, name in enumerate(config.samples) if name in present[region]], config.channel_nbins[region]
            )
            for region in config.channels
        ]
    ).astype(np.int64)


def _constraints(model: Any) -> tuple[FloatArray, FloatArray]:
    """Return center and width of every parameter's constraint term, NaN where there is none."""
    center, width = np.full(model.config.npars, np.nan), np.full(model.config.npars, np.nan)
    position = 0
    for name in model.config.auxdata_order:
        parameters, place = model.config.param_set(name), model.config.par_slice(name)
        auxiliary = np.array(model.config.auxdata[position : position + parameters.n_parameters])
        position += parameters.n_parameters
        is_poisson = parameters.pdf_type == "poisson"
        center[place] = auxiliary / np.array(parameters.factors) if is_poisson else auxiliary
        width[place] = parameters.width()
    return center, width
