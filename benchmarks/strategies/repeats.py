"""What `final.repeats` does: `python benchmarks/strategies/repeats.py --other FOLDER [--cascade FOLDER]`.

The multiclass BDT of the final discriminant is trained three times, with other folds to stop it and other seeds. The
cascade, whose other parts are the same, takes the mean of the first one, two or three.
"""

import argparse
import logging
from dataclasses import replace
from pathlib import Path

from compare import ROOT, _with_files, edges_of, judge, models_of

from cascadebdt import config as configuration
from cascadebdt.config import Config
from cascadebdt.events import Events, in_order
from cascadebdt.events.loading import select
from cascadebdt.resources import available_cpus
from cascadebdt.training import likelihood
from cascadebdt.training.boosting import Runtime, resolve_device
from cascadebdt.training.context import Context
from cascadebdt.training.kept import NOTHING
from cascadebdt.training.survivors import Survivors

N_REPEATS = 3


def context_of(events: Events, config: Config, jobs: int) -> Context:
    """Return what a training of the cascade with all repetitions works with."""
    asked = config.cascade
    assert asked.final is not None
    final = asked.final.model_copy(update={"repeats": N_REPEATS})
    settings = asked.model_copy(update={"final": final})
    runtime = Runtime(config.seed, jobs, resolve_device(asked.device), asked.memory)
    simulation = in_order(events.take(events.is_nominal & ~events.is_data))
    return Context.of(simulation, settings, runtime, NOTHING)


def main() -> None:
    """Print a row per number of repetitions."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--cascade", type=Path)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    config, jobs = configuration.load(options.config), available_cpus()
    trained, judged = (select(one, jobs=jobs) for one in (config, _with_files(config, options.other)))
    cascade = models_of(trained, config, options.cascade, jobs=jobs).configured()
    context = context_of(trained, config, jobs)
    ratios = likelihood.ratios(Survivors.of_no_stage(context.config, context.folds), context)
    assert cascade.discriminant is not None
    for n_repeats in range(1, N_REPEATS + 1):
        averaged = replace(cascade.discriminant, ratios=tuple(ratios[:n_repeats]))
        model = replace(cascade, discriminant=averaged)
        edges = edges_of("cascade", model.score(trained, unblind=True, jobs=jobs), trained, config)
        found = judge(model.score(judged, unblind=True, jobs=jobs), judged, config, edges)
        print(f"| {n_repeats} | {found.limit:.3f} | {found.sigma_mu:.3f} |", flush=True)


if __name__ == "__main__":
    main()
