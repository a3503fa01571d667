"""Templates of the signal region by their own events, and by borrowed shapes, when there is little simulation.

`python benchmarks/strategies/templates.py --other FOLDER [--share 0.25] [--part 0] [--cascade FOLDER]`

The cascade and the multiclass BDT of `compare.py`, each with templates from its own events (`own`), from the whole
selection (`selection`) and from likelihood ratios (`likelihood`: the cascade's stages and multiclass BDT, or the
multiclass BDT alone). Bins are found on the events that trained, and all is judged on independent ones, of which the
same share is used. `bias` is the fitted mu in units of sigma(mu) where the data are the background of *all* independent
events.
"""

import argparse
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
from compare import ROOT, edges_of, models_of, multiclass, share_of

from cascadebdt import config as configuration
from cascadebdt import inference, workspace
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.events.loading import select
from cascadebdt.histograms import yields
from cascadebdt.histograms.shapes import Shapes
from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.resources import available_cpus
from cascadebdt.studies import evaluation
from cascadebdt.studies.compare_judge import with_samples_of
from cascadebdt.workspace import Workspace

SHAPES = ("own", "selection", "likelihood")


def filled(scores: Scores, events: Events, config: Config, edges: dict[str, np.ndarray]) -> Yields:
    """Return the histograms of the regions that are fitted."""
    all_edges = {region: edges.get(region, np.array([0.0, 1.0])) for region in scores.regions}
    every = yields.fill(events, scores, config.regions, edges=all_edges)
    return {name: histogram for name, histogram in every.items() if name in edges}


def model(
    scores: Scores, events: Events, config: Config, edges: dict[str, np.ndarray], teller: Cascade, shapes: str
) -> Workspace:
    """Return the workspace of a strategy; `teller` tells the likelihood ratios."""
    asked = config.replace("templates", {"shapes": shapes})
    sums = Shapes(asked, teller, edges["SR"])
    sums.add(events, scores, yields.observables(events, scores, config.regions))
    return workspace.build(filled(scores, events, config, edges), asked, shapes=sums.histograms)


def observing(model: Workspace, truth: Yields, signal: str) -> Workspace:
    """Return the workspace with the background of other events as data."""
    observations = []
    for channel in model["channels"]:
        cells = truth[channel["name"]]
        simulated = [name for name in cells.axes["process"] if name not in (signal, "data")]
        nominal = [cast("Histogram", cells[{"process": name, "variation": "nominal"}]) for name in simulated]
        rates = np.sum([histogram.values() for histogram in nominal], axis=0)
        observations.append({"name": channel["name"], "data": np.maximum(rates, 0.0).tolist()})
    return Workspace({**model, "observations": observations}, notes=model.notes)


def judgement(built: Workspace, true: Yields, signal: str) -> dict[str, float]:
    """Return limit and sigma(mu) on the nominal background, and the bias on the true one."""
    asimov, seen = evaluation.asimov(built), inference.fit(observing(built, true, signal)).mu
    return {
        "limit": inference.limit(asimov).expected[2],
        "sigma_mu": inference.fit(asimov).mu[1],
        "bias": seen[0] / seen[1],
    }


def main() -> None:
    """Print a row per strategy and kind of templates."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--other", type=Path, required=True)
    parser.add_argument("--share", type=float, default=1.0)
    parser.add_argument("--part", type=int, default=0)
    parser.add_argument("--cascade", type=Path)
    parser.add_argument("--output", type=Path, default=Path("templates.json"))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    config, jobs = configuration.load(options.config), available_cpus()
    if options.share < 1:
        config = config.replace("cascade.min_effective_events", config.cascade.min_effective_events * options.share)
    whole = select(with_samples_of(config, options.other), jobs=jobs)
    trained, judged = (share_of(events, options.share, options.part) for events in (select(config, jobs=jobs), whole))
    models = models_of(trained, config, options.cascade, jobs=jobs)
    cascade = models.configured()
    ways: dict[str, tuple[Callable[[Events], Scores], Cascade]] = {
        "multiclass": (lambda events: multiclass(models.cascade, events), replace(cascade, stages=())),
        "cascade": (lambda events: cascade.score(events, unblind=True, jobs=jobs), cascade),
    }
    result: dict[str, dict[str, float]] = {}
    for name, (score, teller) in ways.items():
        edges = edges_of(name, score(trained), trained, config)
        scores, true = score(judged), filled(score(whole), whole, config, edges)
        for shapes in SHAPES:
            if shapes == "selection" and name == "multiclass":  # it has no cuts to loosen
                continue
            numbers = judgement(model(scores, judged, config, edges, teller, shapes), true, config.fit.signal)
            result[f"{name} {shapes}"] = numbers
            row = " | ".join(f"{value:.2f}" for value in numbers.values())
            print(f"| {name} | {shapes} | {row} |", flush=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
