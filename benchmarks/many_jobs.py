"""Many processes start at once on one empty cache directory, compile the same kernel and run it.

    python benchmarks/many_jobs.py [--jobs 100] [--rounds 2]

Each must give the same numbers; from the second round on none may compile. The figures are wall times.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

JOB = """
import sys
import numpy as np
from cascadebdt.expression import Value, build, parse
sys.stdin.readline()  # all start together
program = build(features=[parse("sqrt(x) + 2 * y", path="x")], values=[Value("x"), Value("y")])
found = program.run(3, np.arange(6.0).reshape(2, 3))[1]
from cascadebdt.expression.compiler import KERNELS
from cascadebdt.kernels import generated
stats = generated.load(program.source, KERNELS).stats
print(found.tobytes().hex(), sum(stats.cache_hits.values()), sum(stats.cache_misses.values()))
"""


@dataclass(frozen=True)
class Round:
    """What the processes of one round printed: their numbers, and whether they found machine code or compiled."""

    results: set[str]
    hits: int
    misses: int
    seconds: float


def start_together(jobs: int, directory: str) -> Round:
    """Start processes that wait for each other, then use one cache directory.

    Raises
    ------
    RuntimeError
        If one of them fails.
    """
    environment = os.environ | {"NUMBA_CACHE_DIR": directory}
    started = [
        subprocess.Popen(
            [sys.executable, "-c", JOB],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(jobs)
    ]
    begin = time.perf_counter()
    for process in started:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    printed = []
    for process in started:
        out, error = process.communicate()
        if process.returncode:
            raise RuntimeError(error)
        printed.append(out.split())
    hits, misses = (sum(int(words[k]) for words in printed) for k in (1, 2))
    return Round({words[0] for words in printed}, hits, misses, time.perf_counter() - begin)


def main() -> None:
    """Run the rounds on one directory and print what happened."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        for number in range(options.rounds):
            found = start_together(options.jobs, directory)
            same = "the same numbers" if len(found.results) == 1 else f"{len(found.results)} different results"
            print(
                f"round {number + 1}: {options.jobs} processes, {same}, {found.misses} compiled, {found.hits} found "
                f"machine code, {found.seconds:.1f} s"
            )


if __name__ == "__main__":
    main()
