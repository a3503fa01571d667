"""Which events change region under a variation: region before -> region after, per process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL, KinematicSystematic, SystematicConfig, applies, sides
from cascadebdt.events import Events
from cascadebdt.histograms.yields import added
from cascadebdt.records import Json, Record, Table

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

    def to_json(self) -> Json:
        """Return plain content; sums are rounded to 12 digits, since chunks add in any grouping."""
        return {
            **super().to_json(),
            "sumw": [[float(f"{value:.12g}") for value in row] for row in self.sumw],
            "reweighted": [float(f"{value:.12g}") for value in self.reweighted],
        }


Migrations = dict[str, dict[str, Migration]]


@dataclass(frozen=True, eq=False)
class MigrationTable(Table):
    """The migrations of all variations and processes: ``migration.json``.

    Attributes
    ----------
    variations : variation -> process -> migration
    """

    variations: dict[str, dict[str, Migration]]


def table(
    events: Events, scores: "Scores", systematics: Sequence[SystematicConfig], *, onto: Migrations | None = None
) -> Migrations:
    """Compare the regions of simulated events without and with every kinematic variation.

    Events are matched by sample and identity; where several share both, in canonical order. Data are never varied.

    Parameters
    ----------
    events : selected events
    scores : of the same events
    systematics : of which the kinematic ones count
    onto : migrations of other events, which these are added to

    Returns
    -------
    variation -> process -> migration
    """
    nominal = _Selected.of(events, scores, NOMINAL)
    migrations: Migrations = {}
    for systematic in systematics:
        if not isinstance(systematic, KinematicSystematic):
            continue
        processes = [name for name in events.processes if name != DATA and applies(systematic, name)]
        for variation in sides(systematic):
            moves = _Moves.between(nominal, _Selected.of(events, scores, variation), len(scores.regions))
            migrations[variation] = {
                name: moves.of_process(
                    events.processes.index(name), scores.regions, onto=onto[variation][name] if onto else None
                )
                for name in processes
            }
    return migrations


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

    def of_process(self, code: int, regions: tuple[str, ...], *, onto: Migration | None) -> Migration:
        """Sum the events of a process, and add them to other ones."""
        # One region more for the events that are not selected.
        rows, n = self.process == code, len(regions) + 1
        cell = self.origin[rows] * n + self.target[rows]
        before = onto or Migration((*regions, NOT_SELECTED), np.zeros((n, n), np.int64), np.zeros((n, n)), np.zeros(n))
        return Migration(
            regions=before.regions,
            entries=before.entries + np.bincount(cell, minlength=n * n).reshape(n, n),
            sumw=added(before.sumw.ravel(), cell, self.weight[rows]).reshape(n, n),
            reweighted=added(before.reweighted, self.target[rows], self.change[rows]),
        )
