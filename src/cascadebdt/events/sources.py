"""Samples -> sources: which files are read, how they are normalised, and what is computed from their events."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import awkward as ak

from cascadebdt import features, ntuple
from cascadebdt.config import NOMINAL, Config, SampleConfig, SampleSystematic, applies
from cascadebdt.errors import BranchError, ConfigError, FileError, InputError, did_you_mean
from cascadebdt.events.scale_factors import ScaleFactor, prepared
from cascadebdt.events.variations import alternative_samples, shifts, weight_factors
from cascadebdt.expression import load_plugins
from cascadebdt.features import Branches, FeaturePlan
from cascadebdt.ntuple import NtupleFile

PB_PER_FB = 1000.0
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """A sample ready to be read: its files, its normalisation, and one plan per variation of its events.

    Attributes
    ----------
    is_data : whether it is data, or stands for data
    is_recorded : whether it is recorded data, whose events have no weights
    scale : what event weights are multiplied by, from the files in `files` alone
    weight : expression of the weight in the files, None for data or where there is none
    skipped : location -> reason, of files left out
    scale_factors : that its plans use
    """

    name: str
    process: str
    is_data: bool
    is_recorded: bool
    files: tuple[NtupleFile, ...]
    scale: float
    plans: Mapping[str, FeaturePlan]
    cross_section_pb: float | None = None
    weight: str | None = None
    skipped: Mapping[str, str] = field(default_factory=dict)
    scale_factors: tuple[ScaleFactor, ...] = ()

    @property
    def branches(self) -> frozenset[str]:
        """Branches that its plans need."""
        computed = {name for factor in self.scale_factors for name in factor.config.names}
        plans = [*self.plans.values(), *(factor.plan for factor in self.scale_factors)]
        return frozenset().union(*(plan.branches for plan in plans)) - computed

    @property
    def exact(self) -> frozenset[str]:
        """Branches that weights use."""
        return frozenset().union(*(plan.exact for plan in self.plans.values())) & self.branches

    def flat(self, chunk: ak.Array, n_events: int) -> Branches:
        """Return the branches of a chunk, scale factors included."""
        branches = Branches(chunk, n_events=n_events)
        if not self.scale_factors:
            return branches
        columns = [factor.columns(branches) for factor in self.scale_factors]
        return branches.replaced({name: values for of_factor in columns for name, values in of_factor.items()})


def all_sources(config: Config, *, nominal_only: bool) -> list[Source]:
    """Open the files of every sample, normalise it and plan its variations.

    Raises
    ------
    ConfigError
        If an expression is wrong or names what the files do not hold.
    InputError
        If a file is not usable and may not be skipped.
    """
    load_plugins(config.plugins, config.directory)
    alternatives = {} if nominal_only else alternative_samples(config)
    sources = [_source(config, sample, NOMINAL, with_shifts=not nominal_only) for sample in config.samples]
    sources += [_source(config, sample, variation, with_shifts=False) for variation, sample in alternatives.items()]
    ntuple.require_matches([file for source in sources for file in source.files], config.ntuples)
    return sources


def sources_of(
    config: Config, samples: Sequence[SampleConfig | SampleSystematic], *, nominal_only: bool
) -> list[Source]:
    """Do as `all_sources` for some samples, which may be alternative ones."""
    load_plugins(config.plugins, config.directory)
    variations = {sample.name: variation for variation, sample in alternative_samples(config).items()}
    sources = [
        _source(config, sample, NOMINAL, with_shifts=not nominal_only)
        if isinstance(sample, SampleConfig)
        else _source(config, sample, variations[sample.name], with_shifts=False)
        for sample in samples
    ]
    ntuple.require_matches([file for source in sources for file in source.files], config.ntuples)
    return sources


def without(source: Source, error: FileError, config: Config) -> Source:
    """Return the source without the file that cannot be read, its normalisation corrected.

    Raises
    ------
    FileError
        The error itself, if the file may not be skipped.
    InputError
        If no file is left.
    """
    _require_skippable(error, config, is_simulation=not source.is_recorded, cross_section_pb=source.cross_section_pb)
    log.warning("skipped: %s", error)
    skipped = {**source.skipped, error.location: str(error)}
    files = _required([file for file in source.files if file.location != error.location], source.name, skipped)
    return replace(source, files=files, scale=_scale(config, files, source.cross_section_pb), skipped=skipped)


def _source(config: Config, sample: SampleConfig | SampleSystematic, variation: str, *, with_shifts: bool) -> Source:
    is_data = isinstance(sample, SampleConfig) and sample.is_data
    is_recorded = isinstance(sample, SampleConfig) and sample.is_recorded
    files, skipped = _files(config, sample, is_simulation=not is_recorded)
    branches = set.intersection(*(set(file.branches) for file in files))
    factors = () if is_recorded else prepared(config, branches)
    known = branches | {name for factor in factors for name in factor.config.names}
    with_factors = variation == NOMINAL and not is_data
    weights = {} if is_recorded else _weight_expressions(config, sample, with_factors=with_factors)

    def plan(name: str, replaced: Mapping[str, str]) -> FeaturePlan:
        try:
            return features.plan(
                objects=config.objects,
                selection=config.selection,
                features=config.features,
                weights=weights,
                branches=known,
                shifts=replaced,
            )
        except ConfigError as error:
            located = config.locate(error, _configured_paths(config, sample, name, replaced))
            where = _lacking(error.branch, sample.name, files) if isinstance(error, BranchError) else ""
            raise ConfigError(f"{located}{where}") from None

    shifted = shifts(config, sample.process) if with_shifts and not is_data else {}
    plans = {variation: plan(variation, {}), **{name: plan(name, by) for name, by in shifted.items()}}
    used = frozenset().union(*(of_variation.branches for of_variation in plans.values()))
    scale = _scale(config, files, sample.cross_section_pb)
    return Source(
        sample.name,
        sample.process,
        is_data,
        is_recorded,
        files,
        scale,
        plans,
        cross_section_pb=sample.cross_section_pb,
        weight=weights.get(NOMINAL),
        skipped=skipped,
        scale_factors=tuple(factor for factor in factors if used & set(factor.config.names)),
    )


def _lacking(branch: str, sample: str, files: Sequence[NtupleFile]) -> str:
    """Return in parentheses which files of a sample lack a branch."""
    lacking = [file.name for file in files if branch not in file.branches]
    more = f" and {len(lacking) - 1} more" if len(lacking) > 1 else ""
    others = "; its other files have it" if len(lacking) < len(files) else ""
    return f" (sample '{sample}', {lacking[0]}{more}{others})" if lacking else f" (sample '{sample}')"


def _configured_paths(
    config: Config, sample: SampleConfig | SampleSystematic, variation: str, replaced: Mapping[str, str]
) -> dict[str, str]:
    """Return the paths that features use for weights and replaced branches -> their paths in the configuration."""
    place = "samples" if isinstance(sample, SampleConfig) else "systematics"
    weight = "ntuples.weight" if sample.weight is None else f"{place}.{sample.name}.weight"
    factors = {f"weights.{name}": f"systematics.{'.'.join(name.rsplit('_', 1))}" for name in weight_factors(config)}
    shifted = f"systematics.{'.'.join(variation.rsplit('_', 1))}"
    return {f"weights.{NOMINAL}": weight, **factors, **{f"shifts.{name}": f"{shifted}.{name}" for name in replaced}}


def _files(
    config: Config, sample: SampleConfig | SampleSystematic, *, is_simulation: bool
) -> tuple[tuple[NtupleFile, ...], dict[str, str]]:
    """Return the usable files of a sample, and why the others are skipped."""
    files: list[NtupleFile] = []
    skipped: dict[str, str] = {}
    ntuples = config.ntuples.model_copy(update={"aliases": {**config.ntuples.aliases, **sample.aliases}})
    is_normalised = sample.cross_section_pb is not None
    for location, checksum in _located(config, sample).items():
        try:
            if checksum is not None:
                ntuple.verify(location, checksum, config.ntuples)
            files.append(ntuple.describe(location, ntuples, tree=sample.tree, is_normalised=is_normalised))
        except FileError as error:
            _require_skippable(error, config, is_simulation=is_simulation, cross_section_pb=sample.cross_section_pb)
            log.warning("skipped: %s", error)
            skipped[location] = str(error)
    for file in files:
        for alias, name in sample.aliases.items():
            if name not in file.branches:
                cure = did_you_mean(name, file.branches)
                raise InputError(f"sample '{sample.name}': aliases.{alias}: {file.name} has no branch '{name}'{cure}")
    return _required(files, sample.name, skipped), skipped


def _located(config: Config, sample: SampleConfig | SampleSystematic) -> dict[str, str | None]:
    """Return location -> checksum, if it has one in the configuration or in a list of files."""
    located = dict(ntuple.locate(sample.files, directory=config.directory))
    for name, checksum in sample.checksum.items():
        for location in ntuple.find([name], directory=config.directory):
            if location not in located:
                raise InputError(
                    f"sample '{sample.name}': '{name}' in checksum is none of its files; name it as in files"
                )
            located[location] = checksum
    return located


def _required(files: list[NtupleFile], sample: str, skipped: Mapping[str, str]) -> tuple[NtupleFile, ...]:
    if not files:
        raise InputError(f"sample '{sample}': every file was skipped, the first because {next(iter(skipped.values()))}")
    return tuple(files)


def _require_skippable(
    error: FileError, config: Config, *, is_simulation: bool, cross_section_pb: float | None
) -> None:
    """Raise the error, unless its file may be left out because the normalisation is corrected for it."""
    if config.ntuples.on_bad_file == "error":
        raise error
    if is_simulation and cross_section_pb is not None:
        return
    why = "a sample without cross_section_pb cannot be corrected for it" if is_simulation else "data cannot do without"
    raise type(error)(f"{error}; on_bad_file: skip does not apply, {why}", location=error.location) from error


def _scale(config: Config, files: tuple[NtupleFile, ...], cross_section_pb: float | None) -> float:
    """Return cross section times luminosity over the sum of weights of `files`, 1 without a cross section."""
    if cross_section_pb is None:
        return 1.0
    return cross_section_pb * config.luminosity_fb * PB_PER_FB / ntuple.sum_of_weights(files)


def _weight_expressions(
    config: Config, sample: SampleConfig | SampleSystematic, *, with_factors: bool
) -> dict[str, str]:
    """Return the nominal weight of a sample, and its weight variations as factors on it."""
    nominal = sample.weight or config.ntuples.weight
    expressions = {NOMINAL: nominal} if nominal else {}
    if with_factors:
        for variation, (systematic, expression) in weight_factors(config).items():
            if applies(systematic, sample.process):
                expressions[variation] = expression
    return expressions
