"""Templates with few events, on toys in which the truth is known: `python benchmarks/templates/study.py [--toys 200]`.

A signal region in x and two control regions; a background of large weights has a dozen simulated events in the
signal region. Simulation is drawn anew for every toy, templates are made from it by each method with the package's own
code, and fitted to the true expectation, and to data drawn from it:

    truth        the true densities, without uncertainty: what infinite simulation would give
    floor        own events in twelve bins; an empty bin has the uncertainty of an unseen event
    merge        bins joined until each process that matters has five effective events (`min_effective_events_each`)
    group        the heavy background and the small one are one process
    selection    the shape of eight times as many events of a looser selection, from which the cuts take more at low x
    likelihood   all simulated events, weighted by likelihood ratios, each of which has a random tilt of 10 %

Per method: the median and the spread of (fitted mu - true mu) / sigma on the true expectation, how often the true mu
is within 1 and 1.96 uncertainties of the mu that is fitted to drawn data, the median sigma(mu), and the median expected
limit (data: the true background) over that of the truth.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hist
import numpy as np

from cascadebdt import config as configuration
from cascadebdt import inference, workspace
from cascadebdt.arrays import FloatArray
from cascadebdt.config import Config
from cascadebdt.histograms.binning import enough_of_each
from cascadebdt.histograms.sensitivity import Cells, Floors
from cascadebdt.histograms.yields import Histogram

Sums = dict[str, tuple[FloatArray, FloatArray]]  # process -> sums of weights and of squared weights

N_BINS = 12
TRUE_MU = 1.0
PROCESSES = ("signal", "main", "heavy", "small")
BACKGROUNDS = PROCESSES[1:]
TILT = 0.1  # standard deviation of the error of a likelihood ratio, from one end of the region to the other


@dataclass(frozen=True)
class Process:
    """A process: its yield in the signal region, slope of its density, weight of an event, and yields in CRs."""

    expected: float
    slope: float
    weight: float
    control: tuple[float, float]

    def density(self, x: FloatArray) -> FloatArray:
        """Return the true density in the signal region."""
        return np.asarray(self.slope * np.exp(self.slope * x) / np.expm1(self.slope))

    def rates(self, edges: FloatArray) -> FloatArray:
        """Return the true yields in bins."""
        return np.asarray(self.expected * np.diff(np.expm1(self.slope * edges)) / np.expm1(self.slope))

    def draw(self, rng: np.random.Generator, *, slope: float, expected: float) -> FloatArray:
        """Return simulated events of a density."""
        uniform = rng.random(rng.poisson(expected / self.weight))
        return np.asarray(np.log1p(uniform * np.expm1(slope)) / slope)


WORLD = {
    "signal": Process(10.0, 4.0, 0.01, (0.1, 0.1)),
    "main": Process(300.0, -3.0, 0.5, (500.0, 20.0)),
    "heavy": Process(60.0, -4.0, 5.0, (50.0, 1500.0)),
    "small": Process(4.0, -2.0, 1.0, (5.0, 5.0)),
}
LOOSE = 8.0  # yield of the looser selection over that of the signal region
EFFICIENCY = 1.5  # slope of the efficiency of the cuts
CONTROL_WEIGHT = 0.1  # of the heavy process there, over that in the signal region: control regions are well simulated


def simulated(rng: np.random.Generator) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Return x of the events in the signal region, and of those of the looser selection, of which they are a part."""
    inside, loose = {}, {}
    for name, process in WORLD.items():
        slope = process.slope - EFFICIENCY
        norm = LOOSE * process.expected
        x = process.draw(rng, slope=slope, expected=norm)
        # The ratio of the two densities is the efficiency, at most 1 at x = 1.
        density = slope * np.exp(slope * x) / np.expm1(slope)
        passes = rng.random(len(x)) < process.expected * process.density(x) / (norm * density)
        inside[name], loose[name] = x[passes], x
    return inside, loose


