"""ROOT files with faults: what the package makes of them.

    python benchmarks/faults/root_files.py [--number 10000] [--seed 1] [--show wrong]

Each mutant is one fault of one small file of a kind (TTree, RNTuple with and without checksums of pages, every codec).
It is read and selected in this process; the outcome is compared bit by bit with that of the file without fault:

same       the fault lies where nothing is read, and the result is the same, bit for bit
sentence   one sentence (exit 2 or 75 of the command line)
wrong      other numbers, and nothing is said
traceback  an exception of another family, or a message of several lines
hang       no end within 20 seconds
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))

import mutants

KINDS = ("TTree", "RNTuple", "RNTuple without page checksums")


def write(path: Path, kind: str, codec: str, seed: int) -> Path:
    """Write a file of a kind."""
    if kind == "TTree":
        return mutants.write_tree(path, codec, seed=seed)
    return mutants.write_rntuple(path, codec, seed=seed, with_checksums=kind == "RNTuple")


def campaign(kind: str, codec: str, number: int, seed: int, folder: Path, show: str) -> Counter[str]:
    """Count the outcomes of `number` mutants of one kind of file."""
    path = write(folder / f"{kind.replace(' ', '_')}_{codec}.root", kind, codec, seed)
    original = path.read_bytes()
    mutant = folder / "mutant.root"
    mutant.write_bytes(original)
    config = mutants.configuration(mutant)
    expected = mutants.read(config)
    counts: Counter[str] = Counter()
    for index in range(number):
        rng = np.random.default_rng([seed, KINDS.index(kind), list(mutants.CODECS).index(codec), index])
        fault = mutants.FAULTS[index % len(mutants.FAULTS)]
        mutant.write_bytes(mutants.damaged(original, rng, fault))
        outcome, message = mutants.outcome(lambda: mutants.read(config), expected)
        counts[outcome] += 1
        if outcome == show or outcome in ("traceback", "hang"):
            print(f"{kind} {codec} seed {seed} number {index} ({fault}): {outcome}\n{message}", flush=True)
    return counts


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=10_000, help="mutants of all kinds together")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--show", default="", choices=["", *mutants.OUTCOMES], help="print these outcomes, too")
    options = parser.parse_args()
    each = max(1, options.number // (len(KINDS) * len(mutants.CODECS)))
    start = time.monotonic()
    print("| file | codec | mutants | " + " | ".join(mutants.OUTCOMES) + " |")
    print("|---" * (3 + len(mutants.OUTCOMES)) + "|")
    with tempfile.TemporaryDirectory() as folder:
        for kind in KINDS:
            for codec in mutants.CODECS:
                counts = campaign(kind, codec, each, options.seed, Path(folder), options.show)
                print(
                    f"| {kind} | {codec} | {each} | "
                    + " | ".join(str(counts[name]) for name in mutants.OUTCOMES)
                    + " |",
                    flush=True,
                )
    print(f"\n{time.monotonic() - start:.0f} s")


if __name__ == "__main__":
    main()
