"""Training by cross-fitting: each stage on what the earlier ones pass, by scores of models that never saw the event.

A stage is trained in every lineage (see `lineage`). Whatever is said of a stage is said of its deployed models, on
events that they never saw.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cascadebdt.arrays import FEATURE, BoolArray, FeatureArray, IntArray
from cascadebdt.cascade.model import Cascade
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.stage import Classifier, Stage, WorkingPoint
from cascadebdt.cascade.working_point import efficiency_of, threshold_at
from cascadebdt.config import DATA, NOMINAL, CascadeConfig, FinalConfig, WorkingPointConfig
from cascadebdt.events import Events, in_order
from cascadebdt.events.disk import StoredColumns
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.progress import Progress, silent
from cascadebdt.training import (
    boosting,
    decorrelation,
    inputs,
    likelihood,
    multiclass,
    overtraining,
    preparation,
    quality,
)
from cascadebdt.training.boosting import Fitted, Runtime, resolve_device
from cascadebdt.training.lineage import Lineage, lineages
from cascadebdt.training.multiclass import MulticlassTask
from cascadebdt.training.preparation import Task

log = logging.getLogger(__name__)


def train(
    events: Events, config: CascadeConfig, *, seed: int = 1, jobs: int = 1, progress: Progress = silent
) -> Cascade:
    """Train the stages in order, and the final discriminant on what passes them all.

    Parameters
    ----------
    events : selected events in any order; only the nominal rows of simulation train
    config : stages, folds, hyperparameters
    seed : for row and column sampling, where a stage uses it
    jobs : number of folds trained at a time; it does not change the result
    progress : told of every stage

    Raises
    ------
    TrainingError
        If a class has too few effective events at a stage, weights that cannot train, or a feature that never varies.
    ConfigError
        If the device asked for is not available.
    """
    is_stored = isinstance(events.columns, StoredColumns)  # then it is nominal simulation, in order
    simulation = events if is_stored else in_order(events.take(events.is_nominal & ~events.is_data))
    tasks = [Task.of(stage, config.signal, stage.against) for stage in config.stages]
    final = [_final_task(config.final, config.signal, simulation)] if config.final else []
    for task in (*tasks, *final):
        preparation.require_varying(task, simulation)
    trainer = _Trainer.of(simulation, config, Runtime(seed, jobs, resolve_device(config.device), config.memory))
    everything = survivors = _Survivors.all(config, trainer.folds)
    stages: list[Stage] = []
    for spec, task in progress(list(zip(config.stages, tasks, strict=True)), "training stages"):
        stage, survivors = trainer.stage(task, spec.working_point, survivors)
        stages.append(stage)
    sorter = trainer.sorter(everything.without(survivors)) if config.is_sorted else None
    if config.final is None:
        return Cascade(config.signal, config.folds, tuple(stages), None, config.mode, sorter)
    chosen = everything if config.final.train_on == "all" else survivors
    binary, models = trainer.binary(config.final, chosen), trainer.ratios(config.final, chosen)
    return Cascade(
        signal=config.signal,
        n_folds=config.folds,
        stages=tuple(stages),
        final=binary[0] if binary else None,
        mode=config.mode,
        sorter=sorter,
        discriminant=likelihood.discriminant(
            config.final, config.signal, simulation, stages=stages, binary=binary, models=models
        ),
    )


def _used_features(config: CascadeConfig) -> tuple[str, ...]:
    """Return every feature that something trains on, each once."""
    used = [stage.features for stage in config.stages]
    used += [config.sorter_features] if config.is_sorted else []
    used += [config.final.features] if config.final else []
    return tuple(dict.fromkeys(name for features in used for name in features))


@dataclass(frozen=True)
class _Survivors:
    """Events that all stages so far passed.

    Attributes
    ----------
    lineages : those that train the next stage
    unseen : (n_events,) bool, those that the deployed models passed, none of which had seen them
    """

    lineages: tuple[Lineage, ...]
    unseen: BoolArray

    @classmethod
    def all(cls, config: CascadeConfig, folds: IntArray) -> "_Survivors":
        """Return the survivors of no stage."""
        found = lineages(config.mode, config.folds, folds)
        return cls(found, np.isin(folds, [fold for lineage in found for fold in lineage.deployed]))

    def without(self, others: "_Survivors") -> "_Survivors":
        """Return the events that are not among the others: those that a stage rejected."""
        pairs = zip(self.lineages, others.lineages, strict=True)
        return _Survivors(tuple(one.after(~other.alive) for one, other in pairs), self.unseen & ~others.unseen)


@dataclass(frozen=True)
class _Trained:
    """A task trained in every lineage.

    Attributes
    ----------
    models : per lineage, fold -> model
    deployed : fold -> model
    scores : (n_events,) float32 of the deployed models, NaN where not alive
    """

    models: tuple[Mapping[int, Fitted], ...]
    deployed: Mapping[int, Fitted]
    scores: FeatureArray
    summary: Mapping[str, Any]


@dataclass(frozen=True)
class _Trainer:
    """What the stages share: nominal simulated events, their folds, the configuration."""

    events: Events
    folds: IntArray
    config: CascadeConfig
    runtime: Runtime
    repeats: Mapping[str, float]

    @classmethod
    def of(cls, events: Events, config: CascadeConfig, runtime: Runtime) -> "_Trainer":
        """Look at the events as a whole."""
        columns = {name: events.columns[name] for name in _used_features(config)}
        masks = [events.of_process(name) for name in events.processes]
        repeats = inputs.repetition(columns, masks)
        return cls(events, fold_of(events.event_id, config.folds), config, runtime, repeats)

    def stage(self, task: Task, wanted: WorkingPointConfig, survivors: _Survivors) -> tuple[Stage, _Survivors]:
        """Train a stage on the survivors, and say which of them pass its working point."""
        missing = preparation.shortage(task, survivors.lineages, self.events, self.config)
        if missing:
            return self._pass_through(task, wanted, survivors, missing), survivors
        trained = self._train(task, survivors, deployed_only=False)
        inner = [
            trained.scores
            if lineage.held_out is None
            else self._scores({fold: models[fold] for fold in lineage.folds}, task, lineage.alive)
            for lineage, models in zip(survivors.lineages, trained.models, strict=True)
        ]
        points = [
            self._working_point(lineage.alive, scores, wanted)
            for lineage, scores in zip(survivors.lineages, inner, strict=True)
        ]
        point = points[0] if len(points) == 1 else self._working_point(survivors.unseen, trained.scores, wanted)
        point = replace(point, efficiencies=self._efficiencies(survivors.unseen, trained.scores, point.threshold))
        log.info("stage %s: threshold %.4f, keeps %s", task.name, point.threshold, _percent(point.efficiencies))
        passed = tuple(
            lineage.after(scores >= own.threshold)
            for lineage, scores, own in zip(survivors.lineages, inner, points, strict=True)
        )
        unseen = survivors.unseen & (trained.scores >= point.threshold)
        return Stage(self._classifier(task, trained, survivors, point.threshold), point), _Survivors(passed, unseen)

    def binary(self, final: FinalConfig, chosen: _Survivors) -> list[Classifier]:
        """Train the binary BDTs of the final discriminant, if it has any, on chosen events."""
        if "binary" not in final.kind:
            return []
        task = _final_task(final, self.config.signal, self.events)
        missing = preparation.shortage(task, chosen.lineages, self.events, self.config)
        if missing:
            return [self._constant(task, chosen, missing)]
        tasks = [replace(task, name=f"final_{repeat}" if repeat else "final") for repeat in range(final.repeats)]
        trained = [self._train(one, chosen, deployed_only=True, repeat=repeat) for repeat, one in enumerate(tasks)]
        return [self._classifier(one, found, chosen, None) for one, found in zip(tasks, trained, strict=True)]

    def ratios(self, final: FinalConfig, chosen: _Survivors) -> list[Multiclass]:
        """Train the multiclass BDTs of the final discriminant, if it has any, on chosen events."""
        repeats = range(final.repeats if "multiclass" in final.kind else 0)
        tasks = [likelihood.ratio_task(final, self.config.signal, self.events, repeat) for repeat in repeats]
        return [self._multiclass(task, chosen, repeat) for repeat, task in enumerate(tasks)]

    def sorter(self, rejected: _Survivors) -> Multiclass:
        """Train the sorter on the events that the stages reject."""
        return self._multiclass(likelihood.sorter_task(self.config), rejected, 0)

    def _multiclass(self, task: MulticlassTask, chosen: _Survivors, repeat: int) -> Multiclass:
        model = multiclass.train(
            task, chosen.lineages, chosen.unseen, self.events, self.folds, self.config, self.runtime, repeat=repeat
        )
        return replace(
            model, summary={**model.summary, "repetition": {name: self.repeats[name] for name in task.features}}
        )

    def _train(self, task: Task, survivors: _Survivors, *, deployed_only: bool, repeat: int = 0) -> _Trained:
        """Train a task in every lineage: the models that choose survivors, unless not needed, and those deployed."""
        models: list[Mapping[int, Fitted]] = []
        summaries: list[Mapping[str, Any]] = []
        constant: dict[str, list[int]] = {}
        for lineage in survivors.lineages:
            members = lineage.deployed if deployed_only else lineage.members
            prepared = preparation.prepare(task, lineage, members, self.events, self.folds, self.config, later=repeat)
            runtime = replace(self.runtime, seed=self.runtime.seed + repeat)
            fitted = boosting.fit(prepared.sample, list(prepared.splits.values()), task.bdt, runtime)
            models.append(dict(zip(prepared.splits, fitted, strict=True)))
            summaries.append(prepared.summary)
            for name, folds in prepared.constant.items():
                constant.setdefault(name, []).extend(fold for fold in folds if fold in lineage.deployed)
        deployed = {
            fold: found[fold]
            for lineage, found in zip(survivors.lineages, models, strict=True)
            for fold in lineage.deployed
        }
        summary = {**summaries[0], "constant": {name: folds for name, folds in constant.items() if folds}}
        return _Trained(tuple(models), deployed, self._scores(deployed, task, survivors.unseen), summary)

    def _scores(self, models: Mapping[int, Fitted], task: Task, mask: BoolArray) -> FeatureArray:
        """Score the events of a mask, each by the model of its fold, ``(n_events,)``; NaN without one."""
        position = np.full(self.config.folds, -1)
        position[list(models)] = np.arange(len(models))
        boosters = [fitted.booster for fitted in models.values()]
        return out_of_fold(boosters, self.events.columns, task.features, position[self.folds], mask)

    def _seen_scores(self, task: Task, trained: _Trained, survivors: _Survivors) -> FeatureArray:
        """Score events by a deployed model that trained on them, that of the next fold, ``(n_events,)``."""
        n_folds = self.config.folds
        scores = np.full(len(self.events), np.nan, FEATURE)
        for lineage in survivors.lineages:
            mask = lineage.alive & self.events.of_process(task.signal, *task.against)
            models = {(fold - 1) % n_folds: trained.deployed[fold] for fold in lineage.deployed}
            found = self._scores(models, task, mask)
            scores = np.where(np.isnan(found), scores, found)
        return scores

    def _working_point(self, alive: BoolArray, scores: FeatureArray, wanted: WorkingPointConfig) -> WorkingPoint:
        """Find the thresholds on scores of events that the models never saw."""
        mask = alive & self.events.of_process(self.config.signal)

        def found(efficiency: float | None, fixed: float | None) -> np.float32:
            if efficiency is None:
                return np.float32(fixed)
            return threshold_at(efficiency, scores=scores[mask], weights=self.events.weights[NOMINAL][mask])

        threshold = found(wanted.signal_efficiency, wanted.threshold)
        looser = found(wanted.validation_efficiency, wanted.validation_threshold) if wanted.is_validated else None
        return WorkingPoint(threshold, wanted.signal_efficiency, {}, looser)

    def _efficiencies(self, alive: BoolArray, scores: FeatureArray, threshold: np.float32) -> dict[str, float]:
        """Return what a threshold keeps of every simulated process."""
        masks = {name: alive & self.events.of_process(name) for name in self.events.processes if name != DATA}
        return {
            name: efficiency_of(threshold, scores=scores[mask], weights=self.events.weights[NOMINAL][mask])
            for name, mask in masks.items()
            if mask.any()
        }

    def _classifier(
        self, task: Task, trained: _Trained, survivors: _Survivors, threshold: np.float32 | None
    ) -> Classifier:
        """Join the deployed models with all that is to be told of them."""
        rows = task.rows(self.events, survivors.unseen)
        is_signal = self.events.of_process(task.signal)
        weights = self.events.weights[NOMINAL]
        seen = self._seen_scores(task, trained, survivors)
        either = task.rows(self.events, survivors.unseen | ~np.isnan(seen))
        boosters = tuple(trained.deployed[fold].booster for fold in sorted(trained.deployed))
        fitted = [trained.deployed[fold] for fold in sorted(trained.deployed)]
        summary = {
            **quality.separation(trained.scores[rows], weights[rows], is_signal[rows], self.folds[rows]),
            "best_iterations": [booster.num_boosted_rounds() - 1 for booster in boosters],
            "learning_curves": [
                {name: quality.rounded(np.asarray(curve)) for name, curve in found.curves.items()} for found in fitted
            ],
            "overtraining": overtraining.compare(
                seen=seen[either],
                unseen=trained.scores[either],
                weights=weights[either],
                is_signal=is_signal[either],
                threshold=threshold,
                seed=self.runtime.seed,
            ),
            **self._sculpting(task, trained.scores, survivors.unseen, threshold),
            "importance": quality.shares(_gains(fitted), task.features),
            **trained.summary,
            **self._circumstances(task, survivors),
        }
        return Classifier(task.name, task.against, task.features, boosters, summary)

    def _sculpting(
        self, task: Task, scores: FeatureArray, alive: BoolArray, threshold: np.float32 | None
    ) -> dict[str, Any]:
        """Tell how far the cut of a stage changes the background's distribution of its spectator."""
        if task.decorrelate is None or threshold is None:
            return {}
        rows = np.flatnonzero(alive & self.events.of_process(*task.against))
        found = decorrelation.sculpting(
            self.events.columns[task.decorrelate.spectator][rows],
            self.events.weights[NOMINAL][rows],
            scores[rows] >= threshold,
            n_bins=task.decorrelate.bins,
        )
        return {"sculpting": {**task.decorrelate.model_dump(), **found}}

    def _circumstances(self, task: Task, survivors: _Survivors) -> dict[str, Any]:
        """Tell what a task was trained with."""
        reaching = {name: mask & survivors.unseen for name, mask in task.classes(self.events).items()}
        return {
            "yields": likelihood.summed(self.events, reaching),
            "class_balance": self.config.class_balance,
            "repetition": {name: self.repeats[name] for name in task.features},
            "hyperparameters": task.bdt.model_dump(),
            "device": self.runtime.device,
        }

    def _pass_through(self, task: Task, wanted: WorkingPointConfig, survivors: _Survivors, missing: str) -> Stage:
        """Return a stage that everything passes, because there is too little to train it with."""
        classifier = self._constant(task, survivors, missing)
        threshold = np.float32(0.0)
        efficiencies = self._efficiencies(survivors.unseen, np.ones(len(self.events), FEATURE), threshold)
        looser = threshold if wanted.is_validated else None
        return Stage(classifier, WorkingPoint(threshold, wanted.signal_efficiency, efficiencies, looser))

    def _constant(self, task: Task, survivors: _Survivors, missing: str) -> Classifier:
        log.warning("%s: %s; everything passes", task.where, missing)
        n_models = sum(len(lineage.deployed) for lineage in survivors.lineages)
        summary = {"untrained": missing, "best_iterations": [], **self._circumstances(task, survivors)}
        summary["class_weights"] = dict.fromkeys(summary["yields"], 1.0)
        return Classifier(
            task.name, task.against, task.features, (boosting.constant(task.features),) * n_models, summary
        )


def _final_task(final: FinalConfig, signal: str, events: Events) -> Task:
    """Return the task of the binary BDT of the final discriminant."""
    return Task.of(final, signal, likelihood.backgrounds(events, signal))


def _gains(fitted: Iterable[Fitted]) -> dict[str, float]:
    """Return the gain of all splits of all models, by feature."""
    total: dict[str, float] = {}
    for found in fitted:
        for name, gain in found.booster.get_score(importance_type="total_gain").items():
            total[name] = total.get(name, 0.0) + gain
    return total


def _percent(fractions: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in fractions.items())