def by_likelihood(inside: Mapping[str, FloatArray], edges: FloatArray, rng: np.random.Generator) -> Sums:
    """Return the sums of all events as events of each background; see `cascadebdt.cascade.densities`."""
    x = np.concatenate(list(inside.values()))
    signal = WORLD["signal"]
    tilts = {name: rng.normal(0.0, TILT) for name in BACKGROUNDS}
    ratios = {
        name: WORLD[name].expected * WORLD[name].density(x) * np.exp(tilts[name] * (x - 0.5))
        / (signal.expected * signal.density(x))
        for name in BACKGROUNDS
    }  # fmt: skip
    density = 1 / signal.weight + np.sum([ratios[name] / WORLD[name].weight for name in BACKGROUNDS], axis=0)
    weights = {name: ratio / density for name, ratio in ratios.items()}
    total = np.sum(list(weights.values()), axis=0)
    return {
        name: (np.histogram(x, edges, weights=w)[0], np.histogram(x, edges, weights=w * total)[0])
        for name, w in weights.items()
    }


def own(events: Mapping[str, FloatArray], edges: FloatArray) -> Sums:
    """Return sums of weights and of squared weights."""
    counts = {name: np.histogram(x, edges)[0].astype(np.float64) for name, x in events.items()}
    return {name: (n * WORLD[name].weight, n * WORLD[name].weight ** 2) for name, n in counts.items()}


