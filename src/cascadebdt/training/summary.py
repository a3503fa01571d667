"""What ``cascade.json`` says about the training of a classifier; all of it on events the models never saw."""

from collections.abc import Iterable
from typing import Any, cast

import numpy as np

from cascadebdt.arrays import FEATURE, BoolArray, FeatureArray
from cascadebdt.cascade.summary import TrainingSummary
from cascadebdt.training import decorrelation, overtraining, quality
from cascadebdt.training.boosting import Fitted
from cascadebdt.training.context import Context
from cascadebdt.training.fitting import Trained
from cascadebdt.training.problem import Problem
from cascadebdt.training.survivors import Survivors


def summarise(
    problem: Problem, trained: Trained, survivors: Survivors, context: Context, threshold: np.float32 | None
) -> TrainingSummary:
    """Summarise the deployed models of a problem; `threshold` is None for the final discriminant."""
    rows = problem.rows(context.events, survivors.unseen)
    is_signal = context.events.of_process(problem.signal)
    weights = context.weights
    seen = _seen_scores(problem, trained, survivors, context)
    either = problem.rows(context.events, survivors.unseen | ~np.isnan(seen))
    fitted = [trained.deployed[fold] for fold in sorted(trained.deployed)]
    content = {
        **quality.separation(trained.scores[rows], weights[rows], is_signal[rows], context.folds[rows]),
        "best_iterations": [model.booster.num_boosted_rounds() - 1 for model in fitted],
        "learning_curves": [
            {name: quality.rounded(np.asarray(curve)) for name, curve in model.curves.items()} for model in fitted
        ],
        "overtraining": overtraining.compare(
            seen=seen[either],
            unseen=trained.scores[either],
            weights=weights[either],
            is_signal=is_signal[either],
            threshold=threshold,
            seed=context.runtime.seed,
        ),
        **_sculpting(problem, trained.scores, survivors.unseen, context, threshold),
        "importance": quality.shares(_gains(fitted), problem.features),
        **trained.summary,
        **_circumstances(problem, survivors, context),
    }
    return TrainingSummary.from_json(content)


def summarise_untrained(problem: Problem, survivors: Survivors, context: Context, missing: str) -> TrainingSummary:
    """Summarise a problem that was not trained; `missing` is the reason."""
    told = _circumstances(problem, survivors, context)
    weights = dict.fromkeys(told["yields"], 1.0)
    return TrainingSummary.from_json({"untrained": missing, "best_iterations": [], "class_weights": weights, **told})


def _circumstances(problem: Problem, survivors: Survivors, context: Context) -> dict[str, Any]:
    """Return what a problem is trained with, whatever comes of it; `yields` are those of the classes that reach it."""
    reaching = {name: mask & survivors.unseen for name, mask in problem.classes(context.events).items()}
    return {
        "yields": {name: float(context.weights[mask].sum()) for name, mask in reaching.items()},
        **({"dropped": list(problem.dropped)} if problem.dropped else {}),
        "class_balance": context.config.class_balance,
        "repetition": {name: context.repetition[name] for name in problem.features},
        "hyperparameters": problem.bdt.model_dump(),
        "device": context.runtime.device,
    }


def _seen_scores(problem: Problem, trained: Trained, survivors: Survivors, context: Context) -> FeatureArray:
    """Score events by a deployed model that trained on them, that of the next fold, ``(n_events,)``."""
    n_folds = context.config.folds
    scores = np.full(len(context.events), np.nan, FEATURE)
    for lineage in survivors.lineages:
        mask = lineage.alive & context.events.of_process(problem.signal, *problem.against)
        models = {(fold - 1) % n_folds: trained.deployed[fold] for fold in lineage.deployed}
        of_lineage = context.scores(models, problem, mask)
        scores = np.where(np.isnan(of_lineage), scores, of_lineage)
    return scores


def _sculpting(
    problem: Problem, scores: FeatureArray, alive: BoolArray, context: Context, threshold: np.float32 | None
) -> dict[str, Any]:
    """Return how far the cut of a stage changes the background's distribution of its spectator, if it has one."""
    if problem.decorrelate is None or threshold is None:
        return {}
    rows = np.flatnonzero(alive & context.events.of_process(*problem.against))
    distances = decorrelation.sculpting(
        context.events.columns[problem.decorrelate.spectator][rows],
        context.weights[rows],
        scores[rows] >= threshold,
        n_bins=problem.decorrelate.bins,
    )
    return {"sculpting": {**problem.decorrelate.model_dump(), **distances}}


def _gains(fitted: Iterable[Fitted]) -> dict[str, float]:
    """Return the gain of all splits of all models, by feature."""
    total: dict[str, float] = {}
    for model in fitted:
        for name, gain in model.booster.get_score(importance_type="total_gain").items():
            total[name] = total.get(name, 0.0) + cast("float", gain)  # a list for linear boosters only
    return total
