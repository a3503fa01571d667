"""How well one feature alone separates two classes, and how features are correlated, with signed weights.

A sum of weights below zero counts as zero, as the yield that it stands for cannot be negative.
"""

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.products.ranking import Area, Split
from cascadebdt.training.decorrelation import SpectatorBins
from cascadebdt.training.quality import Curve

N_BINS = 40  # of equally many events, for the separation; it depends on the binning


def gini(signal: FloatArray | float, background: FloatArray | float) -> FloatArray:
    """Return the Gini impurity 2 p (1 - p) of nodes, p the signal's share of the weight; 0 for an empty node.

    It is the probability that two events drawn from the node, one after the other, are of different classes.

    Parameters
    ----------
    signal, background : sums of weights of each node, not negative

    References
    ----------
    Breiman, Friedman, Olshen, Stone, Classification and Regression Trees (1984), section 4.3.
    """
    signal, background = np.asarray(signal, np.float64), np.asarray(background, np.float64)
    total = np.square(signal + background)
    return np.divide(2 * signal * background, total, out=np.zeros(total.shape), where=total > 0)


def split_impurity(values: FeatureArray, weights: FloatArray, is_signal: BoolArray, *, at: float) -> float:
    """Return the impurity of the nodes below a cut and from it on, weighted by their sums of weights.

    Parameters
    ----------
    values, weights, is_signal : (n_events,); an event without a value is in the node from the cut on
    at : the cut
    """
    below = values < at
    signal = np.array([weights[is_signal & below].sum(), weights[is_signal].sum()])
    background = np.array([weights[~is_signal & below].sum(), weights[~is_signal].sum()])
    return float(_impurities(signal[:1], background[:1], signal[1], background[1])[0])


def best_split(values: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> Split | None:
    """Return the split with the lowest impurity; None if there is nothing to split, or a class has no weight.

    Events without a value go to the node where they are better placed.

    Parameters
    ----------
    values, weights, is_signal : (n_events,)
    """
    total = weights[is_signal].sum(), weights[~is_signal].sum()
    known = ~np.isnan(values)
    order = np.argsort(values[known], kind="stable")
    ordered = values[known][order].astype(np.float64)
    is_last = np.append(ordered[1:] != ordered[:-1], True) if len(ordered) else np.zeros(0, np.bool_)
    ends = np.flatnonzero(is_last) if not known.all() else np.flatnonzero(is_last)[:-1]
    if not len(ends) or min(total) <= 0:
        return None
    sums = [
        np.cumsum(np.where(mask, weights, 0.0)[known][order])[ends] for mask in (is_signal, ~is_signal)
    ]  # at the last event of each value
    absent = [weights[mask & ~known].sum() for mask in (is_signal, ~is_signal)]
    above = _impurities(sums[0], sums[1], *total)
    below = _impurities(sums[0] + absent[0], sums[1] + absent[1], *total)
    if ends[-1] == len(ordered) - 1:  # all that have a value against those without: only with the latter above
        below[-1] = np.inf
    missing = "below" if below.min() < above.min() else "above"
    best = int(np.argmin(below if missing == "below" else above))
    impurity = float(min(below.min(), above.min()))
    at = float(ordered[ends[best]] + ordered[ends[best] + 1]) / 2 if ends[best] + 1 < len(ordered) else float("nan")
    return Split(at, missing, impurity, float(gini(*total)) - impurity)


def _impurities(signal: FloatArray, background: FloatArray, all_signal: float, all_background: float) -> FloatArray:
    """Return the impurity after splits, ``(n_splits,)``, from the sums of weights of one of their nodes."""
    signal, background = np.clip(signal, 0.0, all_signal), np.clip(background, 0.0, all_background)
    others, other_background = all_signal - signal, all_background - background
    total = all_signal + all_background
    nodes = (signal + background) * gini(signal, background)
    nodes += (others + other_background) * gini(others, other_background)
    return np.asarray(nodes / total)


def class_shares(weights: FloatArray, is_signal: BoolArray) -> FloatArray:
    """Return weights that sum to 1/2 in each class, ``(n_events,)``: cross sections then change nothing.

    NaN for a class whose weights do not sum to a positive number.
    """
    total = np.array([weights[~is_signal].sum(), weights[is_signal].sum()])
    factors = np.divide(0.5, total, out=np.full(2, np.nan), where=total > 0)
    return np.asarray(weights * factors[is_signal.astype(np.int64)])


def separation_power(values: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> float:
    """Return the separation of two distributions, 0 if they are equal and 1 if they do not overlap.

    It is <S^2> = 1/2 sum_b (s_b - b_b)^2 / (s_b + b_b) over bins of equally many events and one for missing values,
    with s and b normalised to 1; NaN if a class has no positive weight.

    References
    ----------
    Hoecker et al., TMVA Users Guide, arXiv:physics/0703039, the definition of the separation.
    """
    bins = SpectatorBins.of(values, N_BINS)
    bin_of_event = bins.find(values)
    contents = [
        np.maximum(np.bincount(bin_of_event[mask], weights[mask], len(bins)), 0.0) for mask in (is_signal, ~is_signal)
    ]
    if min(content.sum() for content in contents) <= 0:
        return float("nan")
    signal, background = (content / content.sum() for content in contents)
    total = signal + background
    terms = np.divide(np.square(signal - background), total, out=np.zeros(len(total)), where=total > 0)
    return float(terms.sum() / 2)


def area(values: FeatureArray, weights: FloatArray, is_signal: BoolArray) -> Area:
    """Return the area under the ROC curve of a feature.

    Missing values count as the lowest or as the highest, whichever separates better.
    """
    curves = [
        Curve.of(np.nan_to_num(values, nan=place, posinf=np.inf, neginf=-np.inf), weights, is_signal)
        for place in ([-np.inf, np.inf] if np.isnan(values).any() else [0.0])
    ]
    best = max(curves, key=lambda curve: abs(curve.auc - 0.5) if curve.exists else -1.0)
    if not best.exists:
        return Area(float("nan"), float("nan"))
    return Area(best.auc, float(np.sqrt(np.square(best.auc_influence(weights, is_signal)).sum())))


def correlations(columns: FeatureArray, weights: FloatArray) -> FloatArray:
    """Return Pearson's correlations of features with signed weights, of the events where both have a value.

    Parameters
    ----------
    columns : (n_events, n_features)
    weights : (n_events,)

    Returns
    -------
    (n_features, n_features) float64, NaN where a variance is not positive
    """
    known = ~np.isnan(columns)
    present = known.astype(np.float64)
    values = np.where(known, columns, 0.0).astype(np.float64)
    n_known = np.maximum(known.sum(axis=0), 1)
    values = np.where(known, values - values.sum(axis=0) / n_known, 0.0)  # against cancellations in what follows
    sums = (present.T * weights) @ present
    with np.errstate(divide="ignore", invalid="ignore"):
        means = (values.T * weights) @ present / sums  # of the first feature where the second has a value
        covariance = (values.T * weights) @ values / sums - means * means.T
        variance = (np.square(values).T * weights) @ present / sums - np.square(means)
        product = np.where((variance > 0) & (variance.T > 0), variance * variance.T, np.nan)
        return np.asarray(np.clip(covariance / np.sqrt(product), -1.0, 1.0))
