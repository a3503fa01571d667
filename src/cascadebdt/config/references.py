"""What one part of a configuration names in another: that it exists, and that no name stands for two things."""

import fnmatch
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cascadebdt.config.base import LocatedError, Location, require_unique
from cascadebdt.config.inputs import DATA, SampleConfig
from cascadebdt.config.region_names import SIGNAL_REGION, is_control
from cascadebdt.config.regions import BinningConfig
from cascadebdt.config.stages import FinalConfig, StageConfig
from cascadebdt.config.systematics import SampleSystematic, require_distinct
from cascadebdt.errors import did_you_mean

if TYPE_CHECKING:
    from cascadebdt.config.analysis import Config

LEGEND = ("Data", "Uncertainty", "signal line")  # what else legends of figures have
OBSERVABLES = ("score", "final")  # what regions can be binned in beside features


@dataclass(frozen=True)
class Reference:
    """A name at `location` that must be one of `known`, which are things of the kind `what`."""

    location: Location
    name: str
    known: tuple[str, ...]
    what: str


def check(config: "Config") -> None:
    """Check all names of a configuration.

    Raises
    ------
    LocatedError
        At the first name that is unknown, or that stands for two things.
    """
    _require_unique_names(config)
    for reference in _references(config):
        if reference.name not in reference.known:
            hint = did_you_mean(reference.name, reference.known)
            raise LocatedError(f"unknown {reference.what} '{reference.name}'{hint}", *reference.location)
    _require_one_kind_of_data(config)
    _require_normalisation(config)
    _require_uncorrected(config)
    _require_distinct_labels(config)
    simulated = _simulated(config)
    regions = config.cascade.regions
    taken = {"mu", *(f"norm_{name}" for name in simulated), *(f"mcstat_{name}" for name in regions)}
    for kind in ("mcstat", "shape"):  # of templates with a borrowed shape
        taken |= {f"{kind}_{SIGNAL_REGION}_{name}" for name in simulated}
    _require_free_names(config)
    require_distinct(config.systematics, simulated, regions, taken)
    if config.fit.signal != config.cascade.signal:
        raise LocatedError(
            f"'{config.fit.signal}' must equal cascade.signal '{config.cascade.signal}'", "fit", "signal"
        )


def _require_unique_names(config: "Config") -> None:
    samples = [sample.name for sample in config.samples]
    require_unique(samples, "samples")
    require_unique([cut.name for cut in config.selection], "selection")
    require_unique([systematic.name for systematic in config.systematics], "systematics")
    require_unique([name for factor in config.scale_factors for name in factor.names], "scale_factors")
    require_unique(config.pass_through, "pass_through", what="feature")
    require_unique(config.fit.free, "fit", "free", what="process")
    require_unique(config.plots.order, "plots", "order", what="process")
    require_unique([correction.process for correction in config.corrections], "corrections", what="process")
    for name in OBSERVABLES:
        if name in config.features:
            raise LocatedError(f"'{name}' is a reserved word; give the feature another name", "features", name)
    for index, systematic in enumerate(config.systematics):
        if isinstance(systematic, SampleSystematic) and systematic.name in samples:
            message = f"'{systematic.name}' is the name of a sample; give the systematic another name"
            raise LocatedError(message, "systematics", index, "name")


def _require_one_kind_of_data(config: "Config") -> None:
    """Require that recorded data and simulation that stands for data are not mixed."""
    data = [(index, sample) for index, sample in enumerate(config.samples) if sample.is_data]
    for index, sample in data[1:]:
        if sample.simulated != data[0][1].simulated:
            raise LocatedError(
                f"'{data[0][1].name}' and '{sample.name}' mix recorded data and simulation that stands for data; "
                "remove one of them",
                "samples",
                index,
            )


def _require_free_names(config: "Config") -> None:
    """Require that no systematic has the name of an uncertainty of a correction."""
    for index, systematic in enumerate(config.systematics):
        for correction in config.corrections:
            if systematic.name.startswith(f"correction_{correction.process}_"):
                message = f"'{systematic.name}' is the name of an uncertainty of the correction; give it another name"
                raise LocatedError(message, "systematics", index, "name")


def _require_distinct_labels(config: "Config") -> None:
    """Require that a legend tells processes apart, from each other and from what else it has."""
    labels = config.plots.labels
    for name in labels:
        others = [labels.get(other, other) for other in _simulated(config) if other != name]
        if name in _simulated(config) and labels[name] in (*others, *LEGEND):
            message = f"'{labels[name]}' stands for something else in legends; give the process another label"
            raise LocatedError(message, "plots", "labels", name)


def _require_uncorrected(config: "Config") -> None:
    """Require that likelihood ratios, which know of no correction, tell the shape of no corrected process."""
    if config.corrections and config.templates.shapes == "likelihood":
        raise LocatedError(
            "'likelihood' does not go with corrections, which the likelihood ratios do not know; set it to 'own' or "
            "'selection', or leave the corrections out",
            "templates",
            "shapes",
        )


