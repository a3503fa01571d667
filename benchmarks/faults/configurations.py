"""Configurations and expressions with faults: one sentence each, or a valid configuration.

    python benchmarks/faults/configurations.py [--number 5000] [--expressions 2000] [--seed 1]

A mutant is a shipped configuration after one to three changes, half of its text (a line deleted, doubled, moved or
indented, a character inserted, a value exchanged), half of its structure (a key or item removed, renamed, doubled,
moved, nested, or with another value or number). An expression is a sequence of words of the language.
"""

import argparse
import functools
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests"))

import mutants  # noqa: E402 (lies beside the tests, which use it too)


def count(name: str, number: int, once: Callable[[np.random.Generator], tuple[str, str]], seed: int) -> None:
    """Print the outcomes of a number of mutants."""
    counts: Counter[str] = Counter()
    for index in range(number):
        outcome, message = once(np.random.default_rng([seed, index]))
        counts[outcome] += 1
        if outcome in ("traceback", "hang"):
            print(f"{name} seed {seed} number {index}: {outcome}\n{message}", flush=True)
    print(f"| {name} | {number} | " + " | ".join(str(counts[key]) for key in mutants.OUTCOMES) + " |", flush=True)


def main() -> None:
    """Run both campaigns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=5000)
    parser.add_argument("--expressions", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    start = time.monotonic()
    print("| what | mutants | valid | sentence | wrong | traceback | hang |\n" + "|---" * 7 + "|")
    shipped = sorted((ROOT / "configs").glob("*.yaml"))
    for path in shipped:
        load = functools.partial(mutants.load_mutant, path.read_text(encoding="utf-8"))
        count(path.name, options.number // len(shipped), load, options.seed)
    count("expression", options.expressions, mutants.parse_words, options.seed)
    print(f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
