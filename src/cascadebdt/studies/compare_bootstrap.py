"""How well a difference of two strategies is known: a paired bootstrap of simulated events, without new trainings.

Every event counts as often as a Poisson variable of mean 1 says, in all its variations and in all strategies alike. The
uncertainty of the signal strength is that of the Fisher information, fast enough for that: of Poisson bins at mu = 0,
I_ij = sum_b J_bi J_bj / V_b + constraints, with the derivatives J of the expected events by the parameters.
V_b = nu_b + sum w^2 is what profiling one Barlow-Beeston parameter a bin gives (Conway, arXiv:1103.0354).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.config import (
    NOMINAL,
    Config,
    NormalisationSystematic,
    SystematicConfig,
    applies,
    parameter,
    sides,
)
from cascadebdt.events import Events
from cascadebdt.studies.evaluation import Placed


def samples(events: Events, n_toys: int) -> Iterator[FloatArray]:
    """Yield how often each event counts in each bootstrap sample, ``(n_events,)``: the same for equal events."""
    identity, inverse = np.unique(events.event_id, return_inverse=True)
    for toy in range(n_toys):
        yield np.random.default_rng(toy).poisson(1.0, len(identity))[inverse].astype(np.float64)


@dataclass(frozen=True, eq=False)
class BinnedEvents:
    """Simulated events with the bin that each is in.

    Attributes
    ----------
    config : of the analysis
    rows : (n_rows,) of the events
    bins : (n_rows,) over all regions that are fitted
    of_region : region -> its bins
    process : (n_rows,) codes into `processes`, of which the first is the signal
    variation : (n_rows,) codes into `variations`
    weights : variation -> (n_rows,)
    """

    config: Config
    rows: IntArray
    bins: IntArray
    of_region: Mapping[str, slice]
    process: IntArray
    processes: tuple[str, ...]
    variation: IntArray
    variations: tuple[str, ...]
    weights: Mapping[str, FloatArray]

    @classmethod
    def of(cls, placed: Placed, edges: Mapping[str, FloatArray], config: Config) -> Self:
        """Find the bins of events in the regions that have edges."""
        events, signal = placed.events, config.cascade.signal
        bins, of_region = placed.bins(edges)
        names = (signal, *(name for name in events.processes if name != signal))
        order = np.array([names.index(name) for name in events.processes])
        rows = np.flatnonzero(bins >= 0)
        return cls(
            config=config,
            rows=rows,
            bins=bins[rows],
            of_region=of_region,
            process=order[events.process[rows]],
            processes=names,
            variation=events.variation[rows].astype(np.int64),
            variations=events.variations,
            weights={name: weight[rows] for name, weight in events.weights.items()},
        )

    @property
    def n_bins(self) -> int:
        """Number of bins of all regions."""
        return max(int(bins.stop) for bins in self.of_region.values())

    def sigmas(self, factors: Iterable[FloatArray]) -> list[float]:
        """Return the uncertainty of the signal strength in each bootstrap sample."""
        return [self.sigma_mu(of_events[self.rows]) for of_events in factors]

    def sigma_mu(self, factors: FloatArray) -> float:
        """Return the uncertainty of the signal strength with every event counted `factors` times, ``(n_rows,)``."""
        nominal = self._histogram(NOMINAL, factors)
        total = np.maximum(nominal[1:], 0.0).sum(axis=0)
        free = [nominal[self.processes.index(name)] for name in self.config.fit.free]
        constrained = list(self._effects(nominal, factors).values())
        constraints = np.diag([0.0] * (1 + len(free)) + [1.0] * len(constrained))
        is_background = (self.process > 0) & (self.variation == self.variations.index(NOMINAL))
        squares = np.square(self.weights[NOMINAL] * is_background) * factors
        variance = total + np.bincount(self.bins, squares, self.n_bins)
        used = total > 0
        jacobian = np.array([nominal[0], *free, *constrained])[:, used]
        information = (jacobian / variance[used]) @ jacobian.T + constraints
        return float(np.sqrt(np.linalg.pinv(information, hermitian=True)[0, 0]))

    def _effects(self, nominal: FloatArray, factors: FloatArray) -> dict[str, FloatArray]:
        """Return the derivative of the expected background by each constrained parameter, ``(n_bins,)`` each."""
        derivatives: dict[str, FloatArray] = {}
        for systematic in self.config.systematics:
            effect = self._effect(systematic, nominal, factors)
            for process, of_process in zip(self.processes[1:], effect[1:], strict=True):
                for region, bins in self.of_region.items():
                    if applies(systematic, process, region):
                        name = parameter(systematic, process, region)
                        derivatives.setdefault(name, np.zeros(self.n_bins))[bins] += of_process[bins]
        return derivatives

    def _effect(self, systematic: SystematicConfig, nominal: FloatArray, factors: FloatArray) -> FloatArray:
        """Return the change of the expected events by one standard deviation, ``(n_processes, n_bins)``."""
        if isinstance(systematic, NormalisationSystematic):
            return systematic.size * nominal
        up, *down = (self._histogram(side, factors) for side in sides(systematic))
        return (up - down[0]) / 2 if down else up - nominal

    def _histogram(self, variation: str, factors: FloatArray) -> FloatArray:
        """Return the expected events of a variation, ``(n_processes, n_bins)``."""
        has_rows = variation in self.variations
        rows = np.flatnonzero(self.variation == self.variations.index(variation if has_rows else NOMINAL))
        weights = self.weights[NOMINAL if has_rows else variation][rows] * factors[rows]
        cells = self.process[rows] * self.n_bins + self.bins[rows]
        content = np.bincount(cells, weights, len(self.processes) * self.n_bins)
        return np.asarray(content, np.float64).reshape(len(self.processes), self.n_bins)


def ratio(sigmas: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """Return mean and standard deviation of the ratio to a reference over the bootstrap samples."""
    ratios = np.array(sigmas) / np.array(reference)
    return float(np.mean(ratios)), float(np.std(ratios, ddof=1)) if len(ratios) > 1 else 0.0
