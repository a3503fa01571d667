"""Kills a random worker of Dask every few seconds while an analysis runs on them, and compares its products with `run`.

    python benchmarks/faults/workers.py [--config configs/quick.yaml] [--seconds 20] [--seed 1]

A worker is killed together with its nanny; another one is started in its place. A command that ends because a node met
too many deaths is given again, as the user would. Yields, workspace, models, fit and limits must have the same bytes.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

N_WORKERS = 2
MAY_PASS = 75
PATTERNS = ("cascade/*/*.ubj", "yields.json", "workspace.json", "histograms.json", "fit.json", "limits.json")


def start(*arguments: object, log: Path) -> subprocess.Popen[bytes]:
    """Start a process of Dask."""
    with log.open("ab") as file:
        return subprocess.Popen([sys.executable, "-m", "dask", *map(str, arguments)], stdout=file, stderr=file)


def run(config: Path, output: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start the command."""
    command = [sys.executable, "-m", "cascadebdt", "run", config, "--output", output, "--quiet", *options]
    return subprocess.Popen(list(map(str, command)))


def kill(worker: subprocess.Popen[bytes]) -> None:
    """Kill a nanny and its worker, but not the nodes that it runs: they must end by themselves."""
    children = psutil.Process(worker.pid).children()
    for pid in (worker.pid, *(child.pid for child in children)):
        os.kill(pid, signal.SIGKILL)
    worker.wait()


def products(output: Path) -> dict[str, bytes]:
    """Return the products that must have the same bytes."""
    paths = [path for pattern in PATTERNS for path in output.glob(pattern)]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}


def campaign(config: Path, folder: Path, *, seconds: float, seed: int) -> tuple[int, int]:
    """Run the analysis on workers that die; return how many did, and how often the command was given."""
    rng, file = random.Random(seed), folder / "scheduler.json"
    options = ("--no-dashboard", "--scheduler-file", file)
    scheduler = start("scheduler", "--port", "0", *options, log=folder / "scheduler.log")
    while not file.exists():
        time.sleep(0.1)
    address = json.loads(file.read_text())["address"]

    def worker() -> subprocess.Popen[bytes]:
        place = ("--local-directory", folder, "--nthreads", "1", "--no-dashboard")
        return start("worker", address, *place, log=folder / "workers.log")

    workers = [worker() for _ in range(N_WORKERS)]
    kills = commands = 0
    code = MAY_PASS
    while code == MAY_PASS:
        command = run(config, folder / "out", "--executor", "dask", "--scheduler", address)
        commands += 1
        while (ended := command.poll()) is None:
            try:
                command.wait(rng.uniform(0.5, 1.5) * seconds)
            except subprocess.TimeoutExpired:
                chosen = rng.randrange(N_WORKERS)
                kill(workers[chosen])
                workers[chosen] = worker()
                kills += 1
        code = ended
    for process in (*workers, scheduler):
        process.terminate()
        process.wait()
    if code:
        raise SystemExit(f"the command ended with exit code {code}")
    return kills, commands


def main() -> None:
    """Compare a run on dying workers with one in one process."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", type=Path, default=Path("configs/quick.yaml"))
    parser.add_argument("--seconds", type=float, default=20.0, help="between two deaths, on average")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if run(options.config, folder / "whole").wait():
            raise SystemExit("the run in one process failed")
        kills, commands = campaign(options.config, folder, seconds=options.seconds, seed=options.seed)
        whole, out = products(folder / "whole"), products(folder / "out")
        wrong = sorted(name for name in whole | out if whole.get(name) != out.get(name))
        print(f"{kills} workers killed, {commands} commands, {len(whole)} products, {len(wrong)} differ {wrong}")


if __name__ == "__main__":
    main()
