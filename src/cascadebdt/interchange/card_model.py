"""A Combine data card as a HistFactory workspace.

=============================  ================================================================================
Combine                        HistFactory
=============================  ================================================================================
process numbers 0 and below    ``normfactor`` r, the parameter of interest
``lnN``                        ``normsys``; one number k stands for 1/k and k
``shape``                      ``normsys`` and ``histosys`` of templates with the nominal integral
``shapeN``, ``shapeN2``        the same: equal at -1, 0 and +1, between and beyond these Combine has logarithms
``gmN``                        one bin of one process: ``shapesys``; else a region more, which holds the count
``rateParam``                  ``normfactor``, of a product one each; ``lumi`` if a ``param`` constrains it
``autoMCStats``                ``staterror``; below its threshold one ``shapesys`` or ``staterror`` per process
``nuisance edit freeze``       a constant parameter
=============================  ================================================================================

References
----------
Combine documentation, "Setting up the analysis"; Conway, arXiv:1103.0354 (statistics of simulation).
"""

import logging
import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import InputError
from cascadebdt.interchange.card_text import COUNTING, DATA, Card, Column, Line, Systematic, read_text

logger = logging.getLogger(__name__)

POI = "r"
MASS = "120"
"""What Combine puts in the place of ``$MASS`` unless told otherwise."""

WIDEST = 20.0
"""Range of the signal strength, and how many times its start a rate may grow for which the card states no range."""

TOLERANCE = 0.02
"""By which a rate may differ from its template's integral, or a ``gmN`` from count times weight, as in Combine."""

PRODUCT = re.compile(r"\(?\s*@\d+(\s*\*\s*@\d+)*\s*\)?")
Modifier = dict[str, Any]


@dataclass(eq=False)
class _Cell:
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


def read_card(path: Path, *, mass: str = MASS) -> dict[str, Any]:
    """Read a data card as a HistFactory workspace.

    Parameters
    ----------
    path : text file; its ROOT files are sought relative to its folder
    mass : takes the place of ``$MASS``

    Raises
    ------
    InputError
        Naming the line, if it is wrong or says what HistFactory cannot express.
    """
    card = read_text(path)
    with Templates(card, mass) as templates:
        observed = {region: _data(card, templates, region) for region in card.observed}
        cells = [_cell(card, templates, column) for column in card.columns if column.rate or _counts(card, column)]
        settings: dict[str, dict[str, Any]] = {POI: {"inits": [1.0], "bounds": [[-WIDEST, WIDEST]]}}
        for cell in cells:
            if cell.column.is_signal:
                cell.add(POI, "normfactor")
        extra = [region for item in card.systematics for region in _systematic(card, templates, item, cells, settings)]
    _rate_parameters(card, cells, settings)
    _simulation_statistics(card, cells)
    _freeze(card, settings)
    channels = [
        {"name": region, "samples": [cell.sample for cell in cells if cell.column.region == region]}
        for region in observed
    ]
    return {
        "channels": [*channels, *(channel for channel, _ in extra)],
        "observations": [
            *({"name": region, "data": data.tolist()} for region, data in observed.items()),
            *(observation for _, observation in extra),
        ],
        "measurements": [
            {"name": "combine", "config": {"poi": POI, "parameters": [{"name": n, **s} for n, s in settings.items()]}}
        ],
        "version": "1.0.0",
    }


def _counts(card: Card, column: Column) -> bool:
    """Return whether a process without events has some through a control sample without events."""
    place = card.columns.index(column)
    return any(item.kind == "gmN" and item.entries[place] != "-" for item in card.systematics)


def _data(card: Card, templates: Templates, region: str) -> FloatArray:
    """Return the observed events of a bin of the card."""
    stated, found = card.observed[region], templates.find(region, DATA)
    if found is None:
        if stated < 0:
            raise InputError(f"{card.path}: bin '{region}' has an observation of -1 but no shapes")
        return np.array([stated])
    total = float(found[0].sum())
    if stated != -1 and abs(total - stated) > TOLERANCE * max(1.0, stated):
        raise InputError(f"{card.path}: bin '{region}' states {stated:g} events, its histogram {DATA} has {total:g}")
    return found[0]


