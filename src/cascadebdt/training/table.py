"""The features of a stage's events, put side by side only when asked for, wherever the columns lie."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, IntArray
from cascadebdt.forest.reference import matrix, require


@dataclass(frozen=True)
class Table:
    """Some rows of some columns.

    Attributes
    ----------
    columns : feature name -> (n_events,) float32, in memory or whatever else gives its values when indexed by rows
    features : names of the columns of the table, in order
    rows : (n_rows,) int64, the events of the table, increasing
    """

    columns: Mapping[str, AnyArray]
    features: tuple[str, ...]
    rows: IntArray

    def __post_init__(self) -> None:
        require(self.columns, self.features)
        if not len(self.rows) or self.rows[-1] <= np.iinfo(np.int32).max:
            object.__setattr__(self, "rows", self.rows.astype(np.int32))  # half the memory

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: IntArray | slice) -> FeatureArray:
        """Return some rows of the table, ``(n, n_features) float32``."""
        return matrix(self.columns, self.features, self.rows[rows])

    def column(self, name: str, rows: IntArray | slice = slice(None)) -> FeatureArray:
        """Return one feature in some rows of the table, ``(n,) float32``."""
        return np.asarray(self.columns[name][self.rows[rows]], FEATURE)
