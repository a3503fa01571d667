"""Peak memory and time of `cascadebdt run` against the number of input events, with `memory: stream` and without.

    python benchmarks/streaming.py [--events 2000000 10000000 50000000] [--selected 0.1] [--memory stream]
        [--folder DIR]

Writes real files (48 bytes an event, four samples, every event with an identity of its own) and runs a whole analysis
of two stages, a final discriminant, a weight and a kinematic systematic on the first files of every sample. Each run
is a process of its own; the peak is that of its resident memory as the kernel counts it. Files that are there are used
again.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

EVENTS_PER_FILE = 500_000
BASKET = 50_000
FEATURES = ("pt", "mass", "ht", "met", "angle", "isolation")
SHIFTS = {"signal": (1.0,), "zee": (0.0,), "wjets": (0.4,), "data": (0.0, 0.4)}  # of the features; data alternate
SHARES = {"signal": 0.001, "zee": 0.5, "wjets": 0.5}  # of the expected data
PB_PER_FB = 1000


def write(path: Path, sample: str, number: int) -> None:
    """Write one file: ``met`` is uniform in [0, 1], so that a cut on it selects any fraction."""
    import numpy as np
    import uproot

    shift = np.resize(np.array(SHIFTS[sample], np.float32), BASKET)
    rng = np.random.default_rng([list(SHIFTS).index(sample), number])
    draft = path.with_suffix(".part")
    with uproot.recreate(draft, compression=uproot.ZSTD(1)) as file:
        for first in range(0, EVENTS_PER_FILE, BASKET):
            event = np.arange(first, first + BASKET, dtype=np.uint64) + np.uint64(number * EVENTS_PER_FILE)
            columns: dict[str, np.ndarray] = {"run": np.ones(BASKET, np.uint32), "event": event}
            columns["luminosityBlock"] = (event // 1000).astype(np.uint32)
            values = rng.standard_normal((len(FEATURES), BASKET), np.float32)
            columns |= {name: row + shift for name, row in zip(FEATURES, values, strict=True)}
            columns["met"] = rng.random(BASKET, np.float32)
            if sample in SHARES:
                columns["genWeight"] = np.ones(BASKET, np.float32)
                columns["weight_up"] = rng.uniform(1.0, 1.2, BASKET).astype(np.float32)
            if first == 0:
                tree = file.mktree("Events", {name: column.dtype for name, column in columns.items()})
            tree.extend(columns)
        if sample in SHARES:
            file.mktree("Runs", {"genEventSumw": np.array([float(EVENTS_PER_FILE)])})
    draft.rename(path)


def files_of(folder: Path, sample: str, n_events: int) -> list[Path]:
    """Return the first files of a sample, so that all samples together have `n_events`."""
    return [folder / f"{sample}_{number:03d}.root" for number in range(n_events // len(SHIFTS) // EVENTS_PER_FILE)]


def configuration(folder: Path, n_events: int, *, selected: float, memory: str) -> dict[str, Any]:
    """Return the analysis of the first `n_events`."""
    n_data = n_events // len(SHIFTS)
    stage = {"features": list(FEATURES), "working_point": {"signal_efficiency": 0.9}}
    samples = [
        {
            "name": sample,
            "process": sample,
            "files": [str(path) for path in files_of(folder, sample, n_events)],
            **({"cross_section_pb": SHARES[sample] * n_data / PB_PER_FB} if sample in SHARES else {}),
        }
        for sample in SHIFTS
    ]
    return {
        "analysis": "streaming",
        "luminosity_fb": 1.0,
        "ntuples": {"sum_of_weights": "Runs:genEventSumw", "weight": "genWeight"},
        "samples": samples,
        "selection": [{"name": "met", "cut": f"met < {selected}"}],
        "features": {name: name for name in FEATURES},
        "cascade": {
            "folds": 3,
            "memory": memory,
            "device": "cpu",
            "bdt": {"n_estimators": 30, "max_depth": 4, "learning_rate": 0.3, "early_stopping_rounds": 5},
            "stages": [{**stage, "name": name, "against": name} for name in ("zee", "wjets")],
            "final": {"features": list(FEATURES)},
        },
        "systematics": [
            {"name": "lumi", "kind": "normalisation", "size": 0.02},
            {"name": "pileup", "kind": "weight", "up": "weight_up", "down": "2 - weight_up"},
            {"name": "scale", "kind": "kinematic", "up": {"met": "met * 1.02"}, "down": {"met": "met * 0.98"}},
        ],
        "fit": {"free": ["zee", "wjets"]},
    }


def measure(folder: Path, n_events: int, options: argparse.Namespace, memory: str) -> None:
    """Run the analysis in a process of its own and print what it took."""
    with tempfile.TemporaryDirectory(dir=folder) as output:
        path = Path(output) / "config.json"
        path.write_text(json.dumps(configuration(folder, n_events, selected=options.selected, memory=memory)))
        arguments = ["run", str(path), "--output", output, "--quiet", "--jobs", str(options.jobs)]
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "cascadebdt", *arguments])
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        if status:
            raise SystemExit(f"run with {n_events} events and memory {memory}: exit status {status}")
        cutflow = json.loads((Path(output) / "cutflow.json").read_text())
    chosen = cutflow["events"]["selected"]
    print(
        f"| {memory:6s} | {n_events:>10d} | {chosen:>10d} | {usage.ru_maxrss / 1024:>8.0f} | {wall:>6.0f} | "
        f"{usage.ru_utime + usage.ru_stime:>6.0f} |",
        flush=True,
    )


def main() -> None:
    """Write what is not there, in another process whose memory does not count, and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, nargs="+", default=[2_000_000, 10_000_000, 50_000_000])
    parser.add_argument("--selected", type=float, default=0.1, help="fraction of the events that pass the selection")
    parser.add_argument("--memory", nargs="+", choices=["ram", "stream", "disk"], default=["stream"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the files are kept [a temporary folder]")
    parser.add_argument("--write", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.write:
        for sample in SHIFTS:
            for number, path in enumerate(files_of(options.folder, sample, options.write)):
                if not path.exists():
                    write(path, sample, number)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        folder.mkdir(exist_ok=True)
        for n_events in options.events:
            arguments = ["--write", str(n_events), "--folder", str(folder)]
            subprocess.run([sys.executable, __file__, *arguments], check=True)
        print(
            "| memory | events     | selected   | peak, MB | wall s | CPU s  |\n|---|---|---|---|---|---|", flush=True
        )
        for n_events in options.events:
            for memory in options.memory:
                measure(folder, n_events, options, memory)


if __name__ == "__main__":
    main()
