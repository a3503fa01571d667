"""What to doubt of a configuration and of the events that it selects, before anything is trained."""

from collections.abc import Iterator

import numpy as np

from cascadebdt.arrays import BoolArray
from cascadebdt.config import NOMINAL, Config
from cascadebdt.config.stages import FinalConfig, StageConfig
from cascadebdt.events import Events
from cascadebdt.expression import Field, Value, parse, walk
from cascadebdt.ntuple import roles
from cascadebdt.ntuple.roles import Role
from cascadebdt.training import inputs
from cascadebdt.training.feature_rows import FeatureRows

SUSPECTS = {
    Role.WEIGHT: "a weight",
    Role.TRUTH: "the truth of the simulation",
    Role.IDENTITY: "the identity of the event",
}


def doubts(config: Config, events: Events) -> Iterator[str]:
    """Yield a sentence for everything that makes a result doubtful.

    Parameters
    ----------
    config : the analysis
    events : that it selects
    """
    yield from _cross_sections(config)
    yield from inputs.too_few(inputs.effective_events(events), config.cascade)
    for name in _learnt(config):
        yield from _names(config, name)
    yield from _labels(config, events)
    yield from _constants(config, events)


def _cross_sections(config: Config) -> Iterator[str]:
    simulated = [sample for sample in config.samples if not sample.is_data]
    without = [sample.name for sample in simulated if sample.cross_section_pb is None]
    if without:
        which = "no simulated sample has" if len(without) == len(simulated) else f"{', '.join(without)}: no"
        yield f"{which} a cross_section_pb, so that weights are taken as they are; are they those of the luminosity?"


def _learnt(config: Config) -> tuple[str, ...]:
    """Return the features that train, each once."""
    return tuple(dict.fromkeys(name for part in _parts(config) for name in part.features))


def _parts(config: Config) -> list[StageConfig | FinalConfig]:
    return [*config.cascade.stages, *([config.cascade.final] if config.cascade.final else [])]


def _names(config: Config, feature: str) -> Iterator[str]:
    """Yield what the branches of a feature are, by their names and by their use, where it is nothing to train on."""
    weights = {config.ntuples.weight, *(sample.weight for sample in config.samples)} - {None}
    in_weights = {node.name for text in weights for node in _values(config, str(text))}
    for node in _values(config, config.features[feature]):
        found = SUSPECTS.get(roles.by_name(node.name))
        if node.name in in_weights:
            found = "part of the weight"
        elif node.name in config.ntuples.event_id:
            found = SUSPECTS[Role.IDENTITY]
        if found:
            yield f"features.{feature}: '{node.name}' looks like {found}, which data do not have or must not train on"


def _values(config: Config, text: str) -> list[Value | Field]:
    tree = parse(text, path="", objects=config.objects)
    return [node for node in dict.fromkeys(walk(tree)) if isinstance(node, Value | Field)]


def _labels(config: Config, events: Events) -> Iterator[str]:
    """Yield the features that alone separate the signal from the processes of a stage."""
    is_signal = events.of_process(config.cascade.signal)
    for stage in config.cascade.stages:
        features = _features(stage, config, events)
        weights = np.abs(events.weights[NOMINAL][features.rows])
        for name in inputs.leaks(features, weights, is_signal[features.rows]):
            classes = f"{config.cascade.signal} from {' + '.join(stage.against)}"
            yield f"stage {stage.name}: feature {name} alone separates {classes}; it may tell the label"


def _constants(config: Config, events: Events) -> Iterator[str]:
    """Yield the features that have one value in all events of a stage."""
    for stage in config.cascade.stages:
        for name in inputs.constant(_features(stage, config, events)):
            yield (
                f"stage {stage.name}: feature {name} has one value in all selected events of its processes, so that it "
                "will be left out; check its expression"
            )


def _features(stage: StageConfig, config: Config, events: Events) -> FeatureRows:
    """Return the features of a stage in the nominal events of its processes."""
    chosen = events.is_nominal & ~events.is_data & _of_any(events, (config.cascade.signal, *stage.against))
    return FeatureRows(events.columns, stage.features, np.flatnonzero(chosen))


def _of_any(events: Events, processes: tuple[str, ...]) -> BoolArray:
    return np.asarray(np.any([events.of_process(process) for process in processes], axis=0))
