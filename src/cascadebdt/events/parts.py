"""What a range of entries gives, and how it is kept as plain arrays, so that another process need not read it again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self

import numpy as np

from cascadebdt.arrays import CODE, EVENT_ID, FEATURE, AnyArray
from cascadebdt.config import NOMINAL, Config
from cascadebdt.events.events import Events
from cascadebdt.events.marks import Marks
from cascadebdt.events.selection import Counts
from cascadebdt.events.sources import Source
from cascadebdt.events.variations import alternative_samples, variations_with_rows, weight_factors
from cascadebdt.ntuple import EntryRange

Arrays = Mapping[str, AnyArray]
SCALE = "scale"
ACCOUNT = frozenset({"counts", "marks", "notes", SCALE, "sums"})


@dataclass(frozen=True)
class Names:
    """The names behind the codes of `Events`."""

    processes: tuple[str, ...]
    samples: tuple[str, ...]
    variations: tuple[str, ...]

    @classmethod
    def of(cls, config: Config, *, nominal_only: bool) -> Self:
        """Return the names of a configuration, those of variations with events of their own left out if not wanted."""
        rows = () if nominal_only else variations_with_rows(config)
        alternatives = () if nominal_only else tuple(s.name for s in alternative_samples(config).values())
        samples = (*(sample.name for sample in config.samples), *alternatives)
        return cls(config.processes, samples, (NOMINAL, *rows))

    def no_events(self, config: Config) -> Events:
        """Return no events of these names."""
        no_code = np.empty(0, CODE)
        return Events(
            columns={name: np.empty(0, FEATURE) for name in config.features},
            weights={name: np.empty(0) for name in (NOMINAL, *weight_factors(config))},
            event_id=np.empty(0, EVENT_ID),
            process=no_code,
            sample=no_code,
            variation=no_code,
            processes=self.processes,
            samples=self.samples,
            variations=self.variations,
        )


@dataclass(frozen=True, eq=False)
class Part:
    """What a range of entries gave: selected events of every variation, and the counts of the nominal one.

    Attributes
    ----------
    entries : the range
    events : of each variation, in the order of the plans of the source
    counts : of the first of them
    marks : for the checks at the end
    notes : what is remarkable, a sentence each
    """

    entries: EntryRange
    events: list[Events]
    counts: Counts
    marks: Marks
    notes: frozenset[str]


class KeptParts(Protocol):
    """Where a selection finds what was read before, and leaves what it reads.

    Whoever implements it answers for it being of the same files, configuration and versions.
    """

    def recall(self, sample: str, entries: EntryRange, *, rows: bool) -> Arrays | None:
        """Return what `packed` made of a range of entries, with or without its rows; None if it is not there."""

    def keep(self, sample: str, entries: EntryRange, arrays: Arrays) -> None:
        """Keep what `packed` made."""


class Nothing:
    """Keeps nothing."""

    def recall(self, sample: str, entries: EntryRange, *, rows: bool) -> Arrays | None:
        """Return None."""
        return None

    def keep(self, sample: str, entries: EntryRange, arrays: Arrays) -> None:
        """Do nothing."""


NOTHING = Nothing()


def packed(part: Part, source: Source, sums: Mapping[tuple[int, int], int]) -> dict[str, AnyArray]:
    """Return everything about a part as arrays.

    Parameters
    ----------
    source : that it is of
    sums : what the reader noted of the file so far, see `ntuple.Reader.noted`
    """
    arrays: dict[str, AnyArray] = {
        "counts/entries": part.counts.entries,
        "counts/sumw": part.counts.sumw,
        "counts/sumw2": part.counts.sumw2,
        "marks/rows": part.marks.rows,
        "marks/occupied": part.marks.occupied,
        "marks/n_entries": np.array(part.marks.n_entries),
        "marks/weight": np.array([part.marks.weight, part.marks.largest]),
        "notes": np.array(sorted(part.notes), np.str_),
        SCALE: np.array(source.scale),
        "sums": np.array([(*place, checksum) for place, checksum in sums.items()], np.uint64).reshape(-1, 3),
    }
    for variation, events in zip(source.plans, part.events, strict=True):
        arrays[f"{variation}/event_id"] = events.event_id
        arrays |= {f"{variation}/weights/{name}": values for name, values in events.weights.items()}
        arrays |= {f"{variation}/columns/{name}": values for name, values in events.columns.items()}
    return arrays


def is_account(name: str) -> bool:
    """Return whether an array of `packed` is of the account of a part, not of its rows."""
    return name.split("/")[0] in ACCOUNT


def unpacked(arrays: Arrays, entries: EntryRange, source: Source, like: Events, *, rows: bool) -> Part:
    """Return the part of which `packed` made arrays, with the variations that are wanted now.

    Parameters
    ----------
    source : with one plan for each of these variations
    like : no events, with the names behind all codes
    rows : whether the arrays hold the rows; otherwise the part has no events
    """
    weight, largest = arrays["marks/weight"].tolist()
    return Part(
        entries,
        [_events(arrays, variation, source, like) for variation in source.plans] if rows else [],
        Counts(arrays["counts/entries"], arrays["counts/sumw"], arrays["counts/sumw2"]),
        Marks(arrays["marks/rows"], arrays["marks/occupied"], int(arrays["marks/n_entries"]), weight, largest),
        frozenset(arrays["notes"].tolist()),
    )


def fits(arrays: Arrays, source: Source) -> bool:
    """Return whether arrays of `packed` have the normalisation of a source, which may lack a file since."""
    return float(arrays[SCALE]) == source.scale


def sums(arrays: Arrays) -> dict[tuple[int, int], int]:
    """Return what a reader noted of the file."""
    return {(position, length): checksum for position, length, checksum in arrays["sums"].tolist()}


def _events(arrays: Arrays, variation: str, source: Source, like: Events) -> Events:
    event_id = np.asarray(arrays[f"{variation}/event_id"], EVENT_ID)

    def code(known: tuple[str, ...], name: str) -> AnyArray:
        return np.full(len(event_id), known.index(name), CODE)

    return replace(
        like,
        columns={name: arrays[f"{variation}/columns/{name}"] for name in like.columns},
        weights={name: arrays[f"{variation}/weights/{name}"] for name in like.weights},
        event_id=event_id,
        process=code(like.processes, source.process),
        sample=code(like.samples, source.name),
        variation=code(like.variations, variation),
    )
