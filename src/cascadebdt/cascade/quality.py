"""How well a stage separates, with signed weights."""

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray


def roc_auc(scores: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> float:
    """Return the area under the ROC curve with signed weights.

    Both efficiencies are cumulative sums of signed weights from the highest score down, taken at the end of each group
    of equal scores; the area is their trapezoidal integral. Without negative weights it is the usual area; with
    them the curve may turn back, and the integral still follows it.

    Parameters
    ----------
    scores, weights, is_signal : (n_events,)

    Returns
    -------
    float, NaN if the weights of a class do not sum to a positive number
    """
    if not weights[is_signal].sum() > 0 or not weights[~is_signal].sum() > 0:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ends = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    kept = [np.cumsum(np.where(mask, weights, 0.0)[order])[ends] for mask in (~is_signal, is_signal)]
    x, y = (np.concatenate([[0.0], cumulative / cumulative[-1]]) for cumulative in kept)
    return float(np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2))
