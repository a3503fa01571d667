"""Generated modules and where their machine code is kept.

The source goes into ``NUMBA_CACHE_DIR`` if that is set, else into the user's cache directory, under its own hash, and
Numba keeps the machine code next to it; if that directory cannot be written, both live as long as this process.
Any number of processes may do this at once: the file appears in one step, with a fixed time stamp, because Numba
takes machine code as valid for one time stamp of the source.
"""

import functools
import hashlib
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType

from cascadebdt.atomic import draft

TIME_STAMP = 1_000_000_000
MAKING = threading.Lock()


@functools.cache
def load(source: str, kernels: Sequence[ModuleType]) -> Callable[..., None]:
    """Return the function ``evaluate`` of a generated module.

    Parameters
    ----------
    source : of the module
    kernels : modules whose compiled functions it calls: Numba does not notice when their sources change
    """
    name = f"cascadebdt_{hashlib.sha256((source + _sources(kernels)).encode()).hexdigest()[:24]}"
    try:
        path = _keep(_cache_directory() / f"{name}.py", source)
    except (OSError, RuntimeError):
        path = _keep(_process_directory() / f"{name}.py", source)
    module = ModuleType(name)
    sys.modules[name] = module
    exec(compile(source, path, "exec"), module.__dict__)
    evaluate: Callable[..., None] = module.__dict__["evaluate"]
    return evaluate


def _sources(modules: Sequence[ModuleType]) -> str:
    return "".join(Path(str(module.__file__)).read_text(encoding="utf-8") for module in modules)


def _cache_directory() -> Path:
    """Return the directory for generated modules of all processes; RuntimeError if the user has no home."""
    if numba := os.environ.get("NUMBA_CACHE_DIR"):
        return Path(numba) / "cascadebdt"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cascadebdt"


def _process_directory() -> Path:
    """Return the directory for generated modules of this process, removed at its end."""
    with MAKING:  # two threads at once would make two, and the one that is not kept vanishes under its thread
        return Path(_made().name)


@functools.cache
def _made() -> "tempfile.TemporaryDirectory[str]":
    return tempfile.TemporaryDirectory(prefix="cascadebdt_")


def _keep(path: Path, source: str) -> Path:
    """Write `source` to `path` in one step; OSError if the directory is not writable."""
    with draft(path) as place:
        place.write_text(source, encoding="utf-8")
        os.utime(place, (TIME_STAMP, TIME_STAMP))
    return path