def _require_normalisation(config: "Config") -> None:
    """Require that simulation is normalised to the luminosity, all of it or none, unless a sample says otherwise."""
    samples = [(("samples", index), sample) for index, sample in enumerate(config.samples) if not sample.is_recorded]
    alternatives = [
        (("systematics", index), systematic)
        for index, systematic in enumerate(config.systematics)
        if isinstance(systematic, SampleSystematic)
    ]
    simulated: list[tuple[tuple[str, int], SampleConfig | SampleSystematic]] = [*samples, *alternatives]
    normalised = [sample.name for _, sample in simulated if sample.cross_section_pb is not None]
    for location, sample in simulated:
        if sample.cross_section_pb is not None and config.ntuples.sum_of_weights is None:
            raise LocatedError(
                f"'{sample.name}' has a cross_section_pb but ntuples.sum_of_weights is not set, so its weights cannot "
                "be normalised; expected 'tree:branch', such as 'Runs:genEventSumw'",
                *location,
            )
        if normalised and "cross_section_pb" not in sample.model_fields_set:
            raise LocatedError(
                f"'{sample.name}' has no cross_section_pb, but '{normalised[0]}' has one; give it, or write "
                "'cross_section_pb: null' if the weights are those of the luminosity already",
                *location,
            )


def _simulated(config: "Config") -> tuple[str, ...]:
    return tuple(process for process in config.processes if process != DATA)


def _references(config: "Config") -> Iterator[Reference]:
    """List everything that names something defined elsewhere."""
    features, simulated = tuple(config.features), _simulated(config)
    backgrounds = tuple(process for process in simulated if process != config.cascade.signal)
    yield Reference(("cascade", "signal"), config.cascade.signal, simulated, "process")
    yield from _each(("pass_through",), config.pass_through, features, "feature")
    for index, stage in enumerate(config.cascade.stages):
        location = ("cascade", "stages", index)
        yield from _each((*location, "against"), stage.against, backgrounds, "background process")
        yield from _of_learning(location, stage, features)
    yield from _each(("cascade", "control", "features"), config.cascade.control.features, features, "feature")
    if config.cascade.final:
        yield from _of_learning(("cascade", "final"), config.cascade.final, features)
    yield from _of_regions(config, simulated)
    yield from _of_corrections(config, backgrounds, features)
    yield from _each(("fit", "free"), config.fit.free, backgrounds, "background process")
    yield from _of_systematics(config, simulated)
    yield from _of_objects(config)
    yield from _of_plots(config, simulated, backgrounds)


def _of_plots(config: "Config", simulated: tuple[str, ...], backgrounds: tuple[str, ...]) -> Iterator[Reference]:
    labelled = (*simulated, *config.cascade.regions, *config.features)
    for name in config.plots.labels:
        yield Reference(("plots", "labels", name), name, labelled, "process, region or feature")
    for name in config.plots.colours:
        yield Reference(("plots", "colours", name), name, simulated, "process")
    yield from _each(("plots", "order"), config.plots.order, backgrounds, "background process")


def _of_corrections(config: "Config", backgrounds: tuple[str, ...], features: tuple[str, ...]) -> Iterator[Reference]:
    control = tuple(name for name in config.cascade.regions if is_control(name))
    for index, correction in enumerate(config.corrections):
        location = ("corrections", index)
        yield Reference((*location, "process"), correction.process, backgrounds, "background process")
        yield Reference((*location, "from"), correction.from_, control, "control region")
        yield from _each((*location, "variables"), correction.variables, features, "feature")


def _each(location: Location, names: tuple[str, ...], known: tuple[str, ...], what: str) -> Iterator[Reference]:
    for index, name in enumerate(names):
        yield Reference((*location, index), name, known, what)


def _of_learning(
    location: Location, learning: StageConfig | FinalConfig, features: tuple[str, ...]
) -> Iterator[Reference]:
    if learning.decorrelate:
        yield Reference((*location, "decorrelate", "spectator"), learning.decorrelate.spectator, features, "feature")
    yield from _each((*location, "features"), learning.features, features, "feature")


def _of_regions(config: "Config", simulated: tuple[str, ...]) -> Iterator[Reference]:
    regions, observables = config.regions, (*config.features, "score")
    for name in regions.own:
        yield Reference(("regions", name), name, config.cascade.regions, "region")
    kinds = {"control": regions.control, "validation": regions.validation, **regions.own}
    for name, binning in kinds.items():
        if binning is not None:
            yield from _of_binning(name, binning, observables, simulated)
    final = ("final",) if config.cascade.final else ()
    yield from _of_binning("signal", regions.signal, (*observables, *final), simulated)


def _of_binning(
    name: str, binning: BinningConfig, observables: tuple[str, ...], simulated: tuple[str, ...]
) -> Iterator[Reference]:
    yield Reference(("regions", name, "observable"), binning.observable, observables, "observable")
    for process in binning.min_effective_events_per_process:
        location = ("regions", name, "min_effective_events_per_process", process)
        yield Reference(location, process, simulated, "process")


def _of_systematics(config: "Config", simulated: tuple[str, ...]) -> Iterator[Reference]:
    known = config.cascade.regions
    for index, systematic in enumerate(config.systematics):
        is_sample = isinstance(systematic, SampleSystematic)
        location = ("systematics", index, "process" if is_sample else "processes")
        for position, name in enumerate(systematic.processes or ()):
            yield Reference(location if is_sample else (*location, position), name, simulated, "process")
        for position, pattern in enumerate(systematic.regions or ()):
            if not fnmatch.filter(known, pattern):
                yield Reference(("systematics", index, "regions", position), pattern, known, "region")


def _of_objects(config: "Config") -> Iterator[Reference]:
    for name, spec in config.objects.items():
        others = tuple(other for other in config.objects if other != name)
        for other in spec.away_from:
            yield Reference(("objects", name, "away_from", other), other, others, "object")
        yield from _each(("objects", name, "pairs"), spec.pairs or (), others, "object")
