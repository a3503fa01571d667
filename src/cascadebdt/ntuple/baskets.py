"""Baskets of local TTrees -> arrays of numbers and of lists of numbers, which nearly all branches hold.

Uproot reads any type there is, and for every basket goes through queues and objects that cost as much time as fast
decompression. Here the same bytes take one loop; branches of other types, and files behind servers, are left to uproot.
"""

import os
import struct
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import uproot
import xxhash
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import AsDtype

from cascadebdt.arrays import AnyArray, IntArray
from cascadebdt.ntuple.verified import (
    BASKET,
    KEY,
    BasketHeader,
    DamageError,
    Record,
    header_of,
    require_header,
    require_offsets,
)

OFFSET = np.dtype(">i4")
HEAD = 9  # bytes before a compressed block
LZ4 = uproot.LZ4(1)
CODECS: Mapping[bytes, Any] = {b"ZL": uproot.ZLIB(1), b"XZ": uproot.LZMA(1), b"L4": LZ4, b"ZS": uproot.ZSTD(1)}


@dataclass(frozen=True, eq=False)
class Column:
    """A branch of numbers, or of lists of numbers.

    Attributes
    ----------
    name : of the branch
    stored : type of the numbers on disk
    is_list : whether an entry is a list
    offsets : (n_baskets + 1,) int64, the first entry of every basket, and the number of entries
    positions, lengths : (n_baskets,) bytes of the baskets in the file
    """

    name: str
    stored: np.dtype[Any]
    is_list: bool
    offsets: IntArray
    positions: IntArray
    lengths: IntArray

    @classmethod
    def of(cls, branch: Any) -> "Column | None":
        """Return the column of a branch of a TTree, None if it is of another type or keeps its events elsewhere."""
        kind = branch.interpretation
        is_list = type(kind) is AsJagged and kind.header_bytes == 0
        numbers = kind.content if is_list else kind
        if type(numbers) is not AsDtype or numbers.from_dtype.shape or numbers.from_dtype.fields:
            return None
        if numbers.to_dtype != numbers.from_dtype.newbyteorder("="):
            return None
        n_baskets = int(branch.num_baskets)
        positions, lengths = (
            np.asarray(branch.member(name)[:n_baskets], np.int64) for name in ("fBasketSeek", "fBasketBytes")
        )
        if len(positions) < n_baskets or not positions.all():  # baskets embedded in the header of the tree
            return None
        offsets = np.asarray(branch.entry_offsets, np.int64)
        require_offsets(offsets, branch.name)
        return cls(branch.name, numbers.from_dtype, is_list, offsets, positions, lengths)

    def baskets(self, start: int, stop: int) -> Iterator[int]:
        """Yield the numbers of the baskets that overlap with a range of entries."""
        first = max(int(np.searchsorted(self.offsets, start, side="right")) - 1, 0)
        last = int(np.searchsorted(self.offsets, stop, side="left"))
        return iter(range(first, min(last, len(self.positions))))


class OtherLayoutError(Exception):
    """A basket does not say where its lists begin: its counter does, which uproot follows."""


def read(columns: Collection[Column], descriptor: int, start: int, stop: int, record: Record) -> dict[str, ak.Array]:
    """Read a range of entries of some columns; everything that is read is noted, and must be what its header says.

    Raises
    ------
    DamageError
        If a basket contradicts itself or its branch.
    OtherLayoutError
        If a basket is of an old layout.
    """
    return {column.name: _array(column, descriptor, start, stop, record) for column in columns}


def _array(column: Column, descriptor: int, start: int, stop: int, record: Record) -> ak.Array:
    values: list[AnyArray] = []
    ends: list[IntArray] = []
    n_values = 0
    for number in column.baskets(start, stop):
        first, last = int(column.offsets[number]), int(column.offsets[number + 1])
        content, offsets = _basket(column, number, descriptor, record)
        low, high = max(start - first, 0), min(stop, last) - first
        if offsets is None:
            values.append(content[low:high])
            continue
        inside = offsets[low : high + 1] // column.stored.itemsize
        if not 0 <= inside[0] <= inside[-1] <= len(content):
            raise DamageError(f"the lists of branch '{column.name}' do not lie within its values")
        values.append(content[inside[0] : inside[-1]])
        ends.append(inside[1:] + (n_values - inside[0]))
        n_values += int(inside[-1] - inside[0])
    numbers = ak.contents.NumpyArray(_joined(values, column.stored.newbyteorder("=")))
    if not column.is_list:
        return ak.Array(numbers)
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(_joined([np.zeros(1, np.int64), *ends])), numbers))


