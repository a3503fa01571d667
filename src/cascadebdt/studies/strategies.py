"""Strategies: how an analysis uses BDTs, each in the end a function from events to scores and regions.

All train on the same events in the same folds, on the same features, with hyperparameters of the same configuration,
and get the same number of bins. What they have of their own is what is compared:

- ``one_bdt``: one BDT, the signal against all backgrounds, binned over its whole range with as many bins for the
  backgrounds as the control regions of the others have;
- ``one_bdt_cuts``: the same BDT, with control regions by cuts on the features;
- ``multiclass``: one BDT with a class for each process; an event is in the region of its most probable class, the
  signal region is binned in the likelihood ratio;
- ``parallel``: the stages of the cascade, each trained on all events;
- ``cascade``: as configured.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np

from cascadebdt import training
from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.cascade.discriminant import Discriminant
from cascadebdt.cascade.multiclass import log_sum_exp
from cascadebdt.config import NOMINAL, BinningConfig, Config, FinalConfig, Part, RegionsConfig
from cascadebdt.config.region_names import CONTROL, SIGNAL_REGION
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.histograms.binning import Requirement, merge_edges, quantile_edges
from cascadebdt.studies import cuts
from cascadebdt.studies.evaluation import Placed

Strategy: TypeAlias = Callable[[Events], Scores]
Edges: TypeAlias = dict[str, FloatArray]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A strategy that is ready to score.

    Attributes
    ----------
    score : events -> scores
    regions : how its regions are binned
    edges : returns the bins, found on the events that trained
    training_s : wall time of its training
    """

    score: Strategy
    regions: RegionsConfig
    edges: Callable[[Placed], Edges] = Placed.edges
    training_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Learning:
    """What all strategies learn from.

    Attributes
    ----------
    events : simulation
    config : of the analysis
    jobs : folds trained at a time
    """

    events: Events
    config: Config
    jobs: int = 1
    _trained: dict[Part, tuple[Discriminant, float]] = field(default_factory=dict)

    def alone(self, part: Part) -> tuple[Discriminant, float]:
        """Return the one BDT of signal and background, or the multiclass BDT, and the seconds that it took to train."""
        if part not in self._trained:
            start, cascade = time.perf_counter(), self.config.cascade
            bdt = cascade.final.bdt if cascade.final and cascade.final.kind != ("stages",) else cascade.bdt
            final = FinalConfig(kind=(part,), train_on="all", features=cascade.features, bdt=bdt)
            config = cascade.model_copy(update={"final": final})
            discriminant = training.train_final(self.events, config, seed=self.config.seed, jobs=self.jobs)
            self._trained[part] = discriminant, time.perf_counter() - start
        return self._trained[part]

    def model_of(self, events: Events) -> IntArray:
        """Return which model scores each event, ``(n_events,)``: that of its fold, which never saw it."""
        cascade = self.config.cascade
        return fold_of(events.event_id, 1 if cascade.mode == "holdout" else cascade.folds)


def one_bdt(learning: Learning) -> Prepared:
    """Train one BDT, whose whole range is the signal region and measures the backgrounds, too."""
    discriminant, seconds = learning.alone("binary")
    signal, regions = learning.config.cascade.signal, rival_regions(learning.config.regions)

    def score(events: Events) -> Scores:
        return Scores.in_regions({}, final=_binary_margin(discriminant, learning, events), signal=signal)

    n_background = regions.control.n_bins * len(learning.config.cascade.stages)

    def edges(placed: Placed) -> Edges:
        return {SIGNAL_REGION: edges_for_both(placed, regions.signal, n_background)}

    return Prepared(score, regions, edges, seconds)


def one_bdt_cuts(learning: Learning) -> Prepared:
    """Train one BDT, and find cuts on the features that make a control region of each background."""
    discriminant, seconds = learning.alone("binary")
    start, cascade = time.perf_counter(), learning.config.cascade
    trees = cuts.train(learning.events, cascade, seed=learning.config.seed)

    def score(events: Events) -> Scores:
        chosen = trees.most_like(events, learning.model_of(events))
        masks = {f"{CONTROL}{name}": chosen == name for name in trees.backgrounds}
        return Scores.in_regions(masks, final=_binary_margin(discriminant, learning, events), signal=cascade.signal)

    seconds += time.perf_counter() - start
    return Prepared(score, rival_regions(learning.config.regions), training_s=seconds)


