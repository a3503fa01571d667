"""A lock that keeps two runs out of one folder, and is not left standing by processes that died."""

import errno
import fcntl
import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from cascadebdt.errors import InputError

NAME = ".lock"
HEARTBEAT_SECONDS = 20.0
STALE_SECONDS = 600.0  # of silence, after which the holder on another machine is taken for dead
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # from file systems that cannot lock


@dataclass(frozen=True)
class Holder:
    """The process at work in a folder: name of its machine, and its number there."""

    host: str
    pid: int


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder during a block.

    The lock is the kernel's (``flock``), which ends with the process. Not every shared file system shows it to other
    machines: there the holder named in the file counts as alive for `STALE_SECONDS` after it last touched the file,
    which it does every `HEARTBEAT_SECONDS`. The file itself stays: to remove it would let two processes each hold a
    lock of that name.

    Raises
    ------
    InputError
        If another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        _acquire(descriptor, path)
        finished = threading.Event()
        heart = threading.Thread(target=_beat, args=(path, finished), daemon=True)
        heart.start()
        try:
            yield
        finally:
            finished.set()
            heart.join()
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(path, _holder(path)) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    holder = _holder(path)
    if holder and holder.host != platform.node() and time.time() - path.stat().st_mtime < STALE_SECONDS:
        raise _taken(path, holder)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(Holder(platform.node(), os.getpid()))).encode(), 0)


def _holder(path: Path) -> Holder | None:
    """Return the process named in the file, if there is one: a process killed while it wrote leaves nothing to read."""
    try:
        return Holder(**json.loads(path.read_text()))
    except (ValueError, TypeError):
        return None


def _taken(path: Path, holder: Holder | None) -> InputError:
    who = f"process {holder.pid} on {holder.host}" if holder else "another process"
    return InputError(f"{path.parent}: {who} is at work there; wait for it, or choose another --output")


def _beat(path: Path, finished: threading.Event) -> None:
    while not finished.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):
            path.touch(exist_ok=True)
