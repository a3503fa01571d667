"""A multiclass boosted decision tree: one booster per fold, one margin per class."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, IntArray
from cascadebdt.forest.columns import feature_matrix
from cascadebdt.forest.reference import BLOCK

if TYPE_CHECKING:
    import xgboost as xgb


@dataclass(frozen=True)
class Multiclass:
    """One multiclass booster per fold.

    Attributes
    ----------
    name : of the folder of its models
    classes : names, in the order of the margins
    features : in the order the boosters expect
    boosters : one per fold; the booster of fold f never saw an event of fold f. With a holdout it is one
    summary : numbers about the training, for ``cascade.json``
    """

    name: str
    classes: tuple[str, ...]
    features: tuple[str, ...]
    boosters: "tuple[xgb.Booster, ...]"
    summary: Mapping[str, Any] = field(default_factory=dict)

    def margins(self, columns: Mapping[str, AnyArray], folds: IntArray, rows: IntArray) -> FeatureArray:
        """Return the margins of some events by XGBoost, those of fold f by the booster of fold f.

        Parameters
        ----------
        columns : feature -> (n_events,)
        folds : (n_events,), the booster of each event
        rows : (n_rows,) int64

        Returns
        -------
        (n_rows, n_classes) float32
        """
        margins = np.empty((len(rows), len(self.classes)), FEATURE)
        for start in range(0, len(rows), BLOCK):
            block = rows[start : start + BLOCK]
            matrix, fold_of_row = feature_matrix(columns, self.features, block), folds[block]
            for fold, booster in enumerate(self.boosters):
                in_fold = np.flatnonzero(fold_of_row == fold)
                if len(in_fold):
                    margins[start + in_fold] = booster.inplace_predict(matrix[in_fold], predict_type="margin")
        return margins


def log_sum_exp(values: AnyArray) -> AnyArray:
    """Return log sum_k exp(values_k) of each row, ``(n_rows,) float64``, without overflow."""
    highest = values.max(axis=1, keepdims=True)
    return np.asarray(highest[:, 0] + np.log(np.exp(values - highest).sum(axis=1)))
