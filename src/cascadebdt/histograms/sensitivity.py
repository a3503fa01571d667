"""Bins of one region that measure the signal best, by the Fisher information.

Fine bins are merged with their neighbours, at each step the two whose merging costs the least, until every bin has
enough simulated events and there are few enough. The uncertainty of the signal strength is that of
I_ij = sum_b J_bi J_bj / V_b at no signal, with the derivatives J of the expected events by the signal strength and by
the normalisations of all backgrounds, and V_b = nu_b + sum w^2 (Barlow-Beeston light: Conway, arXiv:1103.0354). The
other regions are part of the sum. Noise looks like information, because it enters squared: without floors of effective
events the bins would follow fluctuations of the simulation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray, IntArray

MATTERS = 0.1
"""Share of a bin's background that makes a process matter there, by its yield or by the weight of a single event."""
PRIOR = 1.0
"""Relative uncertainty of the normalisation of a background that no region measures."""


@dataclass(frozen=True, eq=False)
class Floors:
    """Effective events that every bin needs, of the summed background and of each process that matters in it."""

    total: float
    each: float


@dataclass(frozen=True, eq=False)
class Cells:
    """Sums over bins, in the order of the observable.

    Attributes
    ----------
    sumw, sumw2 : (n_processes, n_bins), the signal first
    weight : (n_processes,) of a single event, sum w^2 / sum w over the region
    """

    sumw: FloatArray
    sumw2: FloatArray
    weight: FloatArray

    def merged(self, starts: IntArray) -> Self:
        """Return the sums of bins that begin at the fine bins `starts`."""
        return replace(
            self, sumw=np.add.reduceat(self.sumw, starts, axis=1), sumw2=np.add.reduceat(self.sumw2, starts, axis=1)
        )

    def joined(self, first: int, stop: int) -> Self:
        """Return the sums of one bin, made of those from `first` up to, but without, `stop`."""
        return replace(
            self,
            sumw=self.sumw[:, first:stop].sum(axis=1, keepdims=True),
            sumw2=self.sumw2[:, first:stop].sum(axis=1, keepdims=True),
        )

    @property
    def information(self) -> FloatArray:
        """Of each bin, ``(n_bins, n_processes, n_processes)``."""
        variance = np.maximum(self.sumw[1:], 0.0).sum(axis=0) + self.sumw2[1:].sum(axis=0)
        known = np.divide(self.sumw, np.sqrt(variance), out=np.zeros_like(self.sumw), where=variance > 0)
        return np.asarray(np.einsum("ib,jb->bij", known, known))

    def has_enough(self, floors: Floors) -> BoolArray:
        """Return whether each bin has the effective events that it needs, ``(n_bins,)``."""
        background, squares = self.sumw[1:].sum(axis=0), self.sumw2[1:].sum(axis=0)
        enough = (background > 0) & (background**2 >= floors.total * squares)
        matters = np.maximum(self.sumw[1:], self.weight[1:, None]) > MATTERS * background
        own, own_squares = self.sumw[1:], self.sumw2[1:]
        # No event at all is not enough either, whatever 0 >= 0 says.
        each = (own > 0) & (own**2 >= floors.each * own_squares)
        return np.asarray(enough & (each | ~matters | (floors.each == 0)).all(axis=0))


def sigma(information: FloatArray) -> FloatArray:
    """Return the uncertainty of the signal strength of information matrices, ``(..., n, n)`` -> ``(...,)``."""
    prior = np.diag([1e-12, *[1 / PRIOR**2] * (information.shape[-1] - 1)])
    return np.asarray(np.sqrt(np.linalg.inv(information + prior)[..., 0, 0]))


def choose(cells: Cells, elsewhere: FloatArray, n_bins: int, floors: Floors, *, monotone: bool) -> IntArray:
    """Return the first of the fine bins of each bin, ``(<= n_bins,)``.

    Parameters
    ----------
    cells : of the fine bins
    elsewhere : (n_processes, n_processes) information of all other regions
    n_bins : at most
    floors : effective events that every bin needs, if the region has them
    monotone : whether the signal over the background has to increase from bin to bin
    """
    starts = np.arange(cells.sumw.shape[1])
    while len(starts) > 1:
        now = cells.merged(starts)
        poor = ~now.has_enough(floors)
        # Which pairs (k, k + 1) may be merged: with a bin that is too poor, or any where there are too many.
        pairs = poor[:-1] | poor[1:]
        if not pairs.any() and monotone:
            pairs = _falls(now)
        if not pairs.any() and len(starts) > n_bins:
            pairs = np.ones(len(starts) - 1, np.bool_)
        candidates = np.flatnonzero(pairs)
        if not len(candidates):
            break
        starts = np.delete(starts, candidates[_cheapest(now, candidates, elsewhere)] + 1)
    return starts


def _falls(cells: Cells) -> BoolArray:
    """Return whether the signal over the background falls from each bin to the next."""
    background = np.maximum(cells.sumw[1:].sum(axis=0), 1e-300)
    return np.asarray(np.diff(cells.sumw[0] / background) < 0)


def _cheapest(cells: Cells, candidates: Sequence[int] | IntArray, elsewhere: FloatArray) -> int:
    """Return the position of the pair whose merging leaves the smallest uncertainty."""
    apart = cells.information
    left = np.asarray(candidates)
    together = replace(
        cells,
        sumw=cells.sumw[:, left] + cells.sumw[:, left + 1],
        sumw2=cells.sumw2[:, left] + cells.sumw2[:, left + 1],
    ).information
    total = apart.sum(axis=0) + elsewhere - apart[left] - apart[left + 1] + together
    return int(np.argmin(sigma(total)))
