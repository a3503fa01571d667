"""The inner steps of scoring in vector instructions, written as LLVM code: a permutation in registers looks up a table.

Both steps work on as many neighbouring events as there are lanes, on the tables of `cascadebdt.kernels.forest`, and
give the bits of the plain kernels. All but the permutations is generic vector code. Margins are plain float32
sums in the order of the trees: nothing is contracted or reordered.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from cascadebdt.kernels import cpu

BYTE, INT, LONG, FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
SEARCH_STEPS = 8
LOWEST, HIGHEST = -128, 127  # the bins of NaN
LARGEST_TABLE = 32  # with 256-bit registers, beyond which a gather is faster than permutations


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def bin_lanes(typing_context: Any, lanes: Any, values: Any, cuts: Any, low: Any, high: Any) -> Any:
    """Write the bins of `lanes` values to two planes; all but the first argument are addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Writer(builder)
        _, values, cuts, low, high = arguments
        for first in range(0, lanes.literal_value, write.width):
            value = write.load(values, 4 * first, FLOAT, write.width)
            position = write.descend(cuts, value)
            shift = write.constant(INT, (1 << SEARCH_STEPS) - LOWEST, write.width)
            found = builder.trunc(builder.sub(position, shift), ir.VectorType(BYTE, write.width))
            missing = builder.fcmp_unordered("uno", value, value)
            for plane, lost in ((low, LOWEST), (high, HIGHEST)):
                write.store(plane, first, builder.select(missing, write.constant(BYTE, lost, write.width), found))
        return context.get_dummy_value()

    return types.void(lanes, *[types.int64] * 4), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def add_lanes(
    typing_context: Any,
    depth: Any,
    lanes: Any,
    n_trees: Any,
    planes: Any,
    offsets: Any,
    cuts: Any,
    leaves: Any,
    margin: Any,
) -> Any:
    """Add the leaves that `lanes` events reach in `n_trees` trees to their margins; the last five are addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Writer(builder)
        _, _, n_trees, planes, offsets, cuts, leaves, margin = arguments
        levels, n = depth.literal_value, lanes.literal_value
        nodes, parts = (1 << levels) - 1, range(0, n, write.width)
        totals = [
            cgutils.alloca_once_value(builder, write.load(margin, 4 * part, FLOAT, write.width)) for part in parts
        ]
        with cgutils.for_range(builder, n_trees) as loop:
            tree = _Tree(write, levels, n, planes)
            tree.offsets = builder.add(offsets, builder.mul(loop.index, LONG(4 * nodes)))
            tree.cuts = builder.add(cuts, builder.mul(loop.index, LONG(nodes)))
            table = builder.add(leaves, builder.mul(loop.index, LONG(4 << levels)))
            index = tree.leaf_index()
            for part, total in zip(parts, totals, strict=True):
                found = write.lookup(table, 0, 1 << levels, write.part(index, part))
                builder.store(builder.fadd(builder.load(total), found), total)
        for part, total in zip(parts, totals, strict=True):
            write.store(margin, 4 * part, builder.load(total))
        return context.get_dummy_value()

    return types.void(depth, lanes, *[types.int64] * 6), generate


class _Tree:
    """Writes how one tree finds the leaves of all lanes."""

    def __init__(self, write: "_Writer", depth: int, lanes: int, planes: Any) -> None:
        self.write = write
        self.builder = write.builder
        self.depth = depth
        self.lanes = lanes
        self.planes = planes
        self.offsets: Any = None
        self.cuts: Any = None

    def leaf_index(self) -> Any:
        """Return the number of the leaf of each lane, a vector of bytes."""
        builder, index = self.builder, self.write.constant(BYTE, 0, self.lanes)
        for level, decision in enumerate(self.below(0, 0)):
            sign = builder.and_(decision, self.write.constant(BYTE, LOWEST, self.lanes))
            shift = self.write.constant(BYTE, 8 - self.depth + level, self.lanes)
            index = builder.or_(index, builder.lshr(sign, shift))
        return index

    def below(self, node: int, level: int) -> list[Any]:
        """Return the decision of a node and, for every level below, that of the child on its side."""
        right = self.decision(node)
        if level == self.depth - 1:
            return [right]
        left_side, right_side = self.below(2 * node + 1, level + 1), self.below(2 * node + 2, level + 1)
        return [right, *(self.chosen(right, one, other) for one, other in zip(left_side, right_side, strict=True))]

    def decision(self, node: int) -> Any:
        """Return bytes whose sign bit says right: the cut less the bin, saturated, is negative where bin > cut."""
        builder = self.builder
        offset = builder.sext(self.write.load_one(self.offsets, 4 * node, INT), LONG)
        bins = self.write.load(builder.add(self.planes, offset), 0, BYTE, self.lanes)
        cut = self.write.splat(self.write.load_one(self.cuts, node, BYTE), self.lanes)
        return self.write.call(f"llvm.ssub.sat.v{self.lanes}i8", bins.type, [cut, bins])

    def chosen(self, right: Any, left_side: Any, right_side: Any) -> Any:
        """Return, bit by bit, the decision of the right side where `right` is set, else that of the left one."""
        builder = self.builder
        return builder.or_(builder.and_(right, right_side), builder.and_(builder.not_(right), left_side))


class _Writer:
    """Writes vector code; `width` float32 numbers fill a register of this CPU."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.wide = cpu.instructions() == "avx512"
        self.width = 16 if self.wide else 8

    def constant(self, kind: Any, value: int, lanes: int) -> Any:
        return ir.Constant(ir.VectorType(kind, lanes), [value] * lanes)

    def load(self, address: Any, offset: int, kind: Any, lanes: int) -> Any:
        return self._load(address, offset, ir.VectorType(kind, lanes), 1)

    def load_one(self, address: Any, offset: int, kind: Any) -> Any:
        return self._load(address, offset, kind, 1)

    def _load(self, address: Any, offset: int, kind: Any, alignment: int) -> Any:
        pointer = self.builder.inttoptr(self.builder.add(address, LONG(offset)), kind.as_pointer())
        value = self.builder.load(pointer)
        value.align = alignment
        return value

    def store(self, address: Any, offset: int, value: Any) -> None:
        pointer = self.builder.inttoptr(self.builder.add(address, LONG(offset)), value.type.as_pointer())
        self.builder.store(value, pointer).align = 1

    def splat(self, value: Any, lanes: int) -> Any:
        empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(empty, value, INT(0))
        return self.builder.shuffle_vector(first, empty, self.constant(INT, 0, lanes))

    def part(self, index: Any, first: int) -> Any:
        """Return a register's worth of byte indices as integers."""
        lanes = ir.Constant(ir.VectorType(INT, self.width), list(range(first, first + self.width)))
        some = self.builder.shuffle_vector(index, ir.Constant(index.type, ir.Undefined), lanes)
        return self.builder.zext(some, ir.VectorType(INT, self.width))

    def call(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Call an intrinsic function of LLVM."""
        module = self.builder.module
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, arguments)

    def descend(self, cuts: Any, value: Any) -> Any:
        """Return where a search down a heap of cuts ends, from 2^steps on."""
        position = self.constant(INT, 1, self.width)
        for step in range(SEARCH_STEPS):
            cut = self.lookup(cuts, 1 << step, 1 << step, position)
            right = self.builder.zext(self.builder.fcmp_ordered(">=", value, cut), position.type)
            position = self.builder.add(self.builder.add(position, position), right)
        return position

    def lookup(self, address: Any, first: int, size: int, index: Any) -> Any:
        """Return entries of a table of float32 numbers, those from `first` on being `size` (powers of 2) and wanted."""
        if not self.wide and size > LARGEST_TABLE:
            return self.gather(address, index)
        first = 0 if size < self.width else first
        parts = [
            self.load(address, 4 * start, FLOAT, self.width)
            for start in range(first, first + max(size, self.width), self.width)
        ]
        found, bit = self.permuted(parts, index)
        while len(found) > 1:
            mask = self.builder.and_(index, self.constant(INT, bit, self.width))
            upper = self.builder.icmp_unsigned("!=", mask, self.constant(INT, 0, self.width))
            found = [self.builder.select(upper, found[i + 1], found[i]) for i in range(0, len(found), 2)]
            bit *= 2
        return found[0]

    def permuted(self, parts: list[Any], index: Any) -> tuple[list[Any], int]:
        """Look up in each register (or pair of them); the bit of the index that says which is the right one follows."""
        kind = parts[0].type
        if not self.wide:
            return [self.call("llvm.x86.avx2.permps", kind, [part, index]) for part in parts], 8
        if len(parts) == 1:
            return [self.call("llvm.x86.avx512.permvar.sf.512", kind, [parts[0], index])], 16
        name = "llvm.x86.avx512.vpermi2var.ps.512"
        return [self.call(name, kind, [parts[i], index, parts[i + 1]]) for i in range(0, len(parts), 2)], 32

    def gather(self, address: Any, index: Any) -> Any:
        """Load entries of a table from memory, one by one as far as the CPU is concerned."""
        n, builder = self.width, self.builder
        offset = builder.mul(builder.zext(index, ir.VectorType(LONG, n)), self.constant(LONG, 4, n))
        pointers = builder.inttoptr(builder.add(offset, self.splat(address, n)), ir.VectorType(FLOAT.as_pointer(), n))
        everywhere = self.constant(ir.IntType(1), 1, n)
        nothing = ir.Constant(ir.VectorType(FLOAT, n), ir.Undefined)
        return self.call(f"llvm.masked.gather.v{n}f32.v{n}p0", nothing.type, [pointers, INT(4), everywhere, nothing])
