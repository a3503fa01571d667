"""The features of a stage in bins, as XGBoost trains on them.

XGBoost places its cuts by a sketch whose result depends on weights and on how the rows are divided; here the cuts are
quantiles of unweighted values. They are the same for every order and division of the
rows, and reach XGBoost as a small reference matrix that holds nothing but them. They know neither labels nor weights.
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
CUT_ROWS = 1 << 17  # rows that decide on the cuts, several hundred a bin
BEYOND = FEATURE(1.7e38)  # above every value; XGBoost doubles the largest value, which must stay finite


@dataclass(frozen=True)
class Quantiser:
    """How the rows of features are put into bins.

    Attributes
    ----------
    features : of n_rows
    cuts : a matrix that carries the cuts, and nothing else
    max_bin : bins per feature
    threads : that bin a batch; they do not change the result
    cache : folder of files that keep the bins; in memory if None
    """

    features: FeatureRows
    cuts: xgb.QuantileDMatrix
    max_bin: int
    threads: int = 1
    cache: Path | None = None

    @classmethod
    def of(cls, features: FeatureRows, max_bin: int, *, threads: int = 1, cache: Path | None = None) -> "Quantiser":
        """Find the cuts of features; every k-th row counts, so that at most `CUT_ROWS` do."""
        some = np.arange(0, len(features), max(1, -(-len(features) // CUT_ROWS)))
        values = np.full((max_bin, len(features.names)), np.nan, FEATURE)
        for index, name in enumerate(features.names):
            borders = cuts(features.column(name, some), max_bin)
            values[: len(borders), index] = borders
        return cls(features, xgb.QuantileDMatrix(values, max_bin=max_bin, nthread=1), max_bin, threads, cache)

    def binned(self, rows: IntArray | None = None) -> xgb.DMatrix:
        """Bin some rows, ``(n,) int64``, or all of them, batch by batch."""
        prefix = str(self.cache / uuid.uuid4().hex) if self.cache else None
        batches = _Batches(self.features, rows, prefix)
        if self.cache:
            return xgb.ExtMemQuantileDMatrix(batches, ref=self.cuts, max_bin=self.max_bin, nthread=self.threads)
        return xgb.QuantileDMatrix(batches, ref=self.cuts, max_bin=self.max_bin, nthread=self.threads)


def cuts(values: FeatureArray, max_bin: int) -> FeatureArray:
    """Return the lower borders of the bins of a feature, ``(<= max_bin,) float32``, increasing.

    A feature of fewer values than bins has one bin for each. Another one has bins of equally many rows; a value that
    fills more than one bin (a sum of no jets) counts as one bin's worth, so that the others share the rest. The last
    bin begins at `BEYOND` and holds no value: a split that parts missing values from all others then does so for
    values above those of training, too.

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
    """Feeds rows of features to XGBoost, which asks for them more than once."""

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
        """Give the next batch, and tell whether there was one."""
        batch = next(self._batches, None)
        if batch is not None:
            input_data(data=batch)
        return batch is not None
