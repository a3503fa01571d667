"""Two halves of the simulation: one is searched, the other judges what was found.

The halves are by a hash of the identity that is independent of the folds of the training, so that variations of an
event are in the half of the event. Each half stands for all events, with weights twice as large: the statistical
uncertainty of the simulation is that of half of it, for both.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.config import Config
from cascadebdt.events.events import mix
from cascadebdt.products.optimised import Sensitivity
from cascadebdt.studies import evaluation
from cascadebdt.studies.grid import Grid, Setting
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.studies.search import Error
from cascadebdt.studies.surrogate import Surrogate

HIGHEST_BIT = np.uint64(63)
N_SAMPLES = 25
"""Of a bootstrap: the standard error is known to a seventh of itself."""


@dataclass(frozen=True, eq=False)
class Halves:
    """The scored simulation of one cascade, the configuration that trained it, and the surrogate of the search.

    Attributes
    ----------
    config : its working points are those that the cascade was trained with
    whole, searched, held_out : scored events
    surrogate : of the events that are searched
    event : (n_searched,) number of the event that a row is a variation of
    n_events : different events that are searched
    """

    config: Config
    whole: OpenScores
    searched: OpenScores
    held_out: OpenScores
    surrogate: Surrogate
    event: IntArray
    n_events: int

    @classmethod
    def of(cls, scores: OpenScores, config: Config, *, min_purity: float) -> Self:
        """Split the events and fill the surrogate."""
        # The folds of the training are remainders of the same identity; mixed once more, its bits are independent.
        is_held_out = (mix(scores.events.event_id) >> HIGHEST_BIT) == 1
        searched = scores.take(~is_held_out).weighted(2.0)
        identity, event = np.unique(searched.events.event_id, return_inverse=True)
        return cls(
            config=config,
            whole=scores,
            searched=searched,
            held_out=scores.take(is_held_out).weighted(2.0),
            surrogate=Surrogate.of(searched, config, Grid.of(searched), min_purity=min_purity),
            event=event,
            n_events=len(identity),
        )

    @property
    def start(self) -> Setting:
        """The configured setting."""
        regions = self.config.regions
        return Setting(self.surrogate.grid.configured, regions.signal.n_bins, regions.control.n_bins)

    def complexity(self, setting: Setting) -> int:
        """Return how many choices a setting is made of: stages that cut, and numbers of bins other than configured.

        Fewer bins are not simpler: half of the simulation fills fewer of them than all of it will.
        """
        other_bins = (setting.n_signal != self.start.n_signal) + (setting.n_control != self.start.n_control)
        return sum(self.surrogate.grid.cuts(setting.levels)) + other_bins

    def with_bins(self, setting: Setting) -> Config:
        """Return the configuration with the numbers of bins of a setting."""
        config = self.config
        for region, number in (("signal", setting.n_signal), ("control", setting.n_control)):
            if getattr(config.regions, region).n_bins != number:
                config = config.replace(f"regions.{region}.n_bins", number)
        return config

    def claimed(self, setting: Setting) -> tuple[Sensitivity, Mapping[str, FloatArray]]:
        """Return what the fit of the searched events says, and the edges of the bins that they choose."""
        edges = self._placed(self.searched, setting).edges()
        return self._judged(self.searched, setting, edges), edges

    def judged(self, setting: Setting, edges: Mapping[str, FloatArray]) -> Sensitivity:
        """Return what the fit of the events held out says, in bins that the searched ones chose."""
        return self._judged(self.held_out, setting, edges)

    def error(self, seed: int) -> Error:
        """Return a function that tells the standard error of the ratio of the uncertainties of two settings.

        It is that of a paired bootstrap: in each sample every event counts a Poisson number of times, in all of its
        variations and for both settings. Samples are made anew for every new setting, as many would not fit in memory.
        """
        known: dict[Setting, FloatArray] = {}

        def values(setting: Setting) -> FloatArray:
            if setting not in known:
                known[setting] = np.array([sample.sigma_mu(setting) for sample in self._samples(seed)])
            return known[setting]

        return lambda setting, reference: _spread(values(setting), values(reference))

    def ratio_error(self, setting: Setting, other: Self, reference: Setting, seed: int) -> float:
        """Return the standard error of the ratio to a setting of another cascade on the same events."""
        samples = zip(self._samples(seed), other._samples(seed), strict=True)
        pairs = np.array([(one.sigma_mu(setting), two.sigma_mu(reference)) for one, two in samples])
        return _spread(pairs[:, 0], pairs[:, 1])

    def _samples(self, seed: int) -> Iterator[Surrogate]:
        """Yield the surrogates of bootstrap samples."""
        random = np.random.default_rng(seed)
        for _ in range(N_SAMPLES):
            counts = random.poisson(1.0, self.n_events).astype(np.float64)
            yield self.surrogate.resampled(counts[self.event])

    def _placed(self, scores: OpenScores, setting: Setting) -> evaluation.Placed:
        at = scores.at(self.surrogate.grid.thresholds(setting.levels))
        return evaluation.Placed.of(scores.events, at, self.with_bins(setting).regions)

    def _judged(self, scores: OpenScores, setting: Setting, edges: Mapping[str, FloatArray]) -> Sensitivity:
        filled, _ = evaluation.fittable(self._placed(scores, setting).fill(edges), scores.cascade.signal)
        observed = evaluation.asimov(evaluation.model(filled, self.with_bins(setting)))
        expected = evaluation.expectation(observed, level=round(1 - self.config.fit.confidence_level, 12))
        return Sensitivity(expected.sigma_mu, expected.limit[2], expected.significance)


def _spread(values: FloatArray, reference: FloatArray) -> float:
    """Return the standard deviation of ratios of samples; one may miss a floor that the events themselves meet.

    Where hardly any sample meets it, nothing is known: infinity.
    """
    is_known = np.isfinite(values) & np.isfinite(reference)
    if is_known.sum() < len(values) / 2:
        return float("inf")
    return float(np.std(values[is_known] / reference[is_known], ddof=1))
