"""The inner steps of scoring in vector instructions, as LLVM code: a permutation in registers looks up a table.

Both steps work on the tables of `cascadebdt.forest.tables` and give the bits of the plain kernels. Margins are plain
float32 sums in the order of the trees: nothing is contracted or reordered. Places are in the highest bits of a byte.

A register holds `width` float32 numbers, or bytes of four times as many events, its *lanes*. In a register of bytes,
event ``width j + i`` is byte j of the 32-bit number i: four registers of numbers turn into one of bytes, and back,
by shifts alone.
"""

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic

from cascadebdt.forest.target import top_levels
from cascadebdt.forest.vector_code import BYTE, FLOAT, INT, LONG, VectorWriter

SIGN = 128


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def bin_lanes(
    typing_context: Any, width: Any, steps: Any, n: Any, values: Any, cuts: Any, low: Any, high: Any, use_high: Any
) -> Any:
    """Write the bins of `n` values, and of what follows up to full lanes, to one or two planes given by addresses.

    The search takes `steps` steps, which is as many as the feature has binary digits in its number of cuts.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, _, n, values, cuts, low, high, use_high = arguments
        write = VectorWriter(builder, width.literal_value)
        heap = write.heap(cuts, steps.literal_value)
        lanes = write.lanes
        with cgutils.for_range(builder, builder.sdiv(builder.add(n, LONG(lanes - 1)), LONG(lanes))) as loop:
            first = builder.mul(loop.index, LONG(lanes))
            here = builder.add(values, builder.mul(first, LONG(4)))
            found = [write.load(here, 4 * write.width * part, FLOAT, write.width) for part in range(4)]
            bins = [write.descend(heap, value) for value in found]
            root = 1 << len(heap)
            write.store(builder.add(low, first), 0, write.packed(bins, SIGN ^ root))
            with builder.if_then(use_high):
                highest = write.constant(INT, 255 ^ root, write.width)
                lost = [builder.fcmp_unordered("uno", value, value) for value in found]
                bins = [builder.select(nan, highest, one) for nan, one in zip(lost, bins, strict=True)]
                write.store(builder.add(high, first), 0, write.packed(bins, SIGN ^ root))
        return context.get_dummy_value()

    return types.void(width, steps, *[types.int64] * 5, types.boolean), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def add_lanes(
    typing_context: Any,
    width: Any,
    depth: Any,
    registers: Any,
    n_trees: Any,
    planes: Any,
    top: Any,
    deep: Any,
    first_deep: Any,
    leaves: Any,
    margin: Any,
) -> Any:
    """Add the leaves that the lanes of `registers` registers reach in `n_trees` trees; the last six are addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = VectorWriter(builder, width.literal_value)
        _, _, _, n_trees, planes, top, deep, first_deep, leaves, margin = arguments
        levels, whole = depth.literal_value, top_levels(depth.literal_value)
        nodes = _Nodes(write, registers.literal_value, planes)
        size = 4 * write.width  # bytes of a register
        parts = range(4 * registers.literal_value)
        totals = [cgutils.alloca_once_value(builder, write.load(margin, size * k, FLOAT, write.width)) for k in parts]
        with cgutils.for_range(builder, n_trees) as loop:
            place = nodes.place(builder.add(top, builder.mul(loop.index, LONG(8 * ((1 << whole) - 1)))), whole)
            if levels > whole:
                place = [
                    builder.and_(one, write.constant(BYTE, 256 - (SIGN >> whole - 1), write.lanes)) for one in place
                ]
            for level in range(whole, levels):
                index = builder.add(builder.mul(loop.index, LONG(levels - whole)), LONG(level - whole))
                begin = builder.add(first_deep, builder.mul(index, LONG(8)))
                limits = write.load_one(begin, 0, LONG), write.load_one(begin, 8, LONG)
                place = nodes.deeper(place, level, deep, *limits)
            table = builder.add(leaves, builder.mul(loop.index, LONG(4 << levels)))
            found = [leaf for one in place for leaf in write.lookups(table, levels, one)]
            for total, leaf in zip(totals, found, strict=True):
                builder.store(builder.fadd(builder.load(total), leaf), total)
        for k, total in enumerate(totals):
            write.store(margin, size * k, builder.load(total))
        return context.get_dummy_value()

    return types.void(width, depth, registers, *[types.int64] * 7), generate


