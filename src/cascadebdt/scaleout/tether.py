"""A command line of the package in a process that ends with the one that started it, even where that is killed.

    python -m cascadebdt.scaleout.tether run CONFIG

Standard input is the tether: a pipe whose other end the parent holds, and which the kernel closes when the parent dies.
Otherwise the node of a worker that was killed would live on, and keep its next try out of the folder.
"""

import os
import runpy
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command line of the package, tied to this process.

    Parameters
    ----------
    arguments : of the command line
    environment : variables that are added to those of this process
    """
    far, near = os.pipe()
    try:
        return subprocess.run(
            [sys.executable, "-m", __name__, *arguments],
            stdin=far,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **environment},
        )
    finally:
        os.close(far)
        os.close(near)


def _end_with_parent() -> None:
    """Wait for the end of standard input, into which nobody writes, and end."""
    os.read(sys.stdin.fileno(), 1)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    runpy.run_module("cascadebdt", run_name="__main__", alter_sys=True)
