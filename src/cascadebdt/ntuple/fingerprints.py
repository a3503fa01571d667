"""Identities of input files by content, without reading again what has not been touched."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import xxhash

from cascadebdt.config import NtupleConfig
from cascadebdt.ntuple.access import is_remote, reading
from cascadebdt.ntuple.files import describe

BLOCK = 1 << 22


@dataclass(frozen=True)
class Fingerprint:
    """What tells a file from any other.

    Attributes
    ----------
    size_bytes : of the file
    modified_ns : time of its last change, 0 where a server does not tell
    content : a 128-bit hash of its bytes (XXH3); of a file on a server, which is not read for this, the identity that
        ROOT wrote into it
    """

    size_bytes: int
    modified_ns: int
    content: str

    @property
    def identity(self) -> str:
        """What enters keys: it stays the same when the file is copied."""
        return f"{self.content}/{self.size_bytes}"


def fingerprints(
    locations: Iterable[str], config: NtupleConfig, *, known: Mapping[str, Fingerprint], jobs: int = 1
) -> dict[str, Fingerprint]:
    """Return the fingerprint of every file.

    A local file of which size and time of change are as `known` is not read again.

    Raises
    ------
    FileError, TransientInputError
        If a file cannot be read.
    """

    def one(location: str) -> Fingerprint:
        return _remote(location, config) if is_remote(location) else _local(location, known.get(location))

    wanted = list(locations)
    with ThreadPoolExecutor(jobs) as pool:
        return dict(zip(wanted, pool.map(one, wanted), strict=True))


def _local(location: str, known: Fingerprint | None) -> Fingerprint:
    with reading(location):
        state = Path(location).stat()
        if known is not None and (known.size_bytes, known.modified_ns) == (state.st_size, state.st_mtime_ns):
            return known
        content = xxhash.xxh3_128()
        with Path(location).open("rb") as file:
            while block := file.read(BLOCK):
                content.update(block)
    return Fingerprint(state.st_size, state.st_mtime_ns, f"xxh3:{content.hexdigest()}")


def _remote(location: str, config: NtupleConfig) -> Fingerprint:
    file = describe(location, config)
    return Fingerprint(file.size_bytes, 0, f"uuid:{file.identity}")
