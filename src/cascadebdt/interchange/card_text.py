"""The text of a Combine data card: what its lines say, before any of it is a model.

A card has a header, up to the line ``rate``, with one column per pair of bin and process, and below it one line per
systematic or parameter. Like Combine, the reader passes over header lines that it does not know, and over what follows
the last column of a line.

References
----------
Combine documentation, "Setting up the analysis"; its parser, ``DatacardParser.py``, where the documentation is silent.
"""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cascadebdt.errors import InputError

logger = logging.getLogger(__name__)

POI = "r"
DATA = "data_obs"
COUNTING = "FAKE"
SIZES = ("imax", "jmax", "kmax")
WITH_COLUMNS = ("lnN", "lnU", "trG", "gmN", "shape", "shape?", "shapeN", "shapeN2")
"""Kinds of systematics that have one entry per column."""

NOT_EXPRESSIBLE = {
    "shapeU": "a flat prior of a shape",
    "unif": "a flat prior",
    "dFD": "a double Fermi-Dirac function",
    "dFD2": "a double Fermi-Dirac function",
    "discrete": "a choice between functions",
}
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Line:
    """A line with its number, from 1."""

    path: Path
    number: int
    words: tuple[str, ...]

    def error(self, text: str) -> InputError:
        """Return an error that names the line."""
        return InputError(f"{self.path}, line {self.number}: {text}")

    def at(self, index: int, what: str) -> str:
        """Return a word that must be there."""
        if index >= len(self.words):
            raise self.error(f"expected {what} as word {index + 1}, the line has {len(self.words)}")
        return self.words[index]

    def value(self, word: str, what: str) -> float:
        """Return a word as a number."""
        if not NUMBER.fullmatch(word):
            raise self.error(f"expected a number as {what}, got '{word}'")
        return float(word)


@dataclass(frozen=True)
class Column:
    """One process in one bin; a `rate` of -1 stands for the integral of its template."""

    region: str
    process: str
    is_signal: bool
    rate: float


@dataclass(frozen=True)
class Systematic:
    """A line with one entry per column, ``-`` where there is no effect.

    Attributes
    ----------
    count : events of the control sample, of a ``gmN``
    """

    line: Line
    name: str
    kind: str
    count: int
    entries: tuple[str, ...]


@dataclass(frozen=True)
class Card:
    """The content of a card.

    Attributes
    ----------
    observed : events per bin, -1 for the integral of its histogram
    columns : in the order of the card
    shapes : lines ``shapes PROCESS BIN FILE NAME [NAME_OF_VARIATIONS]``
    systematics : the lines with columns
    parameters : the other lines, by kind: ``rateParam``, ``param``, ``extArg``, ``autoMCStats``, ``freeze``
    rates : the line ``rate``
    """

    path: Path
    observed: dict[str, float]
    columns: tuple[Column, ...]
    shapes: tuple[Line, ...]
    systematics: tuple[Systematic, ...]
    parameters: dict[str, tuple[Line, ...]]
    rates: Line


@dataclass
class _Header:
    """The lines down to ``rate``."""

    sizes: dict[str, Line] = field(default_factory=dict)
    shapes: list[Line] = field(default_factory=list)
    bins: list[Line] = field(default_factory=list)
    processes: list[Line] = field(default_factory=list)
    observation: Line | None = None
    rate: Line | None = None


def read_text(path: Path) -> Card:
    """Read the text of a card.

    Raises
    ------
    InputError
        Naming the line, if the file is no card or has a line that HistFactory cannot express.
    """
    lines = _lines(path)
    header = _header(path, lines)
    if header.rate is None:
        raise InputError(f"{path}: not a data card, there is no line 'rate'")
    columns = _columns(header, header.rate)
    observed = _observed(path, header, columns)
    below = [line for line in lines if line.number > header.rate.number]
    systematics, parameters = _below(below, len(columns))
    _check_sizes(header, observed, columns, len(systematics) + len(parameters["param"]))
    return Card(path, observed, columns, tuple(header.shapes), systematics, parameters, header.rate)


