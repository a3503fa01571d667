"""Vector instructions, written as LLVM code: the parts of the vector kernels.

Only the permutations, which look up a table in registers, are of one instruction set; the rest is generic vector code.
"""

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

BYTE, INT, LONG, FLOAT = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()
LARGEST_PERMUTED_TABLE = 32  # numbers, with 256-bit registers; beyond, a gather is faster than permutations


class VectorWriter:
    """Writes vector code; `width` float32 numbers, or bytes of `lanes` events, fill a register."""

    def __init__(self, builder: Any, width: int) -> None:
        self.builder = builder
        self.width = width
        self.wide = width == 16
        self.lanes = 4 * self.width
        one = self.constant(INT, 1, self.width)
        kind = ir.FunctionType(one.type, [one.type])
        # Empty assembly returns 1 in a way that LLVM cannot see: it would turn the masked additions into longer code.
        self.one = builder.asm(kind, "", "=x,0", [one], False)

    def constant(self, kind: Any, value: int, lanes: int) -> Any:
        """Return a vector of one value."""
        return ir.Constant(ir.VectorType(kind, lanes), [value] * lanes)

    def load(self, address: Any, offset: int, kind: Any, lanes: int) -> Any:
        """Load a vector from some bytes behind an address."""
        return self.load_one(address, offset, ir.VectorType(kind, lanes))

    def load_one(self, address: Any, offset: int, kind: Any) -> Any:
        """Load a number from some bytes behind an address."""
        pointer = self.builder.inttoptr(self.builder.add(address, LONG(offset)), kind.as_pointer())
        value = self.builder.load(pointer)
        value.align = 1
        return value

    def store(self, address: Any, offset: int, value: Any) -> None:
        """Store a vector some bytes behind an address."""
        pointer = self.builder.inttoptr(self.builder.add(address, LONG(offset)), value.type.as_pointer())
        self.builder.store(value, pointer).align = 1

    def splat(self, value: Any, lanes: int) -> Any:
        """Return a vector of one value that is known at run time."""
        empty = ir.Constant(ir.VectorType(value.type, lanes), ir.Undefined)
        first = self.builder.insert_element(empty, value, INT(0))
        return self.builder.shuffle_vector(first, empty, self.constant(INT, 0, lanes))

    def broadcast(self, address: Any, offset: int) -> Any:
        """Return a register of the four bytes at an address, which are equal."""
        four = self.splat(self.load_one(address, offset, INT), self.width)
        return self.builder.bitcast(four, ir.VectorType(BYTE, self.lanes))

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
        together = builder.bitcast(together, ir.VectorType(BYTE, self.lanes))
        return builder.xor(together, self.constant(BYTE, flipped & 255, self.lanes))

    def heap(self, cuts: Any, steps: int) -> list[list[Any]]:
        """Return the registers that hold each level of a heap of cuts, loaded once; None where they are gathered."""
        tables = []
        for step in range(steps):
            size = 1 << step
            first = 0 if size < self.width else size
            if not self.wide and size > LARGEST_PERMUTED_TABLE:
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
        """Return where a search down a heap of cuts ends: at 2^steps and the number of cuts not above the value."""
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
        if not self.wide and size > LARGEST_PERMUTED_TABLE:
            return self.gather(address, self.builder.and_(index, self.constant(INT, size - 1, self.width)))
        parts = [self.load(address, 4 * start, FLOAT, self.width) for start in range(0, size, self.width)]
        found, bit = self.permuted(parts, index)
        while len(found) > 1:
            upper = self.is_set(index, bit)
            found = [self.builder.select(upper, found[i + 1], found[i]) for i in range(0, len(found), 2)]
            bit += 1
        return found[0]

    def is_set(self, index: Any, bit: int) -> Any:
        """Return where a bit of 32-bit numbers is set."""
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
