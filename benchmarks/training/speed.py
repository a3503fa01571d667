"""All folds of every stage of the benchmark analysis against the straightforward loop, in one run.

The straightforward loop makes a DMatrix per fold and calls ``xgb.train`` with early stopping and all threads, one fold
after the other. Both train on the same events with the same parameters; repetitions are interleaved, the least counts.

    python benchmarks/training/speed.py [configs/wh_dark_photon.yaml] [--jobs 2] [--repeat 5]
"""

import argparse
import time
from collections.abc import Callable
from typing import Any
from unittest import mock

import numpy as np
import xgboost as xgb

import cascadebdt as cb
from cascadebdt.training import boosting
from cascadebdt.training.weights import balanced

Stage = tuple[boosting.TrainingSample, Any, Any, boosting.Runtime]


def recorded(path: str, jobs: int) -> list[Stage]:
    """Train once and return what every stage was trained with."""
    stages: list[Stage] = []
    fit = boosting.fit

    def recording(*stage: Any) -> Any:
        stages.append(stage)
        return fit(*stage)

    config = cb.config.load(path)
    events = cb.select(config, jobs=jobs, nominal_only=True)
    with mock.patch.object(boosting, "fit", recording):
        cb.train(events, config, jobs=jobs)
    return stages


def straightforward(stage: Stage) -> list[int]:
    """Train every fold on its own and return the numbers of rounds."""
    sample, splits, config, runtime = stage
    parameters = boosting.parameters_of(sample, config, runtime, threads=runtime.jobs)

    def matrix(mask: np.ndarray) -> xgb.DMatrix:
        rows = np.flatnonzero(mask)
        is_signal = sample.is_signal[rows]
        weights = balanced(sample.weights[rows], is_signal, sample.process[rows], sample.class_balance)
        return xgb.DMatrix(sample.features[rows], label=is_signal, weight=weights)

    rounds = []
    for split in splits:
        booster = xgb.train(
            parameters,
            matrix(split.train),
            config.n_estimators,
            evals=[(matrix(split.stop), "stop")],
            early_stopping_rounds=config.early_stopping_rounds,
            verbose_eval=False,
        )
        rounds.append(booster.num_boosted_rounds())
    return rounds


def ours(stage: Stage) -> list[int]:
    """Train all folds and return the numbers of rounds."""
    return [int(fitted.curves["round"][-1]) for fitted in boosting.fit(*stage)]


def timed(way: Callable[[Stage], list[int]], stage: Stage) -> tuple[float, int]:
    """Return the seconds that a way takes, and its rounds."""
    start = time.perf_counter()
    rounds = way(stage)
    return time.perf_counter() - start, sum(rounds)


def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config", nargs="?", default="configs/wh_dark_photon.yaml")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    stages = recorded(options.config, options.jobs)
    names = [*(stage.name for stage in cb.config.load(options.config).cascade.stages), "final"]
    print(
        f"{'stage':10s} {'rows':>7s} {'features':>8s} {'loop s':>8s} {'rounds':>7s} {'ours s':>8s} {'rounds':>7s} ratio"
    )
    least = []
    for name, stage in zip(names, stages, strict=False):
        runs = [(timed(straightforward, stage), timed(ours, stage)) for _ in range(options.repeat)]
        (loop, loop_rounds), (own, own_rounds) = (min(run[way] for run in runs) for way in (0, 1))
        least.append((loop, own))
        features = stage[0].features
        print(
            f"{name:10s} {len(features):7d} {len(features.names):8d} {loop:8.3f} {loop_rounds:7d} {own:8.3f} "
            f"{own_rounds:7d} {loop / own:5.2f}"
        )
    for label, part in (("stages", least[: len(names) - 1]), ("with final", least)):
        loop, own = np.sum(part, axis=0)
        print(f"{label:10s} {'':16s} {loop:8.3f} {'':7s} {own:8.3f} {'':7s} {loop / own:5.2f}")


if __name__ == "__main__":
    main()
