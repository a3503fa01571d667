"""Training by cross-fitting: each stage on what the earlier ones pass, by scores of models that never saw the event.

A stage is trained in every lineage (see `lineage`). All numbers about a stage are of its deployed models, on events
that they never saw.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cascadebdt.arrays import FEATURE
from cascadebdt.cascade import Cascade, Classifier, Stage, WorkingPoint
from cascadebdt.cascade.discriminant import Discriminant
from cascadebdt.cascade.stage import repeated
from cascadebdt.config import CascadeConfig, WorkingPointConfig
from cascadebdt.events import Events, in_order
from cascadebdt.events.disk import DiskColumns
from cascadebdt.progress import Progress, silent
from cascadebdt.training import boosting, fitting, likelihood, preparation, thresholds
from cascadebdt.training.boosting import Runtime, resolve_device
from cascadebdt.training.context import Context
from cascadebdt.training.fitting import Trained
from cascadebdt.training.kept import NOTHING, Kept
from cascadebdt.training.problem import Problem, problems
from cascadebdt.training.summary import summarise, summarise_untrained
from cascadebdt.training.survivors import Survivors

log = logging.getLogger(__name__)


def train(
    events: Events,
    config: CascadeConfig,
    *,
    seed: int = 1,
    jobs: int = 1,
    kept: Kept = NOTHING,
    progress: Progress = silent,
) -> Cascade:
    """Train the stages in order, and the final discriminant on what passes them all.

    Parameters
    ----------
    events : selected events in any order; only the nominal rows of simulation train
    config : stages, folds, hyperparameters
    seed : for row and column sampling, where a stage uses it
    jobs : number of folds trained at a time; it does not change the result
    kept : models of an earlier training that need not be trained again
    progress : told of every stage, the final discriminant included

    Raises
    ------
    TrainingError
        If a class has too few effective events at a stage, weights that cannot train, or a feature that never varies.
    ConfigError
        If the device asked for is not available.
    """
    simulation = _nominal(events)
    to_learn = problems(config, simulation)
    runtime = Runtime(seed, jobs, resolve_device(config.device), config.memory)
    context = _context(simulation, to_learn, config, runtime, kept)
    everything = survivors = Survivors.of_no_stage(config, context.folds)
    stages: list[Stage] = []
    binary: list[Classifier] = []
    for problem in progress(to_learn, "training stages"):
        training = everything if problem.train_on == "all" else survivors
        if problem.working_point is None:
            binary = _binary(problem, training, context)
        else:
            stage, survivors = _stage(problem, problem.working_point, training, survivors, context)
            stages.append(stage)
    ratios = likelihood.ratios(everything if _trains_on_all(config) else survivors, context)
    return Cascade(
        signal=config.signal,
        n_folds=config.folds,
        stages=tuple(stages),
        final=binary[0] if binary else None,
        mode=config.mode,
        sorter=likelihood.sorter(everything.without(survivors), context) if config.is_sorted else None,
        discriminant=likelihood.discriminant(context, stages=stages, binary=binary, ratios=ratios),
    )


def train_final(events: Events, config: CascadeConfig, *, seed: int = 1, jobs: int = 1) -> Discriminant:
    """Train the BDTs of the final discriminant alone, on all events: classifiers that need no stages.

    Parameters
    ----------
    events, seed, jobs : as for `train`
    config : `final` says which BDTs: one of signal against all backgrounds, one with a class for each process

    Raises
    ------
    TrainingError
        As `train`.
    """
    simulation = _nominal(events)
    to_learn = [problem for problem in problems(config, simulation) if problem.working_point is None]
    runtime = Runtime(seed, jobs, resolve_device(config.device), config.memory)
    context = _context(simulation, to_learn, config, runtime, NOTHING)
    everything = Survivors.of_no_stage(config, context.folds)
    binary = [classifier for problem in to_learn for classifier in _binary(problem, everything, context)]
    return Discriminant(tuple(binary), tuple(likelihood.ratios(everything, context)))


def _nominal(events: Events) -> Events:
    """Return the events that train, in order."""
    is_stored = isinstance(events.columns, DiskColumns)  # then it is nominal simulation, in order
    return events if is_stored else in_order(events.take(events.is_nominal & ~events.is_data))


def _context(
    simulation: Events, to_learn: Sequence[Problem], config: CascadeConfig, runtime: Runtime, kept: Kept
) -> Context:
    """Return what problems share, after a look at whether they can be learned at all."""
    preparation.require_enough(to_learn, simulation, config)
    return Context.of(simulation, config, runtime, kept)


def _trains_on_all(config: CascadeConfig) -> bool:
    """Return whether the final discriminant trains on all events, not only on the survivors."""
    return config.final is not None and config.final.train_on == "all"


def _stage(
    problem: Problem, wanted: WorkingPointConfig, training: Survivors, survivors: Survivors, context: Context
) -> tuple[Stage, Survivors]:
    """Train a stage, and return it with those survivors that pass its working point."""
    missing = preparation.shortage(problem, training.lineages, context.events, context.config)
    if missing:
        return _pass_through(problem, wanted, survivors, context, missing), survivors
    problem = _without_constant(problem, training, context)
    trained = fitting.fit(problem, training, context, deployed_only=False)
    scores = [
        trained.scores
        if lineage.held_out is None
        else context.scores({fold: models[fold] for fold in lineage.folds}, problem, lineage.alive)
        for lineage, models in zip(survivors.lineages, trained.models, strict=True)
    ]
    # Every lineage has thresholds of its own, so that a held-out fold has no part in them either.
    points = [
        thresholds.find(wanted, lineage.alive, of_lineage, context)
        for lineage, of_lineage in zip(survivors.lineages, scores, strict=True)
    ]
    point = points[0] if len(points) == 1 else thresholds.find(wanted, survivors.unseen, trained.scores, context)
    kept = thresholds.efficiencies(point.threshold, survivors.unseen, trained.scores, context)
    log.info("stage %s: threshold %.4f, keeps %s", problem.name, point.threshold, _percent(kept))
    passing = Survivors(
        tuple(
            lineage.after(of_lineage >= own.threshold)
            for lineage, of_lineage, own in zip(survivors.lineages, scores, points, strict=True)
        ),
        survivors.unseen & (trained.scores >= point.threshold),
    )
    classifier = _classifier(problem, trained, training, context, point.threshold)
    return Stage(classifier, replace(point, efficiencies=kept)), passing


def _binary(problem: Problem, chosen: Survivors, context: Context) -> list[Classifier]:
    """Train the binary BDTs of the final discriminant on chosen events."""
    missing = preparation.shortage(problem, chosen.lineages, context.events, context.config)
    if missing:
        return [_constant(problem, chosen, context, missing)]
    problem = _without_constant(problem, chosen, context)
    repeats = range(context.config.final.repeats if context.config.final else 0)
    named = [replace(problem, name=repeated(problem.name, repeat)) for repeat in repeats]
    return [
        _classifier(one, fitting.fit(one, chosen, context, deployed_only=True, repeat=repeat), chosen, context, None)
        for repeat, one in enumerate(named)
    ]


def _without_constant(problem: Problem, survivors: Survivors, context: Context) -> Problem:
    """Return a problem without features that do not vary in any lineage."""
    alive = np.any([lineage.alive for lineage in survivors.lineages], axis=0)
    return preparation.without_constant(problem, alive, context.events)


def _classifier(
    problem: Problem, trained: Trained, survivors: Survivors, context: Context, threshold: np.float32 | None
) -> Classifier:
    """Return the deployed models with their summary."""
    boosters = tuple(trained.deployed[fold].booster for fold in sorted(trained.deployed))
    summary = summarise(problem, trained, survivors, context, threshold)
    return Classifier(problem.name, problem.against, problem.features, boosters, summary)


def _pass_through(
    problem: Problem, wanted: WorkingPointConfig, survivors: Survivors, context: Context, missing: str
) -> Stage:
    """Return a stage that everything passes, because there is too little to train it with."""
    threshold = np.float32(0.0)
    everything_passes = np.ones(len(context.events), FEATURE)
    kept = thresholds.efficiencies(threshold, survivors.unseen, everything_passes, context)
    point = WorkingPoint(threshold, wanted.signal_efficiency, kept, threshold if wanted.is_validated else None)
    return Stage(_constant(problem, survivors, context, missing), point)


def _constant(problem: Problem, survivors: Survivors, context: Context, missing: str) -> Classifier:
    """Return a classifier that gives every event the same score, and log what was missing to train one."""
    log.warning("%s: %s; everything passes", problem.where, missing)
    n_models = sum(len(lineage.deployed) for lineage in survivors.lineages)
    summary = summarise_untrained(problem, survivors, context, missing)
    boosters = (boosting.constant(problem.features),) * n_models
    return Classifier(problem.name, problem.against, problem.features, boosters, summary)


def _percent(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in fractions.items())
