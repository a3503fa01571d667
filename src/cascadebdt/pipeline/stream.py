"""ROOT files -> regions, histograms and scores, chunk by chunk: memory does not grow with the number of events."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np

from cascadebdt import ntuple
from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config, SampleConfig, SampleSystematic
from cascadebdt.corrections import Corrections
from cascadebdt.errors import ConfigError, InputError, did_you_mean
from cascadebdt.events import Events
from cascadebdt.events.loading import select_each
from cascadebdt.events.variations import samples_by_name
from cascadebdt.histograms.contents import Histograms
from cascadebdt.pipeline.provenance import remarks
from cascadebdt.pipeline.totals import Block, Totals
from cascadebdt.products import Products
from cascadebdt.products.cutflow import CutflowTable
from cascadebdt.products.manifest import Manifest
from cascadebdt.products.results import Filled, read_corrections
from cascadebdt.products.scores import ScoreFiles
from cascadebdt.progress import Progress, silent

AnySample: TypeAlias = SampleConfig | SampleSystematic
N_BINS = 50  # of a score without configured bins


@dataclass(frozen=True)
class Request:
    """What to apply a cascade to.

    Attributes
    ----------
    files : names or globs
    sample : of the configuration, whose events they hold; found among the samples' files if None
    reference : folder of an earlier `apply` to the whole analysis, whose bins are taken if it is there
    scores : whether to write score files
    """

    files: tuple[str, ...]
    sample: str | None
    reference: Path
    scores: bool


def apply_files(
    config: Config,
    products: Products,
    cascade: Cascade,
    request: Request,
    *,
    jobs: int = 1,
    progress: Progress = silent,
) -> Filled:
    """Score the events of chosen files; fill the regions and, if asked for, write scores.

    The files of a sample stand for the whole sample: simulation is normalised over them. Those of an alternative
    sample (a systematic of kind ``sample``) give its variation, and no score file.

    Raises
    ------
    InputError
        If a file belongs to no sample, or if a feature has one value in all data, but not in training.
    ConfigError
        If the bins of a region are neither configured nor known from an earlier `apply`.
    """
    samples = requested(config, request)
    totals = Totals(config, cascade, _edges(config, cascade, request.reference))
    corrections = _corrections(config, request.reference)
    nominal = [sample.name for sample in samples if isinstance(sample, SampleConfig)]
    paths = {name: products.scores(name) for name in nominal if request.scores}
    with ScoreFiles(paths, config.pass_through) as files:

        def take(sample: str, events: Events) -> None:
            block = Block.of(events, cascade, config).corrected(corrections)
            totals.add(block)
            files.append(sample, block.events, block.scores)

        account = select_each(config, samples, take, jobs=jobs, progress=progress)
        totals.add(Block.of(account, cascade, config).corrected(corrections))
        histograms = totals.histograms
    processes = {sample.name: sample.process for sample in config.samples}
    filled = Filled(
        histograms,
        totals.migrations,
        CutflowTable.of(totals.visible, processes),
        Manifest.of(
            config,
            account,
            missing=totals.missing,
            used_in_training=totals.cutflow.used_in_training,
            warnings=remarks(cascade, config),
        ),
    )
    filled.write(products)
    return filled


def requested(config: Config, request: Request) -> list[SampleConfig | SampleSystematic]:
    """Return the samples, alternative ones included, that the files belong to, with these files only."""
    known = samples_by_name(config)
    if request.sample is not None and request.sample not in known:
        raise ConfigError(f"--sample: unknown sample '{request.sample}'{did_you_mean(request.sample, known)}")
    paths: dict[str, list[str]] = {}
    for path in ntuple.find(request.files, directory=Path.cwd()):
        name = request.sample or _sample_of(path, list(known.values()), config.directory)
        paths.setdefault(name, []).append(path)
    return [_with_files(known[name], files, config.directory) for name, files in paths.items()]


def _with_files(sample: AnySample, paths: Sequence[str], directory: Path) -> AnySample:
    """Return a sample of these files alone, with their checksums."""
    named = {path: checksum for name, checksum in sample.checksum.items() for path in _matches(directory, name)}
    checksums = {path: checksum for path, checksum in named.items() if path in paths}
    return sample.model_copy(update={"files": tuple(paths), "checksum": checksums})


def _sample_of(path: str, samples: Sequence[SampleConfig | SampleSystematic], directory: Path) -> str:
    names = [sample.name for sample in samples if any(path in _matches(directory, pattern) for pattern in sample.files)]
    if not names:
        raise InputError(f"{path}: belongs to no sample of the configuration; name its sample with --sample")
    if len(names) > 1:
        which = "', '".join(names)
        raise InputError(
            f"{path}: belongs to more than one sample of the configuration, '{which}'; name one with --sample"
        )
    return names[0]


def _matches(directory: Path, pattern: str) -> list[str]:
    try:
        return list(ntuple.find([pattern], directory=directory))
    except InputError:  # the other samples need not be here
        return []


def _corrections(config: Config, reference: Path) -> Corrections:
    """Return what the whole analysis has learnt: chosen files alone have no data to learn from."""
    corrections = read_corrections(Products(reference))
    for one in config.corrections:
        if one.process not in corrections.processes:
            raise InputError(
                f"{reference / 'corrections.json'}: no correction of '{one.process}', which is learnt from all events "
                "at once; run 'cascadebdt apply' without --files first"
            )
    return corrections if config.corrections else Corrections({})


def _edges(config: Config, cascade: Cascade, reference: Path) -> dict[str, FloatArray]:
    """Return the bins of every region: as configured, else those of the whole analysis, else equal ones for scores."""
    earlier = Products(reference)
    is_there = earlier.has("histograms")
    known = earlier.read(Histograms, "histograms", made_by="apply").regions if is_there else {}
    edges = {}
    for region in cascade.regions:
        binning = config.regions.binning(region)
        if binning.edges is not None and not (region in known and config.regions.empty_bins == "merge"):
            edges[region] = np.array(binning.edges)
        elif region in known:
            edges[region] = np.array(known[region].axes[2].edges)
        elif binning.observable in ("score", "final"):
            edges[region] = np.linspace(0.0, 1.0, N_BINS + 1)
        else:
            raise ConfigError(
                f"region {region}: the bins of '{binning.observable}' are 'auto', which takes all events at once; "
                f"give them, or run 'cascadebdt apply' without --files into {reference} first"
            )
    return edges
