"""Pulls and coverage of pseudo-experiments: `python benchmarks/fitting/toys.py WORKSPACE.json [--toys 500]`.

WORKSPACE.json is that of a run, such as of configs/wh_dark_photon.yaml. Pulls of mu and of every free normalisation
should have mean 0 and width 1, the 68 % interval of the profile should hold the truth in 68.3 % of the fits.
"""

import argparse
import json
import time
from pathlib import Path

from cascadebdt import inference


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--toys", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    start = time.perf_counter()
    found = inference.toys(json.loads(arguments.workspace.read_text()), arguments.toys, seed=arguments.seed)
    print("| parameter | mean of pulls | width of pulls | coverage |\n|---|---|---|---|")
    for name, row in found.summary().items():
        cells = (f"{row[key]:.3f} ± {row[f'{key}_uncertainty']:.3f}" for key in ("mean", "width", "coverage"))
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"{len(found.values)} toys fitted, {len(found.failures)} failed, {time.perf_counter() - start:.0f} s")
    for failure in found.failures:
        print(f"toy {failure.toy}: {failure.reason}")


if __name__ == "__main__":
    main()
