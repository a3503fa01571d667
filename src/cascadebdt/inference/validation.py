"""Validation regions: what the other regions predict there, against the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.stats

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError, did_you_mean
from cascadebdt.inference.likelihood import Objective, objective
from cascadebdt.inference.minimise import Minimum
from cascadebdt.inference.search import global_minimum
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.inference.uncertainty import spread
from cascadebdt.records import Record
from cascadebdt.workspace import blind_regions


@dataclass(frozen=True, eq=False)
class ValidatedRegion(Record):
    """Prediction and data of one validation region.

    Parameters
    ----------
    data : (n_bins,) events
    predicted, uncertainty : (n_bins,) expected events and their uncertainty, without the Poisson one of the data
    processes : (n_bins,) expected events of each process
    pulls : (n_bins,) (data - predicted) / sqrt(predicted + uncertainty^2)
    total, total_uncertainty : of the sum of bins, with correlations
    total_p_value : of the sum of bins
    p_value : of all bins, with correlations
    """

    data: FloatArray
    predicted: FloatArray
    uncertainty: FloatArray
    processes: dict[str, FloatArray]
    pulls: FloatArray
    total: float
    total_uncertainty: float
    total_p_value: float
    p_value: float


@dataclass(frozen=True, eq=False)
class Validation(Record):
    """Validation regions one by one and together.

    Parameters
    ----------
    regions : each of them
    p_value : of all bins of all of them, with correlations
    """

    regions: dict[str, ValidatedRegion]
    p_value: float


@on_one_thread
def validate(workspace: Mapping[str, Any], regions: Sequence[str]) -> Validation:
    """Compare the data of validation regions with what the fit to the other regions predicts.

    The fit has no signal (mu is 0) and sees neither these regions nor blind ones. With nu the prediction, J its
    derivatives in the parameters and C their covariance in that fit, the data n of some bins have the covariance
    ``V = J C J^T + diag(nu)``, and ``(n - nu)^T V^-1 (n - nu)`` follows the chi-square distribution with one degree of
    freedom per bin. The statistical uncertainty of simulation is part of C. Where a bin expects only a few events, the
    p-value is approximate.

    Parameters
    ----------
    workspace : any, with the validation regions in it
    regions : their names

    Raises
    ------
    FitError
        If there is no such region, it is blind, the fit fails, or the other regions do not determine a parameter.
    """
    _check(workspace, regions)
    visible = objective(workspace, skip=tuple(regions))
    poi = visible.likelihood.poi
    fixed = {poi: 0.0}
    best = global_minimum(visible, fixed=fixed)
    at_best = spread(visible, best, tuple(fixed))
    slices = [visible.likelihood.regions[region] for region in regions]
    jacobian = visible.likelihood.jacobian(best.theta)
    joint = jacobian @ at_best.covariance @ jacobian.T
    together = np.concatenate([np.arange(bins.start, bins.stop) for bins in slices])
    at_best.require(jacobian[together], "validation")
    return Validation(
        {region: _region(visible, best, joint, bins) for region, bins in zip(regions, slices, strict=True)},
        _p_value(*_of_bins(visible, best, joint, together)),
    )


def _check(workspace: Mapping[str, Any], regions: Sequence[str]) -> None:
    known = [channel["name"] for channel in workspace["channels"]]
    blind = blind_regions(workspace)
    if not regions:
        raise FitError("validation: there is no region to validate")
    for region in regions:
        if region not in known:
            raise FitError(f"validation: no region '{region}'{did_you_mean(region, known)}")
        if region in blind:
            raise FitError(f"validation: region '{region}' is blind")
    if not set(known) - {*regions, *blind}:
        raise FitError("validation: no region is left for the fit that predicts the others")


def _of_bins(visible: Objective, best: Minimum, joint: FloatArray, bins: Any) -> tuple[FloatArray, FloatArray, Any]:
    """Return data, prediction and covariance of the prediction of some bins."""
    return visible.events[bins], visible.likelihood.totals(best.theta)[bins], joint[bins][:, bins]


def _p_value(data: FloatArray, predicted: FloatArray, joint: FloatArray) -> float:
    """Return the p-value of some bins; see `validate`."""
    deviation = data - predicted
    statistic = deviation @ np.linalg.solve(joint + np.diag(predicted), deviation)
    return float(scipy.stats.chi2.sf(statistic, len(data)))


def _region(visible: Objective, best: Minimum, joint: FloatArray, bins: slice) -> ValidatedRegion:
    """Return prediction and data of one region."""
    data, predicted, of_region = _of_bins(visible, best, joint, bins)
    variances = np.diag(of_region)
    total = np.array([data.sum()]), np.array([predicted.sum()]), np.array([[of_region.sum()]])
    rates = visible.likelihood.rates(best.theta)[:, bins]
    return ValidatedRegion(
        data=data,
        predicted=predicted,
        uncertainty=np.sqrt(variances),
        processes={name: row for name, row in zip(visible.likelihood.processes, rates, strict=True) if row.any()},
        pulls=(data - predicted) / np.sqrt(predicted + variances),
        total=float(predicted.sum()),
        total_uncertainty=float(np.sqrt(of_region.sum())),
        total_p_value=_p_value(*total),
        p_value=_p_value(data, predicted, of_region),
    )
