"""How long the jobs of a submission still take, from how long its finished jobs took: an estimate."""

import heapq
import math
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from graphlib import TopologicalSorter
from statistics import fmean

from cascadebdt.scaleout.jobs import JobStatus
from cascadebdt.scaleout.layout import NodeRecord, Submitted


@dataclass(frozen=True)
class Remaining:
    """An estimate.

    Attributes
    ----------
    seconds : until the jobs of known categories are done
    unknown : categories of which no job has finished, so that they are not part of it
    """

    seconds: float
    unknown: tuple[str, ...]


def remaining(submitted: Submitted, jobs: Sequence[JobStatus], now: datetime) -> Remaining | None:
    """Return how long the jobs still take; None if none of them is left or nothing is known of those that are.

    A job takes as long as the finished jobs of its category did on average. As many run at a time as the throttles
    allow, and where jobs wait for machines as many as have run at a time so far. What waits for a failed node does not
    run.

    Parameters
    ----------
    submitted : the nodes
    jobs : where each stands
    now : in the time zone of the logs
    """
    category = {node.name: node.category for node in submitted.nodes}
    took: dict[str, list[float]] = defaultdict(list)
    for job in jobs:
        if job.state == "done" and job.started and job.ended:
            took[category[job.name]].append((job.ended - job.started).total_seconds())
    mean = {name: fmean(seconds) for name, seconds in took.items()}
    left = _left(submitted.nodes, jobs)
    wanted = tuple(dict.fromkeys(node.category for node in left))
    if not mean.keys() & set(wanted):
        return None
    elapsed = {job.name: (now - job.started).total_seconds() for job in jobs if job.state == "running" and job.started}
    seconds = {node.name: mean.get(node.category, 0.0) - max(elapsed.get(node.name, 0.0), 0.0) for node in left}
    width = _width(jobs, now) if any(job.state == "queued" for job in jobs) else math.inf
    total = _end(left, {name: max(value, 0.0) for name, value in seconds.items()}, submitted.at_a_time, width)
    return Remaining(total, tuple(name for name in wanted if name not in mean))


def _left(nodes: Iterable[NodeRecord], jobs: Iterable[JobStatus]) -> list[NodeRecord]:
    """Return the nodes that are not done and will run."""
    state = {job.name: job.state for job in jobs}
    stopped: set[str] = set()
    left = []
    for node in nodes:
        if state[node.name] == "failed" or stopped & set(node.after):
            stopped.add(node.name)
        elif state[node.name] != "done":
            left.append(node)
    return left


def _width(jobs: Iterable[JobStatus], now: datetime) -> int:
    """Return how many jobs have run at the same time, at least one."""
    spans = [(job.started, job.ended or now) for job in jobs if job.started]
    steps = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    running, most = 0, 1
    for _, step in steps:
        running += step
        most = max(most, running)
    return most


def _end(
    nodes: Sequence[NodeRecord], seconds: Mapping[str, float], at_a_time: Mapping[str, int], width: float
) -> float:
    """Return when the last of some nodes ends that start as soon as what they wait for, throttles and width allow."""
    category = {node.name: node.category for node in nodes}
    order = TopologicalSorter({node.name: [name for name in node.after if name in seconds] for node in nodes})
    order.prepare()
    ready: dict[str, deque[str]] = defaultdict(deque)
    running: list[tuple[float, str]] = []
    busy: Counter[str] = Counter()
    now = 0.0
    while order.is_active():
        for name in order.get_ready():
            ready[category[name]].append(name)
        for one, names in ready.items():
            while names and len(running) < width and busy[one] < at_a_time[one]:
                busy[one] += 1
                name = names.popleft()
                heapq.heappush(running, (now + seconds[name], name))
        now, name = heapq.heappop(running)
        busy[category[name]] -= 1
        order.done(name)
    return now