def _lines(path: Path) -> list[Line]:
    """Return the lines that are neither empty, nor comments, nor rules."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a readable text file ({error})") from None
    numbered = ((number, line.strip()) for number, line in enumerate(text.splitlines(), start=1))
    return [Line(path, n, tuple(line.split())) for n, line in numbered if line and not line.startswith(("#", "--"))]


def _header(path: Path, lines: Sequence[Line]) -> _Header:
    """Sort the lines of the header."""
    header = _Header()
    for line in lines:
        first = line.words[0]
        if first in SIZES:
            header.sizes[first] = line
        elif first == "shapes":
            line.at(3, "a file, or FAKE")
            header.shapes.append(line)
        elif first == "bin":
            header.bins.append(line)
        elif first == "process":
            header.processes.append(line)
        elif first.lower() == "observation":
            header.observation = line
        elif first == "rate":
            header.rate = line
            break
        else:
            logger.info("%s, line %d: not used, a header has no '%s'", path, line.number, first)
    return header


def _bin_name(word: str) -> str:
    """Return the name of a bin; those that begin with a digit are prefixed, as in Combine."""
    return f"bin{word}" if word[0].isdigit() else word


def _columns(header: _Header, rate: Line) -> tuple[Column, ...]:
    """Return the columns."""
    if not header.bins or len(header.processes) != 2:
        raise rate.error("expected above it one line 'bin' and two lines 'process' with one word per column")
    of_bins, of_processes = header.bins[-1], header.processes
    for line in (of_bins, *of_processes):
        if len(line.words) != len(rate.words):
            raise line.error(
                f"expected {len(rate.words) - 1} columns as in line {rate.number}, got {len(line.words) - 1}"
            )
    names, numbers = sorted(of_processes, key=lambda line: all(map(_is_whole, line.words[1:])))
    if not all(map(_is_whole, numbers.words[1:])):
        raise numbers.error("expected the numbers of the processes, 0 and below for signals, in one line 'process'")
    columns = tuple(
        Column(_bin_name(region), process, int(number) <= 0, rate.value(value, "rate"))
        for region, process, number, value in zip(
            of_bins.words[1:], names.words[1:], numbers.words[1:], rate.words[1:], strict=True
        )
    )
    seen: set[tuple[str, str]] = set()
    for column in columns:
        if (place := (column.region, column.process)) in seen:
            raise of_bins.error(f"process '{column.process}' appears twice in bin '{column.region}'")
        seen.add(place)
        if column.rate < 0 and column.rate != -1:
            raise rate.error(f"expected no negative rate but -1, got {column.rate:g}")
    if not any(column.is_signal for column in columns):
        raise numbers.error("no process has a number of 0 or below: there is no signal")
    return columns


def _is_whole(word: str) -> bool:
    return re.fullmatch(r"[-+]?\d+", word) is not None


def _observed(path: Path, header: _Header, columns: Sequence[Column]) -> dict[str, float]:
    """Return the events of each bin."""
    if header.observation is None:
        raise InputError(f"{path}: there is no line 'observation'")
    line, used = header.observation, list(dict.fromkeys(column.region for column in columns))
    names = [_bin_name(word) for word in header.bins[0].words[1:]] if len(header.bins) > 1 else used
    values = line.words[1 : len(names) + 1]
    if len(values) != len(names):
        raise line.error(f"expected one number per bin, {len(names)}, got {len(values)}")
    if missing := [name for name in used if name not in names]:
        raise header.bins[0].error(f"there is no bin '{missing[0]}', which line {header.bins[-1].number} has")
    return {name: line.value(value, "observation") for name, value in zip(names, values, strict=True) if name in used}


def _below(lines: Sequence[Line], n_columns: int) -> tuple[tuple[Systematic, ...], dict[str, tuple[Line, ...]]]:
    """Sort the lines below the header."""
    systematics: list[Systematic] = []
    parameters: dict[str, list[Line]] = {name: [] for name in ("rateParam", "param", "extArg", "autoMCStats", "freeze")}
    for line in lines:
        kind = "freeze" if line.words[:3] == ("nuisance", "edit", "freeze") else line.at(1, "what the line is")
        if kind in WITH_COLUMNS:
            systematics.append(_systematic(line, n_columns))
        elif kind in parameters:
            parameters[kind].append(line)
        elif kind in ("group", "flatParam"):
            logger.info("%s, line %d: not used, it does not change the likelihood: %s", line.path, line.number, kind)
        else:
            raise line.error(_refusal(line, kind))
    return tuple(systematics), {kind: tuple(found) for kind, found in parameters.items()}


def _refusal(line: Line, kind: str) -> str:
    if line.words[0] == "nuisance":
        return f"'nuisance {kind} {' '.join(line.words[2:3])}' is not read; write the card as it is after the edit"
    if kind in NOT_EXPRESSIBLE:
        return f"'{kind}', {NOT_EXPRESSIBLE[kind]}, has no counterpart in HistFactory"
    return f"expected one of {', '.join(WITH_COLUMNS)}, rateParam, param or autoMCStats as word 2, got '{kind}'"


def _systematic(line: Line, n_columns: int) -> Systematic:
    """Read a line with columns; what follows them is a comment."""
    kind = line.words[1]
    first = 3 if kind == "gmN" else 2
    count = line.at(2, "the events of the control sample") if kind == "gmN" else "0"
    if not count.isdigit():
        raise line.error(f"expected a whole number of events of the control sample, got '{count}'")
    entries = line.words[first : first + n_columns]
    if len(entries) != n_columns:
        raise line.error(f"expected {n_columns} columns, got {len(entries)}")
    name = line.words[0]
    return Systematic(line, f"theta{name}" if name[0].isdigit() else name, kind, int(count), entries)


def _check_sizes(header: _Header, observed: dict[str, float], columns: Sequence[Column], n_nuisances: int) -> None:
    """Require the sizes that the card states."""
    found: dict[str, Callable[[], int]] = {
        "imax": lambda: len(observed),
        "jmax": lambda: len({column.process for column in columns}) - 1,
        "kmax": lambda: n_nuisances,
    }
    what = {"imax": "bins", "jmax": "processes less one", "kmax": "systematics"}
    for name, line in header.sizes.items():
        stated = line.at(1, "a number, or *")
        if stated != "*" and line.value(stated, name) != found[name]():
            raise line.error(f"states {stated} {what[name]}, the card has {found[name]()}; write '{name} *'")
