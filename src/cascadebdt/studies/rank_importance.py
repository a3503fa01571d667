"""How much trained models use each of their features, on events that they never saw."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IdArray, IntArray
from cascadebdt.config import NOMINAL
from cascadebdt.events import Events
from cascadebdt.forest.columns import feature_matrix
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.products.ranking import Estimate
from cascadebdt.studies.stage_trials import Merit, merit

N_SHAP = 1000  # events of each class, whose contributions are computed


@dataclass(frozen=True, eq=False)
class Scored:
    """Models and the events that each of them scores.

    Attributes
    ----------
    boosters : of n_models
    features : that they read
    columns : feature -> (n_events,) float32
    model : (n_events,) int64, which model scores an event: one that never saw it
    weights : (n_events,) float64, signed
    is_signal : (n_events,) bool
    event_id : (n_events,) uint64
    """

    boosters: Sequence[xgb.Booster]
    features: tuple[str, ...]
    columns: Mapping[str, FeatureArray]
    model: IntArray
    weights: FloatArray
    is_signal: BoolArray
    event_id: IdArray

    @classmethod
    def of(
        cls,
        boosters: Sequence[xgb.Booster],
        features: tuple[str, ...],
        events: Events,
        rows: IntArray,
        *,
        model: IntArray,
        signal: str,
    ) -> Self:
        """Take rows of events; `model` is that of each row."""
        columns = {name: np.asarray(events.columns[name][rows]) for name in features}
        is_signal = events.of_process(signal)[rows]
        return cls(boosters, features, columns, model, events.weights[NOMINAL][rows], is_signal, events.event_id[rows])

    def merit(self, columns: Mapping[str, FeatureArray]) -> Merit:
        """Return the area under the ROC curve with other columns."""
        everything = np.ones(len(self.model), np.bool_)
        scores = out_of_fold(self.boosters, columns, self.features, self.model, everything)
        return merit(scores, self.weights, self.is_signal, "auc")


def permutation(scored: Scored, *, n_repeats: int, seed: int) -> dict[str, Estimate]:
    """Return the area under the ROC curve that is lost if the values of a feature are exchanged between events.

    The uncertainty is that of the difference, of the mean over repeats, on the same events. A feature that others can
    replace loses little.

    References
    ----------
    Breiman, Machine Learning 45 (2001) 5, section 10.
    """
    before = scored.merit(scored.columns)
    generator = np.random.default_rng(seed)
    orders = [generator.permutation(len(scored.model)) for _ in range(n_repeats)]
    return {
        name: before.gain_over(
            _mean([scored.merit({**scored.columns, name: scored.columns[name][order]}) for order in orders])
        )
        for name in scored.features
    }


def _mean(merits: Sequence[Merit]) -> Merit:
    return Merit(
        float(np.mean([one.value for one in merits])), np.asarray(np.mean([one.influence for one in merits], axis=0))
    )


def shap(scored: Scored) -> dict[str, float]:
    """Return the mean absolute contribution of each feature to the margin, the mean of both classes.

    The contributions of an event are XGBoost's own SHAP values. `N_SHAP` events of each class, chosen by their
    identity, are averaged with signed weights.

    References
    ----------
    Lundberg et al., Nature Machine Intelligence 2 (2020) 56, arXiv:1905.04610.
    """
    rows = np.concatenate([_sample(scored.event_id, mask) for mask in (scored.is_signal, ~scored.is_signal)])
    sizes = np.zeros((len(rows), len(scored.features)))
    for index, booster in enumerate(scored.boosters):
        own = np.flatnonzero(scored.model[rows] == index)
        if len(own):
            sizes[own] = np.abs(_contributions(booster, scored, rows[own]))
    weights, is_signal = scored.weights[rows], scored.is_signal[rows]
    means = [_average(sizes[mask], weights[mask]) for mask in (is_signal, ~is_signal)]
    return dict(zip(scored.features, map(float, (means[0] + means[1]) / 2), strict=True))


def _sample(event_id: IdArray, mask: BoolArray) -> IntArray:
    """Return up to `N_SHAP` rows of a mask, in their order; the identity is a hash, so that its order is random."""
    rows = np.flatnonzero(mask)
    return np.sort(rows[np.argsort(event_id[rows], kind="stable")[:N_SHAP]])


def _contributions(booster: xgb.Booster, scored: Scored, rows: IntArray) -> FeatureArray:
    """Return the SHAP values of events, ``(n_rows, n_features)``; the last one of XGBoost is the mean margin."""
    matrix = feature_matrix(scored.columns, scored.features, rows)
    data = xgb.DMatrix(matrix, feature_names=list(scored.features), nthread=1)
    return np.asarray(booster.predict(data, pred_contribs=True)[:, :-1])


def _average(values: FloatArray, weights: FloatArray) -> FloatArray:
    total = weights.sum()
    return np.asarray(weights @ values / total) if total > 0 else np.full(values.shape[1], np.nan)
