"""What ROOT files tell of their own integrity and uproot does not check, and a checksum of what is read from them.

An RNTuple has XXH3 checksums of its page lists and, unless its writer left them out, of its pages. A basket of a TTree
repeats in its header where it lies, how long it is and how many entries it holds. Decompression checks what the
compressed blocks hold: XXH64 for LZ4, Adler-32 for ZLIB, CRC-32 for LZMA, and nothing for ZSTD. Bytes that are stored
uncompressed in a TTree have no protection at all, except a checksum from elsewhere.
"""

import struct
from collections.abc import Collection, Iterator
from contextlib import suppress
from queue import Queue
from typing import Any, NamedTuple, TypeAlias

import awkward as ak
import numpy as np
import uproot
import xxhash
from uproot.models.RNTuple import Model_ROOT_3a3a_RNTuple
from uproot.source.chunk import Chunk
from uproot.source.file import MultithreadedFileSource
from uproot.source.fsspec import FSSpecSource

CHECKSUM = struct.Struct("<Q")
KEY = struct.Struct(">ihiIhh")  # length, version, uncompressed length, date, length of the key, cycle
BIG_KEY_VERSION = 1000  # keys of a higher version have positions of 8 bytes
BASKET = struct.Struct(">Hiiii")  # version, buffer size, size of an entry, entries, position after the last entry
WRAP = 1 << 64


class DamageError(Exception):
    """A file contradicts itself."""


class BasketHeader(NamedTuple):
    """What a basket says of itself: its position in the file, its length in bytes, its number of entries."""

    position: int
    n_bytes: int
    n_entries: int


class Sum(NamedTuple):
    """The bytes of the events that were read from a file.

    Attributes
    ----------
    n_bytes : how many, each counted once; sums of as many bytes of a file are of the same branches
    checksum : ``xxh3:`` and 16 hexadecimal digits; it does not depend on the order or the grouping of the reads
    """

    n_bytes: int
    checksum: str


Sums: TypeAlias = dict[tuple[int, int], int]  # position and length of a range of bytes -> its checksum


def total(sums: Sums) -> Sum:
    """Return the sum over all ranges of bytes."""
    return Sum(sum(length for _, length in sums), f"xxh3:{sum(sums.values()) % WRAP:016x}")


class Record:
    """What is noted of the ranges of bytes that one thread reads from a file.

    Attributes
    ----------
    sums : checksums of the ranges; threads that read the same file may share it
    headers : position -> header of the baskets read last, None for one that has none
    """

    def __init__(self) -> None:
        self.sums: Sums = {}
        self.headers: dict[int, BasketHeader | None] = {}

    def note_page(self, start: int, data: Any) -> None:
        """Take note of a page of an RNTuple."""
        self.sums[start, len(data)] = xxhash.xxh3_64_intdigest(data, start)

    def note_basket(self, start: int, data: Any) -> None:
        """Take note of a basket of a TTree, and of its header."""
        self.note_page(start, data)
        self.headers[start] = header_of(data)


def header_of(data: Any) -> BasketHeader | None:
    """Return the header at the start of a basket's bytes, None if these cannot be one."""
    try:
        n_bytes, version, _, _, key_length, _ = KEY.unpack_from(data)
        position = struct.unpack_from(">q" if version > BIG_KEY_VERSION else ">i", data, KEY.size)[0]
        n_entries = BASKET.unpack_from(data, key_length - BASKET.size - 1)[3]
    except struct.error:
        return None
    return BasketHeader(position, n_bytes, n_entries)


class _Notifications:
    """Takes note of baskets as they arrive, in the thread that read them, and hands them on."""

    def __init__(self, record: Record, queue: "Queue[Any]") -> None:
        self.record = record
        self.queue = queue

    def put(self, chunk: Chunk) -> None:
        # A failed read raises again where the chunk is used; here it would end the thread, and the reader would wait.
        with suppress(Exception):
            self.record.note_basket(chunk.start, chunk.raw_data)
        self.queue.put(chunk)


class _Noted:
    """A source of bytes, mixed into one of uproot's, whose reads are noted in `record`."""

    def __init__(self, path: str, **options: Any) -> None:
        super().__init__(path, **options)  # type: ignore[call-arg]
        self.record = Record()

    def chunks(self, ranges: list[tuple[int, int]], notifications: "Queue[Any]") -> list[Chunk]:
        """Request the baskets of a TTree."""
        noted: list[Chunk] = super().chunks(ranges, _Notifications(self.record, notifications))  # type: ignore[misc]
        return noted


class LocalSource(_Noted, MultithreadedFileSource):  # type: ignore[misc]
    """A local file whose reads are noted."""


class RemoteSource(_Noted, FSSpecSource):  # type: ignore[misc]
    """A file behind a server whose reads are noted."""


