"""A configuration to start from: NanoAOD, PHYSLITE or flat ntuples, one file a sample, blanks marked FILL IN."""

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.ntuple.formats import Format, recognise
from cascadebdt.ntuple.sets import stem
from cascadebdt.ntuple.survey import Survey

BLANK = "FILL_IN.root"
SIGNAL = re.compile(
    r"(^|_)(sig|signal|sgn|hh|higgs|bsm|dark|zprime|wprime|susy|ttH|VH|WH|ZH|ggH|vbf)(_|\d|$)", re.IGNORECASE
)
DATA = re.compile(r"(^|_)(data|obs|observed)|run20\d\d|(single|double)(muon|electron|eg)|egamma|jetht", re.IGNORECASE)
RESERVED = {"data", "final", "sorter", "score", "nominal", "mu"}
MAX_STAGES = 5
FEW_ENTRIES = 2000


@dataclass(frozen=True)
class Sample:
    """A line of the samples: `cross_section` is whether its files have what a cross section needs."""

    name: str
    process: str
    files: tuple[str, ...]
    is_data: bool = False
    cross_section: bool = False


@dataclass(frozen=True)
class Blanks:
    """What no file tells, if the user does.

    Attributes
    ----------
    signal : name of the sample, or its file
    luminosity_fb : of the data
    """

    signal: str | None = None
    luminosity_fb: float | None = None


@dataclass(frozen=True)
class Draft:
    """A configuration before it is written."""

    format: Format
    samples: list[Sample]
    signal: str
    backgrounds: list[str] = field(default_factory=list)


def starting_configuration(*files: Survey, directory: Path | None = None, blanks: Blanks = Blanks()) -> str:
    """Return the text of a commented configuration to start from.

    Every file becomes a sample and a process of its own. Data are the files without the weight that others have, or
    with a name that says so. With a single file the background is left blank.

    Parameters
    ----------
    files : one for each sample, all of one format
    directory : that file names are relative to; they stay as they are if not given
    blanks : what the user tells

    Raises
    ------
    InputError
        If no file has a tree with a branch of numbers, if the files have nothing in common, or if there is no such
        signal.
    """
    found = recognise(files)
    samples = _samples(files, found, directory)
    simulated = [sample for sample in samples if not sample.is_data]
    if not simulated:
        raise InputError(f"{files[0].location}: no file is simulation, but a signal and a background are needed")
    if len(simulated) == 1:
        is_signal = SIGNAL.search(simulated[0].name) or blanks.signal
        blank = Sample("background" if is_signal else "signal", "background" if is_signal else "signal", (BLANK,))
        samples = [*samples, blank] if is_signal else [blank, *samples]
        simulated = [sample for sample in samples if not sample.is_data]
    signal = _signal(simulated, blanks.signal)
    ordered = sorted(samples, key=lambda sample: (sample.is_data, sample.process != signal))
    backgrounds = [sample.process for sample in simulated if sample.process != signal]
    environment = Environment(
        loader=PackageLoader("cascadebdt.ntuple"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["listed"] = _listed
    return environment.get_template("starting.yaml.j2").render(
        found=found,
        samples=ordered,
        signal=signal,
        stages=_stages(backgrounds),
        backgrounds=backgrounds,
        luminosity_fb=blanks.luminosity_fb,
        has_data=any(sample.is_data for sample in samples),
        fewest=_fewest(files, found),
    )


def _fewest(files: Sequence[Survey], found: Format) -> int | None:
    """Return the entries of the smallest sample if they are hardly enough to train with; None if they are."""
    tree = found.ntuples["tree"].strip('"')
    entries = min(file.n_files * next(of.entries for of in file.trees if of.name == tree) for file in files)
    return entries if entries < FEW_ENTRIES else None


def _quoted(text: str) -> str:
    """Return a text as YAML takes it literally."""
    return "'" + text.replace("'", "''") + "'"


def _listed(names: Sequence[str]) -> str:
    """Return names as YAML takes them literally: one, or a list."""
    quoted = [_quoted(name) for name in names]
    return quoted[0] if len(quoted) == 1 else f"[{', '.join(quoted)}]"


def _samples(files: Sequence[Survey], found: Format, directory: Path | None) -> list[Sample]:
    """Return a sample for every file, which may be the first of several."""
    names: list[str] = []
    named = [file.names or (file.location,) for file in files]
    samples = []
    by_weight = any(found.is_weighted)
    all_named = all(DATA.search(stem(own)) for own in named)  # which says nothing
    for own, is_weighted, is_normalised in zip(named, found.is_weighted, found.is_normalised, strict=True):
        is_data = not is_weighted if by_weight else bool(DATA.search(stem(own))) and not all_named
        name = _free_name(stem(own), names, is_data=is_data)
        names.append(name)
        locations = tuple(one if directory is None or "://" in one else _relative(one, directory) for one in own)
        samples.append(Sample(name, "data" if is_data else name, locations, is_data, is_normalised))
    return samples


def _relative(location: str, directory: Path) -> str:
    return os.path.relpath(Path(location).resolve(), directory.resolve())


def _free_name(stem: str, taken: Sequence[str], *, is_data: bool) -> str:
    """Return an identifier for a file that no other has."""
    name = re.sub(r"\W+", "_", stem).strip("_")
    name = name if name[:1].isalpha() else f"sample_{name}"
    name = name if is_data or name not in RESERVED else f"{name}_sample"
    number = sum(other == name or re.fullmatch(rf"{re.escape(name)}_\d+", other) is not None for other in taken)
    return name if name not in taken else f"{name}_{number + 1}"


def _signal(simulated: Sequence[Sample], named: str | None) -> str:
    """Return the process of the signal: as named, else by its name, else the first."""
    if named is None:
        return next((sample for sample in simulated if SIGNAL.search(sample.name)), simulated[0]).process
    for sample in simulated:
        if named in (sample.name, *sample.files, *(Path(file).name for file in sample.files)):
            return sample.process
    known = [sample.name for sample in simulated]
    raise InputError(f"signal: no simulated sample '{named}'{did_you_mean(named, known)}; samples: {', '.join(known)}")


def _stages(backgrounds: Sequence[str]) -> Mapping[str, list[str]]:
    """Return stage -> the processes it is against; the last stage takes those beyond the first few."""
    stages = {name: [name] for name in backgrounds[:MAX_STAGES]}
    if rest := list(backgrounds[MAX_STAGES:]):
        stages["others"] = rest
    return stages
