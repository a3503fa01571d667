"""The exception family.

::

    CascadeBDTError
    ├── ConfigError      a configuration is wrong
    │   └── BranchError  an expression names a branch that files lack
    ├── InputError       an input file or array is wrong
    │   └── FileError    a file cannot be opened or read
    │       └── TransientInputError   in a way that may pass: retry
    ├── TrainingError    a stage cannot be trained
    ├── YieldError       yields or templates cannot be built
    └── FitError         a fit failed or is not to be trusted

A message is one sentence that says where, what is wrong, what was expected and, if known, the cure.
The command line prints this family as one line; any other exception is a bug and keeps its traceback.
"""

import difflib
from collections.abc import Iterable

MAX_MESSAGE = 1500  # characters


class CascadeBDTError(Exception):
    """Base of every error a user can cause or meet.

    Examples
    --------
    >>> try:
    ...     cb.load_config("nothing.yaml")
    ... except cb.CascadeBDTError as error:
    ...     message = str(error)
    """

    def __str__(self) -> str:
        """Return the message in one line, whatever the names in it hold."""
        return one_line(super().__str__())


class ConfigError(CascadeBDTError):
    """A configuration is wrong."""


class BranchError(ConfigError):
    """An expression names a branch that files lack; `branch` is its name."""

    def __init__(self, message: str, *, branch: str) -> None:
        super().__init__(message)
        self.branch = branch


class InputError(CascadeBDTError):
    """An input file or array is wrong."""


class FileError(InputError):
    """A file cannot be opened or read; `location` is its path or URL."""

    def __init__(self, message: str, *, location: str = "") -> None:
        super().__init__(message)
        self.location = location


class TransientInputError(FileError):
    """Reading failed in a way that may pass, such as a time-out of a server."""


class TrainingError(CascadeBDTError):
    """A stage cannot be trained."""


class YieldError(CascadeBDTError):
    """Yields or templates cannot be built."""


class FitError(CascadeBDTError):
    """A fit failed or is not to be trusted."""


def one_line(text: str) -> str:
    """Return a text in one line of bounded length: what cannot be printed is escaped, the middle of a long text cut.

    Names and values of a file may hold line breaks, control characters of a terminal, or a megabyte.
    """
    line = "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)
    return line if len(line) <= MAX_MESSAGE else f"{line[: MAX_MESSAGE // 2]} ... {line[-MAX_MESSAGE // 3 :]}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name closest to `name`, or an empty string."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else ""
