"""Chunks are read ahead: waiting hides behind computing, and the results do not depend on it."""

import threading
import time
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from cascadebdt.config import Config
from cascadebdt.events import loading, read_ahead
from cascadebdt.events.read_ahead import outcomes
from cascadebdt.progress import silent


def squares(tasks: Sequence[int], *, wait: float = 0.0, work: float = 0.0, jobs: int = 1) -> list[int]:
    """Square numbers behind a source that waits, with work that holds no processor but takes its time."""

    def read(task: int) -> int:
        time.sleep(wait)
        return task

    def compute(task: int, chunk: int) -> int:
        time.sleep(work)
        return task * chunk

    return list(outcomes(tasks, read, compute, jobs=jobs, progress=silent, description=""))


@pytest.mark.parametrize("jobs", [1, 2, 5])
@pytest.mark.parametrize("n", [0, 1, 3, 20])
def test_outcomes_come_in_order(n: int, jobs: int) -> None:
    assert squares(range(n), jobs=jobs) == [k * k for k in range(n)]


def test_waiting_hides_behind_computing() -> None:
    begin = time.perf_counter()
    squares(range(20), wait=0.04, work=0.02)
    took = time.perf_counter() - begin
    assert 0.4 <= took < 0.75  # one after the other 1.2 s, computing alone 0.4 s, the first chunk waits 0.04 s


@pytest.mark.parametrize("jobs", [1, 3])
def test_few_chunks_are_in_memory(jobs: int) -> None:
    lock, begun, counts = threading.Lock(), 0, []

    def read(task: int) -> int:
        nonlocal begun
        with lock:
            begun += 1
        return task

    for done, _ in enumerate(outcomes(range(50), read, max, jobs=jobs, progress=silent, description=""), start=1):
        counts.append(begun - done)
    assert max(counts) < jobs + read_ahead.MAX_READS


def test_an_error_ends_everything_at_once() -> None:
    begun: list[int] = []

    def read(task: int) -> int:
        begun.append(task)
        if task == 3:
            raise ValueError("third")
        return task

    with pytest.raises(ValueError, match="third"):
        list(outcomes(range(1000), read, max, jobs=2, progress=silent, description=""))
    assert len(begun) < 20


def test_reading_ahead_does_not_change_the_events(tiny: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    small = tiny.model_copy(update={"ntuples": tiny.ntuples.model_copy(update={"chunk_entries": 300})})
    found = []
    for readers, jobs in ((1, 1), (3, 1), (7, 3)):
        monkeypatch.setattr(read_ahead, "MAX_READS", readers)
        found.append(loading.select(small, jobs=jobs))
    for one, other in pairwise(found):
        np.testing.assert_array_equal(one.event_id, other.event_id)
        for name, column in one.columns.items():
            np.testing.assert_array_equal(column, other.columns[name])
        assert one.ledger == other.ledger
