"""Smaller sets of features for a stage, by backward elimination on the area under the ROC curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascadebdt.products.ranking import Estimate, Proposal, Step
from cascadebdt.studies.rank_importance import Scored, permutation
from cascadebdt.studies.stage_trials import CHOOSING, Merit, StageTrials
from cascadebdt.training.fitting import Trained
from cascadebdt.training.problem import Problem

HOPELESS = 3.0  # standard errors of the loss at which elimination ends


@dataclass(frozen=True, eq=False)
class _Candidate:
    """A set of features that was trained."""

    problem: Problem
    merit: Merit
    left_out: str | None


def propose(trials: StageTrials, *, seed: int) -> Proposal:
    """Leave out the feature that a model uses least, again and again, and return the set to keep.

    The elimination ends where the area has fallen by `HOPELESS` standard errors. It is greedy: with n features it
    trains at most n times, not for each of the 2^n sets.

    Parameters
    ----------
    trials : of a stage
    seed : of the permutations that measure how much a feature is used
    """
    candidates = _eliminate(trials, seed=seed)
    everything = candidates[0]
    best = max(candidates, key=lambda candidate: candidate.merit.value)
    chosen = [candidate for candidate in candidates if _is_as_good(candidate.merit, best.merit)][-1]
    steps = [
        Step(
            candidate.left_out,
            len(candidate.problem.features),
            candidate.merit.estimate,
            candidate.merit.gain_over(everything.merit),
        )
        for candidate in candidates
    ]
    held_out = Estimate(0.0, 0.0)
    if chosen is not everything:
        held_out = trials.held_out(chosen.problem, "auc").gain_over(trials.held_out(everything.problem, "auc"))
    return Proposal(chosen.problem.features, tuple(steps), chosen.merit.gain_over(everything.merit), held_out)


def _eliminate(trials: StageTrials, *, seed: int) -> list[_Candidate]:
    """Train on fewer and fewer features."""
    problem, left_out = trials.problem, None
    candidates: list[_Candidate] = []
    while True:
        trained = {fold: trials.train(problem, fold) for fold in CHOOSING}
        candidates.append(_Candidate(problem, trials.merit(trained, "auc"), left_out))
        best = max(candidates, key=lambda candidate: candidate.merit.value)
        if len(problem.features) == 1 or _is_hopeless(candidates[-1].merit, best.merit):
            return candidates
        left_out = _least_used(trials, problem, trained, seed=seed)
        problem = problem.without([left_out])


def _is_as_good(merit: Merit, best: Merit) -> bool:
    loss = best.gain_over(merit)
    return loss.value <= loss.uncertainty


def _is_hopeless(merit: Merit, best: Merit) -> bool:
    loss = best.gain_over(merit)
    return loss.value > HOPELESS * loss.uncertainty


def _least_used(trials: StageTrials, problem: Problem, trained: dict[int, Trained], *, seed: int) -> str:
    """Return the feature whose permutation costs least; of equal ones the last."""
    losses = permutation(_scored(trials, problem, trained), n_repeats=1, seed=seed)
    return min(reversed(problem.features), key=lambda name: losses[name].value)


def _scored(trials: StageTrials, problem: Problem, trained: dict[int, Trained]) -> Scored:
    """Return the models of the folds with the events that they score."""
    folds: Sequence[int] = list(trained)
    position = np.full(max(folds) + 1, -1)
    position[folds] = np.arange(len(folds))
    rows = trials.rows(folds)
    boosters = [trained[fold].deployed[fold].booster for fold in folds]
    model = position[trials.context.folds[rows]]
    return Scored.of(boosters, problem.features, trials.context.events, rows, model=model, signal=problem.signal)
