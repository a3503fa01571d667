"""A disk that is full or cannot be written to, from every write of a run on: one sentence, and the next run is right.

    python benchmarks/faults/writes.py [--every 1] [--first 1]

A run of a tiny analysis opens files to be written, makes folders, and changes or removes names some hundred times. For
each of these, in a process of its own, the disk is full from there on (a file holds its first 100 bytes), has no space
for anything, is read-only, or gives one error. Then the run is repeated on a disk that is well. Figures are not drawn.

sentence   one sentence and exit code 75 (read-only: 2), no product is half written, the next run makes those of
           an undisturbed run, bit for bit
done       the same, but the run could do without
wrong      a product is half written, or the next run's are other ones
traceback  anything else is said
hang       no end within 120 seconds
"""

import argparse
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # read as libraries load; threads do not survive a fork
sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import failing_writes
import tampering

OUTCOMES = ("sentence", "done", "wrong", "traceback", "hang")


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="take every n-th write only")
    parser.add_argument("--first", type=int, default=1, help="number of the first write")
    options = parser.parse_args()
    start = time.monotonic()
    counts = {kind: Counter[str]() for kind in failing_writes.KINDS}
    with tempfile.TemporaryDirectory() as folder:
        setting = tampering.prepare(Path(folder) / "setting")
        tampering.warm(setting, Path(folder))
        output = Path(folder) / "output"
        number_of_writes = failing_writes.count_writes(setting, output)
        for number in range(options.first, number_of_writes + 1, options.every):
            for kind, counted in counts.items():
                outcome, message = failing_writes.outcome(setting, output, number, kind)
                counted[outcome] += 1
                if outcome not in ("sentence", "done"):
                    print(f"{kind} from write {number}: {outcome}: {message[-1500:]}", flush=True)
    print(f"{number_of_writes} writes\n| disk | runs | " + " | ".join(OUTCOMES) + " |\n" + "|---" * 7 + "|")
    for kind, counted in counts.items():
        print(f"| {kind} | {counted.total()} | " + " | ".join(str(counted[name]) for name in OUTCOMES) + " |")
    print(f"\n{time.monotonic() - start:.0f} s")
    sys.exit(any(counted[name] for counted in counts.values() for name in ("wrong", "traceback", "hang")))


if __name__ == "__main__":
    main()
