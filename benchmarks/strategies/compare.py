"""What does each piece of the cascade do? `python benchmarks/strategies/compare.py [--other FOLDER] [--output FILE]`.

Variants of one training, beside the strategies that `cascadebdt compare` compares; bins, fit and bootstrap are its own.
With `--share 0.25 --part 0` everything, training and judging, has the first quarter of the simulation alone. `--cascade
FOLDER` keeps the training, or takes it from there.

Everything is trained on the events of a configuration; the bins of all regions are found on them, too. Every strategy
is then judged on these events and on independent ones: simulation of the same samples from another seed, files of the
same names in another folder. All are judged on the same Asimov data set, the nominal background in every region, by
the package's own workspace and fit, with all systematics and free normalisations. A paired bootstrap (Poisson weights
by event, no new training) of the Fisher information says how well the differences are known.

    one_bdt        one BDT, signal against all backgrounds; one region, bins for signal and background
    one_bdt_cuts   the same BDT, with control regions by cuts
    multiclass     the multiclass BDT; regions by the most probable class, signal region in the likelihood ratio
    multiclass_lr  the same, regions by the cuts on the likelihood ratio that keep as much signal as the cascade
    by_stage       the cascade without its sorter: what a stage rejects is its control region
    final_...      the cascade with only one part of its final discriminant
    cascade        as configured
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, RegionArray
from cascadebdt.cascade import Cascade, Scores, threshold_at
from cascadebdt.config import NOMINAL, Config
from cascadebdt.config.region_names import is_control
from cascadebdt.events import Events
from cascadebdt.events.events import mix
from cascadebdt.events.folds import fold_of
from cascadebdt.events.loading import select
from cascadebdt.forest.logistic import probability
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.resources import available_cpus
from cascadebdt.studies import evaluation
from cascadebdt.studies.compare_bootstrap import BinnedEvents, ratio, samples
from cascadebdt.studies.compare_judge import with_samples_of
from cascadebdt.studies.evaluation import Placed
from cascadebdt.studies.strategies import edges_for_both

ROOT = Path(__file__).parents[2]
LOW_SIGNAL = 0.15  # share of the signal below which the single BDT's score is the control region of wgamma


@dataclass(frozen=True)
class Models:
    """A cascade whose final discriminant has all parts, and what the configuration asked for."""

    cascade: Cascade
    kind: tuple[str, ...]

    def configured(self) -> Cascade:
        """Return the cascade as configured."""
        return self.with_parts(self.kind)

    def with_parts(self, kind: tuple[str, ...]) -> Cascade:
        """Return the cascade with some parts of its final discriminant."""
        whole = self.cascade.discriminant
        assert whole is not None
        chosen = replace(
            whole,
            binary=whole.binary if "binary" in kind else (),
            ratios=whole.ratios if "multiclass" in kind else (),
            stages=whole.stages if "stages" in kind else None,
        )
        final = self.cascade.final if "binary" in kind else None
        return replace(self.cascade, final=final, discriminant=chosen)


@dataclass(frozen=True)
class Judgement:
    """What a strategy reaches: expected limits, uncertainties, purities of its regions."""

    limit: float
    sigma_mu: float
    sigma_mu_no_mcstat: float
    normalisation: Mapping[str, float]
    purity: Mapping[str, float]


def strategies(models: Models, events: Events, cuts: Mapping[str, float]) -> dict[str, Scores]:
    """Return every strategy as scores and regions of events; `cuts` were found on the events that trained."""
    everything = models.cascade
    folds, rows = fold_of(events.event_id, everything.n_folds), np.arange(len(events))
    whole = everything.discriminant
    assert everything.final is not None
    assert whole is not None
    every = np.ones(len(events), np.bool_)
    final = everything.final
    one = out_of_fold(final.boosters, events.columns, final.features, folds, every, as_margin=True)
    ratio = np.mean([part.margin(events.columns, folds, rows) for part in whole.ratios], axis=0).astype(np.float32)
    classes = np.mean([part.model.margins(events.columns, folds, rows) for part in whole.ratios], axis=0)
    backgrounds = whole.ratios[0].model.classes[1:]
    signal = len(backgrounds)
    shares = np.exp(classes - np.logaddexp.reduce(classes, axis=1, keepdims=True))[:, 1:]
    best = shares.argmax(axis=1)
    by_ratio = np.where(ratio >= cuts["ratio"], signal, best)
    names = (*(f"CR_{name}" for name in backgrounds), "SR")
    names_of_cuts, by_cuts = _regions_by_cuts(events, one, cuts["one"])
    cascade = models.configured()
    return {
        "one_bdt": _scores(("SR",), np.zeros(len(events)), one, one),
        "one_bdt_cuts": _scores(names_of_cuts, by_cuts, one, one),
        "multiclass": multiclass(everything, events),
        "multiclass_lr": _scores(names, by_ratio, _logit(shares.max(axis=1)), ratio),
        "by_stage": _by_stage(replace(cascade, sorter=None), events),
        "final_binary": models.with_parts(("binary",)).score(events, unblind=True),
        "final_multiclass": models.with_parts(("multiclass",)).score(events, unblind=True),
        "final_stages": models.with_parts(("stages",)).score(events, unblind=True),
        "final_all_three": everything.score(events, unblind=True),
        "cascade": cascade.score(events, unblind=True),
    }


def multiclass(cascade: Cascade, events: Events) -> Scores:
    """Return the scores of the multiclass BDT alone; an event is in the region of its most probable class."""
    whole = cascade.discriminant
    assert whole is not None
    folds, rows = fold_of(events.event_id, cascade.n_folds), np.arange(len(events))
    ratio = np.mean([part.margin(events.columns, folds, rows) for part in whole.ratios], axis=0).astype(np.float32)
    classes = np.mean([part.model.margins(events.columns, folds, rows) for part in whole.ratios], axis=0)
    backgrounds = whole.ratios[0].model.classes[1:]
    shares = np.exp(classes - np.logaddexp.reduce(classes, axis=1, keepdims=True))[:, 1:]
    region = np.where(classes.argmax(axis=1) == 0, len(backgrounds), shares.argmax(axis=1))
    return _scores((*(f"CR_{name}" for name in backgrounds), "SR"), region, _logit(shares.max(axis=1)), ratio)


def cuts_of(models: Models, events: Events) -> dict[str, float]:
    """Return the cuts of rivals, from the events that trained."""
    whole = models.cascade.discriminant
    final = models.cascade.final
    assert whole is not None
    assert final is not None
    folds, rows = fold_of(events.event_id, models.cascade.n_folds), np.arange(len(events))
    signal = events.of_process(models.cascade.signal) & events.is_nominal
    weights = events.weights[NOMINAL][signal]
    one = out_of_fold(final.boosters, events.columns, final.features, folds, signal, as_margin=True)[signal]
    ratio = whole.ratios[0].margin(events.columns, folds, rows[signal])
    region = models.configured().classify(events, unblind=True)[signal]
    kept = float(weights[region == region.max()].sum() / weights.sum())
    return {
        "one": float(threshold_at(1 - LOW_SIGNAL, scores=one, weights=weights)),
        "ratio": float(threshold_at(kept, scores=ratio.astype(np.float32), weights=weights)),
    }


def _regions_by_cuts(events: Events, one: FeatureArray, low: float) -> tuple[tuple[str, ...], RegionArray]:
    """Return control regions as an analysis without a cascade defines them."""
    value = events.columns
    cuts: dict[str, BoolArray] = {
        "zee": (value["is_muon"] == 0) & (value["m_lg"] > 80) & (value["m_lg"] < 102),
        "ttbar": value["n_bjet"] >= 1,
        "zgamma": value["n_soft"] >= 2,
        "gammajet": (value["lepton_iso"] > 0.06) & (value["met"] < 50),
        "wjets": ((value["photon_sieie"] > 0.0105) & (value["photon_eta"] < 1.45)) | (value["photon_iso"] > 0.06),
        "wgamma": one < low,
    }
    region = np.select([np.asarray(cut) for cut in cuts.values()], range(len(cuts)), len(cuts))
    return (*(f"CR_{name}" for name in cuts), "SR"), region.astype(np.int8)


def _scores(names: tuple[str, ...], region: Any, control: FeatureArray | FloatArray, final: FeatureArray) -> Scores:
    """Return scores whose control regions are binned in `control` and whose signal region is in `final`."""
    margins = np.zeros((len(final), max(1, len(names) - 1)), np.float32)
    sorted_as = probability(np.asarray(control, np.float32))
    return Scores(margins, np.asarray(final, np.float32), np.asarray(region, np.int8), names, "signal", sorted_as)


def _by_stage(cascade: Cascade, events: Events) -> Scores:
    """Return the scores without a sorter; a control region is binned in the score of its stage."""
    scores = cascade.score(events, unblind=True)
    stage = np.minimum(scores.stage_of_region[scores.region], scores.margins.shape[1] - 1)
    return replace(scores, sorted_as=scores.scores[np.arange(len(events)), stage])


def _logit(share: FloatArray) -> FloatArray:
    clipped = np.clip(share, 1e-7, 1 - 1e-7)
    return np.asarray(np.log(clipped / (1 - clipped)))


def edges_of(name: str, scores: Scores, events: Events, config: Config) -> dict[str, FloatArray]:
    """Return the bins of the fitted regions of a strategy, found on the events that trained."""
    placed = Placed.of(events, scores, config.regions)
    edges = placed.edges()
    if name == "one_bdt":  # its one region measures the backgrounds, too
        n_background = config.regions.control.n_bins * len(config.cascade.stages)
        edges["SR"] = edges_for_both(placed, config.regions.signal, n_background)
    fitted, _ = evaluation.fittable(placed.fill(edges), config.cascade.signal)
    return {region: edges[region] for region in fitted}


def judge(scores: Scores, events: Events, config: Config, edges: Mapping[str, FloatArray]) -> Judgement:
    """Fit the nominal background, and return what it says."""
    all_edges = {region: edges.get(region, np.array([0.0, 1.0])) for region in scores.regions}
    every = Placed.of(events, scores, config.regions).fill(all_edges)
    filled = {name: histogram for name, histogram in every.items() if name in edges}
    expected = evaluation.expectation(evaluation.asimov(evaluation.model(filled, config)))
    purity = evaluation.purities(filled, config)
    return Judgement(
        limit=expected.limit[2],
        sigma_mu=expected.sigma_mu,
        sigma_mu_no_mcstat=expected.sigma_mu_no_mcstat,
        normalisation=expected.normalisation,
        purity={name: share for name, share in purity.items() if is_control(name)},
    )


def bootstrap(
    found: Mapping[str, Scores], events: Events, config: Config, edges: Mapping[str, Any], n_toys: int
) -> dict[str, dict[str, float]]:
    """Return, per strategy, the mean and the spread of sigma(mu) over that of the multiclass BDT."""
    sigmas = {}
    for name, scores in found.items():
        binned = BinnedEvents.of(Placed.of(events, scores, config.regions), edges[name], config)
        sigmas[name] = binned.sigmas(samples(events, n_toys))
    ratios = {name: ratio(of_strategy, sigmas["multiclass"]) for name, of_strategy in sigmas.items()}
    return {name: {"mean": mean, "std": std} for name, (mean, std) in ratios.items()}


def main() -> None:
    """Train, judge, print a table, and write the numbers."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--other", type=Path, help="folder of independent files with the names of those trained on")
    parser.add_argument("--output", type=Path, default=Path("compare.json"))
    parser.add_argument("--toys", type=int, default=50)
    parser.add_argument("--share", type=float, default=1.0, help="of the simulated events that are used")
    parser.add_argument("--part", type=int, default=0, help="which of the disjoint shares")
    parser.add_argument("--cascade", type=Path, help="folder of the training, made if it is not there")
    options = parser.parse_args()
    config, jobs = configuration.load(options.config), available_cpus()
    if options.share < 1:
        config = config.replace("cascade.min_effective_events", config.cascade.min_effective_events * options.share)
    sources = {"trained": config} | ({"independent": with_samples_of(config, options.other)} if options.other else {})
    events = {
        name: share_of(evaluation.simulation(select(source, jobs=jobs)), options.share, options.part)
        for name, source in sources.items()
    }
    models = models_of(events["trained"], config, options.cascade, jobs=jobs)
    cuts = cuts_of(models, events["trained"])
    edges: dict[str, dict[str, FloatArray]] = {}
    result: dict[str, Any] = {}
    for sample, of_sample in events.items():
        found = strategies(models, of_sample, cuts)
        edges = edges or {name: edges_of(name, scores, of_sample, config) for name, scores in found.items()}
        spread = bootstrap(found, of_sample, config, edges, options.toys)
        result[sample] = {}
        for name, scores in found.items():
            judgement = judge(scores, of_sample, config, edges[name])
            result[sample][name] = {**vars(judgement), "bootstrap": {"ratio_to": "multiclass", **spread[name]}}
            print(_row(sample, name, judgement, spread[name]), flush=True)
    options.output.write_text(json.dumps(result, indent=2) + "\n")


