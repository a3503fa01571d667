"""Fits to some regions, and what they predict in all."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError, did_you_mean
from cascadebdt.inference.fitting import goodness_of_fit
from cascadebdt.inference.likelihood import objective
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import spread
from cascadebdt.records import Record
from cascadebdt.workspace import blind_regions

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class ProjectedRegion(Record):
    """Prediction and data of one region.

    Parameters
    ----------
    is_fitted : whether its data took part in the fit
    predicted, uncertainty : (n_bins,) expected events after the fit and their uncertainty, without the Poisson one
    processes : (n_bins,) expected events of each process
    data : (n_bins,) events; None while blind
    total, total_uncertainty : of the sum of bins, with correlations
    """

    is_fitted: bool
    predicted: FloatArray
    uncertainty: FloatArray
    processes: dict[str, FloatArray]
    data: FloatArray | None
    total: float
    total_uncertainty: float


@dataclass(frozen=True, eq=False)
class Projection(Record):
    """A fit to some regions and its prediction in all: ``projection.json``.

    Parameters
    ----------
    mu : signal strength and its uncertainty, which is 0 where it was held
    parameters : value and uncertainty of the others; those that these regions do not determine are left out
    goodness_of_fit : p-value against the saturated model; None without degrees of freedom
    regions : prediction and data of each
    """

    mu: Pair
    parameters: dict[str, Pair]
    goodness_of_fit: float | None
    regions: dict[str, ProjectedRegion]


@on_one_thread
def project(workspace: Mapping[str, Any], regions: Sequence[str], *, mu: float | None = 0.0) -> Projection:
    """Fit some regions alone and return what they predict in every region.

    With J the derivatives of the expected events in the parameters and C the covariance of the parameters in that fit,
    the prediction has the covariance ``J C J^T``. Parameters that only other regions know keep the uncertainty of
    their constraints.

    Parameters
    ----------
    regions : those to fit, such as the control regions
    mu : signal strength to hold; it floats if None

    Raises
    ------
    FitError
        If there is no such region, it is blind, the fit fails, or these regions do not determine a prediction.

    Examples
    --------
    >>> from cascadebdt import inference
    >>> controls = [channel["name"] for channel in workspace["channels"] if channel["name"] != "SR"]
    >>> predicted = inference.project(workspace, controls).regions["SR"].total
    """
    blind, known = blind_regions(workspace), [channel["name"] for channel in workspace["channels"]]
    if not regions:
        raise FitError("projection: no region to fit")
    for region in regions:
        if region not in known:
            raise FitError(f"projection: no region '{region}'{did_you_mean(region, known)}")
        if region in blind:
            raise FitError(f"projection: region '{region}' is blind")
    visible = objective(workspace, skip=tuple(region for region in known if region not in regions))
    likelihood = visible.likelihood
    fixed = {} if mu is None else {likelihood.poi: mu}
    best = global_minimum(visible, fixed=fixed)
    at_best = spread(visible, best, tuple(fixed))
    jacobian = likelihood.jacobian(best.theta)
    at_best.require(jacobian, "projection")
    joint = jacobian @ at_best.covariance @ jacobian.T
    pairs = {
        name: (float(best.theta[index]), float(at_best.errors[index]))
        for index, name in enumerate(likelihood.names)
        if not at_best.undetermined[index]
    }
    strength = pairs.pop(likelihood.names[likelihood.poi], (float(best.theta[likelihood.poi]), float("nan")))
    rates = likelihood.rates(best.theta)
    return Projection(
        mu=strength,
        parameters=pairs,
        goodness_of_fit=goodness_of_fit(visible, best, tuple(fixed)),
        regions={
            name: _region(
                rates[:, bins],
                joint[bins, bins],
                likelihood.processes,
                data=None if name in blind else visible.events[bins],
                is_fitted=name in regions,
            )
            for name, bins in likelihood.regions.items()
        },
    )


def _region(
    rates: FloatArray, joint: FloatArray, processes: Sequence[str], *, data: FloatArray | None, is_fitted: bool
) -> ProjectedRegion:
    """Return prediction and data of one region."""
    return ProjectedRegion(
        is_fitted=is_fitted,
        predicted=rates.sum(axis=0),
        uncertainty=np.sqrt(np.diag(joint).clip(min=0)),
        processes={name: row for name, row in zip(processes, rates, strict=True) if row.any()},
        data=data,
        total=float(rates.sum()),
        total_uncertainty=float(np.sqrt(max(joint.sum(), 0.0))),
    )
