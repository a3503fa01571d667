"""Boosted decision trees of one stage by XGBoost: its quantised data, its parameters and its device.

Every booster trains on one thread, and the boosters of a stage train side by side: the bits of a model then do not
depend on the number of jobs.
"""

import ctypes
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, BoolArray, CodeArray, FeatureArray, FloatArray
from cascadebdt.cascade.folds import Split
from cascadebdt.cascade.weights import balanced
from cascadebdt.config import BDTConfig, ClassBalance, Device
from cascadebdt.errors import ConfigError

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
    weights : (n_events,) float64, none negative; an event of weight zero moves no split, but is there to be counted
    process : (n_events,) codes
    class_balance : how the weights of the classes are scaled, see `weights.balanced`
    features : names of the columns
    """

    table: FeatureArray
    is_signal: BoolArray
    weights: FloatArray
    process: CodeArray
    class_balance: ClassBalance
    features: tuple[str, ...]


@dataclass(frozen=True)
class Fitted:
    """A trained booster, cut to its best iteration, and how its loss went.

    `curves` holds the mean logarithmic loss after every round, those after the best one included: of the events that
    train (``train``) and, with early stopping, of those that stop it (``stop``).
    """

    booster: xgb.Booster
    curves: Mapping[str, Sequence[float]]


def fit(sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime) -> tuple[Fitted, ...]:
    """Train one booster per split, each cut to its best iteration; every part needs weight in both classes."""

    def train(index: int) -> Fitted:
        return _train(sample, splits[index], config, runtime)

    with ThreadPoolExecutor(runtime.jobs) as pool:
        return tuple(pool.map(train, range(len(splits))))


def constant(features: Sequence[str]) -> xgb.Booster:
    """Return a booster that learned nothing: one tree of one leaf, and the score 0.5 for every event."""
    nothing = np.full((2, len(features)), np.nan, FEATURE)
    data = xgb.DMatrix(nothing, label=np.array([0.0, 1.0]), feature_names=list(features), nthread=1)
    return xgb.train({"objective": "binary:logistic", "base_score": 0.5, "nthread": 1}, data, 1)


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


def _train(sample: TrainingSample, split: Split, config: BDTConfig, runtime: Runtime) -> Fitted:
    stopping = config.early_stopping_rounds
    train_data = _quantised(sample, split.train, config)
    evals = [(train_data, "train")]
    if stopping:
        evals.append((_quantised(sample, split.stop, config, reference=train_data), "stop"))
    losses: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        _parameters(config, runtime),
        train_data,
        config.n_estimators,
        evals=evals,
        evals_result=losses,
        early_stopping_rounds=stopping,
        verbose_eval=False,
    )
    booster = booster[: booster.best_iteration + 1] if stopping else booster
    booster.set_attr(best_iteration=None, best_score=None)
    return Fitted(booster, {name: found["logloss"] for name, found in losses.items()})


def _quantised(
    sample: TrainingSample,
    mask: BoolArray,
    config: BDTConfig,
    reference: xgb.QuantileDMatrix | None = None,
) -> xgb.QuantileDMatrix:
    """Bin the events of a mask, the classes balanced."""
    return xgb.QuantileDMatrix(
        sample.table[mask],
        label=sample.is_signal[mask].astype(np.float32),
        weight=balanced(sample.weights[mask], sample.is_signal[mask], sample.process[mask], sample.class_balance),
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
