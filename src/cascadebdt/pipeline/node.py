"""A node of the plan."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Node:
    """A step of the plan, the reading of some files, or the training of one model.

    Attributes
    ----------
    name : unique in the plan
    category : ``select``, ``model`` or the name of the step: of nodes that need about the same time and memory
    arguments : of the command line, before the configuration
    key : of what its products are made from
    after : names of the nodes whose products it reads
    is_done : whether its products are there and can be used
    reads : parts of the events that it reads, selected or filled: names and patterns in the folder of the products
    is_distributed : whether it trains on all workers of a Dask scheduler
    """

    name: str
    category: str
    arguments: tuple[str, ...]
    key: str
    after: tuple[str, ...]
    is_done: bool
    reads: tuple[str, ...] = ()
    is_distributed: bool = False
