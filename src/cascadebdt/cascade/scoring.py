"""Scores and regions of events: every event by the models that never saw its fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import xgboost as xgb

from cascadebdt import regions
from cascadebdt.arrays import FEATURE, REGION, AnyArray, BoolArray, FeatureArray, IntArray, RegionArray
from cascadebdt.cascade.logistic import probability
from cascadebdt.errors import InputError, did_you_mean

BLINDED = -1
BLOCK = 1 << 18  # events whose features are side by side at a time


@dataclass(frozen=True)
class Scores:
    """The margins and the region of each event; its scores are a view of the margins.

    A margin is the float32 sum of an event's leaves, a score its probability, as XGBoost gives it. Where only margins
    and regions are looked at, no probability is computed.

    Attributes
    ----------
    margins : (n_events, n_stages) float32, NaN at stages that an event does not reach
    final_margin : (n_events,) float32, of the final discriminant of what passes every stage, NaN elsewhere; None
        without one
    region : (n_events,) int8, the code of the region: without validation regions k if stage k (from 0) rejects the
        event, n_stages for the signal region; `BLINDED` for data that would land there while blind: nothing else of
        them is kept
    regions : names, ``regions[region[i]]`` is the region of event i
    signal : name of the signal process
    """

    margins: FeatureArray
    final_margin: FeatureArray | None
    region: RegionArray
    regions: tuple[str, ...]
    signal: str

    @cached_property
    def scores(self) -> FeatureArray:
        """The score of each event at each stage: (n_events, n_stages) float32 in [0, 1], NaN where not reached."""
        return probability(self.margins)

    @cached_property
    def final(self) -> FeatureArray | None:
        """The final discriminant: (n_events,) float32 in [0, 1], NaN outside the signal region; None without one."""
        return None if self.final_margin is None else probability(self.final_margin)

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages."""
        return tuple(dict.fromkeys(stage for name in self.regions if (stage := regions.stage_of(name)) is not None))

    @cached_property
    def stage_of_region(self) -> IntArray:
        """The stage (from 0) that rejects the events of each region, n_stages for the signal region: (n_regions,)."""
        order = [*self.stages, None]
        return np.array([order.index(regions.stage_of(name)) for name in self.regions])

    @property
    def signal_region(self) -> int:
        """The code of the signal region."""
        return len(self.regions) - 1

    def blinded(self, is_data: BoolArray) -> "Scores":
        """Return the scores with the data of the signal region dropped."""
        hidden = is_data & (self.region == self.signal_region)
        if not hidden.any():
            return self
        return replace(
            self,
            margins=np.where(hidden[:, None], np.float32(np.nan), self.margins),
            final_margin=None if self.final_margin is None else np.where(hidden, np.float32(np.nan), self.final_margin),
            region=np.where(hidden, REGION(BLINDED), self.region),
        )


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
