"""Boosted decision trees of one stage by XGBoost: its parameters, its device, and the boosters of all folds.

The boosters of a stage train side by side, some rounds each in turn, so that no core is idle while the last fold ends.
There are never more threads at work than jobs.
"""

import ctypes
import json
import logging
import math
import tempfile
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, BoolArray, CodeArray, FeatureArray, FloatArray, IntArray
from cascadebdt.config import BDTConfig, ClassBalance, ConstraintsConfig, DecorrelateConfig, Device, Memory
from cascadebdt.errors import ConfigError
from cascadebdt.events.folds import Split
from cascadebdt.training import decorrelation
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quantiser import BATCH, Quantiser
from cascadebdt.training.weights import balanced

log = logging.getLogger(__name__)

ROUNDS_PER_TURN = 50  # that a booster trains before the next one does
LOSSES_PER_PATIENCE = 4  # computed in `early_stopping_rounds`, because a loss takes time, too
ROUNDS_PER_LOSS = 10  # without early stopping
NO_CONSTRAINTS = ConstraintsConfig()


@dataclass(frozen=True)
class Runtime:
    """How to train: the seed is part of the analysis, jobs, device and memory are not."""

    seed: int
    jobs: int
    device: str
    memory: Memory = "ram"


@dataclass(frozen=True, eq=False)
class TrainingSample:
    """The events of one stage.

    Attributes
    ----------
    features : of n_events
    is_signal : (n_events,) bool
    weights : (n_events,) float64, none negative; an event of weight zero moves no split, but counts as an event
    process : (n_events,) codes
    class_balance : how the weights of the classes are scaled, see `weights.balanced`
    constraints : what the trees may do
    decorrelate : how the score is kept from following the spectator, if it is
    spectator : (n_events,) float32, with `decorrelate` only
    """

    features: FeatureRows
    is_signal: BoolArray
    weights: FloatArray
    process: CodeArray
    class_balance: ClassBalance
    constraints: ConstraintsConfig = NO_CONSTRAINTS
    decorrelate: DecorrelateConfig | None = None
    spectator: FeatureArray | None = None


@dataclass(frozen=True)
class Fitted:
    """A trained booster, cut to its best iteration, and its losses.

    `curves` holds three sequences of equal length: the number of rounds (``round``), and after as many the mean
    logarithmic loss of the events that train (``train``) and of those that stop the training (``stop``, with early
    stopping only). They extend beyond the best round.
    """

    booster: xgb.Booster
    curves: Mapping[str, Sequence[float]]

    def predict(self, matrix: FeatureArray) -> FeatureArray:
        """Return the scores of events, ``(n_events,) float32`` in [0, 1], from ``(n_events, n_features)``."""
        return cast(FeatureArray, self.booster.inplace_predict(matrix))


Training: TypeAlias = Generator[None, None, Fitted]


def fit(sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime) -> tuple[Fitted, ...]:
    """Train one booster per split, each cut to its best iteration; every part needs weight in both classes.

    All boosters share the borders of the bins. Those that train one after the other share the binned rows, too: rows
    that are not a booster's own have weight 0, which changes no bit. Side by side each booster has its own rows.
    """
    with tempfile.TemporaryDirectory(prefix="cascadebdt-") as folder:
        return _fit(sample, splits, config, runtime, Path(folder) if runtime.memory == "disk" else None)


