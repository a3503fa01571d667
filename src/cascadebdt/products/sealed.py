"""Files with a hash of their content: parts of longer work, which a later command takes if they are unharmed."""

import hashlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from cascadebdt.arrays import AnyArray
from cascadebdt.atomic import write_bytes, write_text
from cascadebdt.errors import InputError
from cascadebdt.products.inventory import HASH
from cascadebdt.products.keys import digest
from cascadebdt.records import Record, read_json

R = TypeVar("R", bound=Record)
DIGEST_SIZE = hashlib.sha256().digest_size


def write(path: Path, part: Record) -> None:
    """Write a part, whole or not at all."""
    content = part.to_json()
    write_text(path, json.dumps({**content, HASH: digest(content)}, indent=1) + "\n")


def read(path: Path, part: type[R]) -> R | None:
    """Return a part; None if it is not there, or not what was written, so that it is made again."""
    try:
        content = read_json(path)
        if content.pop(HASH, None) != digest(content):
            return None
        return part.from_json(content)
    except (OSError, ValueError, AttributeError, InputError):
        return None


def write_arrays(path: Path, arrays: Mapping[str, AnyArray]) -> None:
    """Write arrays, whole or not at all, after the SHA-256 of what follows it."""
    packed = io.BytesIO()
    np.savez(packed, allow_pickle=False, **arrays)
    content = packed.getvalue()
    write_bytes(path, hashlib.sha256(content).digest() + content)


def read_arrays(path: Path) -> dict[str, AnyArray] | None:
    """Return arrays; None if they are not there, or not what was written."""
    content = _unharmed(path)
    if content is None:
        return None
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def is_unharmed(path: Path) -> bool:
    """Return whether a file holds the arrays that were written."""
    return _unharmed(path) is not None


def _unharmed(path: Path) -> memoryview | None:
    try:
        content = memoryview(path.read_bytes())
    except OSError:
        return None
    is_whole = hashlib.sha256(content[DIGEST_SIZE:]).digest() == content[:DIGEST_SIZE]
    return content[DIGEST_SIZE:] if is_whole else None
