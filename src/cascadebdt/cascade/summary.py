"""What is told of the training of a classifier: the entry ``training`` of a stage in ``cascade.json``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cascadebdt.records import ABSENT, Record


@dataclass(frozen=True)
class SeparationCurve(Record):
    """Separation at rising signal efficiency, ``(n_points,)`` each.

    Attributes
    ----------
    signal_efficiency, background_efficiency : shares of the classes that are kept
    precision : share of the signal in what is kept
    """

    signal_efficiency: tuple[float, ...]
    background_efficiency: tuple[float, ...]
    precision: tuple[float, ...]


@dataclass(frozen=True)
class LearningCurve(Record):
    """The loss of one booster after some numbers of trees.

    Attributes
    ----------
    round : numbers of trees, whole numbers from 1
    train : loss of the events that train; None if it was not computed
    stop : loss of the events that stop the training; None without early stopping
    """

    round: tuple[float, ...]
    train: tuple[float, ...] | None = field(default=None, metadata=ABSENT)
    stop: tuple[float, ...] | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True)
class Difference(Record):
    """A number for events that trained and for the same events out of fold; None where it does not exist."""

    train: float | None
    out_of_fold: float | None
    difference: float | None
    uncertainty: float | None


@dataclass(frozen=True)
class Distance(Record):
    """Largest difference of two distribution functions, and how often chance makes one as large."""

    distance: float | None
    p_value: float | None


@dataclass(frozen=True)
class ScoreShares(Record):
    """The scores of a class in equal bins from 0 to 1, ``(n_bins,)`` each; empty without positive weight."""

    shares: tuple[float, ...]
    uncertainties: tuple[float, ...]


@dataclass(frozen=True)
class ScorePair(Record):
    """Scores of the same class by models that trained on its events, and out of fold."""

    train: ScoreShares
    out_of_fold: ScoreShares


@dataclass(frozen=True, kw_only=True)
class Overtraining(Record):
    """How much better a classifier does on events that trained it.

    Attributes
    ----------
    auc : area under the ROC curve
    signal_efficiency, background_efficiency : of the working point; None without one
    distance, scores : class (``signal``, ``background``) -> comparison of its scores
    """

    auc: Difference
    signal_efficiency: Difference | None = field(default=None, metadata=ABSENT)
    background_efficiency: Difference | None = field(default=None, metadata=ABSENT)
    distance: dict[str, Distance]
    scores: dict[str, ScorePair]


@dataclass(frozen=True, kw_only=True)
class Sculpting(Record):
    """How far the cut of a stage changes the background's distribution of its spectator."""

    spectator: str
    method: str
    bins: int
    strength: float
    jensen_shannon: float | None
    kolmogorov_smirnov: float | None


@dataclass(frozen=True)
class WeightCount(Record):
    """What a policy for negative weights makes of a process in training."""

    events: int
    negative_events: int
    used_events: int
    sum_true: float
    sum_negative: float
    sum_used: float
    bias: float | None


@dataclass(frozen=True)
class NegativeWeights(Record):
    """Negative weights in training: the policy, and process -> what it made of them."""

    policy: str
    processes: dict[str, WeightCount]


@dataclass(frozen=True)
class TrainingSummary(Record):
    """What is told of the training of a classifier; None for what an untrained one does not have.

    Attributes
    ----------
    untrained : why the classifier was not trained and passes everything
    auc, auc_uncertainty, auc_of_folds, auc_spread : area under the ROC curve out of fold
    average_precision : of the expected yields
    curve : separation at rising signal efficiency
    curves_of_folds : the same of the events of each fold, all at the same signal efficiencies
    best_iterations : of every booster, from 0
    learning_curves : of every booster
    overtraining : in training against out of fold
    sculpting : of the spectator, if the stage names one
    importance : feature -> share of the gain
    yields : class -> expected yield of what reaches the stage
    class_weights : class -> sum of the weights in training, which is not the yield
    effective_events : class -> (sum of weights)^2 / sum of squared weights
    negative_weights : what became of them
    leaks : features that alone separate the classes
    dropped : features left out, because they have one value in all events that reach the stage
    constant : feature -> folds whose training events have one value of it
    class_balance, hyperparameters, device : how it was trained
    repetition : feature -> share of its most frequent value
    """

    untrained: str | None = field(default=None, metadata=ABSENT)
    auc: float | None = field(default=None, metadata=ABSENT)
    auc_uncertainty: float | None = field(default=None, metadata=ABSENT)
    auc_of_folds: tuple[float | None, ...] | None = field(default=None, metadata=ABSENT)
    auc_spread: float | None = field(default=None, metadata=ABSENT)
    average_precision: float | None = field(default=None, metadata=ABSENT)
    curve: SeparationCurve | None = field(default=None, metadata=ABSENT)
    curves_of_folds: tuple[SeparationCurve, ...] | None = field(default=None, metadata=ABSENT)
    best_iterations: tuple[int, ...] = ()
    learning_curves: tuple[LearningCurve, ...] | None = field(default=None, metadata=ABSENT)
    overtraining: Overtraining | None = field(default=None, metadata=ABSENT)
    sculpting: Sculpting | None = field(default=None, metadata=ABSENT)
    importance: dict[str, float] | None = field(default=None, metadata=ABSENT)
    yields: dict[str, float] | None = field(default=None, metadata=ABSENT)
    class_weights: dict[str, float] | None = field(default=None, metadata=ABSENT)
    effective_events: dict[str, float] | None = field(default=None, metadata=ABSENT)
    negative_weights: NegativeWeights | None = field(default=None, metadata=ABSENT)
    leaks: tuple[str, ...] | None = field(default=None, metadata=ABSENT)
    dropped: tuple[str, ...] | None = field(default=None, metadata=ABSENT)
    constant: dict[str, tuple[int, ...]] | None = field(default=None, metadata=ABSENT)
    class_balance: str | None = field(default=None, metadata=ABSENT)
    repetition: dict[str, float] | None = field(default=None, metadata=ABSENT)
    hyperparameters: Mapping[str, Any] | None = field(default=None, metadata=ABSENT)
    device: str | None = field(default=None, metadata=ABSENT)
