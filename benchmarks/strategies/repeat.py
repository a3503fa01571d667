"""How much a result depends on seeds and folds: `python benchmarks/strategies/repeat.py --other FOLDER`.

The same analysis is trained with two seeds, and with another hash of the events, which puts them into other folds. Each
chooses its bins on the events that trained it, and is judged on them and on independent ones of another seed.
"""

import argparse
import logging
from pathlib import Path

import numpy as np
from compare import ROOT, _with_files, judge

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.config.region_names import is_validation
from cascadebdt.events.loading import select
from cascadebdt.histograms import yields
from cascadebdt.resources import available_cpus


def main() -> None:
    """Print a row per training."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--other", type=Path, required=True)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    config, jobs = configuration.load(options.config), available_cpus()
    trainings = {
        "as configured": config,
        "another seed": config.replace("seed", 2),
        "another hash": config.replace("ntuples.event_id", ["event", "run", "luminosityBlock"]),
    }
    for name, one in trainings.items():
        events = [select(of, jobs=jobs) for of in (one, _with_files(one, options.other))]
        cascade = training.train(events[0], one.cascade, seed=one.seed, jobs=jobs)
        scores = [cascade.score(of, unblind=True, jobs=jobs) for of in events]
        filled = yields.fill(events[0], scores[0], one.regions)
        edges = {r: np.array(h.axes[2].edges) for r, h in filled.items() if not is_validation(r)}
        found = [judge(of, one_of, one, edges) for of, one_of in zip(scores, events, strict=True)]
        numbers = " | ".join(f"{value:.2f}" for judged in found for value in (judged.limit, judged.sigma_mu))
        errors = " ".join(f"{error:.3f}" for error in found[1].normalisation.values())
        print(f"| {name} | {numbers} | {errors} |", flush=True)


if __name__ == "__main__":
    main()
