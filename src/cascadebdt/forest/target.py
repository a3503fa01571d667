"""What the scoring kernels are compiled for: a kind of CPU, with the sizes of blocks and groups that suit it."""

from dataclasses import dataclass

MAX_DEPTH = 8
MAX_CUTS = 255
TOP = 3  # levels of a tree that are evaluated completely


@dataclass(frozen=True)
class Target:
    """The machine code to write, for one kind of CPU.

    Attributes
    ----------
    name : ``plain``, or the instruction set of the vector kernels
    block : events whose decisions are taken together
    group : trees whose leaves are added in one pass; the number of trees of a model is a multiple of it
    width : float32 numbers in a register of the vector kernels
    registers : of bytes that they evaluate together, 0 for the plain kernels
    """

    name: str
    block: int
    group: int = 1
    width: int = 0
    registers: int = 0

    def decision_bytes(self, depth: int) -> int:
        """Return the size of the memory that the plain kernel works in, in bytes."""
        return 0 if self.registers else ((1 << top_levels(depth)) - 1 + self.group) * self.block


def top_levels(depth: int) -> int:
    """Return how many levels of a tree are evaluated completely; of those below, only the nodes that exist."""
    return min(depth, TOP)


def plain(depth: int) -> Target:
    """Return the target that runs on any CPU; a block's decisions and places fit into the L1 cache."""
    return Target("plain", block=512 if depth <= 5 else 1024, group=10)


def fastest(depth: int, instructions: str) -> Target:
    """Return the fastest target for trees of this depth on a CPU with these vector instructions."""
    if instructions == "avx512":
        return Target("avx512", block=1024, width=16, registers=2 if depth <= TOP else 4)
    if instructions == "avx2":
        return Target("avx2", block=1024, width=8, registers=1 if depth <= TOP else 4)
    return plain(depth)
