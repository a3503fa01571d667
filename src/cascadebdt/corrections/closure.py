"""How well simulation describes the data of a region, before and after the corrections."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import FeatureArray, FloatArray, IntArray
from cascadebdt.corrections.purified import Purified
from cascadebdt.histograms.binning import bin_index, quantile_edges
from cascadebdt.records import Record

N_BINS = 8
LogRatio = Callable[[Mapping[str, FeatureArray], IntArray], FloatArray]


@dataclass(frozen=True, eq=False)
class Closure(Record):
    """One variable in one region.

    Attributes
    ----------
    region, variable : names
    edges : (n_bins + 1,)
    data : (n_bins,)
    others : (n_bins,), expected events of all other processes
    before, after : (n_bins,), expected events of the process without and with the correction, which for each event
        was learnt from others
    variance : (n_bins,), of the expected events
    """

    region: str
    variable: str
    edges: FloatArray
    data: FloatArray
    others: FloatArray
    before: FloatArray
    after: FloatArray
    variance: FloatArray

    @property
    def scale(self) -> float:
        """The factor on the process with which it has the yield of the data: shapes alone are compared."""
        own = float(self.after.sum())
        return float(self.data.sum() - self.others.sum()) / own if own > 0 else 1.0

    def chi2(self, *, corrected: bool) -> float:
        """Return the sum of squared differences of data and expectation in standard deviations."""
        expected = self.scale * (self.after if corrected else self.before) + self.others
        variance = np.maximum(expected, 0.0) + self.variance
        used = variance > 0
        return float((np.square(self.data - expected)[used] / variance[used]).sum())


def of(sample: Purified, log_ratio: LogRatio) -> Iterator[Closure]:
    """Yield the closure of every variable in a region.

    Parameters
    ----------
    sample : the events of the region
    log_ratio : the logarithm of the correction, as a function of columns and folds
    """
    factors = np.exp(log_ratio(sample.simulated, sample.folds)) if len(sample.weights) else np.ones(0)
    for variable, column in sample.simulated.items():
        # Values that are not numbers, which no correction acts on, are not drawn.
        inner = quantile_edges(column[~np.isnan(column)], sample.weights[~np.isnan(column)], N_BINS)
        if not len(inner):
            continue
        ends = [float(np.nanmin(column)), float(np.nanmax(column))]
        edges = np.unique(np.concatenate([inner, ends]))

        def summed(values: FeatureArray, weights: FloatArray, edges: FloatArray = edges) -> FloatArray:
            known = ~np.isnan(values)
            index = bin_index(values[known], edges)
            return np.asarray(np.bincount(index, weights[known], len(edges) - 1), np.float64)

        others = summed(sample.others[variable], sample.weights_of_others)
        variance = summed(sample.others[variable], np.square(sample.weights_of_others))
        yield Closure(
            region=sample.where,
            variable=variable,
            edges=edges,
            data=summed(sample.data[variable], sample.weights_of_data),
            others=others,
            before=summed(column, sample.weights),
            after=summed(column, sample.weights * factors),
            variance=variance + summed(column, np.square(sample.weights * factors)),
        )
