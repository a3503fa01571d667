"""The sorter: rejected events go to the control region of their most probable background.

A stage rejects all that does not look like the signal, whatever background it is. The sorter, a multiclass BDT of the
backgrounds alone, says which of them a rejected event is most like, so that each control region holds its background.
"""

from collections.abc import Mapping

import numpy as np

from cascadebdt.arrays import FEATURE, REGION, AnyArray, FeatureArray, IntArray, RegionArray
from cascadebdt.cascade.multiclass import Multiclass, log_sum_exp


def assign(
    sorter: Multiclass,
    columns: Mapping[str, AnyArray],
    folds: IntArray,
    region: RegionArray,
    control: RegionArray,
) -> tuple[RegionArray, FeatureArray]:
    """Sort the events of the control regions.

    Parameters
    ----------
    sorter : its classes are the stages in order
    columns : feature -> (n_events,)
    folds : (n_events,)
    region : (n_events,) codes of the regions by the stage that rejects
    control : (n_stages,) code of the control region of each stage

    Returns
    -------
    region : (n_events,) codes, with the control regions by the most probable class; other regions stay
    probability : (n_events,) float32, the probability of that class given that it is one of them; NaN elsewhere
    """
    rows = np.flatnonzero(np.isin(region, control))
    margins = sorter.margins(columns, folds, rows)
    best = margins.argmax(axis=1)  # of the margins themselves, so that rounding decides nothing
    highest = margins[np.arange(len(rows)), best].astype(np.float64)
    probability = np.full(len(region), np.nan, FEATURE)
    probability[rows] = np.exp(highest - log_sum_exp(margins.astype(np.float64)))
    assigned = region.copy()
    assigned[rows] = np.asarray(control, REGION)[best]
    return assigned, probability
