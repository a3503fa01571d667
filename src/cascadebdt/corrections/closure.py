"""How well simulation describes the data of a region, before and after the corrections."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray
from cascadebdt.events import Events
from cascadebdt.records import Record


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

    def chi2(self, *, corrected: bool) -> float:
        """Return the sum of squared differences of data and expectation in standard deviations.

        The process is scaled to the yield of the data, so that shapes alone count.
        """
        own = self.after if corrected else self.before
        total = own.sum()
        own = own * (self.data.sum() - self.others.sum()) / total if total > 0 else own
        expected = own + self.others
        variance = np.maximum(expected, 0.0) + self.variance
        used = variance > 0
        return float((np.square(self.data - expected)[used] / variance[used]).sum())
