"""Actions in a process of their own: for faults that may crash the interpreter, or leave it in another state."""

import json
import os
import select
import signal
import time
import traceback
from collections.abc import Callable
from typing import Any


def isolated(action: Callable[[], Any], *, seconds: float) -> Any:
    """Run an action in a forked process and return its result, which JSON must be able to hold.

    Raises
    ------
    TimeoutError
        If it does not end in time; the process is then killed.
    RuntimeError
        If it raises an exception, with the traceback, or if the process dies.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _report(action, writing)
    os.close(writing)
    try:
        said = _read(reading, time.monotonic() + seconds)
    except TimeoutError:
        os.kill(child, signal.SIGKILL)
        raise
    finally:
        os.close(reading)
        _, status = os.waitpid(child, 0)
    if not said:
        raise RuntimeError(f"the process died, status {status}")
    result = json.loads(said)
    if "error" in result:
        raise RuntimeError(result["error"])
    return result["value"]


def _report(action: Callable[[], Any], writing: int) -> None:
    """Write what an action returns or raises, and end this process without the duties of its parent."""
    try:
        content = {"value": action()}
    except BaseException:
        content = {"error": traceback.format_exc()}
    try:
        with os.fdopen(writing, "w") as pipe:
            json.dump(content, pipe)
    finally:
        os._exit(0)


def _read(descriptor: int, until: float) -> bytes:
    said = b""
    while True:
        ready, _, _ = select.select([descriptor], [], [], max(0.0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        part = os.read(descriptor, 65536)
        if not part:
            return said
        said += part
