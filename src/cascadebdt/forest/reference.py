"""XGBoost's own scoring, every event by the booster of its fold: the reference of the compiled kernels."""

from collections.abc import Mapping, Sequence

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, AnyArray, BoolArray, FeatureArray, IntArray
from cascadebdt.errors import InputError, did_you_mean

BLOCK = 1 << 18  # events whose features are side by side at a time


def matrix(columns: Mapping[str, AnyArray], features: Sequence[str], rows: AnyArray) -> FeatureArray:
    """Return the rows of some features side by side, ``(n_rows, n_features) float32``.

    Raises
    ------
    InputError
        If a feature is missing.
    """
    require(columns, features)
    result = np.empty((int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows), len(features)), FEATURE)
    for index, name in enumerate(features):
        result[:, index] = columns[name][rows]
    return result


def require(columns: Mapping[str, AnyArray], features: Sequence[str]) -> None:
    """Require that every feature has a column.

    Raises
    ------
    InputError
        If a feature is missing.
    """
    for name in features:
        if name not in columns:
            raise InputError(f"columns: no feature '{name}'{did_you_mean(name, columns)}")


def out_of_fold(
    boosters: Sequence[xgb.Booster],
    columns: Mapping[str, AnyArray],
    features: Sequence[str],
    folds: IntArray,
    mask: BoolArray,
    *,
    as_margin: bool = False,
) -> FeatureArray:
    """Score the events of `mask` with XGBoost, those of fold f by the booster of fold f.

    Returns
    -------
    (n_events,) float32 in [0, 1], or margins if asked for, NaN outside `mask`
    """
    scores = np.full(len(mask), np.nan, FEATURE)
    alive = np.flatnonzero(mask)
    for start in range(0, len(alive), BLOCK):
        rows = alive[start : start + BLOCK]
        table, of_rows = matrix(columns, features, rows), folds[rows]
        for fold, booster in enumerate(boosters):
            some = of_rows == fold
            if some.any():
                kind = "margin" if as_margin else "value"
                scores[rows[some]] = booster.inplace_predict(table[some], predict_type=kind)
    return scores
