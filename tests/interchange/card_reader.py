"""A reader of Combine data cards, written from Combine's documentation and independent of the writer.

It knows counting and shape cards, lnN, shape, gmN, rateParam and autoMCStats, and returns plain numbers.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import uproot
from numpy.typing import NDArray

Array = NDArray[np.float64]
Cell = tuple[str, str]


@dataclass
class Card:
    """What a card says, by (bin, process)."""

    rates: dict[Cell, Array] = field(default_factory=dict)
    errors: dict[Cell, Array] = field(default_factory=dict)
    observed: dict[str, Array] = field(default_factory=dict)
    signals: set[str] = field(default_factory=set)
    log_normal: dict[tuple[str, Cell], tuple[float, float]] = field(default_factory=dict)
    templates: dict[tuple[str, Cell], tuple[Array, Array]] = field(default_factory=dict)
    gamma: dict[tuple[str, Cell], tuple[int, float]] = field(default_factory=dict)
    free: dict[Cell, list[str]] = field(default_factory=dict)
    statistics: dict[str, bool] = field(default_factory=dict)


def read(path: Path, *, mass: str = "") -> Card:
    """Read a card and its shapes; `mass` takes the place of $MASS."""
    lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith(("-", "#"))]
    first = {
        key: [words[1:] for words in lines if words[0] == key] for key in ("bin", "process", "rate", "observation")
    }
    columns = list(zip(first["bin"][1], first["process"][0], strict=True))
    card = Card(signals={name for name, number in zip(*first["process"], strict=True) if int(number) <= 0})
    shapes = _shapes(lines)
    for place, rate in zip(columns, first["rate"][0], strict=True):
        card.rates[place], card.errors[place] = _template(path, shapes, place, mass) or (
            np.array([float(rate)]),
            np.zeros(1),
        )
    for region, events in zip(first["bin"][0], first["observation"][0], strict=True):
        found = _template(path, shapes, (region, "data_obs"), mass)
        card.observed[region] = found[0] if found else np.array([float(events)])
    for words in lines:
        _read_line(card, words, columns, path, shapes, mass)
    return card


def _shapes(lines: list[list[str]]) -> list[list[str]]:
    return [words[1:] for words in lines if words[0] == "shapes" and words[3] != "FAKE"]


def _template(
    path: Path, shapes: list[list[str]], place: Cell, mass: str, systematic: str = ""
) -> tuple[Array, Array] | None:
    """Return values and errors of a histogram, the more specific rule first."""
    region, process = place
    rules = [rule for rule in shapes if rule[1] in (region, "*") and rule[0] in (process, "*")]
    if not rules:
        return None
    rule = sorted(rules, key=lambda rule: rule[0] == "*")[0]
    name = rule[4] if systematic else rule[3]
    for key, value in (("$PROCESS", process), ("$CHANNEL", region), ("$MASS", mass), ("$SYSTEMATIC", systematic)):
        name = name.replace(key, value)
    with uproot.open(path.parent / rule[2]) as file:
        histogram = file[name]
        return np.asarray(histogram.values(), np.float64), np.asarray(histogram.errors(), np.float64)


def _read_line(
    card: Card, words: list[str], columns: list[Cell], path: Path, shapes: list[list[str]], mass: str
) -> None:
    name, kind = words[0], words[1] if len(words) > 1 else ""
    if kind == "autoMCStats":
        for region in card.observed:
            if name in (region, "*"):
                card.statistics[region] = len(words) > 3 and bool(int(words[3]))
    elif kind == "rateParam":
        card.free.setdefault((words[2], words[3]), []).append(name)
    elif kind in ("lnN", "shape", "gmN"):
        values = words[3:] if kind == "gmN" else words[2:]
        for place, value in zip(columns, values[: len(columns)], strict=True):  # a comment may follow
            if value == "-":
                continue
            if kind == "lnN":
                down, up = value.split("/") if "/" in value else (str(1 / float(value)), value)
                card.log_normal[name, place] = float(down), float(up)
            elif kind == "gmN":
                card.gamma[name, place] = int(words[2]), float(value)
            else:
                ends = [_template(path, shapes, place, mass, f"{name}{side}") for side in ("Up", "Down")]
                assert ends[0] is not None
                assert ends[1] is not None
                card.templates[name, place] = ends[0][0], ends[1][0]
