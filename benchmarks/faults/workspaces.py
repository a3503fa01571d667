"""Workspaces and patches with faults: the answer that pyhf gives, too, or one sentence.

    python benchmarks/faults/workspaces.py [--number 1000] [--seed 1]

A mutant is a small valid workspace, or one with a patch or a patch set, of which one to three values, keys or bytes are
changed (see ``tests/workspace_mutants.py``). It goes through reading, checks, fit and limit of `cascadebdt fit`.

same       what is left is a model, and pyhf finds no better fit of it
sentence   one sentence
wrong      pyhf finds a better fit, or has other parameters
alone      pyhf finds no fit within ten seconds, or one with negative events in a bin
traceback  an exception of another family, or a message of several lines
hang       no end within 20 seconds
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import workspace_mutants


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutant")
    parser.add_argument("--sentences", action="store_true", help="print what is said, too")
    options = parser.parse_args()
    logging.disable()
    start = time.monotonic()
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        for index in range(options.first, options.first + options.number):
            rng = np.random.default_rng([options.seed, index])
            outcome, message = workspace_mutants.fit_mutant(*workspace_mutants.write_mutant(Path(folder), rng))
            counts[outcome] += 1
            if outcome not in ("same", "alone", "sentence"):
                print(f"seed {options.seed} number {index}: {outcome}\n{message[-2000:]}", flush=True)
            elif options.sentences and message:
                print(f"{index}: {message[:500]}", flush=True)
    print("| mutants | " + " | ".join(workspace_mutants.OUTCOMES) + " |\n" + "|---" * 7 + "|")
    print(f"| {options.number} | " + " | ".join(str(counts[name]) for name in workspace_mutants.OUTCOMES) + " |")
    print(f"\n{time.monotonic() - start:.0f} s")
    sys.exit(any(counts[name] for name in ("wrong", "traceback", "hang")))


if __name__ == "__main__":
    main()
