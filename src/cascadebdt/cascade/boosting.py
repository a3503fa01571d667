"""Boosted decision trees of one stage by XGBoost: its parameters, its device, and the boosters of all folds.

The boosters of a stage train side by side, some rounds each in turn, so that no core idles while the last fold ends.
Never do more threads work than there are jobs.
"""

import ctypes
import logging
import math
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, BoolArray, CodeArray, FloatArray, IntArray
from cascadebdt.cascade.folds import Split
from cascadebdt.cascade.quantised import BATCH, quantised, reference
from cascadebdt.cascade.table import Table
from cascadebdt.cascade.weights import balanced
from cascadebdt.config import BDTConfig, ClassBalance, Device
from cascadebdt.errors import ConfigError

log = logging.getLogger(__name__)

TURN = 50  # rounds that a booster trains before it is the next one's turn
LOOKS = 4  # at the losses while early stopping waits for a better one; each look costs a quarter of a round
PERIOD = 10  # rounds between two looks without early stopping


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
    table : (n_events, n_features) float32, the features
    is_signal : (n_events,) bool
    weights : (n_events,) float64, none negative; an event of weight zero moves no split, but is there to be counted
    process : (n_events,) codes
    class_balance : how the weights of the classes are scaled, see `weights.balanced`
    """

    table: Table
    is_signal: BoolArray
    weights: FloatArray
    process: CodeArray
    class_balance: ClassBalance


@dataclass(frozen=True)
class Fitted:
    """A trained booster, cut to its best iteration, and how its loss went.

    `curves` holds three sequences of equal length: the number of rounds (``round``), and after as many the mean
    logarithmic loss of the events that train (``train``) and of those that stop the training (``stop``, with early
    stopping only). They go on beyond the best round.
    """

    booster: xgb.Booster
    curves: Mapping[str, Sequence[float]]


Training: TypeAlias = Generator[None, None, Fitted]


def fit(sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime) -> tuple[Fitted, ...]:
    """Train one booster per split, each cut to its best iteration; every part needs weight in both classes."""
    workers = min(runtime.jobs, len(splits)) if runtime.device == "cpu" else 1
    threads = max(1, runtime.jobs // workers)
    parameters = _parameters(config, runtime, threads)
    return _in_turns([_train(sample, split, config, parameters) for split in splits], workers)


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


def _in_turns(trainings: Sequence[Training], workers: int) -> tuple[Fitted, ...]:
    """Run trainings to their ends, each a turn at a time, as many side by side as there are workers."""
    done: dict[int, Fitted] = {}
    waiting = deque(enumerate(trainings))

    def work() -> None:
        while waiting:
            try:
                index, training = waiting.popleft()
            except IndexError:  # another worker was faster
                return
            try:
                next(training)
            except StopIteration as end:
                done[index] = end.value
            else:
                waiting.append((index, training))

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work) for _ in range(workers)]:
            future.result()
    return tuple(done[index] for index in range(len(trainings)))


def _train(sample: TrainingSample, split: Split, config: BDTConfig, parameters: dict[str, Any]) -> Training:
    """Train a booster, with a pause after every turn."""
    stopping = config.early_stopping_rounds
    rows = np.flatnonzero(split.train)
    cuts = reference(sample.table, rows, config.max_bin)
    data = {"train": _data(sample, rows, cuts, config, parameters)}
    if stopping:
        data["stop"] = _data(sample, np.flatnonzero(split.stop), cuts, config, parameters, to_train=False)
    booster = _Booster(parameters, list(data.values()))
    curves: dict[str, list[float]] = {name: [] for name in ("round", *data)}
    best, lowest = 0, math.inf
    period = max(1, stopping // LOOKS) if stopping else PERIOD
    for n_rounds in range(1, config.n_estimators + 1):
        booster.update(data["train"], n_rounds - 1)
        if n_rounds % period == 0 or n_rounds == config.n_estimators:
            curves["round"].append(n_rounds)
            for name, part in data.items():
                curves[name].append(_loss(booster, part))
            if stopping and curves["stop"][-1] < lowest:
                best, lowest = n_rounds, curves["stop"][-1]
            if stopping and n_rounds - best >= stopping:
                break
        if n_rounds % TURN == 0:
            yield
    booster.feature_names = list(sample.table.features)
    return Fitted(booster[: best or config.n_estimators], curves)


class _Booster(xgb.Booster):  # type: ignore[misc]  # XGBoost has no types
    """A booster that does not compare the names of its features with those of its data at every round."""

    def _assign_dmatrix_features(self, data: xgb.DMatrix) -> None:
        pass


def _loss(booster: xgb.Booster, data: xgb.DMatrix) -> float:
    """Return the mean logarithmic loss, which XGBoost tells in words."""
    return float(booster.eval_set([(data, "loss")]).rpartition(":")[2])


def _data(
    sample: TrainingSample,
    rows: IntArray,
    cuts: xgb.QuantileDMatrix,
    config: BDTConfig,
    parameters: Mapping[str, Any],
    *,
    to_train: bool = True,
) -> xgb.DMatrix:
    """Return rows of a sample as XGBoost wants them, the classes balanced.

    Bins are needed to train. What only stops a training is faster to score as it is, but takes eight times the memory,
    so that more than one batch is binned, too; the loss is the same.
    """
    threads = parameters["nthread"]
    if to_train or len(rows) > BATCH:
        data = quantised(sample.table, rows, cuts, config.max_bin, threads=threads)
    else:
        data = xgb.DMatrix(sample.table[rows], nthread=threads)
    is_signal = sample.is_signal[rows]
    weights = balanced(sample.weights[rows], is_signal, sample.process[rows], sample.class_balance)
    data.set_info(label=is_signal.astype(np.float32), weight=weights)
    return data


def _parameters(config: BDTConfig, runtime: Runtime, threads: int) -> dict[str, Any]:
    """Translate the configuration to XGBoost's parameters."""
    return {
        **config.model_dump(exclude={"n_estimators", "early_stopping_rounds"}),
        "objective": "binary:logistic",
        "base_score": 0.5,
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": runtime.device,
        "nthread": threads,
        "seed": runtime.seed,
    }