def histogram(sums: Sums, edges: FloatArray, data: FloatArray) -> Histogram:
    """Return a histogram of processes and data."""
    content = {**sums, "data": (data, data)}
    made: Histogram = hist.Hist(
        hist.axis.StrCategory(list(content), name="process"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Variable(edges, name="x", flow=False),
        storage=hist.storage.Weight(),
    )
    cells: Any = made.view()
    for code, (values, variances) in enumerate(content.values()):
        cells["value"][code, 0], cells["variance"][code, 0] = values, variances
    return made


def controls(rng: np.random.Generator) -> list[Sums]:
    """Return the sums of the two control regions, of one bin each."""
    regions = []
    for k in range(2):
        counts = {
            name: np.array([float(rng.poisson(p.control[k] / (p.weight * CONTROL_WEIGHT)))])
            for name, p in WORLD.items()
        }
        weights = {name: p.weight * CONTROL_WEIGHT for name, p in WORLD.items()}
        regions.append({name: (n * weights[name], n * weights[name] ** 2) for name, n in counts.items()})
    return regions


def settings(shapes: str, backgrounds: tuple[str, ...]) -> Config:
    """Return the configuration of the toy analysis."""
    names = ("signal", *backgrounds, "data")
    stages = [
        {"name": name, "against": name, "features": ["x"], "working_point": {"threshold": 0.5}}
        for name in backgrounds[:2]
    ]
    return configuration.parse(
        {
            "analysis": "toy",
            "luminosity_fb": 1.0,
            "samples": [{"name": name, "process": name, "files": f"{name}.root"} for name in names],
            "features": {"x": "MET_pt"},
            "cascade": {"stages": stages},
            "regions": {"signal": {"observable": "x"}},
            "templates": {"shapes": shapes},
            "systematics": [{"name": "small", "kind": "normalisation", "size": 0.3, "processes": [backgrounds[-1]]}],
            "fit": {"signal": "signal", "free": list(backgrounds[:2]), "unblind": "the data are drawn"},
        }
    )


def grouped(sums: Sums) -> Sums:
    """Return the sums with heavy and small as one process."""
    heavy, small = sums["heavy"], sums["small"]
    both = (heavy[0] + small[0], heavy[1] + small[1])
    return {"signal": sums["signal"], "main": sums["main"], "heavy": both}


def merged_edges(sums: Sums, edges: FloatArray) -> FloatArray:
    """Return the edges that are left if every process that matters has five effective events in every bin."""
    order = [sums[name] for name in PROCESSES]
    sumw, sumw2 = (np.array([pair[k] for pair in order]) for k in range(2))
    weight = np.divide(sumw2.sum(axis=1), sumw.sum(axis=1), out=np.zeros(4), where=sumw.sum(axis=1) > 0)
    starts = enough_of_each(Cells(sumw, sumw2, weight), Floors(0.0, 5.0))
    return np.append(edges[starts], edges[-1])


def truth(edges: FloatArray) -> tuple[Sums, list[Sums]]:
    """Return the true yields of the signal region and of the control regions, without variances."""
    inside = {name: (process.rates(edges), np.zeros(len(edges) - 1)) for name, process in WORLD.items()}
    return inside, [
        {name: (np.array([process.control[k]]), np.zeros(1)) for name, process in WORLD.items()} for k in range(2)
    ]


@dataclass(frozen=True)
class Templates:
    """What a method makes of a simulation: yields of all regions, and the shapes that backgrounds borrow."""

    edges: FloatArray
    regions: list[Sums]  # the signal region first
    shapes: str = "own"
    borrowed: Sums | None = None

    def model(self, mu: float, rng: np.random.Generator | None) -> workspace.Workspace:
        """Return the workspace with the true expectation at a signal strength as data, or data drawn from it."""
        inside, around = truth(self.edges)
        expected = [
            np.sum([pair[0] * (mu if name == "signal" else 1.0) for name, pair in region.items()], axis=0)
            for region in (inside, *around)
        ]
        data = expected if rng is None else [rng.poisson(rates).astype(np.float64) for rates in expected]
        places = [self.edges, np.array([0.0, 1.0]), np.array([0.0, 1.0])]
        names = ("SR", "CR_main", "CR_heavy")
        filled = {
            name: histogram(sums, edges, seen)
            for name, sums, edges, seen in zip(names, self.regions, places, data, strict=True)
        }
        backgrounds = tuple(name for name in self.regions[0] if name != "signal")
        shapes = {"SR": histogram(self.borrowed, self.edges, data[0])} if self.borrowed else {}
        return workspace.build(filled, settings(self.shapes, backgrounds), shapes=shapes)


def methods(seed: int, edges: FloatArray) -> dict[str, Templates]:
    """Return the templates of every method from one simulation."""
    rng = np.random.default_rng(seed)
    inside, loose = simulated(rng)
    around = controls(rng)
    fine, true = own(inside, edges), truth(edges)
    coarse = merged_edges(fine, edges)
    every = [fine, *around]
    of_loose = own({name: loose[name] for name in BACKGROUNDS}, edges)
    return {
        "truth": Templates(edges, [true[0], *true[1]]),
        "floor": Templates(edges, every),
        "merge": Templates(coarse, [own(inside, coarse), *around]),
        "group": Templates(edges, [grouped(sums) for sums in every]),
        "selection": Templates(edges, every, "selection", of_loose),
        "likelihood": Templates(edges, every, "likelihood", by_likelihood(inside, edges, rng)),
    }


def study(n_toys: int) -> dict[str, dict[str, float]]:
    """Return the figures of every method."""
    signal = WORLD["signal"]
    quantiles = np.linspace(0.0, 1.0, N_BINS + 1)
    edges = np.log1p(quantiles * np.expm1(signal.slope)) / signal.slope
    pulls: dict[str, list[tuple[float, ...]]] = {}
    for toy in range(n_toys):
        for name, made in methods(toy, edges).items():
            expected = inference.fit(made.model(TRUE_MU, None)).mu
            drawn = inference.fit(made.model(TRUE_MU, np.random.default_rng((toy, 1)))).mu
            limit = inference.limit(made.model(0.0, None)).observed
            assert limit is not None
            shift = (expected[0] - TRUE_MU) / expected[1]
            pulls.setdefault(name, []).append((shift, (drawn[0] - TRUE_MU) / drawn[1], expected[1], limit))
    columns = {name: np.array(rows).T for name, rows in pulls.items()}
    return {name: summary(values, columns["truth"]) for name, values in columns.items()}


def summary(values: FloatArray, truth: FloatArray) -> dict[str, float]:
    """Return the figures of one method; rows of both are shift, pull, sigma and limit."""
    shift, pull, sigma, limit = values
    return {
        "bias": float(np.mean(shift)),
        "spread": float(np.std(shift)),
        "within 68 %": float(np.mean(np.abs(pull) < 1.0)),
        "within 95 %": float(np.mean(np.abs(pull) < 1.96)),
        "sigma": float(np.median(sigma / truth[2])),
        "limit": float(np.median(limit / truth[3])),
        "largest limit": float(np.quantile(limit / truth[3], 0.95)),
    }


def main() -> None:
    """Print a row per method, and write the numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--toys", type=int, default=200)
    parser.add_argument("--output", type=Path, default=Path("templates_study.json"))
    options = parser.parse_args()
    logging.disable(logging.WARNING)
    found = study(options.toys)
    for name, figures in found.items():
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in figures.values()) + " |")
    options.output.write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
