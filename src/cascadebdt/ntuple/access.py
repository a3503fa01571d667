"""Opening files, here or behind a server: which faults may pass, and what is said about those that do not."""

import errno
import logging
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import uproot

from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError, InputError, TransientInputError, did_you_mean
from cascadebdt.ntuple.verified import (
    DamageError,
    LocalSource,
    RemoteSource,
    VerifiedRNTuple,
    require_complete,
    require_counts,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

SEPARATOR = " | "  # between the replicas of a location
REMOTE = re.compile(r"^[A-Za-z][A-Za-z0-9+.-]*://")
EXTRAS = {"root": "xrootd", "roots": "xrootd", "xroot": "xrootd", "http": "https", "https": "https"}
TREES = ("TTree", "TNtuple", "ROOT::RNTuple")
PASSING = re.compile(
    r"time[d ]*-?out|operation expired|temporar|try again|connection (error|reset|refused|closed)|disconnected|"
    r"too many requests|service unavailable|bad gateway|gateway time|\b(429|500|502|503|504)\b|redirect limit",
    re.IGNORECASE,
)
PASSING_NUMBERS = {
    *(errno.EAGAIN, errno.EBUSY, errno.EINTR, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENETUNREACH),
    *(errno.EHOSTUNREACH, errno.ECONNRESET, errno.ECONNREFUSED, errno.ECONNABORTED, errno.EPIPE, errno.ENETDOWN),
}


def is_remote(location: str) -> bool:
    """Return whether a location is a URL, or stands for several replicas, which are read as URLs are."""
    return SEPARATOR in location or bool(REMOTE.match(location))


def replicas(location: str) -> list[str]:
    """Return the names of a location, each of which is enough to read it."""
    return location.split(SEPARATOR)


def places(location: str, config: NtupleConfig) -> list[str]:
    """Return where the content of a location lies, in the order in which it is tried: as named, then elsewhere."""
    named = replicas(location)
    elsewhere = (
        other + replica.removeprefix(prefix)
        for replica in named
        for prefix, others in config.replicas.items()
        if replica.startswith(prefix)
        for other in others
    )
    return list(dict.fromkeys([*named, *elsewhere]))


def relative(location: str, directory: Path) -> str:
    """Return the name of a location by which results know it: relative to a folder, the first of several replicas."""
    first = replicas(location)[0]
    return first if REMOTE.match(first) else os.path.relpath(first, directory)


def of_any(location: str, action: Callable[[str], T], config: NtupleConfig) -> T:
    """Return what `action` returns for the first replica with which it succeeds.

    All replicas are tried again after a pause where a fault of one may pass.

    Raises
    ------
    FileError, TransientInputError
        If no replica can be read.
    """
    every = places(location, config)
    return attempt(lambda: _of_first(location, every, action), config)


def _of_first(location: str, every: Sequence[str], action: Callable[[str], T]) -> T:
    errors: list[FileError] = []
    for replica in every:
        try:
            return action(replica)
        except FileError as error:
            if len(every) == 1:
                raise
            errors.append(error)
            log.warning("%s; another replica is read, if there is one", error)
    may_pass = any(isinstance(error, TransientInputError) for error in errors)
    what = f"{every[0]}: none of its {len(every)} replicas can be read ({'; '.join(map(str, errors))})"
    raise (TransientInputError if may_pass else FileError)(what, location=location) from errors[-1]


def attempt(action: Callable[[], T], config: NtupleConfig) -> T:
    """Return what `action` returns, trying again after faults that may pass.

    Raises
    ------
    TransientInputError
        If the last of ``config.retries + 1`` attempts fails in such a way too.
    """
    for retry in range(config.retries):
        try:
            return action()
        except TransientInputError as error:
            pause = config.retry_seconds * 2**retry
            log.warning("%s; retry %d of %d in %g s", error, retry + 1, config.retries, pause)
            time.sleep(pause)
    return action()


@contextmanager
def opened(location: str) -> Iterator[Any]:
    """Open a ROOT file; what goes wrong, here or while it is used, becomes one sentence."""
    with reading(location), open_file(location) as file:
        yield file


def open_file(location: str) -> Any:
    """Return an open ROOT file, which the caller closes.

    Local files are read, not mapped, and nothing is cached: mapped pages would count as this process's memory, and
    caches live on after their file is closed, so that memory would grow with the size and number of the files.
    """
    if is_remote(location):
        return uproot.open(location, handler=RemoteSource, array_cache=None, object_cache=None)
    file = uproot.open(location, handler=LocalSource, num_workers=1, array_cache=None, object_cache=None)
    try:
        require_complete(file)
    except DamageError:
        file.close()
        raise
    return file


@contextmanager
def reading(location: str) -> Iterator[None]:
    """Turn what uproot and its sources raise into one sentence."""
    try:
        yield
    except InputError:
        raise
    except DamageError as error:
        raise FileError(
            f"{location}: the file is damaged, {error}; fetch or make it again", location=location
        ) from error
    except FileNotFoundError as error:
        raise FileError(f"{location}: no such file", location=location) from error
    except PermissionError as error:
        raise FileError(f"{location}: not readable: permission denied", location=location) from error
    except ImportError as error:
        raise InputError(_missing_extra(location, error)) from error
    except Exception as error:  # uproot, its decompressors and sources raise many types on bad bytes and connections
        reason = (" ".join(str(error).split()) or type(error).__name__)[:160]
        if "CERTIFICATE_VERIFY_FAILED" in str(error):
            what = "the certificate of the server is not trusted; name the file of your site's certificates in the"
            raise FileError(f"{location}: {what} environment variable SSL_CERT_FILE", location=location) from error
        if may_pass(error):
            raise TransientInputError(f"{location}: reading failed ({reason})", location=location) from error
        raise FileError(
            f"{location}: not a readable ROOT file, it may be truncated or of another kind ({reason})",
            location=location,
        ) from error


def may_pass(error: BaseException) -> bool:
    """Return whether the fault behind an exception may be gone at the next attempt."""
    if isinstance(error, TimeoutError | ConnectionError):
        return True
    if isinstance(error, OSError) and error.errno in PASSING_NUMBERS:
        return True
    return bool(PASSING.search(str(error)))


def _missing_extra(location: str, error: ImportError) -> str:
    scheme = location.partition("://")[0]
    extra = EXTRAS.get(scheme)
    reason = " ".join(str(error).split())[:120]
    cure = f"; install it: pip install 'cascadebdt[{extra}]'" if extra else f" ({reason})"
    return f"{location}: reading {scheme}:// needs an extra package that is not installed{cure}"


def is_rntuple(tree: Any) -> bool:
    """Return whether a tree is an RNTuple."""
    return hasattr(tree, "ntuple")


def trees_in(file: Any) -> list[str]:
    """Return the names of the trees of an open file, with their directories, each once."""
    classes = file.classnames(cycle=False).items()
    return [name for name, kind in classes if kind.startswith(TREES)]


def tree_in(file: Any, location: str, name: str) -> Any:
    """Return the tree of the highest cycle called `name`."""
    trees = trees_in(file)
    if name not in trees:
        known = ", ".join(trees) or "none"
        raise InputError(f"{location}: no tree '{name}'{did_you_mean(name, trees)} (trees: {known})")
    # Classes of its own for this file alone: what uproot makes from a damaged file would spoil the next one.
    if file.classname_of(name) == "ROOT::RNTuple":
        file.file.custom_classes = {**uproot.classes, "ROOT::RNTuple": VerifiedRNTuple}
    tree = file[name]
    if not is_rntuple(tree):
        require_counts(tree)
    return tree


def require(known: Collection[str], names: Collection[str], *, where: str) -> None:
    """Require that all `names` are branches."""
    for name in names:
        if name not in known:
            raise InputError(f"{where}: no branch '{name}'{did_you_mean(name, known)}")
