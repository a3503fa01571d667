"""Which feature works against which background, and which features a stage can do without: ``rank.json``.

Everything is measured on events that reach a stage by scores of models that never saw them, with signed weights.
Measures of single features give both classes the same total weight, so that cross sections change nothing.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np

from cascadebdt.arrays import BoolArray, IntArray
from cascadebdt.cascade import Cascade, Stage
from cascadebdt.config import NOMINAL, Config
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.columns import feature_matrix
from cascadebdt.products.ranking import Estimate, FeatureRank, FeatureRanking, Proposal, StageRank
from cascadebdt.progress import Progress, silent
from cascadebdt.studies import rank_importance, rank_measures, rank_sets, stage_trials
from cascadebdt.studies.rank_importance import Scored
from cascadebdt.studies.side_by_side import of_each
from cascadebdt.training.boosting import resolve_device

N_REPEATS = 3  # permutations of each feature

Remember = Callable[[str, Callable[[], Proposal]], Proposal]
"""Returns the proposal of a stage that is kept from an earlier ranking, or makes it and keeps it."""


def make_anew(stage: str, make: Callable[[], Proposal]) -> Proposal:
    """Return a proposal that nothing is kept of."""
    return make()


def rank_stages(
    events: Events,
    cascade: Cascade,
    config: Config,
    *,
    with_proposals: bool = True,
    remember: Remember = make_anew,
    jobs: int = 1,
    progress: Progress = silent,
) -> FeatureRanking:
    """Rank the features at every stage that was trained.

    Parameters
    ----------
    events : selected events; nominal simulation is used
    cascade : trained on them
    config : of the cascade
    with_proposals : whether to look for smaller sets of features, which trains each stage many times
    remember : keeps proposals, each as soon as it is made
    jobs : stages at a time; they do not change the result
    progress : told of every stage

    Raises
    ------
    TrainingError
        If a stage cannot be trained on the folds of the study.
    """
    chosen = stage_trials.unseen_simulation(events, cascade)
    masks = stage_trials.reaching(chosen, cascade, jobs=jobs)
    stages = {
        stage.name: _stage(stage, mask, chosen, config)
        for stage, mask in progress(list(zip(cascade.stages, masks, strict=True)), "ranking features")
        if stage.classifier.is_trained
    }
    if not with_proposals:
        return FeatureRanking(stages)
    proposals = _proposals(chosen, cascade, config, remember, jobs=jobs, progress=progress)
    return FeatureRanking({name: replace(stage, proposal=proposals[name]) for name, stage in stages.items()})


def _proposals(
    events: Events, cascade: Cascade, config: Config, remember: Remember, *, jobs: int, progress: Progress
) -> dict[str, Proposal]:
    """Look for smaller sets of features, some stages at a time."""
    device, share = resolve_device(config.cascade.device), max(1, jobs // len(cascade.stages))
    trials = stage_trials.of_stages(events, cascade, config.cascade, seed=config.seed, device=device, jobs=share)

    def propose(stage: str) -> Proposal:
        return remember(stage, partial(rank_sets.propose, trials[stage], seed=config.seed))

    proposals = of_each(propose, list(trials), "eliminating features", jobs=jobs, progress=progress)
    return dict(zip(trials, proposals, strict=True))


def _stage(stage: Stage, reaching: BoolArray, events: Events, config: Config) -> StageRank:
    """Measure every feature against the background of a stage."""
    against, signal = stage.classifier.against, config.cascade.signal
    rows = np.flatnonzero(reaching & events.of_process(signal, *against))
    is_signal = events.of_process(signal)[rows]
    weights = events.weights[NOMINAL][rows]
    features = config.cascade.features
    permutation, shap = _importances(stage, events, rows, config)
    shares = rank_measures.class_shares(weights, is_signal)
    columns = {name: np.asarray(events.columns[name][rows]) for name in features}
    matrix = feature_matrix(columns, features, np.arange(len(rows)))
    classes = {signal: is_signal, " + ".join(against): ~is_signal}
    return StageRank(
        against=against,
        events={name: int(mask.sum()) for name, mask in classes.items()},
        features={
            name: FeatureRank(
                split=rank_measures.best_split(column, shares, is_signal),
                separation=rank_measures.separation_power(column, weights, is_signal),
                area=rank_measures.area(column, weights, is_signal),
                permutation=permutation.get(name),
                shap=shap.get(name),
            )
            for name, column in columns.items()
        },
        correlations={name: rank_measures.correlations(matrix[mask], weights[mask]) for name, mask in classes.items()},
    )


def _importances(
    stage: Stage, events: Events, rows: IntArray, config: Config
) -> tuple[dict[str, Estimate], dict[str, float]]:
    """Return permutation importance and SHAP of the features that a stage reads."""
    boosters = stage.classifier.boosters
    model = fold_of(events.event_id[rows], len(boosters))
    scored = Scored.of(boosters, stage.classifier.features, events, rows, model=model, signal=config.cascade.signal)
    permutation = rank_importance.permutation(scored, n_repeats=N_REPEATS, seed=config.seed)
    return permutation, rank_importance.shap(scored)
