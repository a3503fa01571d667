"""Columns of features: required by name, and put side by side."""

from collections.abc import Mapping, Sequence

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray
from cascadebdt.errors import InputError, did_you_mean


def feature_matrix(columns: Mapping[str, AnyArray], features: Sequence[str], rows: AnyArray) -> FeatureArray:
    """Return some rows of features side by side, ``(n_rows, n_features) float32``; `rows` is a mask or row numbers.

    Raises
    ------
    InputError
        If a feature is missing.
    """
    require_features(columns, features)
    n_rows = int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows)
    matrix = np.empty((n_rows, len(features)), FEATURE)
    for index, name in enumerate(features):
        matrix[:, index] = columns[name][rows]
    return matrix


def require_features(columns: Mapping[str, AnyArray], features: Sequence[str]) -> None:
    """Require that every feature has a column.

    Raises
    ------
    InputError
        If a feature is missing.
    """
    for name in features:
        if name not in columns:
            raise InputError(f"columns: no feature '{name}'{did_you_mean(name, columns)}")
