"""Peak memory and time of training one booster on more rows than memory is to hold, streamed from a ROOT file.

    python benchmarks/training/memory.py [--rows 30000000] [--features 20] [--trees 20] [--memory stream] [--jobs 2]

Writing the file and training are two processes, so that the peak is that of training alone.
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import numpy as np
import uproot

from cascadebdt.config import BDTConfig
from cascadebdt.events.disk import DiskColumns
from cascadebdt.events.folds import Split
from cascadebdt.training import boosting
from cascadebdt.training.boosting import Runtime, TrainingSample
from cascadebdt.training.feature_rows import FeatureRows

CHUNK = 1_000_000


def label(seed: int, rows: int) -> np.ndarray:
    """Return which rows of a chunk are signal."""
    return np.random.default_rng([seed, 1]).random(rows) < 0.5


def write(path: Path, rows: int, names: list[str]) -> None:
    """Write normal features, the first five shifted for signal."""
    with uproot.recreate(path, compression=None) as file:
        file.mktree("Events", dict.fromkeys(names, np.float32))
        for seed, start in enumerate(range(0, rows, CHUNK)):
            n = min(CHUNK, rows - start)
            values = np.random.default_rng([seed, 0]).standard_normal((len(names), n), np.float32)
            values[:5] += 0.5 * label(seed, n)
            file["Events"].extend(dict(zip(names, values, strict=True)))


def train(path: Path, rows: int, names: list[str], options: argparse.Namespace) -> None:
    """Train one booster on all rows and say what it took."""
    is_signal = np.concatenate(
        [label(seed, min(CHUNK, rows - start)) for seed, start in enumerate(range(0, rows, CHUNK))]
    )
    before = time.perf_counter()
    sample = TrainingSample(
        features=FeatureRows(cast("Any", DiskColumns(path, names)), tuple(names), np.arange(rows)),
        is_signal=is_signal,
        weights=np.ones(rows),
        process=is_signal.astype(np.int16),
        class_balance="events",
    )
    split = Split(np.ones(rows, np.bool_), np.zeros(rows, np.bool_))
    config = BDTConfig(n_estimators=options.trees, early_stopping_rounds=None)
    (fitted,) = boosting.fit(sample, [split], config, Runtime(1, options.jobs, "cpu", options.memory))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{rows} rows x {len(names)} features, {fitted.booster.num_boosted_rounds()} trees, memory {options.memory}, "
        f"{options.jobs} jobs: {time.perf_counter() - before:.0f} s, peak {peak:.2f} GiB, "
        f"loss {fitted.curves['train'][-1]:.4f}"
    )


def main() -> None:
    """Write the file in one process, train in another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=30_000_000)
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--trees", type=int, default=20)
    parser.add_argument("--memory", choices=["stream", "disk"], default="stream")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--file", type=Path, help="where the rows are, if they were written before")
    options = parser.parse_args()
    names = [f"x{k}" for k in range(options.features)]
    if options.file and options.file.exists():
        train(options.file, options.rows, names, options)
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.root"
        write(path, options.rows, names)
        print(f"{path.stat().st_size / 1e9:.2f} GB on disk", flush=True)
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--file", str(path)], check=True)


if __name__ == "__main__":
    main()