def _joined(parts: Sequence[AnyArray], kind: Any = np.int64) -> AnyArray:
    """Return arrays one after the other, in one pass that also turns their bytes around."""
    result = np.empty(sum(map(len, parts)), kind)
    at = 0
    for part in parts:
        result[at : at + len(part)] = part
        at += len(part)
    return result


def _basket(column: Column, number: int, descriptor: int, record: Record) -> tuple[AnyArray, IntArray | None]:
    """Return the numbers of a basket as they are on disk, and the bytes at which its lists begin and end."""
    position, length = int(column.positions[number]), int(column.lengths[number])
    data = os.pread(descriptor, length, position)
    if len(data) < length:
        raise DamageError(f"it ends within basket {number} of branch '{column.name}'")
    record.note_page(position, data)
    n_entries = int(column.offsets[number + 1] - column.offsets[number])
    require_header(column.name, number, header_of(data), BasketHeader(position, length, n_entries))
    content, border, key_length = _content(data)
    where = f"basket {number} of branch '{column.name}'"
    if not 0 <= border <= len(content):
        raise DamageError(f"{where} has {len(content)} bytes, its values end at byte {border}")
    values = content[: border - border % column.stored.itemsize].view(column.stored)
    if not column.is_list:
        if len(values) != n_entries or border % column.stored.itemsize:
            raise DamageError(f"{where} has {len(values)} values, expected {n_entries}")
        return values, None
    table = content[border:]
    if len(table) != OFFSET.itemsize * (n_entries + 2):
        raise OtherLayoutError
    # The table begins with its own length; its last number has no meaning.
    offsets = table.view(OFFSET)[1:].astype(np.int64) - key_length
    offsets[-1] = border
    return values, offsets


def _content(data: bytes) -> tuple[AnyArray, int, int]:
    """Return the decompressed content of a basket, where in it the values end, and the length of its key."""
    try:
        n_bytes, _, n_content, _, key_length, _ = KEY.unpack_from(data)
        last = BASKET.unpack_from(data, key_length - BASKET.size - 1)[4]
    except struct.error as error:
        raise DamageError(f"the header of a basket cannot be read ({error})") from None
    packed = memoryview(data)[key_length:]
    content = packed if n_bytes - key_length == n_content else _decompressed(packed, n_content)
    return np.frombuffer(content, np.uint8), last - key_length, key_length


def _decompressed(packed: memoryview, n_bytes: int) -> memoryview | bytes:
    """Return what compressed blocks hold: each begins with its algorithm, its length, and that of what it holds.

    References
    ----------
    ROOT, core/zip/src/RZip.cxx: R__unzip_header.
    """
    parts: list[Any] = []
    at = 0
    while at < len(packed):
        head = bytes(packed[at : at + HEAD])
        end = at + HEAD + int.from_bytes(head[3:6], "little")
        codec, block = CODECS.get(head[:2]), packed[at + HEAD : end]
        if codec is None or end > len(packed):
            raise DamageError(f"a block that is compressed by {head[:2]!r} cannot be read")
        if codec is LZ4:
            block = _verified(block)
        parts.append(codec.decompress(block, int.from_bytes(head[6:9], "little")))
        at = end
    if (found := sum(map(len, parts))) != n_bytes:
        raise DamageError(f"a basket holds {found} bytes, expected {n_bytes}")
    return parts[0] if len(parts) == 1 else b"".join(map(bytes, parts))


def _verified(block: memoryview) -> memoryview:
    """Return a block of LZ4 without its checksum, which it must have."""
    if xxhash.xxh64_intdigest(block[8:]) != int.from_bytes(block[:8], "big"):
        raise DamageError("a block of LZ4 does not have its checksum")
    return block[8:]
