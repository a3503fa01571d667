"""What does each piece of the cascade do? `python benchmarks/strategies/variants.py [--judge FOLDER]`.

Variants of one trained cascade, and one BDT with control regions by cuts that a person chose, compared as `cascadebdt
compare` compares strategies: the same events, fit and Asimov data.

    one_bdt_own_cuts  one BDT, control regions by cuts as an analysis without a cascade defines them
    multiclass_lr     the multiclass BDT, regions by the cut on its likelihood ratio that keeps as much signal
    by_stage          the cascade without its sorter: what a stage rejects is its control region
    final_...         the cascade with only one part of its final discriminant, and with all three
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

import cascadebdt as cb
from cascadebdt import training
from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.cascade import threshold_at
from cascadebdt.cascade.discriminant import Discriminant
from cascadebdt.config import NOMINAL, Part
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.report.studies import comparison
from cascadebdt.resources import available_cpus
from cascadebdt.studies.compare_judge import with_samples_of
from cascadebdt.studies.compare_runs import without_data

ROOT = Path(__file__).parents[2]
LOW_SIGNAL = 0.15  # share of the signal below which the single BDT's score is the control region of wgamma


@dataclass(frozen=True)
class Models:
    """A cascade whose final discriminant has all parts, what the configuration asked for, and its events."""

    cascade: cb.Cascade
    kind: tuple[Part, ...]
    events: cb.Events

    @property
    def whole(self) -> Discriminant:
        """The final discriminant with all parts."""
        assert self.cascade.discriminant is not None
        return self.cascade.discriminant

    def with_parts(self, *kind: Part) -> cb.Cascade:
        """Return the cascade with some parts of its final discriminant."""
        chosen = replace(
            self.whole,
            binary=self.whole.binary if "binary" in kind else (),
            ratios=self.whole.ratios if "multiclass" in kind else (),
            stages=self.whole.stages if "stages" in kind else None,
        )
        return replace(self.cascade, final=self.cascade.final if "binary" in kind else None, discriminant=chosen)

    def one_bdt(self, events: cb.Events) -> FloatArray:
        """Return the margin of the single BDT."""
        final, every = self.whole.binary[0], np.ones(len(events), np.bool_)
        folds = fold_of(events.event_id, self.cascade.n_folds)
        return out_of_fold(final.boosters, events.columns, final.features, folds, every, as_margin=True)

    def threshold(self, margins: Callable[[cb.Events], FloatArray], efficiency: float) -> np.float32:
        """Return the cut on a margin that keeps a share of the signal that trained."""
        signal = self.events.take(self.events.of_process(self.cascade.signal) & self.events.is_nominal)
        values = np.asarray(margins(signal), np.float32)
        return threshold_at(efficiency, scores=values, weights=signal.weights[NOMINAL])


def variants(models: Models) -> dict[str, Callable[[cb.Events], cb.Scores]]:
    """Return every variant as a function from events to scores."""
    configured = models.with_parts(*models.kind)
    return {
        "one_bdt_own_cuts": _one_bdt_own_cuts(models),
        "multiclass_lr": _multiclass_lr(models, configured),
        "by_stage": _by_stage(replace(configured, sorter=None)),
        "final_binary": models.with_parts("binary").score,
        "final_multiclass": models.with_parts("multiclass").score,
        "final_stages": models.with_parts("stages").score,
        "final_all_three": models.cascade.score,
    }


def _one_bdt_own_cuts(models: Models) -> Callable[[cb.Events], cb.Scores]:
    low = models.threshold(models.one_bdt, 1 - LOW_SIGNAL)

    def score(events: cb.Events) -> cb.Scores:
        margin = models.one_bdt(events)
        return cb.Scores.in_regions(_own_cuts(events, margin < low), final=margin)

    return score


def _own_cuts(events: cb.Events, is_low: BoolArray) -> dict[str, BoolArray]:
    """Return control regions as an analysis without a cascade defines them."""
    value = events.columns
    return {
        "CR_zee": (value["is_muon"] == 0) & (value["m_lg"] > 80) & (value["m_lg"] < 102),
        "CR_ttbar": value["n_bjet"] >= 1,
        "CR_zgamma": value["n_soft"] >= 2,
        "CR_gammajet": (value["lepton_iso"] > 0.06) & (value["met"] < 50),
        "CR_wjets": ((value["photon_sieie"] > 0.0105) & (value["photon_eta"] < 1.45)) | (value["photon_iso"] > 0.06),
        "CR_wgamma": is_low,
    }


def _multiclass_lr(models: Models, configured: cb.Cascade) -> Callable[[cb.Events], cb.Scores]:
    (ratio,), n_folds = models.whole.ratios, models.cascade.n_folds

    def margin(events: cb.Events) -> FloatArray:
        return ratio.margin(events.columns, fold_of(events.event_id, n_folds), np.arange(len(events)))

    signal = models.events.take(models.events.of_process(models.cascade.signal) & models.events.is_nominal)
    is_kept = configured.classify(signal) == len(configured.regions) - 1
    weights = signal.weights[NOMINAL]
    cut = models.threshold(margin, float(weights[is_kept].sum() / weights.sum()))

    def score(events: cb.Events) -> cb.Scores:
        classes = ratio.model.margins(events.columns, fold_of(events.event_id, n_folds), np.arange(len(events)))
        best, final = classes[:, 1:].argmax(axis=1), margin(events)
        masks = {f"CR_{name}": (final < cut) & (best == k) for k, name in enumerate(ratio.model.classes[1:])}
        shares = np.exp(classes[:, 1:].max(axis=1) - np.logaddexp.reduce(classes, axis=1))
        return cb.Scores.in_regions(masks, final=final, control=shares)

    return score


def _by_stage(cascade: cb.Cascade) -> Callable[[cb.Events], cb.Scores]:
    """Return the scores without a sorter; a control region is binned in the score of its stage."""

    def score(events: cb.Events) -> cb.Scores:
        scores = cascade.score(events)
        stage = np.minimum(scores.stage_of_region[scores.region], scores.margins.shape[1] - 1)
        return replace(scores, sorted_as=scores.scores[np.arange(len(events)), stage])

    return score


def main() -> None:
    """Train once, compare the variants with the strategies, and print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "wh_dark_photon.yaml")
    parser.add_argument("--judge", type=Path, help="folder of independent files with the names of those trained on")
    parser.add_argument("--output", type=Path, default=Path("variants"), help="folder of compare.json")
    options = parser.parse_args()
    config, jobs = without_data(cb.load_config(options.config)), available_cpus()
    asked = config.cascade.final
    assert asked is not None
    final = asked.model_copy(update={"kind": ("binary", "multiclass", "stages")})
    events = cb.select(config, jobs=jobs)
    whole = config.cascade.model_copy(update={"final": final})
    models = Models(training.train(events, whole, seed=config.seed, jobs=jobs), asked.kind, events)
    judge = with_samples_of(config, options.judge) if options.judge else None
    result = cb.studies.compare(
        config,
        options.output,
        strategies=("multiclass", "cascade"),
        own=variants(models),
        judge=judge,
        variables=("photon_pt", "met"),
        jobs=jobs,
    )
    for table in comparison(result).tables:
        print(f"\n{table.text()}")


if __name__ == "__main__":
    main()
