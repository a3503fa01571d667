"""Scoring a cascade, measured: ``python benchmarks/scoring`` prints one table per core, and one from files.

Times are the process's CPU time, medians of interleaved rounds, so that a busy machine disturbs all ways alike. Ratios
are to predict_proba of all stages on all events. The peers are measured if they are installed.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import toy
import uproot
import ways

from cascadebdt.forest import target
from cascadebdt.kernels import cpu

COMPRESSIONS = {"zlib": uproot.ZLIB(1), "zstd": uproot.ZSTD(5), "lz4": uproot.LZ4(4)}


def measure(cases: Mapping[str, tuple[Callable[[], Any], int]], rounds: int) -> dict[str, float]:
    """Return the median CPU time of each case in ns per event, the rounds interleaved after one that warms up."""
    times: dict[str, list[float]] = {name: [] for name in cases}
    for turn in range(rounds + 1):
        for name, (case, n_events) in cases.items():
            start = time.process_time()
            case()
            if turn:
                times[name].append((time.process_time() - start) / n_events * 1e9)
    return {name: float(np.median(values)) for name, values in times.items()}


def per_core(cascades: dict[tuple[int, float], Any], columns: toy.Columns, rounds: int) -> None:
    """Print the table of ways, one row per depth, rejection and way."""
    print("\n| depth | rejection | way | ns per event | ratio | same regions |\n|---|---|---|---|---|---|")
    n_events = len(columns["c0"])
    for (depth, rejection), cascade in cascades.items():
        found = ways.all_ways(cascade)
        parts = {
            name: {column: values[: n_events // less] for column, values in columns.items()}
            for name, (_, less) in found.items()
        }
        cases = {name: (partial(way, parts[name]), len(parts[name]["c0"])) for name, (way, _) in found.items()}
        times = measure(cases, rounds)
        reference = next(iter(times))
        expected = found[reference][0](columns)
        for name, ns in times.items():
            regions = cases[name][0]()
            differing = int((regions != expected[: len(regions)]).sum())
            same = "yes" if differing == 0 else f"{differing} of {len(regions)} differ"
            print(f"| {depth} | {rejection} | {name} | {ns:.0f} | {times[reference] / ns:.1f} | {same} |", flush=True)


def from_files(cascades: dict[int, Any], columns: toy.Columns, rounds: int) -> None:
    """Print the table from ROOT files: reading alone, and reading with scoring."""
    print("\n| file | depth | way | ns per event | times reading |\n|---|---|---|---|---|")
    n_events = len(columns["c0"])
    with tempfile.TemporaryDirectory() as folder:
        for kind, compression in COMPRESSIONS.items():
            path = Path(folder) / f"{kind}.root"
            with uproot.recreate(path, compression=compression) as file:
                file.mktree("Events", columns)
            for depth, cascade in cascades.items():
                targets = {"plain": ways.compiled(cascade, target.plain)}
                if cpu.instructions():
                    targets[cpu.instructions()] = ways.compiled(cascade, None)
                ways_of_file: dict[str, ways.Way] = {"reading alone": len}
                ways_of_file |= {f"reading and {name}": way for name, way in targets.items()}
                cases = {name: (partial(on_chunks, path, way), n_events) for name, way in ways_of_file.items()}
                times = measure(cases, rounds)
                for name, ns in times.items():
                    print(f"| {kind} | {depth} | {name} | {ns:.0f} | {ns / times['reading alone']:.2f} |", flush=True)


def on_chunks(path: Path, way: ways.Way) -> None:
    """Do something with every chunk of a file."""
    for columns in chunks(path):
        way(columns)


def chunks(path: Path) -> Iterator[toy.Columns]:
    """Read a file in chunks of NumPy columns."""
    yield from uproot.iterate(f"{path}:Events", library="np", step_size=100_000)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--trees", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 6])
    parser.add_argument("--rejections", type=float, nargs="+", default=[0.3, 0.5, 0.9])
    arguments = parser.parse_args()
    print(f"CPU: {_cpu()}; Numba compiles for {cpu.name()}; Python {platform.python_version()}; one core")
    columns, _ = toy.events(arguments.events, 2)
    trained = {depth: toy.train(depth, trees=arguments.trees, n_events=arguments.events) for depth in arguments.depths}
    cascades = {(d, r): toy.cascade(trained[d], columns, r) for d in arguments.depths for r in arguments.rejections}
    per_core(cascades, columns, arguments.rounds)
    from_files({d: toy.cascade(trained[d], columns, 0.5) for d in arguments.depths}, columns, arguments.rounds)


def _cpu() -> str:
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    return next(
        (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


if __name__ == "__main__":
    main()
