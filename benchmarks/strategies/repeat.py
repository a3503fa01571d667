"""How much a result depends on seeds and folds: `python benchmarks/strategies/repeat.py --other FOLDER`.

The same analysis is trained with two seeds, and with another hash of the events, which puts them into other folds. Each
chooses its bins on the events that trained it, and is judged on them and on independent ones of another seed.
"""

import argparse
import logging
from pathlib import Path

from compare import ROOT, edges_of, judge

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.events.loading import select
from cascadebdt.resources import available_cpus
from cascadebdt.studies.compare_judge import with_samples_of
from cascadebdt.studies.compare_runs import without_data


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
        one = without_data(one)
        events = [select(of, jobs=jobs) for of in (one, with_samples_of(one, options.other))]
        cascade = training.train(events[0], one.cascade, seed=one.seed, jobs=jobs)
        scores = [cascade.score(of, jobs=jobs) for of in events]
        edges = edges_of(name, scores[0], events[0], one)
        found = [judge(of, one_of, one, edges) for of, one_of in zip(scores, events, strict=True)]
        numbers = " | ".join(f"{value:.2f}" for judged in found for value in (judged.limit, judged.sigma_mu))
        errors = " ".join(f"{error:.3f}" for error in found[1].normalisation.values())
        print(f"| {name} | {numbers} | {errors} |", flush=True)


if __name__ == "__main__":
    main()
