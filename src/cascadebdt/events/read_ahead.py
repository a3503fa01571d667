"""Reading ahead: while chunks are computed, the next ones are read by threads of their own."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cascadebdt.progress import Progress

READERS = 3  # reads at a time: each may wait for a disk or a server

Task = TypeVar("Task")
Chunk = TypeVar("Chunk")
Outcome = TypeVar("Outcome")


def outcomes(
    tasks: Sequence[Task],
    read: Callable[[Task], Chunk],
    compute: Callable[[Task, Chunk], Outcome],
    *,
    jobs: int,
    progress: Progress,
    description: str,
) -> Generator[Outcome, None, None]:
    """Yield what `compute` makes of every task and what `read` returns for it, in the order of the tasks.

    At most ``jobs + READERS`` chunks are in memory. An error ends everything at once, also if the caller stops early.

    Parameters
    ----------
    jobs : chunks computed at a time
    progress, description : shown for every task
    """
    waiting: deque[Future[Outcome]] = deque()
    readers, workers = ThreadPoolExecutor(READERS), ThreadPoolExecutor(jobs)

    def submit(task: Task) -> Future[Outcome]:
        chunk = readers.submit(read, task)
        return workers.submit(lambda: compute(task, chunk.result()))

    try:
        for task in progress(tasks, description):
            waiting.append(submit(task))
            if len(waiting) >= jobs + READERS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for pool in (readers, workers):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (readers, workers):  # a thread may still use a file that the caller is about to close
            pool.shutdown(wait=True)
