"""The features of a stage's events, put side by side only when asked for, wherever the columns lie."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, IntArray
from cascadebdt.forest.columns import feature_matrix, require_features


@dataclass(frozen=True, eq=False)
class FeatureRows:
    """The features of some events: ``features[rows]`` is a matrix, ``features.column(name)`` a column.

    Attributes
    ----------
    columns : feature name -> (n_events,) float32, in memory or whatever else gives its values when indexed by rows
    names : of the features, in the order of the matrix
    rows : (n_rows,) int64, the events, increasing
    """

    columns: Mapping[str, AnyArray]
    names: tuple[str, ...]
    rows: IntArray

    def __post_init__(self) -> None:
        require_features(self.columns, self.names)
        if not len(self.rows) or self.rows[-1] <= np.iinfo(np.int32).max:
            object.__setattr__(self, "rows", self.rows.astype(np.int32))  # half the memory

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: IntArray | slice) -> FeatureArray:
        """Return some rows side by side, ``(n, n_features) float32``."""
        return feature_matrix(self.columns, self.names, self.rows[rows])

    def column(self, name: str, rows: IntArray | slice = slice(None)) -> FeatureArray:
        """Return one feature in some rows, ``(n,) float32``."""
        return np.asarray(self.columns[name][self.rows[rows]], FEATURE)