def _fit(
    sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime, cache: Path | None
) -> tuple[Fitted, ...]:
    """Train, with a folder for bins that are not kept in memory."""
    side_by_side = runtime.device == "cpu" and runtime.memory == "ram"
    workers = min(runtime.jobs, len(splits)) if side_by_side else 1
    parameters = parameters_of(sample, config, runtime, threads=max(1, runtime.jobs // workers))
    quantiser = Quantiser.of(sample.features, config.max_bin, threads=parameters["nthread"], cache=cache)
    is_shared = not side_by_side and config.subsample == 1  # rows are drawn by their number in the matrix
    shared = quantiser.binned() if is_shared else None
    trainings = [train(sample, split, config, parameters, quantiser, shared) for split in splits]
    return _in_turns(trainings, workers) if side_by_side else tuple(map(finished, trainings))


def constant(features: Sequence[str]) -> xgb.Booster:
    """Return a booster that gives every event the score 0.5: one tree of one leaf."""
    no_values = np.full((2, len(features)), np.nan, FEATURE)
    data = xgb.DMatrix(no_values, label=np.array([0.0, 1.0]), feature_names=list(features), nthread=1)
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
    """Return the number of devices of the CUDA driver; 0 without a driver."""
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return 0
    return count.value


def _in_turns(trainings: Sequence[Training], workers: int) -> tuple[Fitted, ...]:
    """Finish trainings, a turn at a time each, as many side by side as there are workers."""
    done: dict[int, Fitted] = {}
    waiting = deque(enumerate(trainings))

    def work() -> None:
        while waiting:
            try:
                index, training = waiting.popleft()
            except IndexError:  # another worker took the last one
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


def finished(training: Training) -> Fitted:
    """Finish a training without a pause."""
    while True:
        try:
            next(training)
        except StopIteration as end:
            return cast(Fitted, end.value)


def train(
    sample: TrainingSample,
    split: Split,
    config: BDTConfig,
    parameters: dict[str, Any],
    quantiser: Quantiser,
    shared: xgb.DMatrix | None,
) -> Training:
    """Train a booster, and pause after every turn."""
    stopping = config.early_stopping_rounds
    parts = _parts(sample, split, quantiser, shared, early_stopping=stopping is not None)
    booster = xgb.Booster(parameters, [part.data for part in parts.values()])
    curves: dict[str, list[float]] = {name: [] for name in ("round", *parts)}
    best, lowest = 0, math.inf
    period = max(1, stopping // LOSSES_PER_PATIENCE) if stopping else ROUNDS_PER_LOSS
    for n_rounds in range(1, config.n_estimators + 1):
        parts["train"].boost(booster, n_rounds - 1)
        if n_rounds % period == 0 or n_rounds == config.n_estimators:
            curves["round"].append(n_rounds)
            for name, part in parts.items():
                curves[name].append(part.loss(booster))
            if stopping and curves["stop"][-1] < lowest:
                best, lowest = n_rounds, curves["stop"][-1]
            if stopping and n_rounds - best >= stopping:
                break
        if n_rounds % ROUNDS_PER_TURN == 0:
            yield
    booster.feature_names = list(sample.features.names)
    trained = booster[: best or config.n_estimators]
    trained.set_param({"device": "cpu"})  # where events are scored, whatever trained it
    return Fitted(trained, curves)


def _parts(
    sample: TrainingSample, split: Split, quantiser: Quantiser, shared: xgb.DMatrix | None, *, early_stopping: bool
) -> "dict[str, _Part]":
    """Return the events that train a booster (``train``) and, with early stopping, those that stop it (``stop``)."""
    train, stop = np.flatnonzero(split.train), np.flatnonzero(split.stop)
    weighting = Weighting.of(sample, train)
    data = quantiser.binned(train) if shared is None else shared
    parts = {"train": weighting.part(train, data, is_shared=shared is not None)}
    if early_stopping:
        data = _to_stop(quantiser, stop) if shared is None else shared
        parts["stop"] = weighting.part(stop, data, is_shared=shared is not None)
    return parts


@dataclass(frozen=True, eq=False)
class _Part:
    """Events that train or stop a booster, with a flatness loss instead of XGBoost's own if there is one.

    `rows` (with a flatness loss) and `weights` are those of this part in data that other parts share; None if the data
    are its own.
    """

    data: xgb.DMatrix
    flatness: decorrelation.Flatness | None
    rows: IntArray | None = None
    weights: FeatureArray | None = None

    def boost(self, booster: xgb.Booster, iteration: int) -> None:
        """Add a tree."""
        if self.flatness is None:
            self._weigh()
            booster.update(self.data, iteration)
        else:
            gradient, curvature = map(self._spread, self.flatness.derivatives(self._margins(booster)))
            booster.boost(self.data, iteration, grad=gradient, hess=curvature)

    def loss(self, booster: xgb.Booster) -> float:
        """Return the mean loss."""
        if self.flatness is None:
            self._weigh()
            # XGBoost has no function for its loss alone: this is the number in a line such as "[0]\tloss-logloss:0.31".
            return float(booster.eval_set([(self.data, "loss")]).rpartition(":")[2])
        return self.flatness.loss(self._margins(booster))

    def _weigh(self) -> None:
        """Set the weights of this part, which are 0 for all other rows, if the data are shared."""
        if self.weights is not None:
            self.data.set_weight(self.weights)

    def _margins(self, booster: xgb.Booster) -> FeatureArray:
        margins: FeatureArray = booster.predict(self.data, output_margin=True)
        return margins if self.rows is None else margins[self.rows]

    def _spread(self, values: FeatureArray) -> FeatureArray:
        """Return values of the rows of this part for all rows of the data, zero elsewhere."""
        if self.rows is None:
            return values
        result = np.zeros(self.data.num_row(), FEATURE)
        result[self.rows] = values
        return result


@dataclass(frozen=True, eq=False)
class Weighting:
    """How the events of a model are weighted; the events that train it decide, those that stop it follow."""

    sample: TrainingSample
    bins: decorrelation.SpectatorBins | None
    factors: FloatArray | None

    @classmethod
    def of(cls, sample: TrainingSample, rows: IntArray) -> "Weighting":
        """Return the weighting that the rows that train decide on."""
        if sample.decorrelate is None or sample.spectator is None or sample.decorrelate.method == "none":
            return cls(sample, None, None)
        bins = decorrelation.SpectatorBins.of(sample.spectator[rows], sample.decorrelate.bins)
        if sample.decorrelate.method == "flatness":
            return cls(sample, bins, None)
        bin_of_row = bins.find(sample.spectator[rows])
        factors = decorrelation.planing(bin_of_row, sample.is_signal[rows], sample.weights[rows], len(bins))
        return cls(sample, bins, factors)

    def weights(self, rows: IntArray) -> FloatArray:
        """Return the weights of some rows that train or stop together, ``(n_rows,)``."""
        is_signal, weights, bins = self.sample.is_signal[rows], self.sample.weights[rows], self._bins(rows)
        if bins is not None and self.factors is not None:
            weights = weights * self.factors[is_signal.astype(np.int64), bins]
        return balanced(weights, is_signal, self.sample.process[rows], self.sample.class_balance)

    def _bins(self, rows: IntArray) -> IntArray | None:
        """Return the bins of the spectator that some rows are in."""
        if self.bins is None or self.sample.spectator is None:
            return None
        return self.bins.find(self.sample.spectator[rows])

    def part(self, rows: IntArray, data: xgb.DMatrix, *, is_shared: bool) -> _Part:
        """Give labels and weights to the data of some rows, or of all rows if they are shared."""
        is_signal, bins, used = self.sample.is_signal[rows], self._bins(rows), self.weights(rows)
        flatness = None
        if bins is not None and self.factors is None and self.sample.decorrelate is not None:
            flatness = decorrelation.Flatness(is_signal, used, bins, self.sample.decorrelate.strength)
        if not is_shared:
            data.set_info(label=is_signal.astype(FEATURE), weight=used)
            return _Part(data, flatness)
        everywhere = np.zeros(len(self.sample.is_signal), FEATURE)
        everywhere[rows] = used
        data.set_info(label=self.sample.is_signal.astype(FEATURE))
        return _Part(data, flatness, rows if flatness else None, everywhere)


def _to_stop(quantiser: Quantiser, rows: IntArray) -> xgb.DMatrix:
    """Return the data that only stop a training.

    They are faster to score without bins, but take eight times the memory of bins: more than one batch is binned, too.
    The loss is the same.
    """
    if quantiser.bins_all or len(rows) > BATCH:
        return quantiser.binned(rows)
    return xgb.DMatrix(quantiser.features[rows], nthread=quantiser.threads)


def parameters_of(sample: TrainingSample, config: BDTConfig, runtime: Runtime, *, threads: int) -> dict[str, Any]:
    """Return the parameters of XGBoost for a configuration."""
    return {
        **config.model_dump(exclude={"n_estimators", "early_stopping_rounds"}),
        **_constraints(sample.constraints, sample.features.names),
        "objective": "binary:logistic",
        "base_score": 0.5,
        "eval_metric": "logloss",
        "tree_method": "hist",
        "device": runtime.device,
        "nthread": threads,
        "seed": runtime.seed,
    }


def _constraints(constraints: ConstraintsConfig, features: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of XGBoost for constraints; a feature of no group gets a group of its own."""
    parameters: dict[str, Any] = {}
    if constraints.monotone:
        sign = {"increasing": 1, "decreasing": -1}
        directions = [sign.get(constraints.monotone.get(name, ""), 0) for name in features]
        parameters["monotone_constraints"] = f"({','.join(map(str, directions))})"
    if constraints.interactions:
        groups = [[features.index(name) for name in group] for group in constraints.interactions]
        grouped = {index for group in groups for index in group}
        alone = [[index] for index in range(len(features)) if index not in grouped]
        parameters["interaction_constraints"] = json.dumps([*groups, *alone])
    return parameters
