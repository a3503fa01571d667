"""Which feature works against which background, and which features a stage can do without: ``rank.json``.

Everything is measured on events that reach a stage by scores of models that never saw them, with signed weights.
Measures of single features give both classes the same total weight, so that cross sections change nothing.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.cascade import Cascade, Stage
from cascadebdt.config import NOMINAL, Config
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.columns import feature_matrix
from cascadebdt.products import Products
from cascadebdt.products.keys import Origin
from cascadebdt.progress import Progress, silent
from cascadebdt.records import ABSENT, Record
from cascadebdt.studies import rank_importance, rank_measures, rank_sets, stage_trials
from cascadebdt.studies.keeping import kept
from cascadebdt.studies.rank_importance import Scored
from cascadebdt.studies.rank_measures import Area, Split
from cascadebdt.studies.rank_sets import Proposal
from cascadebdt.studies.stage_trials import Estimate
from cascadebdt.training.boosting import resolve_device

N_REPEATS = 3  # permutations of each feature


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


@dataclass(frozen=True)
class FeatureRanking(Record):
    """The features of all stages that were trained: ``rank.json``."""

    stages: dict[str, StageRank]


def study(
    config: Config,
    products: Products,
    *,
    with_proposals: bool = True,
    jobs: int = 1,
    progress: Progress = silent,
) -> FeatureRanking:
    """Rank the features of an analysis in a folder, with figures; see `rank` and `keeping.kept`."""

    def make(events: Events, cascade: Cascade, _: Origin) -> tuple[FeatureRanking, list[Path]]:
        ranking = rank(events, cascade, config, with_proposals=with_proposals, jobs=jobs, progress=progress)
        saved = [plots.save(figure, products.plots / name) for name, figure in figures(ranking)]
        return ranking, [path for paths in saved for path in paths]

    settings = {"proposals": with_proposals}
    return kept("rank", FeatureRanking, make, config, products, settings=settings, jobs=jobs, progress=progress)


def figures(ranking: FeatureRanking) -> Iterator[tuple[str, Figure]]:
    """Draw the figures, one at a time: name, figure."""
    stages = ranking.stages
    names = list(next(iter(stages.values())).features) if stages else []
    yield "rank_features", plots.features(_measures(ranking), names=names, stages=list(stages))
    for name, stage in stages.items():
        yield f"rank_correlations_{name}", plots.feature_correlations(stage.correlations, names=names)
    eliminations = {name: _elimination(stage.proposal) for name, stage in stages.items() if stage.proposal}
    if eliminations:
        yield "rank_sets", plots.feature_sets(eliminations)


def _measures(ranking: FeatureRanking) -> dict[str, FloatArray]:
    """Return title -> (n_features, n_stages) of what the heat maps show."""
    features = [list(stage.features.values()) for stage in ranking.stages.values()]
    nothing = float("nan")
    return {
        "Gini gain of the best split": _matrix([[f.split.gain if f.split else 0.0 for f in row] for row in features]),
        "AUC lost by permutation": _matrix(
            [[f.permutation.value if f.permutation else nothing for f in row] for row in features]
        ),
        "Mean |SHAP|": _matrix([[nothing if f.shap is None else f.shap for f in row] for row in features]),
    }


def _matrix(of_stages: list[list[float]]) -> FloatArray:
    return np.array(of_stages, np.float64).T


def _elimination(proposal: Proposal) -> plots.Elimination:
    return plots.Elimination(
        [step.n_features for step in proposal.steps],
        [step.change.value for step in proposal.steps],
        [step.change.uncertainty for step in proposal.steps],
        len(proposal.features),
    )


def rank(
    events: Events,
    cascade: Cascade,
    config: Config,
    *,
    with_proposals: bool = True,
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
    proposals = _proposals(chosen, cascade, config, jobs=jobs, progress=progress)
    return FeatureRanking({name: replace(stage, proposal=proposals[name]) for name, stage in stages.items()})


def _proposals(
    events: Events, cascade: Cascade, config: Config, *, jobs: int, progress: Progress
) -> dict[str, Proposal]:
    """Look for smaller sets of features, some stages at a time."""
    device, share = resolve_device(config.cascade.device), max(1, jobs // len(cascade.stages))
    trials = stage_trials.of_stages(events, cascade, config.cascade, seed=config.seed, device=device, jobs=share)
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(rank_sets.propose, one, seed=config.seed) for one in trials.values()]
        proposals = [future.result() for future in progress(waiting, "eliminating features")]
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
