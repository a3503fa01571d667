"""Training on a GPU against two CPU cores: time, and AUC on events that trained neither.

    python benchmarks/training/gpu.py [--rows 1000000 10000000] [--trees 300] [--jobs 2]

It needs a CUDA device and ends with one line without one.
"""

import argparse
import time

import numpy as np

from cascadebdt.config import BDTConfig
from cascadebdt.events.folds import Split
from cascadebdt.training import boosting
from cascadebdt.training.boosting import Runtime, TrainingSample
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quality import roc_auc

FEATURES = tuple(f"x{k}" for k in range(20))


def events(rows: int, seed: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Return normal features, the first five shifted for signal, and the labels."""
    rng = np.random.default_rng(seed)
    is_signal = rng.random(rows) < 0.5
    columns = {name: rng.standard_normal(rows, np.float32) for name in FEATURES}
    for name in FEATURES[:5]:
        columns[name] += np.float32(0.5) * is_signal
    return columns, is_signal


def main() -> None:
    """Print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000_000, 10_000_000])
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    if boosting.resolve_device("auto") != "cuda":
        print("no CUDA device found: nothing to compare")
        return
    config = BDTConfig(n_estimators=options.trees, max_depth=6, early_stopping_rounds=None)
    columns, test_signal = events(500_000, 0)
    test = FeatureRows(columns, FEATURES, np.arange(len(test_signal)))[np.arange(len(test_signal))]
    for rows in options.rows:
        columns, is_signal = events(rows, 1)
        features = FeatureRows(columns, FEATURES, np.arange(rows))
        sample = TrainingSample(features, is_signal, np.ones(rows), is_signal.astype(np.int16), "events")
        split = Split(np.ones(rows, np.bool_), np.zeros(rows, np.bool_))
        found = {}
        for device in ("cuda", "cpu"):
            start = time.perf_counter()
            (fitted,) = boosting.fit(sample, [split], config, Runtime(1, options.jobs, device))
            seconds = time.perf_counter() - start
            found[device] = seconds, roc_auc(fitted.predict(test), np.ones(len(test)), test_signal)
        (gpu, gpu_auc), (cpu, cpu_auc) = found["cuda"], found["cpu"]
        print(f"{rows} rows: GPU {gpu:.1f} s, CPU {cpu:.1f} s, ratio {cpu / gpu:.1f}, AUC {gpu_auc:.5f} {cpu_auc:.5f}")


if __name__ == "__main__":
    main()
