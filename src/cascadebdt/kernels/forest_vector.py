"""The inner steps of scoring in vector instructions, written as LLVM code: a permutation in registers looks up a table.

Both steps work on the tables of `cascadebdt.kernels.forest` and give the bits of the plain kernels. All but the
permutations is generic vector code. Margins are plain float32 sums in the order of the trees: nothing is contracted
or reordered.

A register holds `width` float32 numbers, or bytes of four times as many events, its *lanes*. In a register of bytes,
event ``width j + i`` is byte j of the 32-bit number i: four registers of numbers turn into one of bytes, and back,
by shifts alone.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from cascadebdt.kernels import cpu
from cascadebdt.kernels.forest_source import top_levels

BYTE, INT, LONG, FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
SIGN = 128
LARGEST_TABLE = 32  # with 256-bit registers, beyond which a gather is faster than permutations


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def bin_lanes(
    typing_context: Any, steps: Any, n: Any, values: Any, cuts: Any, low: Any, high: Any, use_high: Any
) -> Any:
    """Write the bins of `n` values, and of what follows up to full lanes, to one or two planes given by addresses.

    The search takes `steps` steps, which is as many as the feature has binary digits in its number of cuts.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, n, values, cuts, low, high, use_high = arguments
        write = _Writer(builder)
        heap = write.heap(cuts, steps.literal_value)
        lanes = 4 * write.width
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

    return types.void(steps, *[types.int64] * 5, types.boolean), generate


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def add_lanes(
    typing_context: Any,
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
    """Add the leaves that the lanes of some registers reach in `n_trees` trees; the last six are addresses."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write = _Writer(builder)
        _, _, n_trees, planes, top, deep, first_deep, leaves, margin = arguments
        levels, n = depth.literal_value, registers.literal_value
        whole = top_levels(levels)
        margins = [
            [cgutils.alloca_once_value(builder, write.load(margin, 4 * write.width * (4 * r + j), FLOAT, write.width)) for j in range(4)]
            for r in range(n)
        ]
        with cgutils.for_range(builder, n_trees) as loop:
            nodes = _Nodes(write, n, planes)
            place = nodes.place(builder.add(top, builder.mul(loop.index, LONG(8 * ((1 << whole) - 1)))), whole)
            if levels > whole:
                place = [builder.and_(one, write.constant(BYTE, 256 - (SIGN >> whole - 1), 4 * write.width)) for one in place]
            for level in range(whole, levels):
                index = builder.add(builder.mul(loop.index, LONG(levels - whole)), LONG(level - whole))
                begin = write.load_one(builder.add(first_deep, builder.mul(index, LONG(8))), 0, LONG)
                end = write.load_one(builder.add(first_deep, builder.mul(index, LONG(8))), 8, LONG)
                place = nodes.deeper(place, level, deep, begin, end)
            table = builder.add(leaves, builder.mul(loop.index, LONG(4 << levels)))
            for one, parts in zip(place, margins, strict=True):
                for part, found in enumerate(write.lookups(table, levels, one)):
                    builder.store(builder.fadd(builder.load(parts[part]), found), parts[part])
        for r, parts in enumerate(margins):
            for j, total in enumerate(parts):
                write.store(margin, 4 * write.width * (4 * r + j), builder.load(total))
        return context.get_dummy_value()

    return types.void(depth, registers, *[types.int64] * 7), generate


class _Nodes:
    """Writes how the events of some registers find their places in a tree."""

    def __init__(self, write: "_Writer", registers: int, planes: Any) -> None:
        self.write = write
        self.builder = write.builder
        self.registers = registers
        self.planes = planes
        self.lanes = 4 * write.width

    def place(self, top: Any, levels: int) -> list[Any]:
        """Return bytes whose highest bits say which way an event takes at each level; the bits below are undefined."""
        return [self._place(top, levels, register) for register in range(self.registers)]

    def _place(self, top: Any, levels: int, register: int) -> Any:
        above, last = self._below(top, 0, 0, levels, register)
        known = self.write.constant(BYTE, 256 - (SIGN >> levels - 2) if levels > 1 else 0, self.lanes)
        return self._chosen(known, self.write.shifted(last, levels - 1), above)

    def _below(self, top: Any, node: int, path: int, levels: int, register: int) -> tuple[Any, Any]:
        """Return what the nodes below (and including) one say: the way so far, and the decision at the lowest level."""
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
        right = [cgutils.alloca_once_value(builder, nothing) for _ in place]
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
        """Return bytes whose sign bit says right: the cut less the bin, saturated, is negative where bin > cut."""
        cut, bins = self._pair(address, offset, register)
        return self.write.call(f"llvm.ssub.sat.v{self.lanes}i8", cut.type, [cut, bins])

    def _pair(self, address: Any, offset: int, register: int) -> tuple[Any, Any]:
        """Return the cut of a node and the bins that it asks."""
        builder, write = self.builder, self.write
        plane = builder.add(self.planes, builder.sext(write.load_one(address, offset, INT), LONG))
        return write.broadcast(address, offset + 4), write.load(plane, self.lanes * register, BYTE, self.lanes)

    def _chosen(self, by: Any, left_side: Any, right_side: Any) -> Any:
        """Return, bit by bit, the right side where `by` is set, else the left one."""
        builder = self.builder
        return builder.or_(builder.and_(by, right_side), builder.and_(builder.not_(by), left_side))


class _Writer:
    """Writes vector code; `width` float32 numbers fill a register of this CPU."""

    def __init__(self, builder: Any) -> None:
        self.builder = builder
        self.wide = cpu.instructions() == "avx512"
        self.width = 16 if self.wide else 8
        one = self.constant(INT, 1, self.width)
        kind = ir.FunctionType(one.type, [one.type])
        # a number that the compiler does not know to be 1: it would turn masked additions into longer code
        self.one = builder.asm(kind, "", "=x,0", [one], False)

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

    def broadcast(self, address: Any, offset: int) -> Any:
        """Return a register of the four bytes at an address, which are equal."""
        four = self.splat(self.load_one(address, offset, INT), self.width)
        return self.builder.bitcast(four, ir.VectorType(BYTE, 4 * self.width))

    def shifted(self, some: Any, bits: int) -> Any:
        """Return a register of bytes, shifted to the right as 32-bit numbers."""
        numbers = self.builder.bitcast(some, ir.VectorType(INT, self.width))
        return self.builder.bitcast(self.builder.lshr(numbers, self.constant(INT, bits, self.width)), some.type)

    def call(self, name: str, result: Any, arguments: Sequence[Any]) -> Any:
        """Call an intrinsic function of LLVM."""
        module = self.builder.module
        kind = ir.FunctionType(result, [argument.type for argument in arguments])
        function = module.globals.get(name) or ir.Function(module, kind, name)
        return self.builder.call(function, arguments)

    def packed(self, numbers: Sequence[Any], flipped: int) -> Any:
        """Return the lowest bytes of four registers as one register of bytes, some of their bits flipped."""
        builder, together = self.builder, numbers[0]
        for part in range(1, 4):
            known = self.constant(INT, (1 << 8 * part) - 1, self.width)
            more = builder.shl(numbers[part], self.constant(INT, 8 * part, self.width))
            together = builder.or_(builder.and_(known, together), builder.and_(builder.not_(known), more))
        together = builder.bitcast(together, ir.VectorType(BYTE, 4 * self.width))
        return builder.xor(together, self.constant(BYTE, flipped & 255, 4 * self.width))

    def heap(self, cuts: Any, steps: int) -> list[list[Any]]:
        """Return the registers that hold each level of a heap of cuts, loaded once; None where they are gathered."""
        tables = []
        for step in range(steps):
            size = 1 << step
            first = 0 if size < self.width else size
            if not self.wide and size > LARGEST_TABLE:
                tables.append(cuts)
                continue
            tables.append(
                [
                    self.load(cuts, 4 * start, FLOAT, self.width)
                    for start in range(first, first + max(size, self.width), self.width)
                ]
            )
        return tables

    def descend(self, heap: Any, value: Any) -> Any:
        """Return where a search down a heap of cuts ends: 2^steps and the number of cuts that are not above the value."""
        position, one = self.constant(INT, 1, self.width), self.one
        rights: list[Any] = []
        for step, table in enumerate(heap):
            if not isinstance(table, list):
                cut = self.gather(table, position)
            else:
                found, used = self.permuted(table, position)
                bits = [rights[step - bit - 1] for bit in range(used, step)][: len(found).bit_length() - 1]
                for upper in bits:
                    found = [self.builder.select(upper, found[i + 1], found[i]) for i in range(0, len(found), 2)]
                cut = found[0]
            rights.append(self.builder.fcmp_ordered(">=", value, cut))
            position = self.builder.add(position, position)
            position = self.builder.select(rights[-1], self.builder.add(position, one), position)
        return position

    def lookups(self, address: Any, bits: int, place: Any) -> list[Any]:
        """Return entries of a table of 2^bits numbers for each quarter of the events; the index is on top of a byte."""
        numbers = self.builder.bitcast(place, ir.VectorType(INT, self.width))
        found = []
        for part in range(4):
            index = self.builder.lshr(numbers, self.constant(INT, 8 * part + 8 - bits, self.width))
            if 1 << bits < self.width:  # what is above the index would count
                index = self.builder.and_(index, self.constant(INT, (1 << bits) - 1, self.width))
            found.append(self.lookup(address, 1 << bits, index))
        return found

    def lookup(self, address: Any, size: int, index: Any) -> Any:
        """Return entries of a table of float32 numbers; the lowest bits of the index count."""
        if not self.wide and size > LARGEST_TABLE:
            return self.gather(address, self.builder.and_(index, self.constant(INT, size - 1, self.width)))
        parts = [self.load(address, 4 * start, FLOAT, self.width) for start in range(0, size, self.width)]
        found, bit = self.permuted(parts, index)
        while len(found) > 1:
            upper = self.is_set(index, bit)
            found = [self.builder.select(upper, found[i + 1], found[i]) for i in range(0, len(found), 2)]
            bit += 1
        return found[0]

    def is_set(self, index: Any, bit: int) -> Any:
        builder = self.builder
        if self.wide:
            some = builder.and_(index, self.constant(INT, 1 << bit, self.width))
            return builder.icmp_unsigned("!=", some, self.constant(INT, 0, self.width))
        shifted = builder.shl(index, self.constant(INT, 31 - bit, self.width))
        return builder.icmp_signed("<", shifted, self.constant(INT, 0, self.width))

    def permuted(self, parts: list[Any], index: Any) -> tuple[list[Any], int]:
        """Look up in each register (or pair of them); the number of bits of the index that this uses follows."""
        kind = parts[0].type
        if not self.wide:
            return [self.call("llvm.x86.avx2.permps", kind, [part, index]) for part in parts], 3
        if len(parts) == 1:
            return [self.call("llvm.x86.avx512.permvar.sf.512", kind, [parts[0], index])], 4
        name = "llvm.x86.avx512.vpermi2var.ps.512"
        return [self.call(name, kind, [parts[i], index, parts[i + 1]]) for i in range(0, len(parts), 2)], 5

    def gather(self, address: Any, index: Any) -> Any:
        """Load entries of a table from memory, one by one as far as the CPU is concerned."""
        n, builder = self.width, self.builder
        offset = builder.mul(builder.zext(index, ir.VectorType(LONG, n)), self.constant(LONG, 4, n))
        pointers = builder.inttoptr(builder.add(offset, self.splat(address, n)), ir.VectorType(FLOAT.as_pointer(), n))
        everywhere = self.constant(ir.IntType(1), 1, n)
        nothing = ir.Constant(ir.VectorType(FLOAT, n), ir.Undefined)
        return self.call(f"llvm.masked.gather.v{n}f32.v{n}p0", nothing.type, [pointers, INT(4), everywhere, nothing])