def share_of(events: Events, share: float, part: int) -> Events:
    """Return the data, and a share of the simulated events, by identity, with weights that stand for all."""
    n_parts = round(1 / share)
    # Mixed twice: folds are remainders of the identity itself.
    chosen = events.take(events.is_data | (mix(mix(events.event_id)) % np.uint64(n_parts) == part))
    factors = np.where(chosen.is_data, 1.0, n_parts)
    return replace(chosen, weights={name: weight * factors for name, weight in chosen.weights.items()})


def models_of(events: Events, config: Config, folder: Path | None, *, jobs: int) -> Models:
    """Train a cascade whose final discriminant has all parts, or take it from a folder."""
    asked = config.cascade.final
    assert asked is not None
    if folder and folder.exists():
        return Models(Cascade.load(folder), asked.kind)
    final = asked.model_copy(update={"kind": ("binary", "multiclass", "stages")})
    whole = config.cascade.model_copy(update={"final": final})
    cascade = training.train(events, whole, seed=config.seed, jobs=jobs)
    if folder:
        cascade.save(folder)
    return Models(cascade, asked.kind)


def _row(sample: str, name: str, found: Judgement, spread: Mapping[str, float]) -> str:
    errors = " ".join(f"{process} {error:.3f}" for process, error in found.normalisation.items())
    ratio = f"{spread['mean']:.2f} ± {spread['std']:.2f}"
    numbers = f"{found.limit:.2f} | {found.sigma_mu:.2f} | {found.sigma_mu_no_mcstat:.2f} | {ratio}"
    return f"| {sample} | {name} | {numbers} | {errors} |"


if __name__ == "__main__":
    main()
