"""Stages that are studied side by side, in threads: XGBoost lets go of Python while it trains."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from cascadebdt.progress import Progress

T = TypeVar("T")
R = TypeVar("R")


def of_each(
    study: Callable[[T], R], stages: Sequence[T], description: str, *, jobs: int, progress: Progress
) -> list[R]:
    """Return the result of every stage, in their order.

    Parameters
    ----------
    study : of one stage
    stages : to study
    description : for `progress`
    jobs : stages at a time
    progress : told of every stage
    """
    if jobs == 1:  # not in a thread, so that an interrupt is obeyed at once
        return [study(stage) for stage in progress(stages, description)]
    pool = ThreadPoolExecutor(jobs)
    try:
        waiting = [pool.submit(study, stage) for stage in stages]
        return [future.result() for future in progress(waiting, description)]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)  # after an error no other stage begins
