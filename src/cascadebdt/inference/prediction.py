"""Expected events of every process in every region, before and after a fit, with their full covariance."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.inference import uncertainty
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Likelihood
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.records import Record

Pair = tuple[float, float]


@dataclass(frozen=True, eq=False)
class RegionYields(Record):
    """Expected events of one region.

    Parameters
    ----------
    processes, uncertainties : of each process (n_bins,)
    sums : of each process, over the bins, with its uncertainty
    total, total_uncertainty : (n_bins,) of all processes
    total_sum : of all processes and bins
    data : (n_bins,) events; None while blind
    """

    processes: dict[str, FloatArray]
    uncertainties: dict[str, FloatArray]
    sums: dict[str, Pair]
    total: FloatArray
    total_uncertainty: FloatArray
    total_sum: Pair
    data: FloatArray | None


@dataclass(frozen=True, eq=False)
class Prediction(Record):
    """Expected events of all regions.

    Parameters
    ----------
    regions : in the order of the model
    covariance : (n_bins, n_bins) of the totals of all bins, in the order of `regions`
    """

    regions: dict[str, RegionYields]
    covariance: FloatArray


@dataclass(frozen=True, eq=False)
class Predictions(Record):
    """Expected events before and after a fit.

    Parameters
    ----------
    signal : processes that the parameter of interest multiplies, where it does not multiply all
    prefit : at the start values, with the widths of the constraints; parameters without constraint contribute nothing
    postfit : after the fit, while blind after the open regions' fit without signal
    """

    signal: tuple[str, ...]
    prefit: Prediction
    postfit: Prediction


@on_one_thread
def predictions(workspace: Mapping[str, Any]) -> Predictions:
    """Return the expected events of a workspace before and after a fit.

    With e_p half the difference of the yields at plus and minus one standard deviation of parameter p, and r the
    correlation of the parameters, the covariance is the sum of ``e_p r_pq e_q``, as the field's other programs have it;
    where yields respond linearly, this is linear error propagation.

    Raises
    ------
    FitError
        If the fit fails, or the data do not determine the yields.

    Examples
    --------
    >>> from cascadebdt import inference
    >>> yields = inference.predictions(workspace).postfit.regions["SR"]
    >>> events, error = yields.total_sum
    """
    target = prepare(workspace)
    likelihood = target.likelihood
    if target.is_blind:
        best, spread = target.background, uncertainty.spread(target.visible, target.background, (likelihood.poi,))
    else:
        best, spread = target.best, uncertainty.spread(target.everything, target.best)
    spread.require(likelihood.jacobian(best.theta), "prediction")
    widths = np.where(likelihood.constrained, likelihood.width, 0.0)
    uncorrelated = np.eye(len(widths))
    return Predictions(
        signal=_signal(workspace),
        prefit=_prediction(target, likelihood.start, widths, uncorrelated),
        postfit=_prediction(target, best.theta, spread.errors, spread.correlation),
    )


def _signal(workspace: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the processes that the parameter of interest multiplies, none if it multiplies all."""
    poi = workspace["measurements"][0]["config"]["poi"]
    samples = [sample for channel in workspace["channels"] for sample in channel["samples"]]
    scaled = dict.fromkeys(s["name"] for s in samples if any(m["name"] == poi for m in s["modifiers"]))
    return tuple(scaled) if len(scaled) < len({sample["name"] for sample in samples}) else ()


def _prediction(target: Target, theta: FloatArray, errors: FloatArray, correlation: FloatArray) -> Prediction:
    """Return yields and their covariance."""
    likelihood = target.likelihood
    moving = np.flatnonzero(errors > 0)
    effects = _effects(likelihood, theta, errors, moving)
    inner = correlation[np.ix_(moving, moving)]
    totals = effects.sum(axis=1)
    rates, present = likelihood.rates(theta), _present(likelihood)
    regions = {}
    for region, bins in likelihood.regions.items():
        rows = [row for row in range(len(likelihood.processes)) if present[row, bins].any()]
        names = [likelihood.processes[row] for row in rows]
        summed = effects[:, :, bins].sum(axis=2)
        is_open = bool((target.visible.weights[bins] > 0).any()) or not target.is_blind
        regions[region] = RegionYields(
            processes={name: rates[row, bins] for name, row in zip(names, rows, strict=True)},
            uncertainties={n: _deviation(effects[:, row, bins], inner) for n, row in zip(names, rows, strict=True)},
            sums={
                n: (float(rates[row, bins].sum()), float(_deviation(summed[:, row, None], inner)[0]))
                for n, row in zip(names, rows, strict=True)
            },
            total=rates[:, bins].sum(axis=0),
            total_uncertainty=_deviation(totals[:, bins], inner),
            total_sum=(float(rates[:, bins].sum()), float(_deviation(totals[:, bins].sum(axis=1)[:, None], inner)[0])),
            data=target.visible.events[bins] if is_open else None,
        )
    return Prediction(regions, np.asarray(totals.T @ inner @ totals))


def _effects(likelihood: Likelihood, theta: FloatArray, errors: FloatArray, moving: Any) -> FloatArray:
    """Return half the differences of all yields, (n_moving, n_processes, n_bins)."""
    effects = np.zeros((len(moving), len(likelihood.processes), likelihood.n_bins))
    for row, index in enumerate(moving):
        step = np.zeros(len(theta))
        step[index] = errors[index]
        effects[row] = (likelihood.rates(theta + step) - likelihood.rates(theta - step)) / 2
    return effects


def _present(likelihood: Likelihood) -> Any:
    """Return whether a process is part of a bin, (n_processes, n_bins)."""
    present = np.zeros((len(likelihood.processes), likelihood.n_bins), dtype=bool)
    present[likelihood.process_of_cell, likelihood.bin_of_cell] = True
    return present


def _deviation(effects: FloatArray, correlation: FloatArray) -> FloatArray:
    """Return standard deviations, (n_bins,), of effects (n_moving, n_bins)."""
    return np.asarray(np.sqrt(np.einsum("ib,ij,jb->b", effects, correlation, effects).clip(min=0)))
