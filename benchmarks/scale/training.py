"""Memory of a training on workers of Dask, and its agreement with that on one machine.

    python benchmarks/scale/training.py memory [--rows 2000000 6000000] [--features 20] [--workers 2]
    python benchmarks/scale/training.py agreement configs/quick.yaml [--workers 2]

`memory` trains one booster of few trees and prints the peak of the node and of the largest worker. `agreement` trains a
whole configuration with and without `distributed: true`, and prints the AUC of every stage, out of fold, and the
expected limit.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, cast

import dask
import numpy as np
from distributed import Client, LocalCluster

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from memory import CHUNK, label, write

from cascadebdt import config as configuration
from cascadebdt.config import BDTConfig, document
from cascadebdt.events.disk import DiskColumns
from cascadebdt.events.folds import Split
from cascadebdt.training import distributed
from cascadebdt.training.boosting import Runtime, TrainingSample
from cascadebdt.training.feature_rows import FeatureRows


def peak() -> float:
    """Return the largest memory that this process had, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def cluster(n_workers: int) -> LocalCluster:
    """Start workers, each a process with one thread."""
    return LocalCluster(n_workers=n_workers, threads_per_worker=1, memory_limit=None, dashboard_address=None)


def train(rows: int, names: list[str], n_workers: int, folder: Path) -> None:
    """Train one booster on rows of a file, and say what it took."""
    path = folder / f"{rows}.root"
    subprocess.run([sys.executable, __file__, "write", path, str(rows), str(len(names))], check=True)
    is_signal = np.concatenate(
        [label(seed, min(CHUNK, rows - first)) for seed, first in enumerate(range(0, rows, CHUNK))]
    )
    sample = TrainingSample(
        features=FeatureRows(cast("Any", DiskColumns(path, names)), tuple(names), np.arange(rows)),
        is_signal=is_signal,
        weights=np.ones(rows),
        process=is_signal.astype(np.int16),
        class_balance="events",
    )
    split = Split(np.ones(rows, np.bool_), np.zeros(rows, np.bool_))
    bdt = BDTConfig(n_estimators=5, early_stopping_rounds=None)
    with cluster(n_workers) as workers, dask.config.set({"scheduler-address": workers.scheduler_address}):
        (fitted,) = distributed.fit(sample, [split], bdt, Runtime(1, 1, "cpu", "stream"))
        with Client(workers, set_as_default=False) as client:
            of_workers = max(client.run(peak).values())
    print(
        f"{rows} rows x {len(names)} features on {n_workers} workers: "
        f"node {peak():.2f} GiB, worker {of_workers:.2f} GiB, loss {fitted.curves['train'][-1]:.4f}",
        flush=True,
    )


def agreement(path: Path, n_workers: int) -> None:
    """Train a configuration in both ways and compare."""
    raw = configuration.load(path).model_dump(mode="json", by_alias=True, exclude_defaults=True)
    raw["cascade"]["memory"] = "stream"
    for sample in raw["samples"]:
        sample["files"] = [str((path.parent / name).resolve()) for name in np.atleast_1d(sample["files"]).tolist()]
    with tempfile.TemporaryDirectory() as name, cluster(n_workers) as workers:
        for is_distributed in (False, True):
            final = [raw["cascade"]["final"]] if raw["cascade"].get("final") else []
            for part in (*raw["cascade"]["stages"], *final):
                part["distributed"] = is_distributed
            own, output = Path(name) / f"{is_distributed}.yaml", Path(name) / str(is_distributed)
            own.write_text(document.write(raw))
            command = [sys.executable, "-m", "cascadebdt", "run", own, "--output", output, "--quiet", "--jobs", "1"]
            environment = {**os.environ, "DASK_SCHEDULER_ADDRESS": workers.scheduler_address}
            subprocess.run([*map(str, command)], check=True, env=environment)
            print("distributed" if is_distributed else "one machine", *answers(output), flush=True)


def answers(output: Path) -> list[str]:
    """Return the AUC of every stage and the expected limit of a run."""
    cascade: Any = json.loads((output / "cascade" / "cascade.json").read_text())
    stages = [*cascade["stages"], *([cascade["final"]] if cascade["final"] else [])]
    limit = json.loads((output / "limits.json").read_text())["limit"]["expected"][2]
    return [*(f"{stage['name']} {stage['training']['auc']:.6f}" for stage in stages), f"expected limit {limit:.6f}"]


def main() -> None:
    """Do one of the two."""
    if sys.argv[1:2] == ["write"]:  # in a process of its own, whose memory does not count
        write(Path(sys.argv[2]), int(sys.argv[3]), [f"x{k}" for k in range(int(sys.argv[4]))])
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "agreement"])
    parser.add_argument("config", nargs="?", type=Path, default=Path("configs/quick.yaml"))
    parser.add_argument("--rows", type=int, nargs="+", default=[2_000_000, 6_000_000])
    parser.add_argument("--features", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    if options.what == "agreement":
        agreement(options.config, options.workers)
        return
    with tempfile.TemporaryDirectory() as folder:
        for rows in options.rows:
            train(rows, [f"x{k}" for k in range(options.features)], options.workers, Path(folder))


if __name__ == "__main__":
    main()
