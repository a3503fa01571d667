"""How a long step tells how far it is: a function wrapped around what it iterates over."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

T = TypeVar("T")


class Progress(Protocol):
    """Wraps the items of a long loop and shows how many are done."""

    def __call__(self, items: Sequence[T], description: str, /) -> Iterable[T]:
        """Return the items, one by one."""


def silent(items: Sequence[T], description: str, /) -> Iterable[T]:
    """Show nothing."""
    return items
