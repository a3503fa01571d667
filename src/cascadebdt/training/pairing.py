"""Negative weights cancelled against positive ones of nearby events, so that the sum of weights stays what it is."""

import numpy as np
from scipy.spatial import cKDTree

from cascadebdt.arrays import CodeArray, FeatureArray, FloatArray, IntArray
from cascadebdt.errors import TrainingError

FIRST_NEIGHBOURS = 8  # looked up at first; doubled as long as their weights do not suffice


def cancelled(
    features: FeatureArray,
    weights: FloatArray,
    process: CodeArray,
    folds: IntArray,
    *,
    names: tuple[str, ...],
    where: str,
) -> FloatArray:
    """Cancel each negative weight against the nearest positive ones of the same process and fold.

    In the order of the rows, the weight of a negative event is subtracted from that of its nearest neighbour of
    positive weight, down to 0 at most, the rest from the next one; its own weight becomes 0. The sum of the weights of
    every process stays, and so does its distribution, up to the distance of neighbours. Distances are Euclidean, in
    features scaled to unit variance over the process; a missing value counts as the mean, and whether it is missing as
    one more feature.

    Neighbours are of the same fold, so that no event has an influence on the weights that train the model of its fold.

    Parameters
    ----------
    features : (n_events, n_features) float32
    weights : (n_events,) float64
    process, folds : (n_events,) the fold and the process, a code into `names`

    Returns
    -------
    (n_events,) float64, none negative

    Raises
    ------
    TrainingError
        If the weights of a process with negative ones do not sum to more than 0 in a fold.

    References
    ----------
    Andersen, Maier, arXiv:2109.07851 (cell resampling). There all events of a cell get new weights; here the
    neighbours of a negative event lose weight in the order of their distance, and all others keep theirs.
    """
    result = weights.copy()
    for code, fold in sorted(set(zip(process[weights < 0].tolist(), folds[weights < 0].tolist(), strict=True))):
        rows = np.flatnonzero((process == code) & (folds == fold))
        if not weights[rows].sum() > 0:
            raise TrainingError(
                f"{where}: the weights of process {names[code]} in fold {fold} sum to {weights[rows].sum():g}, so that "
                "its negative weights cannot be paired; expected more than 0: use another cascade.negative_weights, "
                "fewer folds or more simulation"
            )
        result[rows] = _cancelled(_scaled(features[rows]), weights[rows])
    return result


def _scaled(features: FeatureArray) -> FloatArray:
    """Return features with mean 0 and variance 1, and where values are missing; constant columns are 0."""
    is_missing = np.isnan(features)
    columns = np.concatenate([np.where(is_missing, np.nan, features.astype(np.float64)), is_missing], axis=1)
    known = np.maximum((~np.isnan(columns)).sum(axis=0), 1)
    centred = columns - np.nansum(columns, axis=0) / known
    spread = np.sqrt(np.nansum(np.square(centred), axis=0) / known)
    scaled: FloatArray = np.nan_to_num(centred / np.where(spread > 0, spread, 1.0), nan=0.0)
    return scaled


def _cancelled(points: FloatArray, weights: FloatArray) -> FloatArray:
    """Cancel the negative weights of one process, whose sum is positive."""
    result = np.maximum(weights, 0.0)
    positive = np.flatnonzero(weights > 0)
    tree = cKDTree(points[positive])
    for row in np.flatnonzero(weights < 0):
        debt, n_asked = -float(weights[row]), 0
        while debt > 0 and n_asked < len(positive):
            n_asked = min(max(FIRST_NEIGHBOURS, 2 * n_asked), len(positive))
            for neighbour in positive[tree.query(points[row], k=range(1, n_asked + 1))[1]]:
                taken = min(debt, float(result[neighbour]))
                result[neighbour] -= taken
                debt -= taken
    return result
