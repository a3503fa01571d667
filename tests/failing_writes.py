"""A disk that is full, or cannot be written to, from some moment on: for the tests and the campaign of faults.

Python tells an audit hook of every file that it opens, of every folder it makes and of every name it changes. At the
n-th of these below a folder the fault begins. It lasts as long as the process, so this is for forked ones.
"""

import errno
import os
import resource
import shutil
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tampering
from cascadebdt.errors import InputError
from cascadebdt.products.inventory import MANIFEST, Inventory
from isolation import isolated

KINDS = ("full", "no space", "read-only", "once")
ERRNO = {"no space": errno.ENOSPC, "read-only": errno.EROFS, "once": errno.EIO}
BYTES_LEFT = 100  # of a file on a disk that is full: the first bytes of what is written are there
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
EXITS = {"full": (75,), "no space": (75,), "read-only": (2,), "once": (75,)}


@dataclass
class FailingDisk:
    """Writes below a folder fail from the n-th on.

    Attributes
    ----------
    folder : whose writes are counted
    number : of the first write that fails, from 1
    kind : ``full``: files may be opened but hold no more than `BYTES_LEFT`; ``no space`` and ``read-only``: nothing can
        be opened to be written, made, renamed or removed; ``once``: one error, after which all is well again
    count : writes so far
    """

    folder: Path
    number: int
    kind: str
    count: int = field(default=0, init=False)

    def begin(self) -> None:
        """Let the writes of this process fail, for good."""
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_write(event, arguments):
            return
        self.count += 1
        if self.count < self.number or (self.kind == "once" and self.count > self.number):
            return
        if self.kind == "full":
            resource.setrlimit(resource.RLIMIT_FSIZE, (BYTES_LEFT, resource.RLIM_INFINITY))
        elif self.kind != "no space" or event not in ("os.remove", "os.rmdir"):
            raise OSError(ERRNO[self.kind], os.strerror(ERRNO[self.kind]), str(arguments[0]))

    def _is_write(self, event: str, arguments: tuple[Any, ...]) -> bool:
        if event not in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate"):
            return False
        if not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return False
        is_inside = os.fsdecode(arguments[0]).startswith(str(self.folder))
        return is_inside and (event != "open" or bool(arguments[2] & WRITING))


def count_writes(setting: tampering.Setting, output: Path) -> int:
    """Return how often an undisturbed run writes."""

    def run() -> int:
        disk = FailingDisk(output, sys.maxsize, "once")
        disk.begin()
        code, said = tampering.command("run", setting.config, output)
        assert code == 0, said
        return disk.count

    shutil.rmtree(output, ignore_errors=True)
    return int(isolated(run, seconds=tampering.PATIENCE))


def outcome(setting: tampering.Setting, output: Path, number: int, kind: str) -> tuple[str, str]:
    """Run over a disk that fails at a write, then over one that does not.

    Returns
    -------
    ``sentence``, ``done`` (the run needed no such write), ``wrong``, ``traceback`` or ``hang``, and what was found
    """

    def run() -> tuple[int, str]:
        FailingDisk(output, number, kind).begin()
        return tampering.command("run", setting.config, output)

    shutil.rmtree(output, ignore_errors=True)
    try:
        code, said = isolated(run, seconds=tampering.PATIENCE)
        half_written = _half_written(setting.reference, output)
        again, said_again = isolated(
            lambda: tampering.command("run", setting.config, output), seconds=tampering.PATIENCE
        )
    except TimeoutError:
        return "hang", ""
    except RuntimeError as error:
        return "traceback", str(error)
    if code not in (0, *EXITS[kind]) or (code and not tampering.is_sentence(said)):
        return "traceback", f"{code} {said}"
    if half_written:
        return "wrong", f"after {code} {said}: half written: {half_written}"
    if again or (wrong := tampering.different(setting, output, "run")):
        return "wrong", f"after {code} {said}: run again: {again} {said_again} {wrong if not again else ''}"
    return ("sentence" if code else "done"), said


def _half_written(reference: Path, output: Path) -> list[str]:
    """Return the products that are not those of an undisturbed run.

    A manifest knows the steps that were done, so that one of an interrupted run is whole if it has its hash.
    """
    try:
        Inventory.read(output)
    except InputError:
        return [MANIFEST]
    return [name for name in _names(output) if name != MANIFEST and tampering.differs(reference, output, name)]


def _names(output: Path) -> list[str]:
    """Return the products that are there, without drafts and what an interrupted training leaves."""
    return [name for name in tampering.products(output) if not any(part.startswith(".") for part in Path(name).parts)]
