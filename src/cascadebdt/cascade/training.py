"""Training by cross-fitting: each stage on what the earlier ones pass, by scores of models that never saw the event."""

import logging
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import boosting
from cascadebdt.cascade.boosting import Runtime, TrainingSample, resolve_device
from cascadebdt.cascade.folds import fold_of, training_split
from cascadebdt.cascade.model import Cascade, Classifier, Stage, WorkingPoint
from cascadebdt.cascade.quality import roc_auc
from cascadebdt.cascade.scoring import matrix, out_of_fold
from cascadebdt.cascade.weights import effective_number, report, without_negative
from cascadebdt.cascade.working_point import efficiency_of, threshold_at
from cascadebdt.config import DATA, NOMINAL, CascadeConfig, FinalConfig, StageConfig, WorkingPointConfig
from cascadebdt.errors import TrainingError
from cascadebdt.events import Events
from cascadebdt.progress import Progress, silent

log = logging.getLogger(__name__)


def train(
    events: Events, config: CascadeConfig, *, seed: int = 1, jobs: int = 1, progress: Progress = silent
) -> Cascade:
    """Train the stages in order, and the final discriminant on what passes them all.

    Parameters
    ----------
    events : selected events; only the nominal rows of simulation train
    config : stages, folds, hyperparameters
    seed : for row and column sampling, where a stage uses it
    jobs : number of folds trained at a time; it does not change the result
    progress : told of every stage, the final discriminant included

    Raises
    ------
    TrainingError
        If a class has too few effective events at a stage, or weights that cannot train.
    ConfigError
        If the device asked for is not available.
    """
    simulation = events.take(events.is_nominal & ~events.is_data)
    folds = fold_of(simulation.event_id, config.folds)
    trainer = _Trainer(simulation, folds, config, Runtime(seed, jobs, resolve_device(config.device)))
    alive = np.ones(len(simulation), np.bool_)
    stages: list[Stage] = []
    final = None
    specs: list[StageConfig | FinalConfig] = [*config.stages, *([config.final] if config.final else [])]
    for spec in progress(specs, "training stages"):
        if isinstance(spec, FinalConfig):
            against = tuple(name for name in simulation.processes if name not in (config.signal, DATA))
            final, _ = trainer.classifier(spec, "final", against, alive)
        else:
            stage, passed = trainer.stage(spec, alive)
            stages.append(stage)
            alive = alive & passed
    return Cascade(config.signal, config.folds, tuple(stages), final)


@dataclass(frozen=True)
class _Trainer:
    """What the stages share: nominal simulated events, their folds, the configuration."""

    events: Events
    folds: IntArray
    config: CascadeConfig
    runtime: Runtime

    def stage(self, spec: StageConfig, alive: BoolArray) -> tuple[Stage, BoolArray]:
        """Train a stage on the events that are alive, and say which events pass its working point."""
        classifier, scores = self.classifier(spec, spec.name, spec.against, alive)
        point = _working_point(self.events, alive, scores, spec.working_point, self.config.signal)
        log.info("stage %s: threshold %.4f, keeps %s", spec.name, point.threshold, _percent(point.efficiencies))
        return Stage(classifier, point), scores >= point.threshold

    def classifier(
        self, spec: StageConfig | FinalConfig, name: str, against: tuple[str, ...], alive: BoolArray
    ) -> tuple[Classifier, FeatureArray]:
        """Train one booster per fold and score the events that are alive out of fold, ``(n_events,)``."""
        signal = self.events.of_process(self.config.signal)
        rows = np.flatnonzero(alive & (signal | self.events.of_process(*against)))
        is_signal, weights = signal[rows], self.events.weights[NOMINAL][rows]
        classes = {self.config.signal: is_signal, " + ".join(against): ~is_signal}
        where = f"stage '{name}'"
        _require_events(weights, classes, self.config.min_effective_events, where)
        used = without_negative(weights, self.config.negative_weights, where=where)
        table = matrix(self.events.columns, spec.features, rows)
        sample = TrainingSample(table, is_signal, used, spec.features, where)
        stopping = spec.bdt.early_stopping_rounds is not None
        splits = [
            training_split(self.folds[rows], fold, self.config.folds, early_stopping=stopping)
            for fold in range(self.config.folds)
        ]
        boosters = boosting.fit(sample, splits, spec.bdt, self.runtime)
        scores = out_of_fold(boosters, self.events.columns, spec.features, self.folds, alive)
        summary: dict[str, Any] = {
            "auc": roc_auc(scores[rows], weights, is_signal),
            "best_iterations": [booster.num_boosted_rounds() - 1 for booster in boosters],
            "effective_events": {label: effective_number(weights[mask]) for label, mask in classes.items()},
            "negative_weights": {
                "policy": self.config.negative_weights,
                **{label: asdict(found) for label, found in report(weights, used, classes).items()},
            },
            "hyperparameters": spec.bdt.model_dump(),
            "device": self.runtime.device,
        }
        return Classifier(name, against, spec.features, boosters, summary), scores


def _working_point(
    events: Events, alive: BoolArray, scores: FeatureArray, wanted: WorkingPointConfig, signal: str
) -> WorkingPoint:
    """Find the threshold on out-of-fold scores, and what it keeps of every simulated process."""
    weights = events.weights[NOMINAL]
    mask = alive & events.of_process(signal)

    def found(efficiency: float | None, fixed: float | None) -> np.float32:
        if efficiency is None:
            return np.float32(fixed)
        return threshold_at(efficiency, scores=scores[mask], weights=weights[mask])

    threshold = found(wanted.signal_efficiency, wanted.threshold)
    looser = found(wanted.validation_efficiency, wanted.validation_threshold) if wanted.is_validated else None
    masks = {name: alive & events.of_process(name) for name in events.processes if name != DATA}
    efficiencies = {
        name: efficiency_of(threshold, scores=scores[mask], weights=weights[mask])
        for name, mask in masks.items()
        if mask.any()
    }
    return WorkingPoint(threshold, wanted.signal_efficiency, efficiencies, looser)


def _require_events(weights: FloatArray, classes: dict[str, BoolArray], minimum: float, where: str) -> None:
    for name, mask in classes.items():
        found = effective_number(weights[mask])
        if not mask.any() or found < minimum:
            raise TrainingError(
                f"{where}: process {name} has {found:.1f} effective events ({int(mask.sum())} rows) left to train "
                f"with, expected at least {minimum:g} (cascade.min_effective_events); loosen the earlier working "
                "points or add simulation"
            )
        if weights[mask].sum() <= 0:
            raise TrainingError(
                f"{where}: the weights of process {name} sum to {weights[mask].sum():g}, expected more than 0"
            )


def _percent(fractions: Any) -> str:
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in fractions.items())
