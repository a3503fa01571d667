"""Checksums of whole files, as catalogues give them: ``adler32:``, ``md5:`` or ``sha256:`` and hexadecimal digits."""

import hashlib
import re
import zlib
from collections.abc import Callable, Mapping
from typing import Protocol

import fsspec

from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError
from cascadebdt.ntuple.access import is_remote, of_any, reading

WRITTEN = re.compile(r"adler32:[0-9A-Fa-f]{1,8}|md5:[0-9A-Fa-f]{32}|sha256:[0-9A-Fa-f]{64}")
BLOCK = 1 << 22


class _Hash(Protocol):
    """What computes a checksum piece by piece."""

    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


class _Adler32:
    """Adler-32 with the interface of `hashlib`."""

    def __init__(self) -> None:
        self.value = 1

    def update(self, data: bytes, /) -> None:
        self.value = zlib.adler32(data, self.value)

    def hexdigest(self) -> str:
        return f"{self.value:08x}"


HASHES: Mapping[str, Callable[[], _Hash]] = {"adler32": _Adler32, "md5": hashlib.md5, "sha256": hashlib.sha256}


def split(line: str) -> tuple[str, str | None]:
    """Return the name and the checksum in a line of a list of files."""
    words = line.rsplit(maxsplit=1)
    return (words[0], words[1]) if len(words) == 2 and WRITTEN.fullmatch(words[1]) else (line, None)


def of_file(location: str, kind: str) -> str:
    """Return a checksum of a whole file, local or not."""
    result = HASHES[kind]()
    with reading(location), fsspec.open(location, "rb") if is_remote(location) else open(location, "rb") as file:
        while block := file.read(BLOCK):
            result.update(block)
    return f"{kind}:{result.hexdigest()}"


def verify(location: str, expected: str, config: NtupleConfig) -> None:
    """Require that a file has a checksum; letters may be large, and zeros of Adler-32 be missing in front.

    Of several replicas it is the first that can be read; others are compared with it as they are read.

    Raises
    ------
    FileError
        If it has another one.
    """
    kind, _, digits = expected.lower().partition(":")
    wanted = f"{kind}:{digits.zfill(8)}"
    checksum = of_any(location, lambda replica: of_file(replica, kind), config)
    if checksum != wanted:
        raise FileError(
            f"{location}: has the checksum {checksum}, expected {wanted}; the file is damaged or another one: fetch it "
            "again, or correct the checksum",
            location=location,
        )


def changed(now: Mapping[str, object], recorded: Mapping[str, object]) -> str | None:
    """Return what changed in a file since it was recorded, None if nothing did.

    Parameters
    ----------
    now, recorded : what is known of the file (``entries``, ``size_bytes``, ``identity``, ``bytes_read``,
        ``checksum``); values that are missing or None on one side are not compared, nor are checksums of what was read
        where another number of bytes was read, which are those of other branches
    """
    for key, what in (("identity", "identity"), ("size_bytes", "size in bytes"), ("entries", "number of entries")):
        before, after = recorded.get(key), now.get(key)
        if before is not None and after is not None and before != after:
            return f"its {what} was {before} and is {after}"
    same_bytes = now.get("bytes_read") is not None and now.get("bytes_read") == recorded.get("bytes_read")
    before, after = recorded.get("checksum"), now.get("checksum")
    if same_bytes and before is not None and after is not None and before != after:
        return f"the checksum of its events was {before} and is {after}"
    return None
