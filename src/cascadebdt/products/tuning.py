"""Trials of hyperparameters and what comes of them: ``tune.json``."""

from dataclasses import dataclass
from typing import Any

from cascadebdt.products.ranking import Estimate
from cascadebdt.records import Record


@dataclass(frozen=True)
class TrialRecord(Record):
    """A trial; `merit` is that of all folds that choose, or of those that were trained before it was given up."""

    values: dict[str, Any]
    merit: float
    is_pruned: bool


@dataclass(frozen=True)
class StageTuning(Record):
    """What tuning a stage gives.

    Attributes
    ----------
    hyperparameters : proposed; those of the configuration unless the best trial is more than one standard error better
    is_changed : whether they differ from the configuration's
    default : merit of the configuration's hyperparameters in the folds that choose
    best : merit of the best trial there
    claimed : its gain over the configuration's there
    held_out : the same gain in a fold that took no part in the choice
    optimism : how much of the gain claimed is luck: its difference to the other
    trials : all of them
    """

    hyperparameters: dict[str, Any]
    is_changed: bool
    default: Estimate
    best: Estimate
    claimed: Estimate
    held_out: Estimate
    optimism: Estimate
    trials: tuple[TrialRecord, ...]


@dataclass(frozen=True)
class Tuning(Record):
    """What tuning gives for every stage that was trained: ``tune.json``.

    Attributes
    ----------
    objective : what the merits of trials are
    sampler : how hyperparameters were drawn
    stages : stage -> result
    """

    objective: str
    sampler: str
    stages: dict[str, StageTuning]
