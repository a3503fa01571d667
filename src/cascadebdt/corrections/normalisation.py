"""Normalisations of the backgrounds in the control regions: how much of the others is to be subtracted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.config.region_names import is_control
from cascadebdt.histograms.yields import Histogram

N_STEPS = 2000
LEAST = 1e-6


@dataclass(frozen=True, eq=False)
class Normalisations:
    """Fitted normalisations.

    Attributes
    ----------
    values : process -> factor on its expected yield
    covariance : of the factors of these processes, in this order
    """

    values: Mapping[str, float]
    covariance: FloatArray

    @property
    def relative_covariance(self) -> FloatArray:
        """Of the factors over their values, with a last row for processes that are not fitted and are known."""
        values = np.maximum(np.array(list(self.values.values())), LEAST)
        return np.pad(self.covariance / np.outer(values, values), (0, 1))


def fit(yields: Mapping[str, Histogram], free: Sequence[str]) -> Normalisations:
    """Fit the normalisations of backgrounds to the data of the control regions alone.

    The Poisson likelihood of the bins of the control regions, by expectation maximisation (which keeps normalisations
    positive); processes that are not free stay at their expectation, the signal included.

    Parameters
    ----------
    yields : region -> histogram
    free : processes whose normalisation is fitted
    """
    control = {name: histogram for name, histogram in yields.items() if is_control(name)}
    expected = np.stack([_sum(control, [process]) for process in free])
    fixed = _sum(control, [name for name in _processes(control) if name not in (*free, DATA)])
    # Without data the expectation stands for them.
    data = _sum(control, [DATA]) if DATA in _processes(control) else expected.sum(axis=0) + fixed
    used = expected.sum(axis=0) + fixed > 0
    expected, fixed, data = np.maximum(expected[:, used], 0.0), np.maximum(fixed[used], 0.0), data[used]
    totals = np.maximum(expected.sum(axis=1), LEAST)
    factors = np.ones(len(free))
    for _ in range(N_STEPS):
        rate = np.maximum(factors @ expected + fixed, LEAST)
        factors = factors * (expected @ (data / rate)) / totals
    information = (expected / np.maximum(factors @ expected + fixed, LEAST)) @ expected.T
    # A process that is in no control region stays unknown: as uncertain as it is large.
    covariance = np.linalg.inv(information + np.eye(len(free)))
    return Normalisations(dict(zip(free, factors.tolist(), strict=True)), covariance)


def _processes(regions: Mapping[str, Histogram]) -> list[str]:
    return list(dict.fromkeys(str(name) for histogram in regions.values() for name in histogram.axes["process"]))


def _sum(regions: Mapping[str, Histogram], processes: Sequence[str]) -> FloatArray:
    """Return the nominal yields of some processes in all bins, ``(n_bins,)``."""
    parts = []
    for histogram in regions.values():
        codes = [histogram.axes[0].index(name) for name in processes if name in histogram.axes[0]]
        cells: Any = histogram.view(flow=False)
        nominal = cells["value"][codes, histogram.axes[1].index(NOMINAL)]
        parts.append(nominal.sum(axis=0))
    return np.concatenate(parts)
