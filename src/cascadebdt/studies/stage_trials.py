"""Trials of a stage with other features or hyperparameters: what they claim, and what a fold held out says.

A study has folds of its own, so that no fold of the cascade coincides with one of them. One is held out. The others
choose: each of their events is scored by a model that trained on the rest of them. The fold held out is scored by a
model of all the others, and takes no part in any choice.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, BoolArray, FeatureArray, FloatArray, IdArray, IntArray
from cascadebdt.cascade import Cascade, Stage
from cascadebdt.config import CascadeConfig, Config, StageConfig
from cascadebdt.events import Events, in_order
from cascadebdt.events.folds import fold_of
from cascadebdt.products.ranking import Estimate
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.studies.stage_sensitivity import StageSensitivity
from cascadebdt.training import fitting
from cascadebdt.training.boosting import Runtime
from cascadebdt.training.context import Context
from cascadebdt.training.fitting import Trained
from cascadebdt.training.kept import NOTHING
from cascadebdt.training.lineage import Lineage
from cascadebdt.training.problem import Problem
from cascadebdt.training.quality import Curve
from cascadebdt.training.survivors import Survivors

Objective = Literal["auc", "log_loss", "sigma_mu"]

N_FOLDS = 5
HELD_OUT = 0
CHOOSING = tuple(fold for fold in range(N_FOLDS) if fold != HELD_OUT)
SMALLEST_PROBABILITY = 1e-7  # of the class of an event, in the logarithmic loss


@dataclass(frozen=True, eq=False)
class Merit:
    """How good scores are, larger is better, with the influence of every event.

    Attributes
    ----------
    value : area under the ROC curve, or with a minus sign the mean logarithmic loss or the expected uncertainty of the
        signal strength
    influence : of each event (or group of events) on the value, float64: the sum of squares is its variance
    """

    value: float
    influence: FloatArray

    @property
    def estimate(self) -> Estimate:
        """Value and uncertainty."""
        return Estimate(self.value, float(np.sqrt(np.square(self.influence).sum())))

    def gain_over(self, other: "Merit") -> Estimate:
        """Return the difference to the merit of other scores of the same events, and its uncertainty."""
        change = self.influence - other.influence
        return Estimate(self.value - other.value, float(np.sqrt(np.square(change).sum())))


def merit(scores: FeatureArray, weights: FloatArray, is_signal: BoolArray, objective: Objective) -> Merit:
    """Return how well scores separate, with signed weights; all arguments ``(n_events,)``.

    The logarithmic loss is the mean of those of both classes.
    """
    if objective == "auc":
        curve = Curve.of(scores, weights, is_signal)
        if not curve.exists:
            return Merit(float("nan"), np.full(len(scores), np.nan))
        return Merit(curve.auc, curve.auc_influence(weights, is_signal))
    probability = np.where(is_signal, scores, 1 - scores.astype(np.float64))
    loss = -np.log(np.maximum(probability, SMALLEST_PROBABILITY))
    value, influence = 0.0, np.zeros(len(scores))
    for mask in (is_signal, ~is_signal):
        total = weights[mask].sum()
        mean = float((weights[mask] * loss[mask]).sum() / total) if total > 0 else float("nan")
        value -= mean / 2
        influence[mask] = -weights[mask] * (loss[mask] - mean) / total / 2 if total > 0 else np.nan
    return Merit(value, influence)


@dataclass(frozen=True, eq=False)
class StageTrials:
    """Signal and background that reach a stage, and what trials of it need.

    Attributes
    ----------
    problem : the stage as configured
    context : nominal simulation with the folds of the study
    reaching : (n_events,) bool, events that reach the stage by scores of models that never saw them
    sensitivity : of the signal strength to the scores of the stage, for the objective ``sigma_mu``
    """

    problem: Problem
    context: Context
    reaching: BoolArray
    sensitivity: StageSensitivity | None = None

    def train(self, problem: Problem, fold: int) -> Trained:
        """Train on all folds that choose but this one; the scores are those of its events that reach the stage.

        Raises
        ------
        TrainingError
            If the weights of a class cannot train, or a fold has no events of one.
        """
        others = tuple(other for other in CHOOSING if other != fold)
        trains, scored = np.isin(self.context.folds, others), self.context.folds == fold
        learned = trains if problem.train_on == "all" else self.reaching & trains
        lineage = Lineage(others, fold, learned)
        survivors = Survivors((lineage,), self.reaching & scored)
        return fitting.fit(problem, survivors, self.context, deployed_only=True)

    def rows(self, folds: Sequence[int]) -> IntArray:
        """Return the rows of both classes in some folds that reach the stage."""
        return self.problem.rows(self.context.events, self.reaching & np.isin(self.context.folds, folds))

    def merit(self, trained: Mapping[int, Trained], objective: Objective) -> Merit:
        """Return the merit of the models of some folds.

        Parameters
        ----------
        trained : fold -> its model, from `train`
        """
        if objective == "sigma_mu":
            return self._sensitivity({fold: of_fold.deployed[fold].booster for fold, of_fold in trained.items()})
        rows = self.rows(list(trained))
        scores = np.full(len(self.context.events), np.nan, FEATURE)
        for fold, of_fold in trained.items():
            in_fold = self.context.folds == fold
            scores[in_fold] = of_fold.scores[in_fold]
        is_signal = self.context.events.of_process(self.problem.signal)[rows]
        return merit(scores[rows], self.context.weights[rows], is_signal, objective)

    def _sensitivity(self, boosters: Mapping[int, xgb.Booster]) -> Merit:
        """Return minus the uncertainty of the signal strength; its variance is that of the jackknife over groups.

        References
        ----------
        Efron, The Jackknife, the Bootstrap and Other Resampling Plans (1982), Eq. (3.2), of groups.
        """
        assert self.sensitivity is not None  # whoever asks for this objective makes trials with it
        value, without = self.sensitivity.sigma_mu(boosters)
        n_groups = len(without)
        if not np.isfinite(without).all():  # without some events a floor is not met
            return Merit(-value, np.full(n_groups, np.nan))
        return Merit(-value, -np.sqrt((n_groups - 1) / n_groups) * (without - without.mean()))

    def held_out(self, problem: Problem, objective: Objective) -> Merit:
        """Return the merit of a problem in the fold held out, by a model of all folds that choose."""
        return self.merit({HELD_OUT: self.train(problem, HELD_OUT)}, objective)


def unseen_simulation(events: Events, cascade: Cascade) -> Events:
    """Return the events that a study of a cascade may use: nominal simulation, in order, that no model has seen."""
    return cascade.unseen(in_order(events.take(events.is_nominal & ~events.is_data)))


def reaching(events: Events, cascade: Cascade, *, jobs: int = 1) -> list[BoolArray]:
    """Return the masks of the events that reach each stage, by scores of models that never saw them."""
    margins = cascade.score(events, jobs=jobs).margins
    return [np.asarray(~np.isnan(margins[:, stage])) for stage in range(len(cascade.stages))]


def of_stages(
    events: Events, cascade: Cascade, config: CascadeConfig, *, seed: int, device: str, jobs: int = 1
) -> dict[str, StageTrials]:
    """Return the trials of every stage that was trained.

    Parameters
    ----------
    events : from `unseen_simulation`
    cascade : trained on them
    config : of the cascade
    seed, device, jobs : for the trainings
    """
    own = config.model_copy(update={"folds": N_FOLDS, "mode": "cross_fit"})
    common = Context.of(events, own, Runtime(seed, jobs, device), NOTHING)
    context = replace(common, folds=folds_of_study(events.event_id, cascade.n_folds))
    masks = reaching(events, cascade, jobs=jobs)
    return {
        stage.name: StageTrials(problem_of(spec, stage, config.signal), context, mask)
        for spec, stage, mask in zip(config.stages, cascade.stages, masks, strict=True)
        if stage.classifier.is_trained
    }


def with_sensitivity(
    trials: Mapping[str, StageTrials], events: Events, cascade: Cascade, config: Config, *, jobs: int = 1
) -> dict[str, StageTrials]:
    """Return trials that can be judged by the uncertainty of the signal strength.

    Parameters
    ----------
    trials : from `of_stages`
    events : selected events in all variations
    cascade : that scores them
    config : of the whole analysis
    """
    scores = OpenScores.of(cascade, events, jobs=jobs)
    folds = folds_of_study(scores.events.event_id, cascade.n_folds)
    names = [stage.name for stage in cascade.stages]
    return {
        name: replace(one, sensitivity=StageSensitivity(scores, config, names.index(name), folds, N_FOLDS))
        for name, one in trials.items()
    }


def folds_of_study(event_id: IdArray, n_folds: int) -> IntArray:
    """Return folds that are independent of the `n_folds` of a cascade, ``(n_events,) int64``."""
    return fold_of(event_id // np.uint64(n_folds), N_FOLDS)


def problem_of(spec: StageConfig, stage: Stage, signal: str) -> Problem:
    """Return the problem that a stage has learned: without the features that do not vary."""
    problem = Problem.of(spec, signal, spec.against)
    dropped = [name for name in problem.features if name not in stage.classifier.features]
    return problem.without(dropped) if dropped else problem
