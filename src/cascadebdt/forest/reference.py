"""XGBoost's own predictions, every event by the booster of its fold: the reference of the compiled kernels."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, BoolArray, FeatureArray, IntArray
from cascadebdt.forest.columns import feature_matrix

if TYPE_CHECKING:
    import xgboost as xgb

BLOCK = 1 << 18  # events whose features are side by side at a time


def out_of_fold(
    boosters: "Sequence[xgb.Booster]",
    columns: Mapping[str, AnyArray],
    features: Sequence[str],
    folds: IntArray,
    mask: BoolArray,
    *,
    as_margin: bool = False,
) -> FeatureArray:
    """Return XGBoost's scores of the events of `mask`, those of fold f by the booster of fold f.

    Returns
    -------
    (n_events,) float32 in [0, 1], or margins if asked for, NaN outside `mask`
    """
    predict_type = "margin" if as_margin else "value"
    scores = np.full(len(mask), np.nan, FEATURE)
    alive = np.flatnonzero(mask)
    for start in range(0, len(alive), BLOCK):
        rows = alive[start : start + BLOCK]
        matrix, fold_of_row = feature_matrix(columns, features, rows), folds[rows]
        for fold, booster in enumerate(boosters):
            in_fold = fold_of_row == fold
            if in_fold.any():
                scores[rows[in_fold]] = booster.inplace_predict(matrix[in_fold], predict_type=predict_type)
    return scores
