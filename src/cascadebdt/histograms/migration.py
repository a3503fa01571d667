"""Which events change region under a variation: region before -> region after, per process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL, KinematicSystematic, SystematicConfig, applies, sides
from cascadebdt.events import Events
from cascadebdt.histograms.sums import Sums
from cascadebdt.records import Record, Table

if TYPE_CHECKING:
    from cascadebdt.cascade import Scores


NOT_SELECTED = "not selected"


@dataclass(frozen=True, eq=False)
class Migration(Record):
    """Regions of the events of one process without and with a variation.

    Attributes
    ----------
    regions : names; the last is `NOT_SELECTED`
    entries : (n, n) int64, events of nominal region i and varied region j
    sumw : (n, n) float64, their sum of nominal weights; of varied weights if they are not selected without the
        variation
    reweighted : (n,) float64, varied less nominal weights of the events selected both times, by varied region

    The rows sum to the nominal yields; the columns, with `reweighted`, to the varied ones.
    """

    regions: tuple[str, ...]
    entries: IntArray
    sumw: FloatArray
    reweighted: FloatArray


Migrations = dict[str, dict[str, Migration]]


@dataclass(frozen=True, eq=False)
class MigrationTable(Table):
    """The migrations of all variations and processes: ``migration.json``.

    Attributes
    ----------
    variations : variation -> process -> migration
    """

    variations: dict[str, dict[str, Migration]]


class MigrationFilling:
    """Migrations that are filled block by block, with the same bits whatever the blocks.

    All rows of an event have to be in one block: events are matched by sample and identity; where several share both,
    in canonical order. Data are never varied.

    Parameters
    ----------
    systematics : of which the kinematic ones count
    sums : where the weights are added
    """

    def __init__(self, systematics: Sequence[SystematicConfig], sums: Sums | None = None) -> None:
        self._systematics = [systematic for systematic in systematics if isinstance(systematic, KinematicSystematic)]
        self._sums = Sums() if sums is None else sums
        self._regions: tuple[str, ...] = ()
        self._processes: tuple[str, ...] = ()

    def add(self, events: Events, scores: "Scores") -> None:
        """Compare the regions of the simulated events of a block without and with every kinematic variation."""
        self._regions, self._processes = (*scores.regions, NOT_SELECTED), events.processes
        nominal = _Selected.of(events, scores, NOMINAL)
        for variation in (name for systematic in self._systematics for name in sides(systematic)):
            moves = _Moves.between(nominal, _Selected.of(events, scores, variation), len(scores.regions))
            moves.add(variation, len(events.processes), len(self._regions), self._sums)

    @property
    def migrations(self) -> Migrations:
        """Variation -> process -> migration."""
        return {
            variation: {
                name: self._migration(variation, code)
                for code, name in enumerate(self._processes)
                if name != DATA and applies(systematic, name)
            }
            for systematic in self._systematics
            for variation in sides(systematic)
            if self._processes
        }

    def _migration(self, variation: str, process: int) -> Migration:
        n = len(self._regions)
        return Migration(
            self._regions,
            self._sums.counts(f"{variation} moves").reshape(-1, n, n)[process],
            self._sums.of(f"{variation} moves, weights").reshape(-1, n, n)[process],
            self._sums.of(f"{variation} moves, changes").reshape(-1, n)[process],
        )


def table(events: Events, scores: "Scores", systematics: Sequence[SystematicConfig]) -> Migrations:
    """Compare the regions of simulated events without and with every kinematic variation.

    Parameters
    ----------
    events : selected events
    scores : of the same events
    systematics : of which the kinematic ones count

    Returns
    -------
    variation -> process -> migration
    """
    filling = MigrationFilling(systematics)
    filling.add(events, scores)
    return filling.migrations


@dataclass(frozen=True, eq=False)
class _Selected:
    """The selected simulated events of one variation in canonical order."""

    sample: AnyArray
    event_id: AnyArray
    process: AnyArray
    region: AnyArray
    weight: FloatArray

    @classmethod
    def of(cls, events: Events, scores: "Scores", variation: str) -> "_Selected":
        rows = np.flatnonzero((events.variation == events.variations.index(variation)) & ~events.is_data)
        weight = events.weights[NOMINAL][rows]
        return cls(events.sample[rows], events.event_id[rows], events.process[rows], scores.region[rows], weight)

    def __len__(self) -> int:
        return len(self.event_id)

    def copies(self) -> IntArray:
        """Return the number of each event among those of its sample and identity, neighbours in canonical order."""
        same = np.zeros(len(self), np.bool_)
        same[1:] = (self.sample[1:] == self.sample[:-1]) & (self.event_id[1:] == self.event_id[:-1])
        position = np.arange(len(self))
        return np.asarray(position - np.maximum.accumulate(np.where(same, 0, position)))


def _matched(nominal: _Selected, varied: _Selected) -> tuple[IntArray, IntArray]:
    """Return the rows of the events that are in both."""
    keys = [
        np.concatenate([nominal.copies(), varied.copies()]),
        np.concatenate([nominal.event_id, varied.event_id]),
        np.concatenate([nominal.sample, varied.sample]),
    ]
    # A key appears once in each at most, and the sort is stable: of equal neighbours the first is the nominal event.
    order = np.lexsort(keys)
    is_pair = np.all([key[order[1:]] == key[order[:-1]] for key in keys], axis=0)
    return order[:-1][is_pair], order[1:][is_pair] - len(nominal)


@dataclass(frozen=True, eq=False)
class _Moves:
    """Events that are selected without a variation, with it, or both: their regions and weights."""

    origin: IntArray
    target: IntArray
    process: AnyArray
    weight: FloatArray
    change: FloatArray

    @classmethod
    def between(cls, nominal: _Selected, varied: _Selected, n_regions: int) -> "_Moves":
        before, after = _matched(nominal, varied)
        left = np.delete(np.arange(len(nominal)), before)
        entered = np.delete(np.arange(len(varied)), after)
        origin = np.concatenate([nominal.region[before], nominal.region[left], np.full(len(entered), n_regions)])
        target = np.concatenate([varied.region[after], np.full(len(left), n_regions), varied.region[entered]])
        change = np.zeros(len(origin))
        change[: len(before)] = varied.weight[after] - nominal.weight[before]
        return cls(
            origin.astype(np.int64),
            target.astype(np.int64),
            np.concatenate([nominal.process[before], nominal.process[left], varied.process[entered]]),
            np.concatenate([nominal.weight[before], nominal.weight[left], varied.weight[entered]]),
            change,
        )

    def add(self, variation: str, n_processes: int, n: int, sums: Sums) -> None:
        """Add the events to sums, by process, and by one of `n` regions without and with the variation."""
        # One region more for the events that are not selected.
        process = self.process.astype(np.int64)
        cell = (process * n + self.origin) * n + self.target
        n_cells = n_processes * n * n
        sums.count(f"{variation} moves", np.bincount(cell, minlength=n_cells))
        sums.add(f"{variation} moves, weights", n_cells, cell, self.weight)
        sums.add(f"{variation} moves, changes", n_processes * n, process * n + self.target, self.change)