class VerifiedRNTuple(Model_ROOT_3a3a_RNTuple):  # type: ignore[misc]
    """An RNTuple whose pages and page lists must have the checksums that are stored with them.

    References
    ----------
    RNTuple Binary Format Specification 1.0, "Page Locations" and "Envelopes".
    """

    @property
    def encoded_classname(self) -> str:
        """Name of the class in the file, as uproot writes it."""
        return str(Model_ROOT_3a3a_RNTuple.__name__)

    def read_page(self, destination: Any, cluster_idx: int, col_idx: int, page_idx: int, field_metadata: Any) -> None:
        """Fill an array from a page; the page list says whether a checksum follows the page."""
        page = self._ntuple.page_link_list[cluster_idx][col_idx].pages[page_idx]
        page.locator.has_checksum = page.has_checksum
        super().read_page(destination, cluster_idx, col_idx, page_idx, field_metadata)

    def read_locator(self, loc: Any, uncomp_size: int) -> tuple[Chunk, Any]:
        """Return a decompressed page or page list; of uproot's own this differs by the checks only."""
        has_checksum = vars(loc)["_fields"].get("has_checksum")  # None: not a page
        size = loc.num_bytes
        chunk = self.file.source.chunk(loc.offset, loc.offset + size + (CHECKSUM.size if has_checksum else 0))
        data = chunk.raw_data
        if has_checksum is not None:
            self.file.source.record.note_page(loc.offset, data)
        if has_checksum:
            _require_checksum(data[:size], data[size:], f"page at byte {loc.offset}")
        cursor = uproot.source.cursor.Cursor(loc.offset)
        if size < uncomp_size:
            chunk = uproot.compression.decompress(chunk, cursor, {}, size, uncomp_size, block_info=None)
            cursor.move_to(0)
        if has_checksum is None:
            content = chunk.raw_data
            _require_checksum(content[: -CHECKSUM.size], content[-CHECKSUM.size :], f"page list at byte {loc.offset}")
        return chunk, cursor


def _require_checksum(data: Any, stored: Any, what: str) -> None:
    if xxhash.xxh3_64_intdigest(data) != CHECKSUM.unpack(stored)[0]:
        raise DamageError(f"the {what} does not have its checksum")


def header_sum(file: Any, name: str) -> Sums:
    """Return the checksum of what describes a tree, in which a TTree keeps baskets that were never full."""
    key = file.key(name)
    record = Record()
    record.note_page(key.fSeekKey, file.file.source.chunk(key.fSeekKey, key.fSeekKey + key.fNbytes).raw_data)
    return record.sums


def require_complete(file: Any) -> None:
    """Require that a file is as long as its header says."""
    size = file.file.source.num_bytes
    if size is not None and size < file.file.fEND:
        raise DamageError(f"it has {size} of {file.file.fEND} bytes")


def require_counts(tree: Any) -> None:
    """Require that a TTree has as many entries as its branches."""
    counts = {int(branch.num_entries) for branch in tree.branches if branch.num_baskets}
    if counts and int(tree.num_entries) not in counts:
        raise DamageError(f"tree '{tree.name}' has {tree.num_entries} entries, its branches have {max(counts)}")


def require_lists(layout: Any, name: str) -> None:
    """Require that the lists of a branch lie one after the other within its values."""
    if isinstance(layout, ak.contents.ListOffsetArray):
        offsets = layout.offsets.data
        if offsets[0] < 0 or (offsets[1:] < offsets[:-1]).any() or offsets[-1] > len(layout.content):
            raise DamageError(f"the lists of branch '{name}' do not lie within its values")
    for inner in getattr(layout, "contents", None) or [getattr(layout, "content", None)]:
        if inner is not None:
            require_lists(inner, name)


def require_headers(branches: Collection[Any], start: int, stop: int, record: Record) -> None:
    """Require that the baskets just read lie where, and hold as many entries as, their branches say."""
    for branch in branches:
        for number, expected in _expected(branch, start, stop):
            header = record.headers.get(expected.position, expected)  # embedded baskets are not read on their own
            require_header(branch.name, number, header, expected)
    record.headers.clear()


def require_header(branch: str, number: int, header: BasketHeader | None, expected: BasketHeader) -> None:
    """Require that a basket says of itself what its branch says of it."""
    if header != expected:
        what = f"basket {number} of branch '{branch}'"
        raise DamageError(f"{what} has the header {tuple(header or ())}, expected {tuple(expected)}")


def require_offsets(offsets: Any, branch: str) -> None:
    """Require that baskets begin at increasing entries, the first at 0."""
    if offsets[0] != 0 or (np.diff(offsets) < 0).any():
        raise DamageError(f"the baskets of branch '{branch}' do not begin at increasing entries")


def _expected(branch: Any, start: int, stop: int) -> Iterator[tuple[int, BasketHeader]]:
    """Yield number and expected header of the baskets of a branch that overlap with a range of entries."""
    offsets = np.asarray(branch.entry_offsets)
    require_offsets(offsets, branch.name)
    first = max(int(np.searchsorted(offsets, start, side="right")) - 1, 0)
    last = int(np.searchsorted(offsets, stop, side="left"))
    positions, lengths = branch.member("fBasketSeek"), branch.member("fBasketBytes")
    for number in range(first, min(last, len(offsets) - 1)):
        if positions[number]:
            n_entries = int(offsets[number + 1] - offsets[number])
            yield number, BasketHeader(int(positions[number]), int(lengths[number]), n_entries)
