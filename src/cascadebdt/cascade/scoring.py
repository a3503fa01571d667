"""Scores and regions of events: every event by the models that never saw its fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, REGION, AnyArray, BoolArray, FeatureArray, IntArray, RegionArray
from cascadebdt.errors import InputError, did_you_mean

BLINDED = -1


@dataclass(frozen=True)
class Scores:
    """The scores and the region of each event.

    Attributes
    ----------
    scores : (n_events, n_stages) float32, NaN at stages that an event does not reach
    final : (n_events,) float32, the final discriminant of what passes every stage, NaN elsewhere; None without one
    region : (n_events,) int8, k if stage k (from 0) rejects the event, n_stages for the signal region, `BLINDED` for
        data that would land there while blind: nothing else of them is kept
    regions : names, ``regions[region[i]]`` is the region of event i
    signal : name of the signal process
    """

    scores: FeatureArray
    final: FeatureArray | None
    region: RegionArray
    regions: tuple[str, ...]
    signal: str

    @property
    def signal_region(self) -> int:
        """The code of the signal region."""
        return len(self.regions) - 1

    def blinded(self, is_data: BoolArray) -> "Scores":
        """Return the scores with the data of the signal region dropped."""
        hidden = is_data & (self.region == self.signal_region)
        return replace(
            self,
            scores=np.where(hidden[:, None], np.float32(np.nan), self.scores),
            final=None if self.final is None else np.where(hidden, np.float32(np.nan), self.final),
            region=np.where(hidden, REGION(BLINDED), self.region),
        )


def matrix(columns: Mapping[str, AnyArray], features: Sequence[str], rows: AnyArray) -> FeatureArray:
    """Return the rows of some features side by side, ``(n_rows, n_features) float32``.

    Raises
    ------
    InputError
        If a feature is missing.
    """
    for name in features:
        if name not in columns:
            raise InputError(f"columns: no feature '{name}'{did_you_mean(name, columns)}")
    result = np.empty((int(np.count_nonzero(rows)) if rows.dtype == bool else len(rows), len(features)), FEATURE)
    for index, name in enumerate(features):
        result[:, index] = columns[name][rows]
    return result


def out_of_fold(
    boosters: Sequence[xgb.Booster],
    columns: Mapping[str, AnyArray],
    features: Sequence[str],
    folds: IntArray,
    mask: BoolArray,
) -> FeatureArray:
    """Score the events of `mask`, those of fold f by the booster of fold f.

    Returns
    -------
    (n_events,) float32 in [0, 1], NaN outside `mask`
    """
    scores = np.full(len(mask), np.nan, FEATURE)
    for fold, booster in enumerate(boosters):
        rows = np.flatnonzero(mask & (folds == fold))
        if len(rows):
            scores[rows] = booster.inplace_predict(matrix(columns, features, rows))
    return scores