class _Nodes:
    """Writes the code by which the events of the registers find their places in a tree."""

    def __init__(self, write: VectorWriter, registers: int, planes: Any) -> None:
        self.write = write
        self.builder = write.builder
        self.registers = registers
        self.planes = planes
        self.lanes = write.lanes

    def place(self, top: Any, levels: int) -> list[Any]:
        """Return bytes whose highest bits are the ways of an event at each level; the bits below are undefined."""
        return [self._place(top, levels, register) for register in range(self.registers)]

    def _place(self, top: Any, levels: int, register: int) -> Any:
        above, last = self._below(top, 0, 0, levels, register)
        known = self.write.constant(BYTE, 256 - (SIGN >> levels - 2) if levels > 1 else 0, self.lanes)
        return self._chosen(known, self.write.shifted(last, levels - 1), above)

    def _below(self, top: Any, node: int, path: int, levels: int, register: int) -> tuple[Any, Any]:
        """Return the way through the nodes from `node` down, and the decision at the lowest level."""
        builder, level = self.builder, (node + 1).bit_length() - 1
        if level == levels - 1:
            return self.write.constant(BYTE, path, self.lanes), self._decision(top, 8 * node, register)
        goes_right = builder.icmp_signed("<", *self._pair(top, 8 * node, register))
        left = self._below(top, 2 * node + 1, path, levels, register)
        right = self._below(top, 2 * node + 2, path | SIGN >> level, levels, register)
        return builder.select(goes_right, right[0], left[0]), builder.select(goes_right, right[1], left[1])

    def deeper(self, place: list[Any], level: int, deep: Any, begin: Any, end: Any) -> list[Any]:
        """Return the places one level deeper; the nodes of this level are those from `begin` to `end`."""
        builder, write = self.builder, self.write
        nothing = write.constant(BYTE, 0, self.lanes)
        right = [cgutils.alloca_once(builder, nothing.type) for _ in place]
        for variable in right:
            builder.store(nothing, variable)
        with cgutils.for_range_slice(builder, begin, end, LONG(1)) as (node, _):
            address = builder.add(deep, builder.mul(node, LONG(12)))
            decisions = [self._decision(address, 0, register) for register in range(self.registers)]
            mine = write.broadcast(address, 8)
            for one, decision, variable in zip(place, decisions, right, strict=True):
                here = builder.icmp_unsigned("==", one, mine)
                builder.store(builder.select(here, decision, builder.load(variable)), variable)
        bit = write.constant(BYTE, SIGN >> level, self.lanes)
        return [
            builder.or_(one, builder.and_(write.shifted(builder.load(variable), level), bit))
            for one, variable in zip(place, right, strict=True)
        ]

    def _decision(self, address: Any, offset: int, register: int) -> Any:
        """Return bytes with the sign bit set to go right: cut - bin, saturated, is negative where bin > cut."""
        cut, bins = self._pair(address, offset, register)
        return self.write.call(f"llvm.ssub.sat.v{self.lanes}i8", cut.type, [cut, bins])

    def _pair(self, address: Any, offset: int, register: int) -> tuple[Any, Any]:
        """Return the cut of a node and the bins that it compares."""
        builder, write = self.builder, self.write
        plane = builder.add(self.planes, builder.sext(write.load_one(address, offset, INT), LONG))
        return write.broadcast(address, offset + 4), write.load(plane, self.lanes * register, BYTE, self.lanes)

    def _chosen(self, by: Any, left_side: Any, right_side: Any) -> Any:
        """Return, bit by bit, the right side where `by` is set, else the left one."""
        builder = self.builder
        return builder.or_(builder.and_(by, right_side), builder.and_(builder.not_(by), left_side))
