"""The features of a stage in bins, as XGBoost trains on them.

XGBoost finds the borders of its bins with a weighted quantile sketch (Chen, Guestrin, arXiv:1603.02754, section 3.3),
whose result depends on the weights and on how the rows are divided. Here the borders are quantiles of unweighted
values, the same for every order and division of the rows, and independent of labels and weights, so that folds may
share them. They reach XGBoost as a small reference matrix that holds nothing else.
"""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, FeatureArray, IntArray
from cascadebdt.training.feature_rows import FeatureRows

BATCH = 1 << 18  # rows put side by side at a time; a whole stage in most cases
MAX_ROWS_FOR_BORDERS = 1 << 17  # several hundred per bin
BEYOND = FEATURE(1.7e38)  # above every value; XGBoost doubles the largest value, which must stay finite


@dataclass(frozen=True)
class Quantiser:
    """Puts the rows of features into bins.

    Attributes
    ----------
    features : of n_rows
    borders : a matrix that carries the borders of the bins, and nothing else
    max_bin : bins per feature
    threads : that bin a batch; the result does not depend on them
    cache : folder of the files that hold the bins; None to hold them in memory
    bins_all : whether events that only stop a training are binned however few they are
    """

    features: FeatureRows
    borders: xgb.QuantileDMatrix
    max_bin: int
    threads: int = 1
    cache: Path | None = None
    bins_all: bool = False

    @classmethod
    def of(cls, features: FeatureRows, max_bin: int, *, threads: int = 1, cache: Path | None = None) -> "Quantiser":
        """Find the borders of features, and put their rows into bins by these."""
        return cls(features, borders_matrix(borders(features, max_bin)), max_bin, threads, cache)

    def binned(self, rows: IntArray | None = None) -> xgb.DMatrix:
        """Bin some rows, ``(n,) int64``, or all of them, batch by batch."""
        prefix = str(self.cache / uuid.uuid4().hex) if self.cache else None
        batches = _Batches(self.features, rows, prefix)
        if self.cache:
            return xgb.ExtMemQuantileDMatrix(batches, ref=self.borders, max_bin=self.max_bin, nthread=self.threads)
        return xgb.QuantileDMatrix(batches, ref=self.borders, max_bin=self.max_bin, nthread=self.threads)


def borders(features: FeatureRows, max_bin: int) -> FeatureArray:
    """Find the borders of features from every k-th row, such that at most `MAX_ROWS_FOR_BORDERS` are used.

    Returns
    -------
    (max_bin, n_features) float32, increasing in each column, NaN after the last border
    """
    rows = np.arange(0, len(features), max(1, -(-len(features) // MAX_ROWS_FOR_BORDERS)))
    values = np.full((max_bin, len(features.names)), np.nan, FEATURE)
    for index, name in enumerate(features.names):
        of_feature = bin_borders(features.column(name, rows), max_bin)
        values[: len(of_feature), index] = of_feature
    return values


def borders_matrix(values: FeatureArray) -> xgb.QuantileDMatrix:
    """Return a matrix that carries borders of bins to XGBoost."""
    return xgb.QuantileDMatrix(values, max_bin=len(values), nthread=1)


def bin_borders(values: FeatureArray, max_bin: int) -> FeatureArray:
    """Return the lower borders of the bins of a feature, ``(<= max_bin,) float32``, increasing.

    A feature with fewer values than bins has one bin for each value. Otherwise the bins hold equally many rows; a value
    that fills more than one bin (a sum over no jets) counts as one bin's worth, so that the others share the rest. The
    last bin begins at `BEYOND` and holds no value: a split that separates missing values from all others then also does
    so for values above those of training.

    Parameters
    ----------
    values : (n_rows,) float32, NaN where there is none
    """
    known = np.sort(values[~np.isnan(values)])
    first = np.flatnonzero(np.append(True, known[1:] > known[:-1])[: len(known)])
    distinct, n_bins = known[first], max_bin - 1
    if len(distinct) > n_bins:
        counts = np.minimum(np.diff(first, append=len(known)), len(known) / n_bins)
        below = np.cumsum(counts) - counts
        wanted = np.arange(n_bins) / n_bins * counts.sum()
        distinct = distinct[np.unique(np.searchsorted(below, wanted, side="right") - 1)]
    return np.append(distinct, BEYOND)


class _Batches(xgb.DataIter):
    """Gives XGBoost the rows of features batch by batch; it asks for them more than once."""

    def __init__(self, features: FeatureRows, rows: IntArray | None, cache: str | None) -> None:
        self._features = features
        self._rows = rows
        self._batches: Iterator[FeatureArray] = iter(())
        super().__init__(cache_prefix=cache, release_data=True)

    def reset(self) -> None:
        """Begin again."""
        rows, n_rows = self._rows, len(self._features if self._rows is None else self._rows)
        parts = (slice(start, start + BATCH) for start in range(0, n_rows, BATCH))
        self._batches = (self._features[part if rows is None else rows[part]] for part in parts)

    def next(self, input_data: Callable[..., Any]) -> bool:
        """Give the next batch; return whether there was one."""
        batch = next(self._batches, None)
        if batch is not None:
            input_data(data=batch)
        return batch is not None
