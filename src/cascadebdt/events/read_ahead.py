"""Reading ahead: while chunks are computed, the next ones are read by threads of their own."""

from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from cascadebdt.progress import Progress

MAX_READS = 3  # at a time: each may wait for a disk or a server

Item = TypeVar("Item")
Chunk = TypeVar("Chunk")
Outcome = TypeVar("Outcome")


def outcomes(
    items: Sequence[Item],
    read: Callable[[Item], Chunk],
    compute: Callable[[Item, Chunk], Outcome],
    *,
    jobs: int,
    progress: Progress,
    description: str,
) -> Generator[Outcome, None, None]:
    """Yield what `compute` makes of every item and what `read` returns for it, in the order of the items.

    At most ``jobs + MAX_READS`` chunks are in memory. An error ends everything at once, also if the caller stops early.

    Parameters
    ----------
    jobs : chunks computed at a time
    progress, description : shown for every item
    """
    waiting: deque[Future[Outcome]] = deque()
    readers, workers = ThreadPoolExecutor(MAX_READS), ThreadPoolExecutor(jobs)

    def submit(item: Item) -> Future[Outcome]:
        chunk = readers.submit(read, item)
        return workers.submit(lambda: compute(item, chunk.result()))

    try:
        for item in progress(items, description):
            waiting.append(submit(item))
            if len(waiting) >= jobs + MAX_READS:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for pool in (readers, workers):
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in (readers, workers):  # a thread may still use a file that the caller is about to close
            pool.shutdown(wait=True)