def _cell(card: Card, templates: Templates, column: Column) -> _Cell:
    """Return a process in a bin without modifiers, scaled to its rate."""
    found = templates.find(column.region, column.process)
    if found is None:
        if column.rate < 0:
            raise card.rates.error(f"process '{column.process}' has a rate of -1 but no shape in '{column.region}'")
        return _Cell(column, np.array([column.rate]), np.zeros(1), 1.0)
    values, errors = found
    total = float(values.sum())
    if column.rate == -1 or total == column.rate:
        return _Cell(column, values, errors, 1.0)
    if abs(total - column.rate) > TOLERANCE * max(1.0, column.rate):
        text = f"process '{column.process}' in '{column.region}' has the rate {column.rate:g}, its template {total:g}"
        raise card.rates.error(f"{text}; write -1 for the integral of the template")
    scale = column.rate / total
    return _Cell(column, values * scale, errors * scale, scale)


def _systematic(
    card: Card, templates: Templates, item: Systematic, cells: Sequence[_Cell], settings: dict[str, dict[str, Any]]
) -> list[tuple[Modifier, Modifier]]:
    """Add a systematic to the processes; return the regions that it needs, with their observations."""
    entries = {card.columns[place]: word for place, word in enumerate(item.entries) if word != "-"}
    concerned = [(cell, entries[cell.column]) for cell in cells if cell.column in entries]
    if item.kind == "gmN":
        return _control_sample(item, concerned, settings)
    for cell, word in concerned:
        if item.kind == "lnN" or (item.kind == "shape?" and not _is_shape(templates, item, cell)):
            _log_normal(item, cell, word)
        else:
            _shape(templates, item, cell, item.line.value(word, "scale of a shape"))
    return []


def _is_shape(templates: Templates, item: Systematic, cell: _Cell) -> bool:
    return templates.has(cell.column.region, cell.column.process, f"{item.name}Up")


def _log_normal(item: Systematic, cell: _Cell, word: str) -> None:
    """Add a factor; those of 0 and 1 are none, as in Combine."""
    parts = [item.line.value(part, "factor of a lnN") for part in word.split("/")]
    if len(parts) > 2 or (min(parts) <= 0 and parts != [0.0]):
        raise item.line.error(f"expected a positive factor, or two as 'down/up', got '{word}'")
    if parts not in ([0.0], [1.0], [1.0, 1.0]):
        low, high = parts if len(parts) == 2 else (1 / parts[0], parts[0])
        cell.add(item.name, "normsys", {"hi": high, "lo": low})


def _shape(templates: Templates, item: Systematic, cell: _Cell, size: float) -> None:
    """Add a variation as a change of the normalisation and one of the shape."""
    nominal, column = cell.nominal, cell.column
    total = float(nominal.sum())
    if size == 0 or total == 0:
        return
    found = [templates.find(column.region, column.process, f"{item.name}{side}") for side in ("Up", "Down")]
    where = f"'{item.name}' of process '{column.process}' in '{column.region}'"
    if found[0] is None or found[1] is None:
        raise item.line.error(f"{where} is a shape, but there are no shapes of this bin")
    ends = [cell.scale * template[0] for template in found if template is not None]
    if any(len(end) != len(nominal) or not end.sum() > 0 for end in ends):
        raise item.line.error(f"{where}: expected {len(nominal)} bins with a positive sum in each variation")
    factors = [float(end.sum()) / total for end in ends]
    up, down = (end / factor for end, factor in zip(ends, factors, strict=True))
    if not np.allclose(factors, 1.0, rtol=0, atol=1e-14):
        cell.add(item.name, "normsys", {"hi": factors[0] ** size, "lo": factors[1] ** size})
    if len(nominal) > 1 and not (np.allclose(up, nominal, 1e-14) and np.allclose(down, nominal, 1e-14)):
        high, low = _morphed(nominal, up, down, size), _morphed(nominal, up, down, -size)
        cell.add(item.name, "histosys", {"hi_data": high.tolist(), "lo_data": low.tolist()})


def _morphed(nominal: FloatArray, up: FloatArray, down: FloatArray, size: float) -> FloatArray:
    """Return a template interpolated to `size` standard deviations, as Combine's ``shape`` and HistFactory have it."""
    above, below = up - nominal, nominal - down
    if abs(size) >= 1:
        return np.asarray(nominal + size * (above if size > 0 else below))
    square = size * size
    smooth = 0.0625 * (above - below) * square * (15 + square * (3 * square - 10))
    return np.asarray(nominal + 0.5 * size * (above + below) + smooth)


