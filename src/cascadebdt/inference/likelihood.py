"""A HistFactory model as -2 ln L with exact derivatives.

pyhf builds the model, compiled kernels evaluate it. Data, and which bins count, are arguments, so that one model
serves every fit: to data, to Asimov data, to the control regions alone.
"""

import functools
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyhf
from scipy.special import gammaln, xlogy

from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.errors import FitError, did_you_mean
from cascadebdt.inference import histfactory
from cascadebdt.inference.checks import check_model, check_observation, check_parts
from cascadebdt.inference.flatten import flatten
from cascadebdt.inference.histfactory import Cells

# Events that an empty bin counts as. They change -2 ln L by about 1e-5, and let a fit that prefers a negative rate
# approach zero smoothly, where the likelihood without them would end in a wall.
EMPTY = 1e-6
NO_RATE = 1e-3


@dataclass(frozen=True)
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
    cells : the model in the form that kernels evaluate
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
        return np.array([not name.endswith("]") for name in self.names])

    @property
    def n_bins(self) -> int:
        """Number of bins of all regions."""
        return int(max(bins.stop for bins in self.regions.values()))

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

    def asimov(self, theta: FloatArray) -> FloatArray:
        """Return the data set that equals its expectation, (n_bins + n_constraints,)."""
        auxiliary, cells = self.auxiliary.copy(), self.cells
        auxiliary[cells.center] = theta[cells.normal]
        auxiliary[cells.observed] = theta[cells.poisson] * cells.scale
        return np.concatenate([self.totals(theta), auxiliary])


@dataclass(frozen=True)
class Objective:
    """-2 ln L of one data set, to be minimised.

    Parameters
    ----------
    likelihood : the model
    data : (n_bins + n_constraints,) events, at least `EMPTY`, and auxiliary data
    weights : (n_bins,) 1 for bins that count, 0 for those that do not
    """

    likelihood: Likelihood
    data: FloatArray
    weights: FloatArray

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Return -2 ln L and its gradient; +inf and zeros where a rate is negative or anything is not finite."""
        value, gradient = histfactory.value_and_gradient(theta, self.data, self.weights, self.likelihood.cells)
        if not (np.isfinite(value) and np.isfinite(gradient).all()):
            return np.inf, np.zeros(len(theta))
        return value, gradient

    def hessian(self, theta: FloatArray) -> FloatArray:
        """Return the second derivatives of -2 ln L, (n_parameters, n_parameters)."""
        return np.asarray(histfactory.hessian(theta, self.data, self.weights, self.likelihood.cells))

    def softened(self, events: float) -> "Objective":
        """Return the same with at least so many events in every bin; 0 restores empty bins."""
        data, n_bins = self.data.copy(), self.likelihood.n_bins
        data[:n_bins] = np.where(data[:n_bins] <= EMPTY, events, np.maximum(data[:n_bins], events))
        return Objective(self.likelihood, data, self.weights)

    def is_walled(self, theta: FloatArray) -> bool:
        """Return whether the rate of an empty bin has run into zero."""
        empty = (self.data[: self.likelihood.n_bins] <= EMPTY) & (self.weights > 0)
        return bool(empty.any() and (self.likelihood.totals(theta)[empty] < NO_RATE).any())

    def saturated(self) -> float:
        """Return -2 ln L of the model that describes every bin exactly, with the constraints at their best."""
        likelihood = self.likelihood
        theta = np.where(np.isfinite(likelihood.center), likelihood.center, likelihood.start)
        constraints, _, _ = histfactory.constraints(theta, self.data, likelihood.n_bins, likelihood.cells)
        events = self.data[: likelihood.n_bins]
        return float(constraints) + float(np.sum(self.weights * _saturated_terms(events)))


def _saturated_terms(events: FloatArray) -> FloatArray:
    """Return -2 ln of the Poisson probabilities of expecting what is observed."""
    return np.asarray(-2 * (xlogy(events, events) - events - gammaln(events + 1)))


def objective(workspace: Mapping[str, Any], *, skip: tuple[str, ...] = ()) -> Objective:
    """Return the -2 ln L of a workspace's observation; the bins of regions in `skip` do not count.

    Raises
    ------
    FitError
        If the workspace has no usable model, parameter of interest or observation.
    """
    measurement = check_parts(workspace)
    model = {"channels": workspace["channels"], "parameters": measurement.get("parameters", [])}
    likelihood = compiled(json.dumps({"spec": model, "poi": measurement["poi"]}, sort_keys=True))
    observed = {str(item.get("name")): item.get("data") for item in workspace["observations"]}
    for region in skip:
        if region not in likelihood.regions:
            raise FitError(f"workspace: the model has no region '{region}'{did_you_mean(region, likelihood.regions)}")
    events = [
        np.maximum(check_observation(region, observed, bins.stop - bins.start), EMPTY)
        for region, bins in likelihood.regions.items()
    ]
    weights = np.ones(likelihood.n_bins)
    for region in skip:
        weights[likelihood.regions[region]] = 0.0
    return Objective(likelihood, np.concatenate([*events, likelihood.auxiliary]), weights)


@functools.lru_cache(maxsize=8)
def compiled(key: str) -> Likelihood:
    """Build the model written as JSON in `key`; models seen lately are remembered."""
    content = json.loads(key)
    check_model(content["spec"]["channels"], content["poi"])
    with _numpy_backend():
        try:
            model = pyhf.Model(content["spec"], poi_name=content["poi"])
        except Exception as error:  # pyhf's own have no common base, and it lets KeyError and others through
            raise FitError(f"workspace: pyhf rejects the model, {' '.join(str(error).split())[:300]}") from error
        return _likelihood(model, content["spec"]["channels"])


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


def _likelihood(model: Any, channels: list[dict[str, Any]]) -> Likelihood:
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


def _processes_of_cells(config: Any, channels: list[dict[str, Any]]) -> IntArray:
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
