"""The processes and the histograms of a data card."""

from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.interchange.card_text import COUNTING, Card, Column, Line

Modifier = dict[str, Any]
Settings = dict[str, dict[str, Any]]
"""Parameter -> its start, bounds and constraint, as in a measurement."""

TOLERANCE = 0.02
"""By which a rate may differ from its template's integral, or a ``gmN`` from count times weight, as in Combine."""

WIDEST = 20.0
"""Range of the signal strength, and how many times its start a rate may grow for which the card states no range."""


@dataclass(eq=False)
class Cell:
    """One process in one bin, as a sample that grows."""

    column: Column
    nominal: FloatArray
    errors: FloatArray
    scale: float
    modifiers: list[Modifier] = field(default_factory=list)

    def add(self, name: str, kind: str, data: Any = None) -> None:
        """Append a modifier."""
        self.modifiers.append({"name": name, "type": kind, "data": data})

    @property
    def sample(self) -> dict[str, Any]:
        """The sample."""
        return {"name": self.column.process, "data": self.nominal.tolist(), "modifiers": self.modifiers}


class Templates:
    """The histograms of a card; files stay open until `close`."""

    def __init__(self, card: Card, mass: str) -> None:
        self._card, self._mass = card, mass
        self._files: dict[Path, Any] = {}
        self._open = ExitStack()

    def __enter__(self) -> "Templates":
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def find(self, region: str, process: str, systematic: str = "") -> tuple[FloatArray, FloatArray] | None:
        """Return values and errors of a histogram, None in a bin that has no shapes.

        Raises
        ------
        InputError
            If there is no such file or histogram.
        """
        line = self._rule(region, process)
        if line is None:
            return None
        name = self._name(line, region, process, systematic)
        histogram = self._histogram(line, name)
        return np.asarray(histogram.values(), np.float64), np.asarray(histogram.errors(), np.float64)

    def has(self, region: str, process: str, systematic: str) -> bool:
        """Return whether there is a histogram of a variation."""
        line = self._rule(region, process)
        if line is None or len(line.words) < 6:
            return False
        return self._name(line, region, process, systematic) in self._file(line)

    def _rule(self, region: str, process: str) -> Line | None:
        """Return the line that says where a histogram is: lines of this bin go before ``*``, of this process, too."""
        for where in (region, "*"):
            rules = [line for line in self._card.shapes if line.words[2] == where]
            for what in (process, "*"):
                if matching := [line for line in rules if line.words[1] == what]:
                    return None if matching[-1].words[3] == COUNTING else matching[-1]
        return None

    def _name(self, line: Line, region: str, process: str, systematic: str) -> str:
        name = line.at(5, "the name of variations") if systematic else line.at(4, "the name of a histogram")
        words = {"PROCESS": process, "CHANNEL": region, "MASS": self._mass, "SYSTEMATIC": systematic}
        for key, word in words.items():
            name = name.replace(f"${key}", word)
        if ":" in name:
            raise line.error(f"'{name}' is in a RooFit workspace; HistFactory has histograms only")
        return name

    def _file(self, line: Line) -> Any:
        import uproot  # it loads slowly, and a workspace needs none

        path = line.path.parent / line.words[3]
        if path not in self._files:
            try:
                self._files[path] = self._open.enter_context(uproot.open(path))
            except FileNotFoundError:
                raise line.error(f"no file {path}") from None
            except Exception as error:  # uproot's have no common base
                raise line.error(f"{path} is not a readable ROOT file ({type(error).__name__})") from None
        return self._files[path]

    def _histogram(self, line: Line, name: str) -> Any:
        file = self._file(line)
        if name not in file:
            raise line.error(f"no histogram '{name}' in {line.words[3]}")
        histogram = file[name]
        if not getattr(histogram, "classname", "").startswith("TH1"):
            raise line.error(f"'{name}' in {line.words[3]} is no one-dimensional histogram")
        return histogram
