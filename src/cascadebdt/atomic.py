"""The one way in which this package writes a file: a reader sees the old content or the new, never a part."""

import functools
import glob
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROCESSES = Path("/proc")


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """Give a place beside `path` to write to, which replaces `path` when the block ends well and vanishes if not.

    The draft has the name of the final file, because the format of figures follows from it.
    """
    with scratch(path) as folder:
        place = folder / path.name
        yield place
        os.replace(place, path)


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """Give an empty folder beside `path`, named after it, which vanishes when the block ends.

    A process that was killed cannot remove its folder, which may hold gigabytes: the next one for the same path does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    _remove_abandoned(path)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{draft_prefix(path)}{os.getpid()}.") as folder:
        yield Path(folder)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write a file in one step."""
    with draft(path) as place:
        place.write_bytes(content)
    return path


def write_text(path: Path, text: str) -> Path:
    """Write a UTF-8 file in one step."""
    return write_bytes(path, text.encode("utf-8"))


def draft_prefix(path: Path) -> str:
    """Return how the names of the drafts of a file begin; the number of the process follows."""
    return f".{path.name}.{_numbering()}."


@functools.cache
def _numbering() -> str:
    """Return what process numbers are unique in: a machine, and a namespace, of which each container has its own."""
    try:
        namespace = os.readlink(PROCESSES / "self" / "ns" / "pid")
    except OSError:
        namespace = ""
    return f"{platform.node()}-{''.join(filter(str.isdigit, namespace))}"


def _remove_abandoned(path: Path) -> None:
    """Remove drafts of processes that no longer run, where the system lists those that do."""
    if not (PROCESSES / "self").exists():
        return
    prefix = draft_prefix(path)
    for folder in path.parent.glob(f"{glob.escape(prefix)}*"):
        process = folder.name.removeprefix(prefix).split(".")[0]
        if process.isdigit() and not (PROCESSES / process).exists():
            shutil.rmtree(folder, ignore_errors=True)
