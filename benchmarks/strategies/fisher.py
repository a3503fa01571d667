"""The expected uncertainty of the signal strength from the Fisher information: fast enough for a bootstrap.

The information of Poisson bins at mu = 0 is I_ij = sum_b J_bi J_bj / V_b + constraints, with the derivatives J of the
expected events by the parameters. V_b = nu_b + sum w^2 is what profiling one Barlow-Beeston parameter a bin gives
(Conway, arXiv:1103.0354). Weights of whole events may change from call to call; their bins are found once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.cascade import Scores
from cascadebdt.config import NOMINAL, Config, NormalisationSystematic, sides
from cascadebdt.config.region_names import is_control
from cascadebdt.events import Events
from cascadebdt.histograms.binning import bin_index


@dataclass(frozen=True)
class BinnedEvents:
    """Simulated events with the bin that each is in.

    Attributes
    ----------
    rows : (n_rows,) of the events
    bins : (n_rows,) over all regions
    process, variation : (n_rows,) codes, process 0 is the signal
    weights : variation -> (n_rows,)
    pairs : names of the two sides of each systematic with rows or weights of its own
    sizes : of the systematics of the normalisation of all processes
    """

    rows: IntArray
    bins: IntArray
    n_bins: int
    process: IntArray
    n_processes: int
    variation: IntArray
    variations: tuple[str, ...]
    weights: Mapping[str, FloatArray]
    pairs: tuple[tuple[str, str], ...]
    sizes: tuple[float, ...]

    @classmethod
    def of(cls, events: Events, scores: Scores, config: Config, edges: Mapping[str, FloatArray]) -> Self:
        """Find the bins of simulated events; the signal and all backgrounds float."""
        bins, n_bins = np.full(len(events), -1), 0
        for code, region in enumerate(scores.regions):
            if region not in edges:
                continue
            rows = np.flatnonzero((scores.region == code) & ~events.is_data)
            values = scores.sorted_as if is_control(region) else scores.final
            assert values is not None
            bins[rows] = n_bins + bin_index(values[rows], edges[region])
            n_bins += len(edges[region]) - 1
        rows = np.flatnonzero(bins >= 0)
        names = [config.cascade.signal, *config.fit.free]
        order = np.array([names.index(name) if name in names else -1 for name in events.processes])
        known = [systematic for systematic in config.systematics if not isinstance(systematic, NormalisationSystematic)]
        flat = [systematic for systematic in config.systematics if isinstance(systematic, NormalisationSystematic)]
        return cls(
            rows=rows,
            bins=bins[rows],
            n_bins=n_bins,
            process=order[events.process[rows]],
            n_processes=len(names),
            variation=events.variation[rows].astype(np.int64),
            variations=events.variations,
            weights={name: weight[rows] for name, weight in events.weights.items()},
            pairs=tuple((up, down) for up, down in map(sides, known)),
            sizes=tuple(systematic.size for systematic in flat),
        )

    def sigma_mu(self, factors: FloatArray, *, simulation_statistics: bool = True) -> float:
        """Return the uncertainty of the signal strength with every event counted `factors` times, ``(n_rows,)``."""
        nominal = self._histogram(NOMINAL, factors)
        total = np.maximum(nominal[1:], 0.0).sum(axis=0)
        varied = [self._histogram(up, factors) - self._histogram(down, factors) for up, down in self.pairs]
        derivatives = [*nominal, *(change[1:].sum(axis=0) / 2 for change in varied)]
        derivatives += [size * total for size in self.sizes]
        constraints = np.diag([0.0] * self.n_processes + [1.0] * (len(self.pairs) + len(self.sizes)))
        variance = total.copy()
        if simulation_statistics:
            is_background = (self.process > 0) & (self.variation == self.variations.index(NOMINAL))
            squares = np.square(self.weights[NOMINAL] * is_background) * factors
            variance += np.bincount(self.bins, squares, self.n_bins)
        used = total > 0
        jacobian = np.array(derivatives)[:, used]
        information = (jacobian / variance[used]) @ jacobian.T + constraints
        return float(np.sqrt(np.linalg.pinv(information, hermitian=True)[0, 0]))

    def _histogram(self, variation: str, factors: FloatArray) -> FloatArray:
        """Return the expected events of a variation, ``(n_processes, n_bins)``."""
        has_rows = variation in self.variations
        rows = np.flatnonzero(self.variation == self.variations.index(variation if has_rows else NOMINAL))
        rows = rows[self.process[rows] >= 0]
        weights = self.weights[NOMINAL if has_rows else variation][rows] * factors[rows]
        cells = self.process[rows] * self.n_bins + self.bins[rows]
        content = np.bincount(cells, weights, self.n_processes * self.n_bins)
        return np.asarray(content, np.float64).reshape(self.n_processes, self.n_bins)
