"""The one way in which this package writes a file: a reader sees the old content or the new, never a part."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which replaces `path` when the block ends well and vanishes if not.

    The draft has the name of the final file, because the format of figures follows from it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as folder:
        place = Path(folder) / path.name
        yield place
        os.replace(place, path)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file in one step."""
    with draft(path) as place:
        place.write_bytes(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 file in one step."""
    return write_bytes(path, text.encode("utf-8"))
