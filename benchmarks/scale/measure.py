"""What a job and an event cost on one core, and from this, on paper, 1e9 events (1 TB) over many slots.

    python benchmarks/scale/measure.py [configs/quick.yaml] [--repeat 5]
    python benchmarks/scale/measure.py --dag results/quick/batch    # time of a level of a DAG, from its logs
    python benchmarks/scale/measure.py --peaks 2000000:20:0.50 ...  # largest training, from rows:features:GiB

All times are of the CPU, so that other work on the same machine moves them little; the least of the repetitions counts.
"""

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np

from cascadebdt import training
from cascadebdt.config import Config, load
from cascadebdt.events import loading
from cascadebdt.pipeline import filling
from cascadebdt.pipeline.totals import Block

EVENTS = 1e9
SLOTS = (100, 1000, 10_000)
EVENTS_PER_JOB = 1_000_000
LEVEL_SECONDS = 6.0  # of DAGMan, see `--dag`
NODE = 51  # bytes per event of the node that prepares a sample for many machines, see `training.py memory`
N_FEATURES, N_MACHINES, MACHINE = (20, 50, 100), 8, 24 * 2**30  # bytes


@dataclass(frozen=True)
class Costs:
    """CPU seconds.

    Attributes
    ----------
    start : of a job that has nothing to do: Python, the package, the keys
    read : per event that is read
    score, fill : per event that is selected
    selected : events selected per event read
    bytes : of file per event read
    """

    start: float
    read: float
    score: float
    fill: float
    selected: float
    bytes: float


def least(function: Callable[[], object], repeat: int) -> float:
    """Return the least CPU time of a function, after one call that compiles."""
    function()
    times = []
    for _ in range(repeat):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def job(config: Path, sample: str, repeat: int) -> float:
    """Return the CPU time of a job that finds its part of a sample selected: all that it costs but the work."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "cascadebdt", "select", config, "--sample", sample, "--output", folder]

        def once() -> float:
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([*map(str, command), "--quiet", "--jobs", "1"], check=True)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime

        once()
        return min(once() for _ in range(repeat))


def measure(path: Path, repeat: int) -> Costs:
    """Measure a configuration on its own samples."""
    config = load(path)
    events = loading.select(config)
    cascade = training.train(events, config.cascade, seed=config.seed)
    n_read = float(events.cutflow.entries[:, 0].sum())
    scoring = least(lambda: Block.of(events, cascade, config), repeat)
    filled = least(lambda: filling.fill(events, cascade, config), repeat)
    return Costs(
        start=job(path, config.samples[0].name, repeat),
        read=least(lambda: loading.select(config), repeat) / n_read,
        score=scoring / len(events),
        fill=(filled - scoring) / len(events),
        selected=len(events) / n_read,
        bytes=_bytes(config) / n_read,
    )


def _bytes(config: Config) -> float:
    patterns = [pattern for sample in config.samples for pattern in sample.files]
    return float(sum(path.stat().st_size for pattern in patterns for path in config.directory.glob(pattern)))


def table(costs: Costs) -> str:
    """Return the wall times of 1e9 events on paper, where every slot always has a job and reads as fast as it works."""
    n_jobs = -(-EVENTS // EVENTS_PER_JOB)
    lines = [
        "| slots | read and select, h | score and fill, h | start of jobs, h | together, h |",
        "|---|---|---|---|---|",
    ]
    for slots in SLOTS:
        used = min(slots, n_jobs)
        rounds = -(-n_jobs // used)
        read = rounds * EVENTS_PER_JOB * costs.read / 3600
        work = rounds * EVENTS_PER_JOB * costs.selected * (costs.score + costs.fill) / 3600
        start = 2 * (rounds * costs.start + LEVEL_SECONDS) / 3600
        lines.append(f"| {slots} | {read:.3f} | {work:.3f} | {start:.3f} | {read + work + start:.3f} |")
    return "\n".join(lines)


def levels(batch: Path) -> str:
    """Return how long DAGMan and HTCondor took from the end of the last parent of a node to its start."""
    line = re.compile(r"^(\d{3}) \(\S+\) (\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)", re.MULTILINE)
    times: dict[str, dict[str, float]] = {}
    for log in (batch / "jobs").glob("*.log"):
        for code, moment in line.findall(log.read_text()):
            times.setdefault(log.stem, {})[code] = datetime.fromisoformat(moment).timestamp()
    parents = re.findall(r"^PARENT (.+) CHILD (.+)$", (batch / "analysis.dag").read_text(), re.MULTILINE)
    gaps = []
    for before, after in parents:
        ends = [times[name]["005"] for name in before.split() if "005" in times.get(name, {})]
        starts = [times[name]["001"] for name in after.split() if "001" in times.get(name, {})]
        gaps += [min(starts) - max(ends)] if ends and starts else []
    mean = sum(gaps) / len(gaps)
    return f"{len(gaps)} levels: {mean:.1f} s on average, {min(gaps):.0f} to {max(gaps):.0f} s"


def largest(peaks: list[str]) -> str:
    """Return how many events train on a machine, from peaks of memory at some numbers of rows and features."""
    rows, features, gib = np.array([text.split(":") for text in peaks], np.float64).T
    design = np.column_stack([np.ones(len(rows)), rows, rows * features])
    (base, of_event, of_value), *_ = np.linalg.lstsq(design, gib * 2**30)
    lines = [f"{base / 2**20:.0f} MiB, {of_event:.0f} bytes per event, {of_value:.2f} bytes per event and feature"]
    for n_features in N_FEATURES:
        each = of_event + of_value * n_features
        alone = (MACHINE - base) / each
        together = min(N_MACHINES * alone, (MACHINE - base) / NODE)
        lines.append(f"{n_features} features: {alone / 1e6:.0f} million events, {together / 1e6:.0f} on {N_MACHINES}")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("config", nargs="?", type=Path, default=Path("configs/quick.yaml"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--dag", type=Path, help="folder of a submission that was done")
    parser.add_argument("--peaks", nargs="+", help="of benchmarks/training/memory.py")
    options = parser.parse_args()
    if options.peaks:
        print(largest(options.peaks))
        return
    if options.dag:
        print(levels(options.dag))
        return
    costs = measure(options.config, options.repeat)
    print(f"a job without work        {costs.start:.2f} s")
    for name, of_event in (("read and select", costs.read), ("score", costs.score), ("fill", costs.fill)):
        print(f"{name:16s} {1e6 * of_event:8.2f} us per event, {1 / of_event:12.0f} events per second")
    print(f"selected {100 * costs.selected:.1f} % of the events read, {costs.bytes:.0f} bytes of file each")
    print(table(costs))


if __name__ == "__main__":
    main()
