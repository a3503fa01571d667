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
from typing import Self

from cascadebdt.errors import InputError

NAME = ".lock"
HEARTBEAT_SECONDS = 20.0
STALE_SECONDS = 600.0  # of silence, after which the holder on another machine is taken for dead
NODE = "CASCADEBDT_NODE"  # environment variable with the node of a plan that a batch job is
NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)  # from file systems that cannot lock


@dataclass(frozen=True)
class Holder:
    """The process at work in a folder.

    Attributes
    ----------
    host : name of its machine
    pid : its number there
    node : of a plan, which it does as a batch job; None if it is none
    """

    host: str
    pid: int
    node: str | None = None

    @classmethod
    def here(cls) -> Self:
        """Return this process."""
        return cls(platform.node(), os.getpid(), os.environ.get(NODE))

    def may_live_beside(self, other: Self) -> bool:
        """Whether this process may still run while another one starts, on another machine.

        A batch system starts a node anew only where its machine was lost, or it was evicted.
        """
        return self.host != other.host and (self.node is None or self.node != other.node)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder during a block; a folder that is still empty at its end goes.

    The lock is the kernel's (``flock``), which ends with the process. Not every shared file system shows it to other
    machines: there the holder named in the file counts as alive for `STALE_SECONDS` after it last touched the file,
    which it does every `HEARTBEAT_SECONDS`.

    Raises
    ------
    InputError
        If another process holds it.
    OSError
        If the folder cannot be made or written to.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / NAME
    descriptor = _acquired(path)
    finished = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, finished), daemon=True)
    heart.start()
    try:
        yield
    finally:
        finished.set()
        heart.join()
        path.unlink(missing_ok=True)
        os.close(descriptor)
        with suppress(OSError):
            folder.rmdir()


def _acquired(path: Path) -> int:
    """Return the descriptor of the locked file."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _acquire(descriptor, path)
        except BaseException:
            os.close(descriptor)
            raise
        # Between opening and locking, the holder before may have removed the file: a lock on a file that no longer has
        # this name keeps nobody out.
        if _is_at(descriptor, path):
            return descriptor
        os.close(descriptor)


def _acquire(descriptor: int, path: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise _taken(path, _holder(descriptor)) from None
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    holder = _holder(descriptor)
    own = Holder.here()
    if holder and holder.may_live_beside(own) and time.time() - os.fstat(descriptor).st_mtime < STALE_SECONDS:
        raise _taken(path, holder)
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(asdict(own)).encode(), 0)


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _holder(descriptor: int) -> Holder | None:
    """Return the process named in the file, if there is one: a process killed while it wrote leaves nothing to read."""
    try:
        return Holder(**json.loads(os.pread(descriptor, 4096, 0)))
    except (OSError, ValueError, TypeError):
        return None


def _taken(path: Path, holder: Holder | None) -> InputError:
    who = f"process {holder.pid} on {holder.host}" if holder else "another process"
    return InputError(f"{path.parent}: {who} is at work there; wait for it, or choose another --output")


def _beat(path: Path, finished: threading.Event) -> None:
    while not finished.wait(HEARTBEAT_SECONDS):
        with suppress(OSError):
            path.touch(exist_ok=True)
