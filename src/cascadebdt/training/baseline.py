"""What any learner must offer, and scikit-learn's gradient boosting as a baseline that keeps this honest.

A cascade is made of XGBoost's boosters, which alone can be saved and scored: a baseline is for comparison.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss
from threadpoolctl import threadpool_limits

from cascadebdt.arrays import FEATURE, FeatureArray, IntArray
from cascadebdt.config import BDTConfig
from cascadebdt.events.folds import Split
from cascadebdt.training.boosting import Runtime, TrainingSample
from cascadebdt.training.weights import balanced


class Model(Protocol):
    """What a learner makes of one split."""

    def predict(self, table: FeatureArray) -> FeatureArray:
        """Return the scores of events, ``(n_events,) float32`` in [0, 1], from ``(n_events, n_features)``."""


class Learner(Protocol):
    """Trains one model per split; `boosting.fit` is one, `fit` another."""

    def __call__(
        self, sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime
    ) -> tuple[Model, ...]:
        """Train on the events that train, and stop by those that stop."""


@dataclass(frozen=True)
class _HistGradientBoosting:
    """A fitted classifier of scikit-learn."""

    classifier: Any

    def predict(self, table: FeatureArray) -> FeatureArray:
        """Return the probability of signal, ``(n_events,) float32``."""
        return np.asarray(self.classifier.predict_proba(table)[:, 1], FEATURE)


def fit(
    sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime
) -> tuple[_HistGradientBoosting, ...]:
    """Train scikit-learn's HistGradientBoosting on each split, as alike as its parameters allow.

    It is trained once to find the number of trees of the lowest loss of the events that stop, and again with as many.
    Constraints, decorrelation, `gamma`, `min_child_weight` and `subsample` have no counterpart and are left out.
    """
    with threadpool_limits(runtime.jobs, user_api="openmp"):
        return tuple(_fit(sample, split, config, runtime) for split in splits)


def _fit(sample: TrainingSample, split: Split, config: BDTConfig, runtime: Runtime) -> _HistGradientBoosting:
    rows, stop = np.flatnonzero(split.train), np.flatnonzero(split.stop)
    table, label, weights = _data(sample, rows)
    n_trees = config.n_estimators
    if config.early_stopping_rounds:
        longest = _classifier(config, runtime, n_trees).fit(table, label, weights)
        to_stop, stop_label, stop_weights = _data(sample, stop)
        stages = longest.staged_predict_proba(to_stop)
        losses = [log_loss(stop_label, found[:, 1], sample_weight=stop_weights) for found in stages]
        n_trees = 1 + int(np.argmin(losses))
    return _HistGradientBoosting(_classifier(config, runtime, n_trees).fit(table, label, weights))


def _data(sample: TrainingSample, rows: IntArray) -> tuple[Any, Any, Any]:
    is_signal = sample.is_signal[rows]
    weights = balanced(sample.weights[rows], is_signal, sample.process[rows], sample.class_balance)
    return sample.table[rows], is_signal, weights


def _classifier(config: BDTConfig, runtime: Runtime, n_trees: int) -> Any:
    return HistGradientBoostingClassifier(
        max_iter=n_trees,
        learning_rate=config.learning_rate,
        max_depth=config.max_depth,
        max_leaf_nodes=None,
        l2_regularization=config.reg_lambda,
        max_features=config.colsample_bytree,
        max_bins=min(config.max_bin, 255),
        early_stopping=False,
        random_state=runtime.seed,
    )
