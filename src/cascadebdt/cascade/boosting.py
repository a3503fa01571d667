"""Boosted decision trees of one stage by XGBoost: its quantised data, its parameters and its device.

Every booster trains on one thread, and the boosters of a stage train side by side: the bits of a model then do not
depend on the number of jobs.
"""

import ctypes
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray
from cascadebdt.cascade.folds import Split
from cascadebdt.cascade.weights import balanced
from cascadebdt.config import BDTConfig, Device
from cascadebdt.errors import ConfigError, TrainingError

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Runtime:
    """How to train: the seed is part of the analysis, jobs and device are not."""

    seed: int
    jobs: int
    device: str


@dataclass(frozen=True)
class TrainingSample:
    """The events of one stage.

    Attributes
    ----------
    table : (n_events, n_features) float32
    is_signal : (n_events,) bool
    weights : (n_events,) float64, none negative; an event of weight zero does not train
    features : names of the columns
    where : the stage, for messages
    """

    table: FeatureArray
    is_signal: BoolArray
    weights: FloatArray
    features: tuple[str, ...]
    where: str


def fit(
    sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime
) -> tuple[xgb.Booster, ...]:
    """Train one booster per split, each cut to its best iteration.

    Raises
    ------
    TrainingError
        If a class has no event to train with.
    """

    def train(index: int) -> xgb.Booster:
        return _train(sample, splits[index], config, runtime, f"{sample.where}, model {index}")

    with ThreadPoolExecutor(runtime.jobs) as pool:
        return tuple(pool.map(train, range(len(splits))))


def resolve_device(wanted: Device) -> str:
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


def _train(sample: TrainingSample, split: Split, config: BDTConfig, runtime: Runtime, where: str) -> xgb.Booster:
    stopping = config.early_stopping_rounds
    train_data = _quantised(sample, split.train, config, where)
    evals = [(_quantised(sample, split.stop, config, where, reference=train_data), "stop")] if stopping else []
    booster = xgb.train(
        _parameters(config, runtime),
        train_data,
        config.n_estimators,
        evals=evals,
        early_stopping_rounds=stopping,
        verbose_eval=False,
    )
    booster = booster[: booster.best_iteration + 1] if stopping else booster
    booster.set_attr(best_iteration=None, best_score=None)
    return booster


def _quantised(
    sample: TrainingSample,
    mask: BoolArray,
    config: BDTConfig,
    where: str,
    reference: xgb.QuantileDMatrix | None = None,
) -> xgb.QuantileDMatrix:
    """Bin the events of a mask that have weight, each class with mean weight 1."""
    mask = mask & (sample.weights > 0)
    if not (mask & sample.is_signal).any() or not (mask & ~sample.is_signal).any():
        raise TrainingError(f"{where}: a class has no event of positive weight to train with")
    return xgb.QuantileDMatrix(
        sample.table[mask],
        label=sample.is_signal[mask].astype(np.float32),
        weight=balanced(sample.weights[mask], sample.is_signal[mask]),
        feature_names=list(sample.features),
        max_bin=config.max_bin,
        nthread=1,
        ref=reference,
    )


def _parameters(config: BDTConfig, runtime: Runtime) -> dict[str, Any]:
    """Translate the configuration to XGBoost's parameters."""
    return {
        **config.model_dump(exclude={"n_estimators", "early_stopping_rounds"}),
        "objective": "binary:logistic",
        "base_score": 0.5,
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": runtime.device,
        "nthread": 1,
        "seed": runtime.seed,
    }
