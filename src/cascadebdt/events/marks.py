"""What is remembered of every chunk for the checks at the end: which rows were there, how they are identified, weights.

Memory does not grow with the events but for 8 bytes a selected row.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, IdArray
from cascadebdt.config import NOMINAL
from cascadebdt.events.events import Events, mix

N_CELLS = 4096  # of the range of identities, which are hashes: each event falls into one of them
MAX_ROWS_PER_EVENT = 20  # on average; a generated event may give a few rows, such as hypotheses of its objects
MIN_WEIGHT_SHARE = 0.1  # of all weights, in one row


@dataclass(frozen=True, eq=False)
class Marks:
    """What is remembered of the rows of a sample.

    Attributes
    ----------
    rows : (n_selected,) uint64, one for each selected row: equal rows have equal marks, others almost never
    occupied : (`N_CELLS`,) bool, the cells into which the identity of an entry falls, selected or not
    n_entries : entries, selected or not
    weight : sum of the absolute weights of the selected rows
    largest : the largest of them
    """

    rows: IdArray
    occupied: BoolArray
    n_entries: int
    weight: float
    largest: float


def marks_of(events: Events, identities: IdArray, *, is_data: bool) -> Marks:
    """Return the marks of a chunk.

    Parameters
    ----------
    events : what was selected
    identities : (n_entries,) of all entries
    is_data : data are equal if their identities are; simulation may hold several rows of one generated event, so that
        features and weights must be equal, too
    """
    weights = np.abs(events.weights[NOMINAL])
    return Marks(
        rows=events.event_id if is_data else _fingerprints(events),
        occupied=np.bincount(identities // np.uint64((1 << 64) // N_CELLS), minlength=N_CELLS) > 0,
        n_entries=len(identities),
        weight=float(weights.sum()),
        largest=float(weights.max(initial=0.0)),
    )


def _fingerprints(events: Events) -> IdArray:
    """Return a multilinear hash of identity, weights and features of each row: ``(n_events,) uint64``.

    References
    ----------
    Carter, Wegman, J. Comput. Syst. Sci. 18 (1979) 143: universal classes of hash functions.
    """
    columns: list[AnyArray] = [*events.weights.values(), *events.columns.values()]
    factors = mix(np.arange(len(columns), dtype=np.uint64)) | np.uint64(1)
    total = events.event_id.copy()
    for column, factor in zip(columns, factors, strict=True):
        total += bits(column) * factor
    return total


def bits(column: AnyArray) -> IdArray:
    """Return the bits of numbers; the low ones of doubles are often zero and get the high ones, too."""
    bits = column.view(f"u{column.itemsize}").astype(np.uint64)
    return bits ^ (bits >> np.uint64(32))


def joined(parts: Sequence[Marks]) -> Marks:
    """Return the marks of several chunks together."""
    return Marks(
        rows=np.concatenate([part.rows for part in parts]),
        occupied=np.any([part.occupied for part in parts], axis=0),
        n_entries=sum(part.n_entries for part in parts),
        weight=sum(part.weight for part in parts),
        largest=max(part.largest for part in parts),
    )


def repeated(rows: IdArray) -> IdArray:
    """Return the marks that several rows have."""
    ordered = np.sort(rows)
    return np.unique(ordered[1:][ordered[1:] == ordered[:-1]])


def identifies(marks: Marks) -> bool:
    """Return whether the identities of a sample can be those of its events: they are not nearly all the same.

    The number of occupied cells is at most the number of different identities, and close to it if there are few.
    """
    n_cells = int(marks.occupied.sum())
    return n_cells > N_CELLS // 2 or marks.n_entries <= MAX_ROWS_PER_EVENT * n_cells


def largest_share(marks: Marks) -> float | None:
    """Return the share of the largest weight in the sum of all, None if it is not remarkable."""
    if not marks.weight:
        return None
    share = marks.largest / marks.weight
    return share if share > max(MIN_WEIGHT_SHARE, 10 / max(len(marks.rows), 1)) else None
