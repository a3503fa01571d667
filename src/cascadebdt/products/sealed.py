"""Small files with a hash of their content: parts of longer work, which a later command takes if they are unharmed."""

import json
from pathlib import Path
from typing import TypeVar

from cascadebdt.atomic import write_text
from cascadebdt.errors import InputError
from cascadebdt.products.inventory import HASH
from cascadebdt.products.keys import digest
from cascadebdt.records import Record, read_json

R = TypeVar("R", bound=Record)


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