def _control_sample(
    item: Systematic, concerned: Sequence[tuple[_Cell, str]], settings: dict[str, dict[str, Any]]
) -> list[tuple[Modifier, Modifier]]:
    """Add a count that processes are scaled from."""
    count = item.count
    for cell, word in concerned:
        weight, column = item.line.value(word, "weight of a gmN"), cell.column
        rate = float(cell.nominal.sum())
        if abs(rate - count * weight) > TOLERANCE * max(1.0, rate):
            text = f"{count} events times {weight:g} are not the rate {rate:g}"
            raise item.line.error(f"{text} of process '{column.process}' in '{column.region}'")
        if len(cell.nominal) == 1:
            cell.nominal = np.array([max(count, 1) * weight])
        elif count > 0 and rate > 0:
            cell.nominal = cell.nominal * (count * weight / rate)
        else:
            raise item.line.error(f"a control sample without events leaves '{column.process}' without a shape")
    if len(concerned) == 1 and len(concerned[0][0].nominal) == 1 and count > 0:
        cell = concerned[0][0]
        cell.add(item.name, "shapesys", [float(cell.nominal[0]) / np.sqrt(count)])
        return []
    for cell, _ in concerned:
        cell.add(item.name, "normfactor")
    settings[item.name] = {"inits": [1.0 if count else 0.5], "bounds": [[0.0, WIDEST]]}
    region = f"{item.name}_control"
    sample = {
        "name": f"{item.name}_events",
        "data": [float(max(count, 1))],
        "modifiers": [{"name": item.name, "type": "normfactor", "data": None}],
    }
    return [({"name": region, "samples": [sample]}, {"name": region, "data": [float(count)]})]


def _rate_parameters(card: Card, cells: Sequence[_Cell], settings: dict[str, dict[str, Any]]) -> None:
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


def _freeze(card: Card, settings: dict[str, dict[str, Any]]) -> None:
    """Hold parameters constant."""
    for line in card.parameters["freeze"]:
        name = line.at(3, "the name of a parameter")
        settings[name] = {**settings.get(name, {}), "fixed": True}


def _simulation_statistics(card: Card, cells: Sequence[_Cell]) -> None:
    """Add the statistical uncertainties of templates; a line of a bin goes before that of all."""
    lines = sorted(card.parameters["autoMCStats"], key=lambda line: line.words[0] != "*")
    for region in card.observed:
        chosen = [line for line in lines if line.words[0] in (region, "*")]
        inside = [cell for cell in cells if cell.column.region == region]
        if chosen and inside:
            _statistics_of(chosen[-1], region, inside)


def _statistics_of(line: Line, region: str, cells: Sequence[_Cell]) -> None:
    """Add what ``autoMCStats`` makes of the errors of one bin of the card."""
    threshold = line.value(line.at(2, "a threshold"), "threshold")
    has_signal = line.words[3:4] == ("1",)
    if threshold < 0:
        return
    counted = [cell for cell in cells if has_signal or not cell.column.is_signal] or cells
    total = np.sum([cell.nominal for cell in counted], axis=0)
    variance = np.sum([cell.errors**2 for cell in counted], axis=0)
    together = np.where(variance > 0, total**2 / np.where(variance > 0, variance, 1.0), np.inf) > threshold
    for cell in cells:
        name = f"mcstat_{region}"
        if (shared := np.where(together, cell.errors, 0.0)).any():
            cell.add(name, "staterror", shared.tolist())
        for kind, errors in _own(cell, ~together, threshold):
            cell.add(f"{name}_{cell.column.process}_{kind}", kind, errors.tolist())


def _own(cell: _Cell, apart: Any, threshold: float) -> Iterator[tuple[str, FloatArray]]:
    """Yield the uncertainties of a process in bins below the threshold: Poisson counts where they are few."""
    with_errors = apart & (cell.errors > 0) & (cell.nominal > 0)
    events = np.where(with_errors, cell.nominal**2 / np.where(with_errors, cell.errors, 1.0) ** 2, 0.0)
    few = with_errors & (events <= threshold)
    whole = np.maximum(np.round(events), 1.0)  # Combine counts events
    if few.any():
        yield "shapesys", np.where(few, cell.nominal / np.sqrt(whole), 0.0)
    if (with_errors & ~few).any():
        yield "staterror", np.where(with_errors & ~few, cell.errors, 0.0)
