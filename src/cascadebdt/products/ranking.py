"""Which feature works against which background: ``rank.json``."""

from dataclasses import dataclass, field

from cascadebdt.arrays import FloatArray
from cascadebdt.records import ABSENT, Record


@dataclass(frozen=True)
class Estimate(Record):
    """A number and its statistical uncertainty."""

    value: float
    uncertainty: float


@dataclass(frozen=True)
class Split(Record):
    """A split of events in two nodes: values below a cut, and the others.

    Attributes
    ----------
    at : the cut; NaN if the split is between events with a value and those without
    missing : the node of the events without a value
    impurity : mean Gini impurity of the nodes, weighted by their sums of weights
    gain : impurity before the split less that after it
    """

    at: float
    missing: str
    impurity: float
    gain: float


@dataclass(frozen=True)
class Area(Record):
    """The area under the ROC curve of a feature, above 1/2 if the signal has the larger values, and its uncertainty."""

    auc: float
    uncertainty: float


@dataclass(frozen=True)
class FeatureRank(Record):
    """What a feature does against the background of a stage.

    Attributes
    ----------
    split : the best single split of both classes at equal weight, with its gain; None if the feature does not vary
    separation : <S^2>
    area : under the ROC curve of the feature alone
    permutation : area that the stage loses if the values are exchanged between events; None if it does not read it
    shap : mean absolute contribution to the margin of the stage; None if it does not read it
    """

    split: Split | None
    separation: float
    area: Area
    permutation: Estimate | None
    shap: float | None


@dataclass(frozen=True)
class Step(Record):
    """A set of features in the elimination.

    Attributes
    ----------
    left_out : the feature that the set before it had; None for the first, which has all
    n_features : how many are left
    auc : in the folds that choose
    change : of the area to that of all features, on the same events
    """

    left_out: str | None
    n_features: int
    auc: Estimate
    change: Estimate


@dataclass(frozen=True)
class Proposal(Record):
    """The smallest set of features whose area is within one standard error of the best set's.

    Attributes
    ----------
    features : of the set
    steps : of the elimination
    claimed : change of the area to that of all features, in the folds that chose the set
    held_out : the same in a fold that took no part
    """

    features: tuple[str, ...]
    steps: tuple[Step, ...]
    claimed: Estimate
    held_out: Estimate


@dataclass(frozen=True, eq=False)
class StageRank(Record):
    """The features at a stage.

    Attributes
    ----------
    against : background processes
    events : class -> simulated events that reach the stage
    features : feature -> its measures, for every feature that anything trains on
    correlations : class -> (n_features, n_features), in the order of `features`
    proposal : features that suffice, if it was asked for
    """

    against: tuple[str, ...]
    events: dict[str, int]
    features: dict[str, FeatureRank]
    correlations: dict[str, FloatArray]
    proposal: Proposal | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True, eq=False)
class FeatureRanking(Record):
    """The features of all stages that were trained: ``rank.json``."""

    stages: dict[str, StageRank]
