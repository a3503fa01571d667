"""Mismodelling that no nuisance parameter knows: each background tilted along each variable, its yield kept.

The data are the tilted expectation without signal; the fit has the nominal simulation. What it takes for a signal is
the spurious signal, in units of the uncertainty of the signal strength.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.events import Events
from cascadebdt.inference.blinding import prepare
from cascadebdt.inference.threads import on_one_thread
from cascadebdt.studies.evaluation import Placed, expected_events, observing
from cascadebdt.workspace import Workspace

TAILS = (0.05, 0.95)
"""Quantiles of the variable between which the tilt rises; it is flat beyond."""


def spurious(
    model: Workspace,
    placed: Placed,
    edges: Mapping[str, FloatArray],
    *,
    variables: Sequence[str],
    tilt: float,
) -> dict[str, float]:
    """Return the spurious signal strength of every tilt by name, ``process.variable``.

    Parameters
    ----------
    model : of the nominal simulation
    placed, edges : the events, and the bins of the regions of the model
    variables : features that the backgrounds are tilted along
    tilt : relative change at either end
    """
    bins, of_region = placed.bins(edges)
    nominal = expected_events(model)
    n_bins = max(region.stop for region in of_region.values())
    strengths = {"": _fitted_mu(observing(model, nominal))}
    for name, rows, change in _tilts(placed.events, placed.scores.signal, variables, tilt):
        inside = bins[rows] >= 0
        shift = np.bincount(bins[rows[inside]], change[inside], n_bins)
        world = {region: np.maximum(nominal[region] + shift[of_region[region]], 0.0) for region in nominal}
        strengths[name] = _fitted_mu(observing(model, world))
    unbiased = strengths.pop("")
    return {name: strength - unbiased for name, strength in strengths.items()}


@on_one_thread
def _fitted_mu(workspace: Workspace) -> float:
    """Return the signal strength that a workspace fits, without its uncertainty."""
    target = prepare(workspace)
    return float(target.best.theta[target.likelihood.poi])


def _tilts(
    events: Events, signal: str, variables: Sequence[str], tilt: float
) -> Iterator[tuple[str, IntArray, FloatArray]]:
    """Yield the name of every tilt, the events of its process, and the change of their weights."""
    for process in (name for name in events.processes if name not in (signal, DATA)):
        rows = np.flatnonzero(events.is_nominal & events.of_process(process))
        for variable in variables:
            weights = events.weights[NOMINAL][rows]
            change = tilted(events.columns[variable][rows].astype(np.float64), weights, tilt) - weights
            if change.any():
                yield f"{process}.{variable}", rows, change


def tilted(values: FloatArray, weights: FloatArray, tilt: float) -> FloatArray:
    """Return weights that change by a factor between 1 - `tilt` and 1 + `tilt` along values, with the same sum.

    Where that says nothing, for values that are all the same or weights without a positive sum, they stay as they are.
    Values that are not numbers count as the median.
    """
    known = values[~np.isnan(values)]
    if not len(known) or not weights.sum() > 0:
        return weights
    low, high = np.quantile(known, TAILS)
    if not high > low:
        return weights
    along = np.clip((np.nan_to_num(values, nan=float(np.median(known))) - low) / (high - low), 0, 1) - 0.5
    factors = 1 + 2 * tilt * along
    total = (weights * factors).sum()
    return np.asarray(weights * factors * weights.sum() / total) if total > 0 else weights
