"""Training by cross-fitting: each stage on what the earlier ones pass, by scores of models that never saw the event.

Every booster trains on one thread, and the folds of a stage train side by side: the bits of a model then do not
depend on the number of jobs.
"""

import ctypes
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.cascade.folds import fold_of, training_masks
from cascadebdt.cascade.model import Cascade, Classifier, Stage, WorkingPoint
from cascadebdt.cascade.quality import roc_auc
from cascadebdt.cascade.scoring import matrix, out_of_fold
from cascadebdt.cascade.weights import balanced, effective_number, report, without_negative
from cascadebdt.cascade.working_point import efficiency_of, threshold_at
from cascadebdt.config import DATA, NOMINAL, CascadeConfig, Device, FinalConfig, StageConfig, WorkingPointConfig
from cascadebdt.errors import ConfigError, TrainingError
from cascadebdt.events import Events
from cascadebdt.progress import Progress, silent

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Runtime:
    """How to train: the seed is part of the analysis, jobs and device are not."""

    seed: int
    jobs: int
    device: str


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
    trainer = _Trainer(simulation, folds, config, _Runtime(seed, jobs, _device(config.device)))
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
    runtime: _Runtime

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
        folds = _Folds(table, is_signal, used, self.folds[rows], self.config.folds, spec, self.runtime, where)
        with ThreadPoolExecutor(self.runtime.jobs) as pool:
            boosters = tuple(pool.map(folds.train, range(self.config.folds)))
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


@dataclass(frozen=True)
class _Folds:
    """What the folds of one stage share: features, classes, weights and folds of its events."""

    table: FeatureArray
    is_signal: BoolArray
    weights: FloatArray
    folds: IntArray
    n_folds: int
    spec: StageConfig | FinalConfig
    runtime: _Runtime
    where: str

    def train(self, fold: int) -> xgb.Booster:
        """Train the booster of one fold, cut to its best iteration."""
        stopping = self.spec.bdt.early_stopping_rounds
        train_mask, stop_mask = training_masks(self.folds, fold, self.n_folds, early_stopping=stopping is not None)
        train_data = self._quantised(train_mask, fold)
        evals = [(self._quantised(stop_mask, fold, reference=train_data), "stop")] if stopping else []
        booster = xgb.train(
            self._parameters(),
            train_data,
            self.spec.bdt.n_estimators,
            evals=evals,
            early_stopping_rounds=stopping,
            verbose_eval=False,
        )
        booster = booster[: booster.best_iteration + 1] if stopping else booster
        booster.set_attr(best_iteration=None, best_score=None)
        return booster

    def _quantised(
        self, mask: BoolArray, fold: int, reference: xgb.QuantileDMatrix | None = None
    ) -> xgb.QuantileDMatrix:
        """Bin the events of a mask that have weight, each class with mean weight 1."""
        mask = mask & (self.weights > 0)
        if not (mask & self.is_signal).any() or not (mask & ~self.is_signal).any():
            raise TrainingError(f"{self.where}: a class has no event of positive weight in the training of fold {fold}")
        return xgb.QuantileDMatrix(
            self.table[mask],
            label=self.is_signal[mask].astype(np.float32),
            weight=balanced(self.weights[mask], self.is_signal[mask]),
            feature_names=list(self.spec.features),
            max_bin=self.spec.bdt.max_bin,
            nthread=1,
            ref=reference,
        )

    def _parameters(self) -> dict[str, Any]:
        """Translate the configuration to XGBoost's parameters."""
        own = self.spec.bdt.model_dump(exclude={"n_estimators", "early_stopping_rounds"})
        return {
            **own,
            "objective": "binary:logistic",
            "base_score": 0.5,
            "eval_metric": "logloss",
            "tree_method": "hist",
            "device": self.runtime.device,
            "nthread": 1,
            "seed": self.runtime.seed,
        }


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


def _device(wanted: Device) -> str:
    """Resolve ``auto`` to what this machine has.

    Raises
    ------
    ConfigError
        If CUDA is asked for and there is none.
    """
    if wanted == "cpu":
        return "cpu"
    if xgb.build_info().get("USE_CUDA") and _n_cuda_devices() > 0:
        return "cuda"
    if wanted == "cuda":
        raise ConfigError(
            "cascade.device: 'cuda' was asked for, but XGBoost finds no CUDA device here; use 'auto' or 'cpu'"
        )
    log.info("no CUDA device found: training on the CPU")
    return "cpu"


def _n_cuda_devices() -> int:
    """Ask the CUDA driver how many devices it has; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _percent(fractions: Any) -> str:
    return ", ".join(f"{name} {100 * value:.1f} %" for name, value in fractions.items())
