"""The start of scoring in a new process: ``python benchmarks/scoring/start.py`` prints it cold and from the cache.

What counts begins with Numba, XGBoost and this package imported and the boosters in memory, and ends with the first
events scored: Numba's own start, reading the trees, compiling or loading, and the comparison with XGBoost.
"""

import argparse
import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import toy

JOB = """
import pickle, sys, time
import numba, numpy as np, toy
from cascadebdt.forest import target
classifiers, columns = pickle.load(open(sys.argv[1], "rb"))
cascade = toy.cascade(classifiers, columns, 0.5)
start = time.perf_counter()
if sys.argv[3] == "alone":  # what Numba does before it compiles anything
    from numba.core import entrypoints, registry
    entrypoints.init_all()
    registry.cpu_target.typing_context.refresh()
    registry.cpu_target.target_context.refresh()
else:
    ready = cascade.compiled(target.plain if sys.argv[2] == "plain" else None)
    ready.score(columns, np.zeros(len(columns["c0"]), np.uint64))
print(time.perf_counter() - start)
"""


def seconds(cascade: Path, target: str, cache: str, what: str) -> float:
    """Return the time that a new process needs."""
    folder = str(Path(__file__).parent)
    environment = os.environ | {"NUMBA_CACHE_DIR": cache, "OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = os.pathsep.join([folder, environment.get("PYTHONPATH", "")])
    command = [sys.executable, "-c", JOB, str(cascade), target, what]
    return float(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Train small boosters of each depth and print the least of some starts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--depths", type=int, nargs="+", default=[4, 6, 8])
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    print("| depth | target | cold, s | from the cache, s | of which Numba's own start, s |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        columns, _ = toy.events(1000, 2)
        for depth in arguments.depths:
            path = Path(folder) / f"{depth}.pickle"
            path.write_bytes(pickle.dumps((toy.train(depth, trees=300, n_events=50_000), columns)))
            for target in ("plain", "fastest"):
                caches = [f"{folder}/{depth}{target}{turn}" for turn in range(arguments.rounds)]
                times = {
                    what: min(seconds(path, target, cache, what) for cache in caches)
                    for what in ("cold", "cached", "alone")
                }
                print(
                    f"| {depth} | {target} | " + " | ".join(f"{value:.2f}" for value in times.values()) + " |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
