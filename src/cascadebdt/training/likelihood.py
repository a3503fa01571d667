"""What is trained beside the stages: the sorter, and the parts of the final discriminant."""

from collections.abc import Mapping, Sequence

import numpy as np

from cascadebdt.cascade.discriminant import Discriminant, LikelihoodRatio, StageRatio
from cascadebdt.cascade.multiclass import SORTER, Multiclass
from cascadebdt.cascade.stage import Classifier, Stage
from cascadebdt.config import DATA, NOMINAL, CascadeConfig, FinalConfig
from cascadebdt.events import Events
from cascadebdt.training.multiclass import MulticlassTask


def backgrounds(events: Events, signal: str) -> tuple[str, ...]:
    """Return the names of the background processes."""
    return tuple(name for name in events.processes if name not in (signal, DATA))


def sorter_task(config: CascadeConfig) -> MulticlassTask:
    """Return the task of the sorter: a class for the backgrounds of each stage."""
    return MulticlassTask(
        name=SORTER,
        where="sorter",
        classes={stage.name: stage.against for stage in config.stages},
        features=config.sorter_features,
        bdt=config.control.bdt,
        cure="tighten the working points, add simulation, or set control.assign to 'stage'",
    )


def ratio_task(final: FinalConfig, signal: str, events: Events, repeat: int) -> MulticlassTask:
    """Return the task of a likelihood ratio: a class for the signal, and one for each background process."""
    return MulticlassTask(
        name="likelihood" if repeat == 0 else f"likelihood_{repeat}",
        where="final discriminant",
        classes={name: (name,) for name in (signal, *backgrounds(events, signal))},
        features=final.features,
        bdt=final.bdt,
        cure="add simulation, or use final.kind 'binary'",
    )


def likelihood_ratio(model: Multiclass, events: Events) -> LikelihoodRatio:
    """Return the likelihood ratio of a multiclass BDT; the shares of the backgrounds are those of their yields."""
    signal, *others = model.classes
    weights = model.summary["weights"]
    expected = np.array([yield_of(events, name) for name in others])
    shares = np.maximum(expected, 0.0) / np.maximum(expected, 0.0).sum()
    with np.errstate(divide="ignore"):  # a background without a yield has no part in the sum
        offsets = np.log(shares / [weights[name] for name in others])
    return LikelihoodRatio(model, (-float(np.log(weights[signal])), *map(float, offsets)))


def stage_ratio(stages: Sequence[Stage], signal: str, events: Events) -> StageRatio:
    """Return the likelihood ratio that follows from the stages.

    A stage compares the signal with its background among the events that reach it, so that its yields are those.
    """
    ratios = []
    for stage in stages:
        reaching, weights = (stage.classifier.summary[key] for key in ("yields", "class_weights"))
        (signal_yield, background), (signal_weight, weight) = (
            (found[signal], sum(value for name, value in found.items() if name != signal))
            for found in (reaching, weights)
        )
        ratios.append(background / signal_yield * signal_weight / weight)
    total = sum(yield_of(events, name) for stage in stages for name in stage.classifier.against)
    scale = yield_of(events, signal) / total
    with np.errstate(divide="ignore"):
        offsets = np.log(np.maximum(ratios, 0.0) * scale)
    return StageRatio(tuple(stage.classifier.against for stage in stages), tuple(map(float, offsets)))


def discriminant(
    config: FinalConfig,
    signal: str,
    events: Events,
    *,
    stages: Sequence[Stage],
    binary: Sequence[Classifier],
    models: Sequence[Multiclass],
) -> Discriminant | None:
    """Join the parts of the final discriminant; None where it is one binary BDT."""
    if config.kind == ("binary",) and len(binary) == 1:
        return None
    return Discriminant(
        binary=tuple(binary),
        ratios=tuple(likelihood_ratio(model, events) for model in models),
        stages=stage_ratio(stages, signal, events) if "stages" in config.kind else None,
    )


def yield_of(events: Events, process: str) -> float:
    """Return the sum of the nominal weights of a process."""
    return float(events.weights[NOMINAL][events.of_process(process)].sum())


def summed(events: Events, classes: Mapping[str, np.ndarray]) -> dict[str, float]:
    """Return the sum of the nominal weights of each class, a mask each."""
    return {name: float(events.weights[NOMINAL][mask].sum()) for name, mask in classes.items()}
