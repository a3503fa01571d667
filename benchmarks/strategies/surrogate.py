"""The surrogate of `cascadebdt optimise` against the fit: `python benchmarks/strategies/surrogate.py --output FOLDER`.

FOLDER is that of a run of the configuration, or a new one in which the cascade is trained. Random working points and
numbers of bins are judged by the surrogate and by the package's own workspace and fit on the same events: once on all
simulation, once on the half that a search sees. Settings that a floor forbids are drawn again.
"""

import argparse
import logging
import time
from pathlib import Path

import numpy as np

from cascadebdt import config as configuration
from cascadebdt import pipeline
from cascadebdt.events.loading import select
from cascadebdt.products import Products
from cascadebdt.studies import evaluation
from cascadebdt.studies.grid import Grid, Setting
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.studies.surrogate import Surrogate

ROOT = Path(__file__).parents[2]
N_TIMED = 500


def main() -> None:
    """Print the ratios, the time of an evaluation and that of a fit."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--settings", type=int, default=50)
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    config, products = configuration.load(options.config), Products(options.output)
    cascade = pipeline.train(config, products, jobs=1)
    halves = Halves.of(OpenScores.of(cascade, select(config)), config, min_purity=0.0)
    report("half of the simulation", halves, halves.searched, halves.surrogate, options.settings)
    everything = Surrogate.of(halves.whole, config, Grid.of(halves.whole))
    report("all simulation", halves, halves.whole, everything, options.settings)


def report(name: str, halves: Halves, scores: OpenScores, surrogate: Surrogate, n_settings: int) -> None:
    """Print a comparison on some events."""
    settings = drawn(surrogate, n_settings)
    started = time.process_time()
    real = np.array([fitted(halves, scores, surrogate, setting) for setting in settings])
    of_fit = (time.process_time() - started) / n_settings
    ratios = np.array([surrogate.sigma_mu(setting) for setting in settings]) / real
    started = time.process_time()
    for k in range(N_TIMED):
        surrogate.sigma_mu(settings[k % n_settings])
    rate = N_TIMED / (time.process_time() - started)
    outside = int((np.abs(ratios - 1) > 0.02).sum())
    spread = f"rms {np.std(ratios):.4f}, mean {ratios.mean():.4f}"
    print(f"{name}: {len(scores.events)} rows in {len(surrogate.cells.process)} cells")
    print(f"  sigma(mu) of the fits {real.min():.2f} to {real.max():.2f}, {of_fit:.2f} CPU seconds each")
    print(f"  surrogate over fit {ratios.min():.4f} to {ratios.max():.4f}, {spread}")
    print(f"  beyond 2 %: {outside} of {n_settings}; {rate:.0f} evaluations per CPU second", flush=True)


def drawn(surrogate: Surrogate, n_settings: int) -> list[Setting]:
    """Draw settings that are allowed: every working point of the grid, and usual numbers of bins."""
    random = np.random.default_rng(1)
    settings: list[Setting] = []
    while len(settings) < n_settings:
        levels = tuple(int(random.integers(len(stage.points))) for stage in surrogate.grid.stages)
        setting = Setting(levels, int(random.choice([6, 8, 12, 15, 20])), int(random.choice([1, 3, 5, 8])))
        if np.isfinite(surrogate.sigma_mu(setting)):
            settings.append(setting)
    return settings


def fitted(halves: Halves, scores: OpenScores, surrogate: Surrogate, setting: Setting) -> float:
    """Return the uncertainty that the fit of a setting gives."""
    config = halves.with_bins(setting)
    placed = evaluation.Placed.of(scores.events, scores.at(surrogate.grid.thresholds(setting.levels)), config.regions)
    filled, _ = evaluation.fittable(placed.fill(placed.edges()), config.fit.signal)
    return evaluation.sigma_mu(evaluation.asimov(evaluation.model(filled, config)))


if __name__ == "__main__":
    main()
