"""The training sample of a stage in one lineage: its events, their weights, and which of them train which model."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.config import NOMINAL, CascadeConfig
from cascadebdt.errors import TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import Split, training_split
from cascadebdt.forest.columns import feature_matrix
from cascadebdt.training import inputs, pairing, sampling
from cascadebdt.training.boosting import TrainingSample
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.lineage import Lineage
from cascadebdt.training.problem import Problem
from cascadebdt.training.weights import balanced, effective_number, report, without_negative

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Prepared:
    """The training sample of the models of a lineage.

    Attributes
    ----------
    sample : the events
    splits : fold -> the events that train and stop its model
    summary : numbers about the sample
    constant : feature -> folds whose model sees only one value of it
    """

    sample: TrainingSample
    splits: Mapping[int, Split]
    summary: Mapping[str, Any]
    constant: Mapping[str, Sequence[int]]


def shortage(problem: Problem, lineages: Sequence[Lineage], events: Events, config: CascadeConfig) -> str | None:
    """Return what is missing to train on a problem in every lineage, as half a sentence; None if nothing is.

    Raises
    ------
    TrainingError
        If something is missing and `config` does not allow to go on without the stage.
    """
    weights, classes = events.weights[NOMINAL], problem.classes(events)
    for lineage in lineages:
        alive = {name: mask & lineage.alive for name, mask in classes.items()}
        found = inputs.shortage(weights, alive, config.min_effective_events)
        if found and config.too_few_events == "error":
            raise TrainingError(f"{problem.where}: {found}; loosen the earlier working points or add simulation")
        if found:
            return found
    return None


def require_enough(problems: Sequence[Problem], events: Events, config: CascadeConfig) -> None:
    """Require enough effective events of every class of every problem, before any stage has cut.

    Raises
    ------
    TrainingError
        Naming everything that is too few at once, unless `config` says to go on without such a stage.
    """
    found = [
        f"{problem.where}: {missing}"
        for problem in problems
        if (missing := inputs.shortage(events.weights[NOMINAL], problem.classes(events), config.min_effective_events))
    ]
    if found and config.too_few_events == "error":
        raise TrainingError(f"{'; '.join(found)}; loosen the selection or add simulation")


def without_constant(problem: Problem, alive: BoolArray, events: Events) -> Problem:
    """Return a problem without the features that have one value in all its living events, and warn of them.

    Raises
    ------
    TrainingError
        If no feature is left.
    """
    features = FeatureRows(events.columns, problem.features, problem.rows(events, alive))
    dropped = inputs.constant(features)
    if not dropped:
        return problem
    if len(dropped) == len(problem.features):
        raise TrainingError(
            f"{problem.where}: no feature varies among the {len(features)} events that reach it; give it others, or "
            "loosen the earlier working points"
        )
    log.warning(
        "%s: left out %s, which has one value in all %d events that reach it",
        problem.where, ", ".join(dropped), len(features),
    )  # fmt: skip
    return problem.without(dropped)


def prepare(
    problem: Problem,
    lineage: Lineage,
    members: Sequence[int],
    events: Events,
    folds: IntArray,
    config: CascadeConfig,
    *,
    later: int = 0,
) -> Prepared:
    """Return the training sample of the models of some folds.

    Parameters
    ----------
    problem : what is learned
    lineage : whose events train
    members : folds for which a model is trained
    events, folds : nominal simulation, and the fold of each event
    later : which fold stops a training, see `training_split`

    Raises
    ------
    TrainingError
        If the weights of a class cannot train, or if a model has no events of one.
    """
    rows, weights = sampled(problem.rows(events, lineage.alive), events, folds, config)
    classes = {name: mask[rows] for name, mask in problem.classes(events).items()}
    inputs.require_positive(weights, classes, where=problem.where)
    used = usable(problem.features, problem.where, rows, weights, events, folds, config)
    kept = np.ones(len(rows), np.bool_) if config.negative_weights == "zero" else used > 0
    processes = {name: events.of_process(name)[rows] for name in (problem.signal, *problem.against)}
    summary: dict[str, Any] = {
        "effective_events": {name: effective_number(weights[mask]) for name, mask in classes.items()},
        "negative_weights": {
            "policy": config.negative_weights,
            "processes": {name: asdict(found) for name, found in report(weights, used, kept, processes).items()},
        },
    }
    is_stopped = problem.bdt.early_stopping_rounds is not None
    training_rows, present = rows[kept], {name: mask[kept] for name, mask in classes.items()}
    of_rows = folds[training_rows]
    splits = {
        fold: training_split(of_rows, fold, lineage.folds, early_stopping=is_stopped, later=later) for fold in members
    }
    sample = TrainingSample(
        features=FeatureRows(events.columns, problem.features, training_rows),
        is_signal=present[problem.signal],
        weights=used[kept],
        process=events.process[training_rows],
        class_balance=config.class_balance,
        constraints=problem.constraints,
        decorrelate=problem.decorrelate,
        spectator=events.columns[problem.decorrelate.spectator][training_rows] if problem.decorrelate else None,
    )
    inputs.require_both(sample.weights, present, splits, early_stopping=is_stopped, where=problem.where)
    scaled = balanced(sample.weights, sample.is_signal, sample.process, sample.class_balance)
    summary["class_weights"] = {name: float(scaled[mask].sum()) for name, mask in present.items()}
    summary["leaks"] = inputs.leaks(sample.features, sample.weights, sample.is_signal)
    return Prepared(sample, splits, summary, inputs.constant_in(sample.features, splits))


def usable(
    features: tuple[str, ...],
    where: str,
    rows: IntArray,
    weights: FloatArray,
    events: Events,
    folds: IntArray,
    config: CascadeConfig,
) -> FloatArray:
    """Return what becomes of the weights of some rows by the policy on negative ones, ``(n_rows,) float64``.

    Raises
    ------
    TrainingError
        If the policy allows no negative weights, or cannot pair them.
    """
    if config.negative_weights != "pair":
        return without_negative(weights, config.negative_weights, where=where)
    return pairing.cancelled(
        feature_matrix(events.columns, features, rows),
        weights,
        events.process[rows],
        folds[rows],
        names=events.processes,
        where=where,
    )


def sampled(rows: IntArray, events: Events, folds: IntArray, config: CascadeConfig) -> tuple[IntArray, FloatArray]:
    """Return the rows that may train and their weights, after the cap on the events of a process if there is one."""
    weights = events.weights[NOMINAL][rows]
    if config.max_events_per_process is None:
        return rows, weights
    kept, factor = sampling.chosen(
        events.event_id[rows],
        events.process[rows],
        folds[rows],
        cap=config.max_events_per_process,
        n_folds=config.folds,
    )
    return rows[kept], (weights * factor)[kept] if config.inverse_sampling_weights else weights[kept]
