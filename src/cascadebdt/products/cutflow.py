"""The account of the events: what the cuts, the stages and the training left of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cascadebdt.arrays import AnyArray
from cascadebdt.events import Events
from cascadebdt.events.selection import Cutflow
from cascadebdt.histograms.contents import Flow
from cascadebdt.records import ABSENT, Record


@dataclass(frozen=True)
class CutflowRow(Record):
    """Events of a sample or a process before any cut and after each, ``(n_cuts,)`` numbers each.

    Attributes
    ----------
    entries : number of events
    sumw : sum of weights
    uncertainty : of `sumw`, statistical
    """

    entries: tuple[int, ...]
    sumw: tuple[float, ...]
    uncertainty: tuple[float, ...]

    @classmethod
    def of(cls, cutflow: Cutflow, rows: Sequence[int]) -> "CutflowRow":
        """Sum some rows of a cutflow."""
        return cls(
            tuple(cutflow.entries[rows].sum(axis=0).tolist()),
            _rounded(cutflow.sumw[rows].sum(axis=0)),
            _rounded(np.sqrt(cutflow.sumw2[rows].sum(axis=0))),
        )


def _rounded(values: AnyArray) -> tuple[float, ...]:
    """Round to 12 digits, because chunks add in any grouping and the last bits depend on it."""
    return tuple(float(f"{value:.12g}") for value in values)


@dataclass(frozen=True)
class EventCounts(Record):
    """Numbers of events.

    Attributes
    ----------
    read : entries of the input files
    selected : those that passed every cut; while blind without the data of the signal region
    lost : entries that were not read
    used_in_training : selected events that only trained; None unless the cascade has a holdout
    """

    read: int
    selected: int
    lost: int
    used_in_training: int | None = field(default=None, metadata=ABSENT)


@dataclass(frozen=True)
class SkippedFile(Record):
    """An input file that was left out, and why."""

    sample: str
    file: str
    reason: str


@dataclass(frozen=True)
class CutflowTable(Record):
    """What is left of the events of chosen files after every cut.

    Attributes
    ----------
    cuts : names; the first stands for all events
    samples, processes : name -> numbers after each cut
    """

    cuts: tuple[str, ...]
    samples: dict[str, CutflowRow]
    processes: dict[str, CutflowRow]

    @classmethod
    def of(cls, cutflow: Cutflow, processes: Mapping[str, str]) -> "CutflowTable":
        """Sum a cutflow by sample and by process.

        Parameters
        ----------
        processes : sample -> its process
        """
        return CutflowTable(cutflow.cuts, *_rows(cutflow, processes))


@dataclass(frozen=True)
class CutflowReport(CutflowTable):
    """What is left of the events of a whole analysis after every cut and stage: ``cutflow.json``.

    Attributes
    ----------
    cuts, samples, processes : as for `CutflowTable`
    cascade : what the stages leave
    events : read, selected, lost
    skipped : files that were left out
    """

    cascade: Flow
    events: EventCounts
    skipped: tuple[SkippedFile, ...]

    @classmethod
    def of_analysis(
        cls, visible: Cutflow, events: Events, flow: Flow, *, processes: Mapping[str, str], has_holdout: bool
    ) -> "CutflowReport":
        """Account for the events of a whole analysis.

        Parameters
        ----------
        visible : cutflow as it may be shown
        events : selected events, with the files they come from
        flow : what the stages leave
        processes : sample -> its process
        has_holdout : whether some events only trained
        """
        skipped = tuple(SkippedFile(file.sample, file.location, file.skipped) for file in events.ledger if file.skipped)
        counts = _event_counts(visible, events, has_holdout=has_holdout)
        return cls(visible.cuts, *_rows(visible, processes), flow, counts, skipped)


def _rows(cutflow: Cutflow, processes: Mapping[str, str]) -> tuple[dict[str, CutflowRow], dict[str, CutflowRow]]:
    """Return the numbers of every sample and of every process."""
    rows: dict[str, list[int]] = {}
    for row, sample in enumerate(cutflow.samples):
        rows.setdefault(processes[sample], []).append(row)
    return (
        {sample: CutflowRow.of(cutflow, [row]) for row, sample in enumerate(cutflow.samples)},
        {name: CutflowRow.of(cutflow, of_process) for name, of_process in rows.items()},
    )


def _event_counts(cutflow: Cutflow, events: Events, *, has_holdout: bool) -> EventCounts:
    entries = sum(file.entries for sample in cutflow.samples for file in events.files[sample])
    return EventCounts(
        read=cutflow.read,
        selected=cutflow.selected,
        lost=entries - cutflow.read,
        used_in_training=sum(cutflow.used_in_training.values()) if has_holdout else None,
    )
