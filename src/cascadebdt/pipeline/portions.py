"""The step `apply` in portions: each node scores the events of some files, and others choose the bins.

Nodes leave what they make in ``.filled``; several may work in one folder at a time. See `merging` for how it becomes
the products of `apply`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from cascadebdt import ntuple
from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError, did_you_mean
from cascadebdt.events.loading import ChosenFiles, chosen_files, nothing
from cascadebdt.events.variations import samples_by_name
from cascadebdt.histograms.inputs import edges_of_features
from cascadebdt.pipeline.filling import Observed
from cascadebdt.pipeline.plan import Plan, configured
from cascadebdt.pipeline.provenance import load_cascade
from cascadebdt.pipeline.selected import kept_parts
from cascadebdt.pipeline.totals import Block, Totals
from cascadebdt.products import Products
from cascadebdt.products.keys import digest
from cascadebdt.products.partials import Bins, FilledParts, Partial
from cascadebdt.progress import Progress, silent

CHOOSE_BINS = ("apply", "--bins")


@dataclass(frozen=True)
class Portion:
    """A part of the files of a sample: every `of`-th, from the `part`-th on.

    Attributes
    ----------
    sample : its name; an alternative one has that of its systematic's sample
    part, of : from 1 to the number of parts
    """

    sample: str
    part: int
    of: int

    @property
    def name(self) -> str:
        """Name of the files of the portion."""
        return f"{self.sample}_{self.part}of{self.of}"

    @property
    def options(self) -> tuple[str, ...]:
        """Options of the command line that choose the portion."""
        return ("--sample", self.sample, "--part", str(self.part), "--of", str(self.of))

    def require(self, config: Config) -> None:
        """Require that there is such a portion.

        Raises
        ------
        ConfigError
            If there is not.
        """
        samples = samples_by_name(config)
        if self.sample not in samples:
            raise ConfigError(f"--sample: unknown sample '{self.sample}'{did_you_mean(self.sample, samples)}")
        if not 1 <= self.part <= self.of:
            raise ConfigError(f"--part: expected 1 to {self.of}, got {self.part}")

    def locations(self, config: Config) -> list[str]:
        """Return the names of its files."""
        return list(configured(config)[self.sample][self.part - 1 :: self.of])


def portions(config: Config) -> tuple[Portion, ...]:
    """Return the portions of all samples, of `batch.files_per_job` files each."""
    numbers = {name: -(-len(files) // config.batch.files_per_job) for name, files in configured(config).items()}
    return tuple(Portion(name, part, of) for name, of in numbers.items() for part in range(1, of + 1))


def observed_portions(config: Config) -> tuple[Portion, ...]:
    """Return the portions that the bins depend on, none if these are configured: those of nominal simulation."""
    if not any(config.regions.depends_on_events(region) for region in config.cascade.regions):
        return ()
    wanted = {sample.name for sample in config.samples if not sample.is_data}
    return tuple(portion for portion in portions(config) if portion.sample in wanted)


def require_divisible(config: Config) -> None:
    """Require that the regions can be filled part by part.

    Raises
    ------
    ConfigError
        If corrections are learnt from all events at once.
    """
    if config.corrections:
        raise ConfigError("corrections are learnt from all events at once; use 'cascadebdt apply' without parts")


@dataclass(frozen=True)
class Workplace:
    """What every node of the step needs.

    Attributes
    ----------
    config : the analysis
    products : of which the trained cascade is one
    plan : of the analysis
    cascade : that scores
    filled : what nodes have left
    """

    config: Config
    products: Products
    plan: Plan
    cascade: Cascade
    filled: FilledParts

    @classmethod
    def of(cls, config: Config, products: Products, *, jobs: int) -> Self:
        """Read the cascade.

        Raises
        ------
        ConfigError
            If the regions cannot be filled part by part.
        InputError
            If the cascade was not trained with this configuration, or is damaged.
        """
        require_divisible(config)
        plan = Plan.of(config, products.directory, jobs=jobs)
        plan.require("train")
        cascade = load_cascade(config, products.cascade)
        return cls(config, products, plan, cascade, FilledParts(products.directory, plan.steps["apply"]))

    def chosen(self, portion: Portion, *, jobs: int, progress: Progress) -> ChosenFiles:
        """Return the events of a portion."""
        sample, locations = samples_by_name(self.config)[portion.sample], portion.locations(self.config)
        kept = kept_parts(self.config, self.products, self.plan)
        return chosen_files(self.config, sample, locations, kept=kept, jobs=jobs, progress=progress)

    def blocks(self, chosen: ChosenFiles, *, jobs: int) -> Iterator[Block]:
        """Score events, after an empty block that has all names."""
        yield Block.of(nothing(self.config), self.cascade, self.config)
        for events in chosen.chunks:
            yield Block.of(events, self.cascade, self.config, jobs=jobs)

    def totals(self, edges: Mapping[str, FloatArray]) -> Totals:
        """Return histograms without events."""
        return Totals(self.config, self.cascade, edges, inputs=edges_of_features(self.cascade))

    def bins(self) -> Bins:
        """Return the bins that `choose_bins` has left.

        Raises
        ------
        InputError
            If it has not.
        """
        bins = self.filled.read_bins()
        if bins is None:
            command = " ".join(CHOOSE_BINS)
            raise InputError(f"{self.filled.folder}: no bins, or altered ones; choose them with 'cascadebdt {command}'")
        return bins


def observe(
    config: Config, products: Products, portion: Portion, *, jobs: int = 1, progress: Progress = silent
) -> None:
    """Score a portion of the simulation, and leave what the bins of the regions are chosen by, unless it is there.

    Raises
    ------
    ConfigError, InputError
        If there is no such portion, or as `Workplace.of`.
    """
    portion.require(config)
    work = Workplace.of(config, products, jobs=jobs)
    name = name_of_observed(portion)
    if work.filled.has(name):
        return
    chosen = work.chosen(portion, jobs=jobs, progress=progress)
    observed = Observed.of(work.blocks(chosen, jobs=jobs))
    work.filled.write_arrays(name, {**observed.to_arrays(), "files": np.array(files_of(chosen.used, config))})


def choose_bins(config: Config, products: Products, *, jobs: int = 1) -> None:
    """Choose the bins of the regions by what `observe` has left of all simulation, unless they are there.

    Raises
    ------
    InputError
        If a portion is missing or damaged, or as `Workplace.of`.
    """
    work = Workplace.of(config, products, jobs=jobs)
    if work.filled.read_bins() is not None:
        return
    empty = nothing(config)
    parts = [Observed.of([Block.of(empty, work.cascade, config)])]
    files: dict[str, str] = {}
    for portion in observed_portions(config):
        command = f"cascadebdt {' '.join(arguments_of_observed(portion))}"
        arrays = work.filled.read_arrays(name_of_observed(portion), command=command)
        if files.setdefault(portion.sample, str(arrays["files"])) != str(arrays["files"]):
            raise InputError(
                f"{work.filled.folder}: parts of sample '{portion.sample}' do not count on the same files, because "
                "some could not be read; remove the folder and submit again"
            )
        process = samples_by_name(config)[portion.sample].process
        parts.append(Observed.from_arrays(arrays, empty, process))
    work.filled.write_bins(Bins(Observed.joined(parts).edges(work.cascade, config), files))


def fill(config: Config, products: Products, portion: Portion, *, jobs: int = 1, progress: Progress = silent) -> None:
    """Score a portion of the events and fill the regions with it, unless that was done.

    Raises
    ------
    ConfigError, InputError
        If there is no such portion, if there are no bins, or as `Workplace.of`.
    """
    portion.require(config)
    work = Workplace.of(config, products, jobs=jobs)
    if work.filled.has(portion.name):
        return
    edges = work.bins().edges
    totals = work.totals(edges)
    chosen = work.chosen(portion, jobs=jobs, progress=progress)
    for block in work.blocks(chosen, jobs=jobs):
        totals.add(block)
    sums, ranges = totals.packed()
    files = {portion.sample: files_of(chosen.used, config)}
    work.filled.write(portion.name, Partial(hash_of(edges), (portion.name,), files, ranges, sums))


def name_of_observed(portion: Portion) -> str:
    """Return the name of what `observe` leaves."""
    return f"{portion.name}_observed"


def arguments_of_observed(portion: Portion) -> tuple[str, ...]:
    """Return the command line of `observe`."""
    return ("apply", *portion.options, "--observables")


def arguments_of_filled(portion: Portion) -> tuple[str, ...]:
    """Return the command line of `fill`."""
    return ("apply", *portion.options)


def hash_of(edges: Mapping[str, FloatArray]) -> str:
    """Return a hash of the bins of all regions."""
    return digest({region: [float(edge).hex() for edge in of_region] for region, of_region in edges.items()})


def files_of(locations: tuple[str, ...], config: Config) -> str:
    """Return a hash of the names of the files that a sample is normalised over, the same in every copy of a folder."""
    return digest(sorted(ntuple.relative(location, config.directory) for location in locations))