def multiclass(learning: Learning) -> Prepared:
    """Train one BDT with a class for each process."""
    discriminant, seconds = learning.alone("multiclass")
    (ratio,) = discriminant.ratios

    def score(events: Events) -> Scores:
        folds, rows = learning.model_of(events), np.arange(len(events))
        margins = ratio.model.margins(events.columns, folds, rows)
        best = margins.argmax(axis=1)
        signal, *backgrounds = ratio.model.classes
        masks = {f"{CONTROL}{name}": best == k for k, name in enumerate(backgrounds, start=1)}
        probability = np.exp(margins.max(axis=1) - log_sum_exp(margins.astype(np.float64)))
        final = ratio.margin(events.columns, folds, rows)
        return Scores.in_regions(masks, final=final, control=probability, signal=signal)

    return Prepared(score, rival_regions(learning.config.regions), training_s=seconds)


def parallel(learning: Learning) -> Prepared:
    """Train the stages of the cascade on all events each; everything else is as in the cascade."""
    config = learning.config.cascade
    stages = tuple(stage.model_copy(update={"train_on": "all"}) for stage in config.stages)
    return _staged(
        learning, learning.config.model_copy(update={"cascade": config.model_copy(update={"stages": stages})})
    )


def cascade(learning: Learning) -> Prepared:
    """Train the cascade as configured."""
    return _staged(learning, learning.config)


def _staged(learning: Learning, config: Config) -> Prepared:
    start = time.perf_counter()
    trained: Cascade = training.train(learning.events, config.cascade, seed=config.seed, jobs=learning.jobs)

    def score(events: Events) -> Scores:
        return trained.score(events, jobs=learning.jobs)

    return Prepared(score, config.regions, training_s=time.perf_counter() - start)


BUILT_IN: Mapping[str, Callable[[Learning], Prepared]] = {
    builder.__name__: builder for builder in (one_bdt, one_bdt_cuts, multiclass, parallel, cascade)
}


def own(function: Strategy, learning: Learning) -> Prepared:
    """Return a user's strategy, which is binned as the built-in ones."""
    return Prepared(function, rival_regions(learning.config.regions))


def _binary_margin(discriminant: Discriminant, learning: Learning, events: Events) -> FeatureArray:
    """Return the margin of the one BDT, ``(n_events,)``."""
    (classifier,) = discriminant.binary
    every = np.ones(len(events), np.bool_)
    folds = learning.model_of(events)
    return out_of_fold(classifier.boosters, events.columns, classifier.features, folds, every, as_margin=True)


def rival_regions(regions: RegionsConfig) -> RegionsConfig:
    """Return the budget of bins of the cascade's regions for regions with other names and observables."""
    return regions.model_copy(
        update={
            "control": _with_observable(regions.control, "score"),
            "signal": _with_observable(regions.signal, "final"),
            "own": {},
        }
    )


def _with_observable(binning: BinningConfig, observable: str) -> BinningConfig:
    """Return as many bins of another observable, for which given edges mean nothing."""
    edges = binning.edges
    bins = {"bins": "auto", "n_bins": len(edges) - 1} if edges is not None else {}
    return binning.model_copy(update={"observable": observable, **bins})


def edges_for_both(placed: Placed, binning: BinningConfig, n_background: int) -> FloatArray:
    """Return quantiles of the signal, and `n_background` bins of the background, each with enough background."""
    events, values = placed.events, placed.values
    weights, is_signal = events.weights[NOMINAL], events.of_process(placed.scores.signal)
    signal, background = events.is_nominal & is_signal, events.is_nominal & ~is_signal
    inner = [
        quantile_edges(values[rows], weights[rows], n_bins)
        for rows, n_bins in ((signal, binning.n_bins), (background, n_background))
    ]
    nominal = values[events.is_nominal]
    edges = np.unique(np.concatenate([[nominal.min()], *inner, [nominal.max()]]).astype(np.float64))
    return merge_edges(edges, [Requirement(values[background], weights[background], binning.min_effective_events)])
