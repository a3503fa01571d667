"""What the jobs of a submission do, from the logs that HTCondor and the jobs write: no process has to be asked."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cascadebdt.errors import one_line
from cascadebdt.scaleout.layout import Layout, NodeRecord

State = Literal["done", "running", "queued", "held", "failed", "waiting"]

# The kinds of events, see "Job Event Log Codes" in the manual of HTCondor.
SUBMITTED, EXECUTING, EVICTED, TERMINATED, ABORTED, HELD, RELEASED = 0, 1, 4, 5, 9, 12, 13
EVENT = re.compile(r"^(\d{3}) \((\d+)\.\d+\.\d+\) ")
RETURN_VALUE = re.compile(r"\(return value (\d+)\)")


@dataclass(frozen=True)
class Event:
    """The last that a log says of a job.

    Attributes
    ----------
    code : kind of the event
    cluster : number of the job
    text : lines of the event after the first
    """

    code: int
    cluster: int
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
    """

    name: str
    state: State
    reason: str = ""


def last_event(log: Path) -> Event | None:
    """Return the last event of a log that says where its job stands; None if there is none."""
    last = None
    for event in _events(log):
        if event.code in (SUBMITTED, EXECUTING, EVICTED, TERMINATED, ABORTED, HELD, RELEASED):
            last = event
    return last


def _events(log: Path) -> Iterator[Event]:
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return
    for block in text.split("\n...\n"):
        if head := EVENT.match(block):
            yield Event(int(head[1]), int(head[2]), block.partition("\n")[2])


def job_statuses(layout: Layout) -> tuple[JobStatus, ...]:
    """Return where every node of a submission stands.

    Raises
    ------
    InputError
        If nothing was submitted.
    """
    return tuple(_status(node, layout) for node in layout.read().nodes)


def dag_status(layout: Layout) -> str:
    """Return in words where the DAG stands."""
    event = last_event(layout.dag_log)
    if event is None:
        return "not submitted"
    if event.is_end:
        return "ended" if event.is_success else "ended before all was done; submit it again"
    return f"in the queue as job {event.cluster}" + (", held" if event.code == HELD else "")


def _status(node: NodeRecord, layout: Layout) -> JobStatus:
    if node.is_done:
        return JobStatus(node.name, "done")
    event = last_event(layout.jobs / f"{node.name}.log")
    if event is None:
        return JobStatus(node.name, "waiting")
    if event.code == HELD:
        return JobStatus(node.name, "held", one_line(event.text.strip().partition("\n")[0].strip()))
    if event.is_end:
        is_done = event.is_success
        return JobStatus(node.name, "done" if is_done else "failed", "" if is_done else _sentence(node, event, layout))
    return JobStatus(node.name, "running" if event.code == EXECUTING else "queued")


def _sentence(node: NodeRecord, event: Event, layout: Layout) -> str:
    """Return what a failed job said last, else what HTCondor says."""
    try:
        said = (layout.jobs / f"{node.name}.err").read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        said = []
    own = [line for line in said if line.startswith("cascadebdt: ")]
    return one_line((own or said or event.text.strip().splitlines() or ["no reason is known"])[-1].strip())
