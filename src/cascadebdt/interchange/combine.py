"""A HistFactory workspace as a Combine data card with its shapes.

=================================  ==============================================================================
HistFactory                        Combine
=================================  ==============================================================================
parameter of interest              signal processes (number <= 0), scaled by Combine's ``r``
other normfactor                   ``rateParam`` with its start and range
normsys alone                      ``lnN`` down/up
histosys, with normsys or not      ``shape``: templates hold both; Combine takes them apart again
staterror                          ``autoMCStats 0``: errors in the templates, all bins by Barlow-Beeston light
lumi                               ``rateParam`` with a Gaussian ``param``
shapesys                           one bin: ``gmN``, if its count is whole; else one ``shape`` per bin
shapefactor                        one bin: ``rateParam``; else refused
=================================  ==============================================================================

Combine differs by construction in some: it interpolates normalised shapes and fractions of bins, and its statistical
uncertainties of simulation are additive. Yields and variations by +-1 are equal.

References
----------
Combine documentation, "Setting up the analysis".
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hist
import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.atomic import draft, write_text
from cascadebdt.errors import FitError
from cascadebdt.inference import check, with_expectation
from cascadebdt.interchange.workspaces import has_modifier
from cascadebdt.workspace import blind_regions

Json = Mapping[str, Any]

WHOLE = 1e-6
"""How far a count may be from a whole number to be written as one."""


@dataclass(eq=False)
class _Process:
    """One process in one bin of the card."""

    region: str
    name: str
    nominal: FloatArray
    errors: FloatArray
    factors: dict[str, tuple[float, float]] = field(default_factory=dict)
    shapes: dict[str, tuple[FloatArray, FloatArray]] = field(default_factory=dict)
    counts: dict[str, tuple[int, float]] = field(default_factory=dict)
    free: list[str] = field(default_factory=list)

    def templates(self, systematic: str) -> tuple[FloatArray, FloatArray] | None:
        """Return the yields at +1 and -1 of a systematic that is a shape somewhere, None if it does nothing here."""
        if systematic not in self.shapes and systematic not in self.factors:
            return None
        up, down = self.shapes.get(systematic, (self.nominal, self.nominal))
        low, high = self.factors.get(systematic, (1.0, 1.0))
        return up * high, down * low


def write_card(workspace: Json, card: Path) -> tuple[Path, Path]:
    """Write a data card and, beside it, its shapes.

    Parameters
    ----------
    workspace : HistFactory workspace; what the open regions predict stands for the data of blind ones
    card : path of the card, such as ``card.txt``

    Returns
    -------
    paths of the card and of the ROOT file, ``card_shapes.root``

    Raises
    ------
    FitError
        If the workspace is wrong, or has what a card cannot say.
    """
    check(workspace)
    if blind := blind_regions(workspace):
        workspace = with_expectation(workspace)
    config = workspace["measurements"][0]["config"]
    settings = {item["name"]: item for item in config.get("parameters", ())}
    processes = [
        _process(channel["name"], sample, config["poi"])
        for channel in workspace["channels"]
        for sample in channel["samples"]
        if any(sample["data"])
    ]
    signals = {s["name"] for c in workspace["channels"] for s in c["samples"] if has_modifier(s, config["poi"])}
    _check_names(processes)
    shapes = card.with_name(f"{card.stem}_shapes.root")
    _write_shapes(shapes, workspace["observations"], processes)
    note = [f"# blind: the background that the other regions predict stands for the data of {', '.join(blind)}"]
    lines = _lines(workspace, processes, signals, settings, shapes.name)
    text = "\n".join([*(note if blind else ()), *lines])
    return write_text(card, text + "\n"), shapes


def _plain(name: str) -> str:
    """Return a name that Combine accepts."""
    return re.sub(r"\W", "_", name)


def _process(region: str, sample: Json, poi: str) -> _Process:
    """Translate the modifiers of a sample."""
    nominal = np.asarray(sample["data"], dtype=np.float64)
    process = _Process(region, sample["name"], nominal, np.zeros(len(nominal)))
    for modifier in sample["modifiers"]:
        name, kind, data = modifier["name"], modifier["type"], modifier["data"]
        if kind == "normsys":
            process.factors[name] = (data["lo"], data["hi"])
        elif kind == "histosys":
            process.shapes[name] = (np.asarray(data["hi_data"]), np.asarray(data["lo_data"]))
        elif kind == "staterror":
            process.errors = np.asarray(data, dtype=np.float64)
        elif kind == "shapesys":
            _per_bin(process, name, np.asarray(data, dtype=np.float64))
        elif kind in ("normfactor", "lumi") or len(nominal) == 1:
            if name != poi:
                process.free.append(name)
        else:
            raise FitError(f"region '{region}', process '{sample['name']}': a data card has no '{kind}' ('{name}')")
    return process


def _per_bin(process: _Process, name: str, errors: FloatArray) -> None:
    """Translate uncorrelated uncertainties of bins."""
    for number in np.flatnonzero((errors > 0) & (process.nominal > 0)):
        count = (process.nominal[number] / errors[number]) ** 2
        if len(errors) == 1 and abs(count - round(count)) < WHOLE * count:
            process.counts[name] = (round(count), process.nominal[number] / round(count))
            continue
        step = np.where(np.arange(len(errors)) == number, errors, 0.0)
        process.shapes[f"{name}_bin{number}"] = (process.nominal + step, np.maximum(process.nominal - step, 0.0))


def _check_names(processes: Sequence[_Process]) -> None:
    """Require that names stay different when they lose what Combine does not accept."""
    names = {name for p in processes for name in (p.name, p.region, *p.factors, *p.shapes, *p.counts, *p.free)}
    seen: dict[str, str] = {}
    for name in sorted(names):
        if (other := seen.setdefault(_plain(name), name)) != name:
            raise FitError(f"export: '{other}' and '{name}' are both '{_plain(name)}' in a data card; rename one")


def _systematics(processes: Sequence[_Process], *, shapes: bool) -> list[str]:
    """List the systematics that are shapes somewhere, or those that are nowhere."""
    everywhere = {name for process in processes for name in process.shapes}
    if shapes:
        return list(dict.fromkeys(name for process in processes for name in process.shapes))
    return list(dict.fromkeys(name for p in processes for name in p.factors if name not in everywhere))


def _write_shapes(path: Path, observations: Sequence[Json], processes: Sequence[_Process]) -> None:
    """Write data, templates and their variations; the file appears when it is complete."""
    import uproot  # it loads slowly, and a workspace needs none

    regions = {process.region for process in processes}
    with draft(path) as unfinished, uproot.recreate(unfinished) as file:
        for item in observations:
            if item["name"] in regions:
                data = np.asarray(item["data"], dtype=np.float64)
                file[f"{_plain(item['name'])}/data_obs"] = _histogram(data, np.sqrt(data))
        for process in processes:
            place = f"{_plain(process.region)}/{_plain(process.name)}"
            file[place] = _histogram(process.nominal, process.errors)
            for name in _systematics(processes, shapes=True):
                for side, values in zip(("Up", "Down"), process.templates(name) or (), strict=False):
                    file[f"{place}_{_plain(name)}{side}"] = _histogram(values, np.zeros(len(values)))


def _histogram(values: FloatArray, errors: FloatArray) -> Any:
    """Return a histogram of unit bins."""
    filled: Any = hist.Hist(hist.axis.Regular(len(values), 0, len(values), name="bin"), storage=hist.storage.Weight())
    filled.view()["value"], filled.view()["variance"] = values, errors**2
    return filled


def _lines(
    workspace: Json, processes: Sequence[_Process], signals: set[str], settings: Mapping[str, Json], shapes: str
) -> Iterator[str]:
    """Yield the lines of the card."""
    regions = list(dict.fromkeys(process.region for process in processes))
    poi = workspace["measurements"][0]["config"]["poi"]
    yield f"# {poi} is Combine's r"
    yield f"imax {len(regions)}"
    yield "jmax *"
    yield "kmax *"
    yield "---"
    for region in map(_plain, regions):
        yield f"shapes * {region} {shapes} {region}/$PROCESS {region}/$PROCESS_$SYSTEMATIC"
    yield "---"
    yield _row("bin", [_plain(region) for region in regions])
    yield _row("observation", ["-1"] * len(regions))
    yield "---"
    yield _row("bin", [_plain(process.region) for process in processes])
    yield _row("process", [_plain(process.name) for process in processes])
    yield _row("process", [str(number) for number in _numbers(processes, signals)])
    yield _row("rate", ["-1"] * len(processes))
    yield "---"
    yield from _nuisances(processes)
    yield from _rate_parameters(processes, settings)
    for region in regions:
        if any(process.errors.any() for process in processes if process.region == region):
            include = any(p.errors.any() for p in processes if p.region == region and p.name in signals)
            yield f"{_plain(region)} autoMCStats 0 {int(include)} 1"


def _row(title: str, cells: Sequence[str], kind: str = "") -> str:
    return " ".join([f"{title:30s}", f"{kind:6s}", *(f"{cell:>20s}" for cell in cells)])


def _numbers(processes: Sequence[_Process], signals: set[str]) -> list[int]:
    """Return the process numbers: zero and below for signals, above for backgrounds."""
    names = list(dict.fromkeys(process.name for process in processes))
    ordered = [name for name in names if name in signals], [name for name in names if name not in signals]
    numbers = {name: -place for place, name in enumerate(ordered[0])}
    numbers |= {name: place for place, name in enumerate(ordered[1], start=1)}
    return [numbers[process.name] for process in processes]


def _nuisances(processes: Sequence[_Process]) -> Iterator[str]:
    """Yield a line per constrained parameter."""
    for name in _systematics(processes, shapes=False):
        cells = [
            f"{p.factors[name][0]:.15g}/{p.factors[name][1]:.15g}" if name in p.factors else "-" for p in processes
        ]
        yield _row(_plain(name), cells, "lnN")
    for name in _systematics(processes, shapes=True):
        yield _row(_plain(name), ["-" if p.templates(name) is None else "1" for p in processes], "shape")
    for name in dict.fromkeys(name for process in processes for name in process.counts):
        count = next(p.counts[name][0] for p in processes if name in p.counts)
        cells = [f"{p.counts[name][1]:.15g}" if name in p.counts else "-" for p in processes]
        yield _row(_plain(name), cells, f"gmN {count}")


def _rate_parameters(processes: Sequence[_Process], settings: Mapping[str, Json]) -> Iterator[str]:
    """Yield a line per normalisation, region and process, and one per constraint or constant."""
    for process in processes:
        for name in process.free:
            chosen = settings.get(name, {})
            start = chosen.get("inits", [1.0])[0]
            low, high = (chosen.get("bounds") or [[0.0, 10.0]])[0]
            place = f"{_plain(process.region)} {_plain(process.name)}"
            yield f"{_plain(name)} rateParam {place} {start:.12g} [{low:.12g},{high:.12g}]"
    for name in dict.fromkeys(name for process in processes for name in process.free):
        chosen = settings.get(name, {})
        if chosen.get("sigmas"):
            low, high = (chosen.get("bounds") or [[0.0, 10.0]])[0]
            numbers = f"{chosen['auxdata'][0]:.12g} {chosen['sigmas'][0]:.12g} [{low:.12g},{high:.12g}]"
            yield f"{_plain(name)} param {numbers}"
        if chosen.get("fixed"):
            yield f"nuisance edit freeze {_plain(name)}"
