"""Bins by quantiles and by sensitivity: `python benchmarks/strategies/bins.py --other FOLDER [--cascade FOLDER]`.

One cascade; the bins of the signal region are found on the events that trained it, and judged on them and on
independent ones (FOLDER has files of the same names from another seed), all on the nominal background with the
package's own fit. What bins claim on the events that chose them, and do not keep on others, is their optimism.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

from compare import ROOT, edges_of, judge

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import RegionsConfig
from cascadebdt.events.loading import select
from cascadebdt.resources import available_cpus
from cascadebdt.studies.compare_judge import with_samples_of
from cascadebdt.studies.compare_runs import without_data

CHOICES: dict[str, dict[str, Any]] = {
    "quantiles, 12": {},
    "quantiles, 20": {"n_bins": 20},
    "sensitivity, 12, no floor of each": {"bins": {"choose": "sensitivity", "min_effective_events_each": 0}},
    "sensitivity, 12": {"bins": {"choose": "sensitivity"}},
    "sensitivity, 12, monotone": {"bins": {"choose": "sensitivity", "monotone": True}},
    "sensitivity, 20": {"bins": {"choose": "sensitivity"}, "n_bins": 20},
    "sensitivity, 12, no floor": {
        "bins": {"choose": "sensitivity", "min_effective_events_each": 0},
        "min_effective_events": 0,
    },
}


def main() -> None:
    """Print a row per choice of bins."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--cascade", type=Path, help="folder of a cascade trained with the configuration")
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    config, jobs = without_data(configuration.load(options.config)), available_cpus()
    events = [select(one, jobs=jobs) for one in (config, with_samples_of(config, options.other))]
    if options.cascade:
        cascade = Cascade.load(options.cascade)
    else:
        cascade = training.train(events[0], config.cascade, seed=config.seed, jobs=jobs)
    scores = [cascade.score(one, jobs=jobs) for one in events]
    signal = config.regions.signal.model_dump()
    for name, change in CHOICES.items():
        regions = RegionsConfig.model_validate({**config.regions.model_dump(), "signal": {**signal, **change}})
        chosen = config.model_copy(update={"regions": regions})
        edges = edges_of(name, scores[0], events[0], chosen)
        found = [judge(of, one, chosen, edges) for of, one in zip(scores, events, strict=True)]
        numbers = " | ".join(f"{value:.2f}" for one in found for value in (one.limit, one.sigma_mu))
        print(f"| {name} | {len(edges['SR']) - 1} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
