"""What a stage trains on in one lineage: which events, with which weights, and which of them train which model."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.config import (
    NOMINAL,
    BDTConfig,
    CascadeConfig,
    ConstraintsConfig,
    DecorrelateConfig,
    FinalConfig,
    StageConfig,
    WorkingPointConfig,
)
from cascadebdt.errors import TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import Split, training_split
from cascadebdt.forest.reference import matrix
from cascadebdt.training import inputs, pairing, sampling
from cascadebdt.training.boosting import TrainingSample
from cascadebdt.training.lineage import Lineage
from cascadebdt.training.table import Table
from cascadebdt.training.weights import balanced, effective_number, report, without_negative


@dataclass(frozen=True)
class Task:
    """A stage that is to be trained, or the final discriminant, which has no working point."""

    name: str
    signal: str
    against: tuple[str, ...]
    features: tuple[str, ...]
    bdt: BDTConfig
    constraints: ConstraintsConfig
    decorrelate: DecorrelateConfig | None
    working_point: WorkingPointConfig | None

    @classmethod
    def of(cls, spec: StageConfig | FinalConfig, signal: str, against: tuple[str, ...]) -> "Task":
        """Return the task of a stage, or of the final discriminant."""
        name, point = (spec.name, spec.working_point) if isinstance(spec, StageConfig) else ("final", None)
        return cls(name, signal, against, spec.features, spec.bdt, spec.constraints, spec.decorrelate, point)

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return f"stage '{self.name}'"

    def classes(self, events: Events) -> dict[str, BoolArray]:
        """Return the signal and the background, ``(n_events,)`` each."""
        return {
            self.signal: events.of_process(self.signal),
            " + ".join(self.against): events.of_process(*self.against),
        }

    def rows(self, events: Events, alive: BoolArray) -> IntArray:
        """Return the rows of both classes that are alive."""
        return np.flatnonzero(alive & events.of_process(self.signal, *self.against))


@dataclass(frozen=True)
class Prepared:
    """What the models of a lineage train on.

    Attributes
    ----------
    sample : the events
    splits : fold -> the events that train and stop its model
    summary : what to tell of the sample
    constant : feature -> folds whose model meets only one value of it
    """

    sample: TrainingSample
    splits: Mapping[int, Split]
    summary: Mapping[str, Any]
    constant: Mapping[str, Sequence[int]]


def shortage(task: Task, lineages: Sequence[Lineage], events: Events, config: CascadeConfig) -> str | None:
    """Say what is missing to train a task in every lineage; None if nothing is.

    Raises
    ------
    TrainingError
        If something is missing and `config` does not say to go on without the stage.
    """
    weights, classes = events.weights[NOMINAL], task.classes(events)
    for lineage in lineages:
        alive = {name: mask & lineage.alive for name, mask in classes.items()}
        found = inputs.shortage(weights, alive, config.min_effective_events)
        if found and config.too_few_events == "error":
            raise TrainingError(f"{task.where}: {found}; loosen the earlier working points or add simulation")
        if found:
            return found
    return None


def require_varying(task: Task, events: Events) -> None:
    """Require that every feature has more than one value among the events of a task, before any stage has cut.

    Raises
    ------
    TrainingError
        Naming the stage and the feature.
    """
    rows = task.rows(events, np.ones(len(events), np.bool_))
    inputs.require_varying(Table(events.columns, task.features, rows), task.classes(events), where=task.where)


def prepare(
    task: Task,
    lineage: Lineage,
    members: Sequence[int],
    events: Events,
    folds: IntArray,
    config: CascadeConfig,
    *,
    later: int = 0,
) -> Prepared:
    """Return what the models of some folds train on.

    Parameters
    ----------
    task : what is trained
    lineage : whose events train
    members : folds for which a model is trained
    events, folds : nominal simulation, and the fold of each event
    later : which fold stops a training, see `training_split`

    Raises
    ------
    TrainingError
        If the weights of a class cannot train, or if a model has no events of one.
    """
    rows, weights = sampled(task.rows(events, lineage.alive), events, folds, config)
    classes = {name: mask[rows] for name, mask in task.classes(events).items()}
    inputs.require_positive(weights, classes, where=task.where)
    used = usable(task.features, task.where, rows, weights, events, folds, config)
    kept = np.ones(len(rows), np.bool_) if config.negative_weights == "zero" else used > 0
    processes = {name: events.of_process(name)[rows] for name in (task.signal, *task.against)}
    summary: dict[str, Any] = {
        "effective_events": {name: effective_number(weights[mask]) for name, mask in classes.items()},
        "negative_weights": {
            "policy": config.negative_weights,
            "processes": {name: asdict(found) for name, found in report(weights, used, kept, processes).items()},
        },
    }
    is_stopped = task.bdt.early_stopping_rounds is not None
    some, present = rows[kept], {name: mask[kept] for name, mask in classes.items()}
    splits = {
        fold: training_split(folds[some], fold, lineage.folds, early_stopping=is_stopped, later=later)
        for fold in members
    }
    sample = TrainingSample(
        table=Table(events.columns, task.features, some),
        is_signal=present[task.signal],
        weights=used[kept],
        process=events.process[some],
        class_balance=config.class_balance,
        constraints=task.constraints,
        decorrelate=task.decorrelate,
        spectator=events.columns[task.decorrelate.spectator][some] if task.decorrelate else None,
    )
    inputs.require_both(sample.weights, present, splits, early_stopping=is_stopped, where=task.where)
    scaled = balanced(sample.weights, sample.is_signal, sample.process, sample.class_balance)
    summary["class_weights"] = {name: float(scaled[mask].sum()) for name, mask in present.items()}
    summary["leaks"] = inputs.leaks(sample.table, sample.weights, sample.is_signal)
    return Prepared(sample, splits, summary, inputs.constant_in(sample.table, splits))


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
        matrix(events.columns, features, rows),
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
