"""Products that somebody altered: a right answer or one sentence from every command.

    python benchmarks/faults/products.py [--number 500] [--seed 1]

Each mutant is the folder of a run of a tiny analysis in which one product has a fault: bytes altered, cut off, replaced
(by an empty file, a list, text), exchanged with another product, that of a run of another configuration, missing, a
folder, a dangling link, JSON with other values or keys, the manifest altered, or altered with its hash in the manifest
("forged"). `status` and, in turn, two of apply, apply --files, apply --cascade of this folder into another one, fit,
report and run are each run on a fresh copy of it, in a process of its own; figures are not drawn.

same       the command's products are those of an undisturbed run, bit for bit; `status` tells which product is not
sentence   one sentence, exit code 2 or 75
wrong      other products, and nothing is said
forged     the same, from a product whose hash in the manifest was altered to match: no hash can show that
traceback  anything else
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

import numpy as np

import mutants
import tampering

OTHERS = [command for command in tampering.COMMANDS if command != "status"]
OUTCOMES = (*mutants.OUTCOMES, "forged")


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--commands", type=int, default=2, help="beside status, of the six others in turn")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sentences", action="store_true", help="print what is said, too")
    options = parser.parse_args()
    start = time.monotonic()
    counts = {command: Counter[str]() for command in tampering.COMMANDS}
    with tempfile.TemporaryDirectory() as folder:
        setting = tampering.prepare(Path(folder) / "setting")
        tampering.warm(setting, Path(folder))
        for index in range(options.first, options.first + options.number):
            kind = tampering.KINDS[index % len(tampering.KINDS)]
            first = index  # kinds and commands have no common factor but one
            for command in ("status", *(OTHERS[(first + step) % len(OTHERS)] for step in range(options.commands))):
                rng = np.random.default_rng([options.seed, index])
                outcome, message = tampering.outcome(setting, Path(folder), rng, kind, command)
                counts[command][outcome] += 1
                if outcome in ("wrong", "traceback", "hang") or (options.sentences and outcome != "same"):
                    print(f"seed {options.seed} number {index}: {outcome}: {message[-2000:]}", flush=True)
    print("| command | mutants | " + " | ".join(OUTCOMES) + " |\n" + "|---" * (2 + len(OUTCOMES)) + "|")
    for command, counted in counts.items():
        print(f"| {command} | {counted.total()} | " + " | ".join(str(counted[name]) for name in OUTCOMES) + " |")
    print(f"\n{time.monotonic() - start:.0f} s")
    sys.exit(any(counted[name] for counted in counts.values() for name in ("wrong", "traceback", "hang")))


if __name__ == "__main__":
    main()
