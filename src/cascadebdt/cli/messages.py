"""The part of the log that is shown: one line a step and one for each thing to act on; what repeats is counted."""

import logging
import sys
from collections import Counter

import click

PACKAGE = "cascadebdt"
DETAILS = ("cascadebdt.workspace", "cascadebdt.inference")
"""Loggers of what the products hold too, `treatment.json` and `lint.json`; only their warnings are shown."""
COUNTED = "cascadebdt.inference.minimise"
"""Logger of what happens too often to be told one by one."""
N_ALIKE = 2
"""Warnings of one kind that are shown; the others are counted."""


class Repeats(logging.Filter):
    """Lets the first messages of a kind pass and counts the others, and the records that are only to be counted.

    A kind is what a message says before its numbers and names are put in. A record with an attribute `counted`, a
    sentence with a place for a number, is never shown; the sentence is, once, with the sum of its first argument.

    Parameters
    ----------
    verbose : let everything pass
    """

    def __init__(self, *, verbose: bool) -> None:
        super().__init__()
        self.verbose = verbose
        self.seen: Counter[tuple[str, str]] = Counter()
        self.first: dict[tuple[str, str], str] = {}
        self.sums: Counter[str] = Counter()

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is shown."""
        counted = getattr(record, "counted", None)
        if counted is not None:
            first = next(iter(record.args), 1) if isinstance(record.args, tuple) else 1
            self.sums[counted] += first if isinstance(first, int) else 1
            return self.verbose
        if self.verbose or record.levelno < logging.WARNING:
            return self.verbose or not record.name.startswith(DETAILS)
        if record.msg == "%s":
            return True
        template = record.name, str(record.msg)
        self.first.setdefault(template, record.getMessage())
        self.seen[template] += 1
        return self.seen[template] <= N_ALIKE

    def told(self) -> list[str]:
        """Return what was counted, a line each."""
        more = {self.first[template]: n - N_ALIKE for template, n in self.seen.items() if n > N_ALIKE}
        lines = [f"WARNING: {n} more like '{first}'; --verbose shows them" for first, n in more.items()]
        return [*lines, *(f"INFO: {_counted(sentence, n)}" for sentence, n in self.sums.items() if not self.verbose)]


def _counted(sentence: str, n: int) -> str:
    return sentence.format(n).replace(" 1 times", " once")


def log_to_stderr(*, quiet: bool, verbose: bool = False) -> None:
    """Show the messages of this package, of others only warnings.

    Parameters
    ----------
    quiet : only warnings of this package, too
    verbose : everything, details included
    """
    package = logging.getLogger(PACKAGE)
    package.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    logging.getLogger(COUNTED).setLevel(logging.WARNING if quiet else logging.DEBUG)
    root = logging.getLogger()
    if root.handlers:  # of a program that has its own
        return
    handler, repeats = logging.StreamHandler(sys.stderr), Repeats(verbose=verbose)
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.addFilter(repeats)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)

    def tell() -> None:
        for line in repeats.told():
            click.echo(line, err=True)

    click.get_current_context().call_on_close(tell)
