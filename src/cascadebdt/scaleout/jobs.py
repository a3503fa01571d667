"""What the jobs of a submission do, from the logs that HTCondor and the jobs write: no process has to be asked."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from cascadebdt.errors import one_line
from cascadebdt.scaleout.layout import Layout, NodeRecord

State = Literal["done", "running", "queued", "held", "failed", "waiting"]

# The kinds of events, see "Job Event Log Codes" in the manual of HTCondor.
SUBMITTED, EXECUTING, EVICTED, TERMINATED, ABORTED, HELD, RELEASED = 0, 1, 4, 5, 9, 12, 13
TELLING = {SUBMITTED, EXECUTING, EVICTED, TERMINATED, ABORTED, HELD, RELEASED}
EVENT = re.compile(r"^(\d{3}) \((\d+)\.\d+\.\d+\) (\S+ [0-9:]+)")
RETURN_VALUE = re.compile(r"\(return value (\d+)\)")


@dataclass(frozen=True)
class Event:
    """An entry of a log that tells where a job stands.

    Attributes
    ----------
    code : kind of the event
    cluster : number of the job
    time : None where HTCondor writes no year
    text : lines of the event after the first
    """

    code: int
    cluster: int
    time: datetime | None
    text: str

    @property
    def is_end(self) -> bool:
        """Whether the job has left the queue."""
        return self.code in (TERMINATED, ABORTED)

    @property
    def is_success(self) -> bool:
        """Whether the job ended well."""
        value = RETURN_VALUE.search(self.text)
        return self.code == TERMINATED and value is not None and int(value[1]) == 0


@dataclass(frozen=True)
class JobStatus:
    """What a node does.

    Attributes
    ----------
    name : of the node
    state : ``waiting`` for others, ``queued`` for a machine, ``running``, ``held``, ``failed`` or ``done``
    reason : why it is held or failed; else empty
    started, ended : of its last job, where the log tells
    """

    name: str
    state: State
    reason: str = ""
    started: datetime | None = None
    ended: datetime | None = None


def last_event(log: Path) -> Event | None:
    """Return the last event of a log that says where its job stands; None if there is none."""
    return next(reversed(_events(log)), None)


def _events(log: Path) -> list[Event]:
    """Return the events of a log that say where its job stands."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return []
    heads = ((EVENT.match(block), block) for block in text.split("\n...\n"))
    events = (
        Event(int(head[1]), int(head[2]), _time(head[3]), block.partition("\n")[2]) for head, block in heads if head
    )
    return [event for event in events if event.code in TELLING]


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def job_statuses(layout: Layout) -> tuple[JobStatus, ...]:
    """Return where every node of a submission stands.

    Raises
    ------
    InputError
        If nothing was submitted.
    """
    return tuple(_status(node, layout) for node in layout.read().nodes)


def in_queue(layout: Layout) -> int | None:
    """Return the number of the DAG in the queue; None if it is not there, or not any more."""
    event = last_event(layout.dag_log)
    return None if event is None or event.is_end else event.cluster


def dag_status(layout: Layout) -> str:
    """Return in words where the DAG stands."""
    event = last_event(layout.dag_log)
    if event is None:
        return "not submitted"
    if event.is_end:
        return "ended" if event.is_success else "ended before all was done; submit it again"
    return f"in the queue as job {event.cluster}" + (", held" if event.code == HELD else "")


def _status(node: NodeRecord, layout: Layout) -> JobStatus:
    events = _events(layout.jobs / f"{node.name}.log")
    state, reason = _state(node, events, layout)
    started = next((event.time for event in reversed(events) if event.code == EXECUTING), None)
    ended = events[-1].time if events and events[-1].is_end else None
    return JobStatus(node.name, state, reason, started, ended)


def _state(node: NodeRecord, events: Sequence[Event], layout: Layout) -> tuple[State, str]:
    """Return the state and the reason for it."""
    if node.is_done:
        return "done", ""
    if not events:
        return "waiting", ""
    event = events[-1]
    if event.code == HELD:
        return "held", one_line(event.text.strip().partition("\n")[0].strip())
    if event.is_end:
        return ("done", "") if event.is_success else ("failed", _sentence(node, event, layout))
    return "running" if event.code == EXECUTING else "queued", ""


def _sentence(node: NodeRecord, event: Event, layout: Layout) -> str:
    """Return what a failed job said last, else what HTCondor says."""
    try:
        said = (layout.jobs / f"{node.name}.err").read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        said = []
    own = [line for line in said if line.startswith("cascadebdt: ")]
    return one_line((own or said or event.text.strip().splitlines() or ["no reason is known"])[-1].strip())
