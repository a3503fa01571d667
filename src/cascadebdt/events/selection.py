"""Named cuts -> mask and `Cutflow`."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.records import Record

ALL = "all events"
UNSEEN = "not used in training"


@dataclass(frozen=True, eq=False)
class Cutflow(Record):
    """What is left of every sample after each cut: entries, sum of weights and of squared weights.

    Attributes
    ----------
    cuts : names; the first is `ALL`, before any cut
    samples : names
    entries : (n_samples, n_cuts) int64
    sumw, sumw2 : (n_samples, n_cuts) float64
    """

    cuts: tuple[str, ...]
    samples: tuple[str, ...]
    entries: IntArray
    sumw: FloatArray
    sumw2: FloatArray

    @classmethod
    def empty(cls, cuts: tuple[str, ...], samples: tuple[str, ...]) -> "Cutflow":
        """Return a cutflow of no events."""
        shape = (len(samples), len(cuts) + 1)
        zeros = np.zeros(shape)
        return cls((ALL, *cuts), samples, np.zeros(shape, np.int64), zeros, zeros)

    @property
    def read(self) -> int:
        """Entries before any cut, over all samples."""
        return int(self.entries[:, 0].sum())

    @property
    def selected(self) -> int:
        """Entries after the last cut, over all samples."""
        return int(self.entries[:, -1].sum())

    def add(self, sample: str, counts: "Counts") -> "Cutflow":
        """Return the cutflow with `counts` added to a sample."""
        here = np.zeros((len(self.samples), 1))
        here[self.samples.index(sample)] = 1
        return replace(
            self,
            entries=self.entries + (here * counts.entries).astype(np.int64),
            sumw=self.sumw + here * counts.sumw,
            sumw2=self.sumw2 + here * counts.sumw2,
        )

    def then(self, cut: str, counts: Mapping[str, "Counts"]) -> "Cutflow":
        """Return the cutflow with one more cut at the end, the counts after it given by sample."""
        last = [counts[sample] for sample in self.samples]

        def longer(table: Any, column: list[Any]) -> Any:
            return np.concatenate([table, np.reshape(column, (len(self.samples), 1)).astype(table.dtype)], axis=1)

        return replace(
            self,
            cuts=(*self.cuts, cut),
            entries=longer(self.entries, [after.entries for after in last]),
            sumw=longer(self.sumw, [after.sumw for after in last]),
            sumw2=longer(self.sumw2, [after.sumw2 for after in last]),
        )

    @property
    def used_in_training(self) -> dict[str, int]:
        """Selected entries of each sample that only trained, and were left out of what was scored."""
        if self.cuts[-1] != UNSEEN:
            return dict.fromkeys(self.samples, 0)
        return dict(zip(self.samples, (self.entries[:, -2] - self.entries[:, -1]).tolist(), strict=True))

    def plus(self, other: "Cutflow") -> "Cutflow":
        """Return the sum of two cutflows of the same cuts and samples."""
        return replace(
            self,
            entries=self.entries + other.entries,
            sumw=self.sumw + other.sumw,
            sumw2=self.sumw2 + other.sumw2,
        )

    def ending(self, last: FloatArray) -> "Cutflow":
        """Return the cutflow with other numbers after the last cut.

        Parameters
        ----------
        last : (3, n_samples), number of events, sum of weights and of squared weights
        """

        def ended(table: Any, column: FloatArray) -> Any:
            return np.concatenate([table[:, :-1], column[:, np.newaxis].astype(table.dtype)], axis=1)

        return replace(
            self,
            entries=ended(self.entries, last[0]),
            sumw=ended(self.sumw, last[1]),
            sumw2=ended(self.sumw2, last[2]),
        )

    def without(self, sample: str, removed: FloatArray) -> "Cutflow":
        """Return the cutflow with selected events of a sample taken out of every cut.

        They stay in the entries before any cut, which anyone can read off the file.

        Parameters
        ----------
        removed : (3,), number of events, sum of weights and of squared weights
        """
        after_cuts = np.zeros((3, *self.entries.shape))
        after_cuts[:, self.samples.index(sample), 1:] = removed[:, np.newaxis]
        return replace(
            self,
            entries=self.entries - after_cuts[0].astype(np.int64),
            sumw=self.sumw - after_cuts[1],
            sumw2=self.sumw2 - after_cuts[2],
        )


@dataclass(frozen=True, eq=False)
class Counts:
    """Entries, sums of weights and of squared weights after each cut, ``(n_cuts,)`` arrays, before any cut first."""

    entries: IntArray
    sumw: FloatArray
    sumw2: FloatArray


def apply(passed: Mapping[str, BoolArray], weight: FloatArray) -> tuple[BoolArray, Counts]:
    """Apply cuts in order.

    Parameters
    ----------
    passed : cut name -> (n_events,) bool, each cut on its own
    weight : (n_events,) float64

    Returns
    -------
    mask : (n_events,) bool, events that pass every cut
    counts : after each cut
    """
    steps = [np.ones(len(weight), np.bool_)]
    for mask in passed.values():
        steps.append(steps[-1] & mask)
    left = [weight, *(weight[mask] for mask in steps[1:])]
    counts = Counts(
        entries=np.array([len(weights) for weights in left], np.int64),
        sumw=np.array([weights.sum() for weights in left]),
        sumw2=np.array([np.square(weights).sum() for weights in left]),
    )
    return steps[-1], counts
