"""`BDTClassifier` and `CascadeClassifier`: what scikit-learn expects of a classifier, on top of `training.train`."""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from cascadebdt import training
from cascadebdt.arrays import FEATURE, AnyArray, FeatureArray, FloatArray, IdArray, IntArray
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import BDTConfig, CascadeConfig, ClassBalance, Device, Mode, NegativeWeights
from cascadebdt.estimators.samples import columns_of, content_identity, events_of, process_names


class BDTClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """One stage: boosted decision trees of two classes, ``classes_[1]`` being the signal, cross-fitted in folds.

    Parameters have the names and meanings of the configuration, see `cascadebdt.config.CascadeConfig` and `BDTConfig`.

    Parameters
    ----------
    random_state : seed, used where rows or columns are sampled
    n_jobs : folds trained at a time, and threads that predict; no result depends on it

    Attributes
    ----------
    classes_ : (n_classes,) labels, sorted
    n_features_in_ : number of features
    feature_names_in_ : names of the columns, if the training data had any
    cascade_ : `cascadebdt.Cascade`, the one that `training.train` makes of the same events; ``cascade_.save`` saves it
    signal_ : label of the signal
    order_ : (n_classes - 1,) the other labels, in the order of the stages

    Notes
    -----
    Every event has an identity, which decides on its fold, and the models of its fold, which never saw it, evaluate it:
    predictions for the training events are out of fold. Give `event_id` of `cascadebdt.events.identify` to `fit` and to
    the methods that predict. Without it the identity is a hash of the features; equal rows then share a fold.

    Missing values are NaN. Probabilities are for the balance of the classes that `class_balance` sets.

    Examples
    --------
    >>> import numpy as np
    >>> from cascadebdt import BDTClassifier
    >>> rng = np.random.default_rng(1)
    >>> y = np.repeat([0, 1], 500)
    >>> x = rng.normal(size=(1000, 3)) + y[:, None]
    >>> bool(BDTClassifier(folds=3).fit(x, y).score(x, y) > 0.7)
    True
    """

    def __init__(
        self,
        *,
        folds: int = 5,
        mode: Mode = "cross_fit",
        n_estimators: int = 100,
        max_depth: int = 4,
        learning_rate: float = 0.1,
        early_stopping_rounds: int | None = None,
        min_child_weight: float = 1.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        reg_lambda: float = 1.0,
        gamma: float = 0.0,
        max_bin: int = 256,
        negative_weights: NegativeWeights = "absolute",
        class_balance: ClassBalance = "events",
        device: Device = "cpu",
        random_state: int = 1,
        n_jobs: int = 1,
    ) -> None:
        self.folds = folds
        self.mode = mode
        self.n_estimators = n_estimators
        self.max_depth = max_depth
        self.learning_rate = learning_rate
        self.early_stopping_rounds = early_stopping_rounds
        self.min_child_weight = min_child_weight
        self.subsample = subsample
        self.colsample_bytree = colsample_bytree
        self.reg_lambda = reg_lambda
        self.gamma = gamma
        self.max_bin = max_bin
        self.negative_weights = negative_weights
        self.class_balance = class_balance
        self.device = device
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any, sample_weight: Any = None, event_id: IdArray | None = None) -> Self:  # noqa: N803
        """Train the models of all folds.

        Parameters
        ----------
        X : (n_events, n_features), an array or a table with named columns; NaN where there is no value
        y : (n_events,) labels, which name the processes
        sample_weight : (n_events,) true weights, some may be negative; 1 if None
        event_id : (n_events,) uint64, see the notes of the class

        Raises
        ------
        ValueError
            If the data or a parameter are not what was expected.
        TrainingError
            If a stage cannot be trained.
        """
        matrix, y = validate_data(self, X, y, dtype=FEATURE, ensure_all_finite="allow-nan")
        check_classification_targets(y)
        weights: FloatArray = _check_sample_weight(sample_weight, matrix, dtype=np.float64)
        self.classes_, codes = np.unique(y, return_inverse=True)
        self._require_classes(codes, weights)
        signal, stages = self._signal_and_order()
        self.signal_, self.order_ = self.classes_[signal], self.classes_[stages]
        names = process_names(self.classes_)
        events = events_of(matrix, self._features(), codes, names, weights, _identity(matrix, event_id))
        config = self._config(names[signal], [names[code] for code in stages])
        self.cascade_: Cascade = training.train(events, config, seed=self.random_state, jobs=self.n_jobs)
        return self

    def decision_function(self, X: Any, event_id: IdArray | None = None) -> AnyArray:  # noqa: N803
        """Return log-odds: the margins of XGBoost.

        Returns
        -------
        array
            (n_events,) of two classes, ``classes_[1]`` against ``classes_[0]``; else (n_events, n_classes), each class
            against the signal
        """
        return self._decision(self._every_stage(X, event_id))

    def predict_proba(self, X: Any, event_id: IdArray | None = None) -> FloatArray:  # noqa: N803
        """Return the probability of each class, ``(n_events, n_classes) float64``; of two classes, XGBoost's scores."""
        scores = self._every_stage(X, event_id)
        if len(self.classes_) == 2:
            signal = scores.scores[:, 0].astype(np.float64)
            return np.column_stack([1 - signal, signal] if self._signal_is_last else [signal, 1 - signal])
        decision = self._decision(scores)
        odds = np.exp(decision - decision.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True))

    def predict(self, X: Any, event_id: IdArray | None = None) -> AnyArray:  # noqa: N803
        """Return the most probable class of each event, ``(n_events,)``."""
        decision = self.decision_function(X, event_id)
        codes = (decision > 0).astype(np.int64) if decision.ndim == 1 else np.argmax(decision, axis=1)
        return np.asarray(self.classes_[codes])

    def __sklearn_tags__(self) -> Tags:
        """Tell scikit-learn what this estimator accepts."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.classifier_tags.multi_class = self._is_multiclass
        return tags

    _is_multiclass = False

    def _require_classes(self, codes: IntArray, weights: FloatArray) -> None:
        """Require two classes, or more where there are stages for them, each with weight to train with."""
        n_classes, n_weighted = len(self.classes_), len(np.unique(codes[weights != 0]))
        if n_weighted < max(n_classes, 2):
            raise ValueError(f"y: events with weight are of {n_weighted} class, expected {max(n_classes, 2)} classes")
        if n_classes > 2 and not self._is_multiclass:
            # scikit-learn looks for the first five words
            raise ValueError(f"Only binary classification is supported, got {n_classes} classes: use CascadeClassifier")

    def _signal_and_order(self) -> tuple[int, list[int]]:
        """Return the codes of the signal and of the stages."""
        return 1, [0]

    def _working_point(self) -> dict[str, float]:
        """Return the working point of each stage, as in a configuration."""
        return {"threshold": 0.5}

    def _config(self, signal: str, against: Sequence[str]) -> CascadeConfig:
        """Return the configuration that a file with these parameters would give."""
        trees = {name: getattr(self, name) for name in BDTConfig.model_fields}
        stage = {"features": self._features(), "bdt": trees, "working_point": self._working_point()}
        return CascadeConfig.model_validate(
            {
                "signal": signal,
                "mode": self.mode,
                "folds": self.folds,
                "device": self.device,
                "negative_weights": self.negative_weights,
                "class_balance": self.class_balance,
                "min_effective_events": 0,
                "stages": [{"name": name, "against": name, **stage} for name in against],
            }
        )

    def _features(self) -> list[str]:
        """Return the names of the columns, or numbers for them."""
        numbered = [f"x{index}" for index in range(self.n_features_in_)]
        return [str(name) for name in getattr(self, "feature_names_in_", numbered)]

    @property
    def _signal_is_last(self) -> bool:
        return bool(self.signal_ == self.classes_[-1])

    def _score(self, cascade: Cascade, X: Any, event_id: IdArray | None) -> Scores:  # noqa: N803
        matrix = validate_data(self, X, dtype=FEATURE, ensure_all_finite="allow-nan", reset=False)
        columns = columns_of(matrix, self._features())
        return cascade.score(columns, _identity(matrix, event_id), jobs=self.n_jobs)

    def _every_stage(self, X: Any, event_id: IdArray | None) -> Scores:  # noqa: N803
        """Score all events at all stages, as if everything passed."""
        check_is_fitted(self)
        everything_passes = self.cascade_.with_working_points({stage.name: 0.0 for stage in self.cascade_.stages})
        return self._score(everything_passes, X, event_id)

    def _decision(self, scores: Scores) -> AnyArray:
        margins = scores.margins
        if len(self.classes_) == 2:
            return margins[:, 0] if self._signal_is_last else -margins[:, 0]
        decision = np.zeros((len(margins), len(self.classes_)))  # the signal's log-odds against itself are 0
        decision[:, np.searchsorted(self.classes_, self.order_)] = -margins
        return decision


class CascadeClassifier(BDTClassifier):
    """A cascade: the signal against the other classes, one after the other, as an estimator.

    Stage k trains the signal against its class on the events that the earlier stages pass, by scores of models that
    never saw them.

    Parameters
    ----------
    signal : label of the signal; the last of the sorted labels if None
    order : the other labels in the order of the stages; sorted if None
    signal_efficiency : fraction of the signal that each stage passes, of what reaches it

    Notes
    -----
    Other parameters, attributes and notes are those of `BDTClassifier`.

    Probabilities couple the stages: with the score s_k of the signal against class k, the odds of class k to the signal
    are (1 - s_k) / s_k, as for probabilities of all classes at once. They take every stage on every event, whether an
    earlier stage rejects it or not. `scores` and `regions` are those of the cascade with its thresholds.

    Examples
    --------
    >>> import numpy as np
    >>> from cascadebdt import CascadeClassifier
    >>> rng = np.random.default_rng(1)
    >>> y = np.repeat(["signal", "ttbar", "wjets"], 500)
    >>> x = rng.normal(size=(1500, 3)) + 2 * np.repeat(np.eye(3), 500, axis=0)
    >>> classifier = CascadeClassifier(signal="signal", folds=3).fit(x, y)
    >>> classifier.cascade_.regions
    ('CR_ttbar', 'CR_wjets', 'SR')
    >>> bool(classifier.score(x, y) > 0.8)
    True
    """

    _is_multiclass = True

    def __init__(
        self,
        signal: Any = None,
        *,
        order: Sequence[Any] | None = None,
        signal_efficiency: float = 0.9,
        folds: int = 5,
        mode: Mode = "cross_fit",
        n_estimators: int = 100,
        max_depth: int = 4,
        learning_rate: float = 0.1,
        early_stopping_rounds: int | None = None,
        min_child_weight: float = 1.0,
        subsample: float = 1.0,
        colsample_bytree: float = 1.0,
        reg_lambda: float = 1.0,
        gamma: float = 0.0,
        max_bin: int = 256,
        negative_weights: NegativeWeights = "absolute",
        class_balance: ClassBalance = "events",
        device: Device = "cpu",
        random_state: int = 1,
        n_jobs: int = 1,
    ) -> None:
        super().__init__(
            folds=folds,
            mode=mode,
            n_estimators=n_estimators,
            max_depth=max_depth,
            learning_rate=learning_rate,
            early_stopping_rounds=early_stopping_rounds,
            min_child_weight=min_child_weight,
            subsample=subsample,
            colsample_bytree=colsample_bytree,
            reg_lambda=reg_lambda,
            gamma=gamma,
            max_bin=max_bin,
            negative_weights=negative_weights,
            class_balance=class_balance,
            device=device,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.signal = signal
        self.order = order
        self.signal_efficiency = signal_efficiency

    def scores(self, X: Any, event_id: IdArray | None = None) -> Scores:  # noqa: N803
        """Return the margins, scores and regions of events with the thresholds, see `cascadebdt.Cascade.score`."""
        check_is_fitted(self)
        return self._score(self.cascade_, X, event_id)

    def regions(self, X: Any, event_id: IdArray | None = None) -> AnyArray:  # noqa: N803
        """Return the name of the region of each event, ``(n_events,)``: ``CR_<class>``, or ``SR``."""
        scores = self.scores(X, event_id)
        return np.array(scores.regions)[scores.region]

    def _signal_and_order(self) -> tuple[int, list[int]]:
        labels = self.classes_.tolist()
        signal = labels[-1] if self.signal is None else self.signal
        order = [label for label in labels if label != signal] if self.order is None else list(self.order)
        if signal not in labels or sorted([signal, *order]) != labels:
            raise ValueError(
                f"signal {signal!r}, order {order!r}: expected each of the labels {labels!r} once, in one of the two"
            )
        return labels.index(signal), [labels.index(label) for label in order]

    def _working_point(self) -> dict[str, float]:
        return {"signal_efficiency": self.signal_efficiency}


def _identity(matrix: FeatureArray, event_id: IdArray | None) -> IdArray:
    return content_identity(matrix) if event_id is None else np.asarray(event_id)
