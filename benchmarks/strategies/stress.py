"""Unmodelled mismodelling: what it does to the signal strength, and what corrections from purified data do about it.

`python benchmarks/strategies/stress.py [--cascade FOLDER] [--corrections FILE] [--output FILE]`

Each background in turn is tilted along one of ten variables as `cascadebdt compare` does it: 60 true worlds that no
nuisance parameter knows. The data are the tilted expectation (mu = 0), fitted with the nominal simulation. The
spurious signal is the fitted mu less that of the nominal world, in units of its uncertainty in the nominal world
without corrections.
Corrections are learnt anew from the data of every world, by the code that a run uses; FILE is YAML like the part
`corrections` of a configuration.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from cascadebdt import config as configuration
from cascadebdt import inference, training, workspace
from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import DATA, NOMINAL, Config, CorrectionConfig
from cascadebdt.config.region_names import is_validation
from cascadebdt.corrections import learn
from cascadebdt.corrections.normalisation import fit as fit_normalisations
from cascadebdt.events import Events
from cascadebdt.events.loading import select
from cascadebdt.histograms import yields
from cascadebdt.resources import available_cpus
from cascadebdt.studies.compare_judge import TILT
from cascadebdt.studies.compare_tilts import tilted

ROOT = Path(__file__).parents[2]
VARIABLES = (
    "photon_pt", "met", "lepton_pt", "n_jet", "mt_lmet", "photon_iso", "lepton_iso", "m_lg", "dphi_lmet",
    "photon_sieie",
)  # fmt: skip


@dataclass(frozen=True)
class Analysis:
    """Events, scores and bins of an analysis whose data come from its simulation."""

    config: Config
    events: Events
    scores: Scores
    edges: dict[str, FloatArray]

    def observing(self, factors: FloatArray) -> tuple[Events, Scores]:
        """Return the events with data that are the simulated backgrounds, each event counted `factors` times."""
        simulated = ~self.events.is_data
        background = np.flatnonzero(
            simulated & self.events.is_nominal & ~self.events.of_process(self.config.cascade.signal)
        )
        background = background[factors[background] > 0]
        observed = self.events.take(background)
        code = self.events.processes.index(DATA)
        data = replace(
            observed,
            process=np.full(len(observed), code, observed.process.dtype),
            weights={name: factors[background].copy() for name in observed.weights},
        )
        rows = np.concatenate([np.flatnonzero(simulated), background])
        parts = [self.events.take(simulated), data]
        joined = replace(
            parts[0],
            columns={name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns},
            weights={name: np.concatenate([part.weights[name] for part in parts]) for name in parts[0].weights},
            event_id=np.concatenate([part.event_id for part in parts]),
            process=np.concatenate([part.process for part in parts]),
            sample=np.concatenate([part.sample for part in parts]),
            variation=np.concatenate([part.variation for part in parts]),
        )
        return joined, _rows(self.scores, rows)

    def fit(self, factors: FloatArray, corrections: tuple[CorrectionConfig, ...]) -> inference.FitResult:
        """Return the fit to such data, corrected if asked for."""
        events, scores = self.observing(factors)
        config = self.config
        if corrections:
            filled = yields.fill(events, scores, config.regions, edges=self.edges)
            found = learn(
                events,
                scores,
                corrections,
                fit_normalisations(filled, config.fit.free),
                seed=config.seed,
            )
            events = found.applied(events, scores)
            config = config.model_copy(update={"systematics": (*config.systematics, *found.systematics)})
        filled = yields.fill(events, scores, config.regions, edges=self.edges)
        return inference.fit(workspace.build(_fitted(filled), config))


def _rows(scores: Scores, rows: IntArray) -> Scores:
    """Return the scores of some events."""

    def of(values: FeatureArray | None) -> FeatureArray | None:
        return None if values is None else values[rows]

    return Scores(
        scores.margins[rows],
        of(scores.final_margin),
        scores.region[rows],
        scores.regions,
        scores.signal,
        of(scores.sorted_as),
    )


def _fitted(filled: yields.Yields) -> yields.Yields:
    return {name: histogram for name, histogram in filled.items() if not is_validation(name)}


def tilted_world(events: Events, process: str, variable: str) -> FloatArray:
    """Return the expected number of events that each stands for if a process is tilted along a variable."""
    rows = np.flatnonzero(events.of_process(process) & events.is_nominal)
    weights = events.weights[NOMINAL].copy()
    weights[rows] = tilted(events.columns[variable][rows].astype(np.float64), weights[rows], TILT)
    return weights


def worlds(events: Events, signal: str) -> dict[str, FloatArray]:
    """Return the true expectation of every world by name, the nominal one first."""
    backgrounds = [name for name in events.processes if name not in (signal, DATA)]
    found = {NOMINAL: events.weights[NOMINAL]}
    return found | {f"{p}.{v}": tilted_world(events, p, v) for p in backgrounds for v in VARIABLES}


def summary(found: dict[str, tuple[float, float]], sigma: float) -> dict[str, float]:
    """Return rms and largest spurious signal over all tilts, and the rms per process, in units of sigma."""
    tilts = {name: (mu - found[NOMINAL][0]) / sigma for name, (mu, _) in found.items() if name != NOMINAL}
    names = dict.fromkeys(name.partition(".")[0] for name in tilts)
    rms = {p: float(np.sqrt(np.mean([v**2 for n, v in tilts.items() if n.startswith(f"{p}.")]))) for p in names}
    values = np.array(list(tilts.values()))
    return {"rms": float(np.sqrt(np.mean(values**2))), "max": float(np.abs(values).max()), **rms}


def analysis_of(config: Config, folder: Path | None) -> Analysis:
    """Select events, and score them with the cascade of a folder or with a new one."""
    jobs = available_cpus()
    # The data are simulated, and those of the signal region are what the test is about.
    config = config.replace("fit.unblind", "the data are simulated")
    events = select(config, jobs=jobs)
    cascade = Cascade.load(folder) if folder else training.train(events, config.cascade, seed=config.seed, jobs=jobs)
    scores = cascade.score(events, unblind=True, jobs=jobs)
    filled = yields.fill(events, scores, config.regions)
    edges = {region: np.array(histogram.axes[2].edges) for region, histogram in filled.items()}
    return Analysis(config, events, scores, edges)


def main() -> None:
    """Fit every world without and with corrections, print two rows, and write the numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--cascade", type=Path, help="folder of a cascade trained with the configuration")
    parser.add_argument("--corrections", type=Path, default=Path(__file__).with_name("corrections.yaml"))
    parser.add_argument("--output", type=Path, default=Path("stress.json"))
    options = parser.parse_args()
    analysis = analysis_of(configuration.load(options.config), options.cascade)
    corrections = tuple(map(CorrectionConfig.model_validate, YAML(typ="safe").load(options.corrections)))
    true = worlds(analysis.events, analysis.config.cascade.signal)
    result: dict[str, dict[str, float]] = {}
    sigma = 0.0
    for row, chosen in {"nominal simulation": (), "corrected": corrections}.items():
        found = {name: analysis.fit(rate, chosen).mu for name, rate in true.items()}
        sigma = sigma or found[NOMINAL][1]
        result[row] = {"sigma_mu": found[NOMINAL][1], **summary(found, sigma)}
        print(row, {name: round(value, 3) for name, value in result[row].items()}, flush=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
