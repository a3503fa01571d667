"""The parameters that multiply rates of a data card, and those that are held constant."""

import logging
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

from cascadebdt.interchange.card_templates import WIDEST, Cell, Settings
from cascadebdt.interchange.card_text import POI, Card, Column, Line

logger = logging.getLogger(__name__)

PRODUCT = re.compile(r"\(?\s*@\d+(\s*\*\s*@\d+)*\s*\)?")


def add_rate_parameters(card: Card, cells: Sequence[Cell], settings: Settings) -> None:
    """Add the parameters that multiply rates."""
    constrained = {line.words[0]: line for line in card.parameters["param"]}
    free = {line.words[0]: _free(line, line.at(2, "a value"), line.words[3:4]) for line in card.parameters["extArg"]}
    defined = {line.words[0] for line in card.parameters["rateParam"]} | set(constrained) | set(free)
    used: set[str] = set()
    for line in card.parameters["rateParam"]:
        value = line.at(4, "a value or a formula")
        names = _factors(line, value, defined)
        _check_free(card, line, names)
        if names == [line.words[0]]:
            free[names[0]] = _free(line, value, line.words[5:6])
        used |= set(names)
        for cell in cells:
            if _concerns(line, cell.column):
                for name in names:
                    cell.add(name, "lumi" if name in constrained else "normfactor")
    settings |= {name: setting for name, setting in free.items() if name in used}
    settings |= {name: _gaussian(line) for name, line in constrained.items() if name in used}
    for line in (line for name, line in constrained.items() if name not in used):
        logger.info("%s, line %d: not used, nothing depends on '%s'", card.path, line.number, line.words[0])


def _check_free(card: Card, line: Line, names: Sequence[str]) -> None:
    """Require that no parameter of a rate is anything else."""
    taken = {POI, *(item.name for item in card.systematics)}
    if wrong := [name for name in names if name in taken]:
        raise line.error(f"'{wrong[0]}' is also a systematic or the signal strength")


def _concerns(line: Line, column: Column) -> bool:
    """Return whether a ``rateParam`` multiplies a process; names may have the wildcards of a shell."""
    region, process = line.at(2, "a bin"), line.at(3, "a process")
    return fnmatchcase(column.region, region) and fnmatchcase(column.process, process)


def _factors(line: Line, value: str, defined: set[str]) -> list[str]:
    """Return the parameters of a ``rateParam``: itself, or the factors of a product."""
    if re.fullmatch(r"[-+.\deE]+", value):
        line.value(value, "start")
        return [line.words[0]]
    if not PRODUCT.fullmatch(value):
        raise line.error(f"the formula '{value}' has no counterpart in HistFactory, which has products only")
    arguments = line.at(5, "the arguments of the formula").split(",")
    numbers = [int(number) for number in re.findall(r"@(\d+)", value)]
    if len(set(numbers)) != len(numbers) or max(numbers) >= len(arguments):
        raise line.error(f"expected each argument once in the formula '{value}' of {len(arguments)} arguments")
    names = [arguments[number] for number in numbers]
    if unknown := [name for name in names if name not in defined]:
        raise line.error(f"the parameter '{unknown[0]}' of the formula is not defined by a rateParam, extArg or param")
    return names


def _free(line: Line, value: str, ranges: Sequence[str]) -> dict[str, Any]:
    """Return start and range of a parameter without constraint."""
    start = line.value(value, "start")
    if not ranges:
        if line.words[1] == "extArg":
            return {"inits": [start], "bounds": [[min(start, 0.0), max(start, 0.0) + 1.0]], "fixed": True}
        reach = WIDEST * max(abs(start), 1.0)
        return {"inits": [start], "bounds": [[-reach, reach]]}
    return {"inits": [start], "bounds": [_range(line, ranges[0])]}


def _range(line: Line, word: str) -> list[float]:
    ends = word.strip("[]").split(",")
    if len(ends) != 2:
        raise line.error(f"expected a range as '[low,high]', got '{word}'")
    return [line.value(end, "end of a range") for end in ends]


def _gaussian(line: Line) -> dict[str, Any]:
    """Return center and width of a parameter with a Gaussian constraint."""
    center, width = line.value(line.at(2, "a mean"), "mean"), line.at(3, "a standard deviation")
    sides = [abs(line.value(side, "standard deviation")) for side in width.split("/")]
    if len(set(sides)) != 1 or not sides[0] > 0:
        raise line.error(f"'{width}' is not one width: a constraint with two widths has no counterpart in HistFactory")
    bounds = _range(line, line.words[4]) if len(line.words) > 4 else [center - 10 * sides[0], center + 10 * sides[0]]
    return {"auxdata": [center], "sigmas": [sides[0]], "inits": [center], "bounds": [bounds]}


def freeze(card: Card, settings: Settings) -> None:
    """Hold parameters constant."""
    for line in card.parameters["freeze"]:
        name = line.at(3, "the name of a parameter")
        settings[name] = {**settings.get(name, {}), "fixed": True}
