"""What is trained beside the stages: the sorter, and the parts of the final discriminant."""

from collections.abc import Sequence

import numpy as np

from cascadebdt.cascade import Classifier, Stage
from cascadebdt.cascade.discriminant import Discriminant, LikelihoodRatio, StageRatio
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.stage import LIKELIHOOD, SORTER, repeated
from cascadebdt.training import multiclass
from cascadebdt.training.context import Context
from cascadebdt.training.multiclass import MulticlassProblem
from cascadebdt.training.problem import backgrounds
from cascadebdt.training.survivors import Survivors


def sorter(rejected: Survivors, context: Context) -> Multiclass:
    """Train the sorter on rejected events, with a class for the backgrounds of each stage."""
    config = context.config
    problem = MulticlassProblem(
        name=SORTER,
        classes={stage.name: stage.against for stage in config.stages},
        features=config.sorter_features,
        bdt=config.control.bdt,
        cure="tighten the working points, add simulation, or set control.assign to 'stage'",
    )
    return multiclass.train(problem, rejected, context)


def ratios(chosen: Survivors, context: Context) -> list[LikelihoodRatio]:
    """Train the multiclass BDTs of the final discriminant, if it has any: a class for each process."""
    final, signal = context.config.final, context.config.signal
    if final is None or "multiclass" not in final.kind:
        return []
    problems = [
        MulticlassProblem(
            name=repeated(LIKELIHOOD, repeat),
            classes={name: (name,) for name in (signal, *backgrounds(context.events, signal))},
            features=final.features,
            bdt=final.bdt,
            cure="loosen the working points, set final.train_on to 'all', or use final.kind 'binary'",
        )
        for repeat in range(final.repeats)
    ]
    models = [multiclass.train(problem, chosen, context, repeat=repeat) for repeat, problem in enumerate(problems)]
    return [_ratio(model, context) for model in models]


def _ratio(model: Multiclass, context: Context) -> LikelihoodRatio:
    """Return the likelihood ratio of a multiclass BDT; the shares of the backgrounds are those of their yields."""
    signal, *others = model.classes
    weights = model.summary["class_weights"]
    expected = np.maximum([_yield_of(context, name) for name in others], 0.0)
    with np.errstate(divide="ignore"):  # a background without a yield has no part in the sum
        offsets = np.log(expected / expected.sum() / [weights[name] for name in others])
    return LikelihoodRatio(model, (-float(np.log(weights[signal])), *map(float, offsets)))


def discriminant(
    context: Context, *, stages: Sequence[Stage], binary: Sequence[Classifier], ratios: Sequence[LikelihoodRatio]
) -> Discriminant | None:
    """Join the parts of the final discriminant; None where it is one binary BDT, or where there is none."""
    final = context.config.final
    if final is None or (final.kind == ("binary",) and len(binary) == 1):
        return None
    return Discriminant(tuple(binary), tuple(ratios), _stage_ratio(stages, context) if "stages" in final.kind else None)


def _stage_ratio(stages: Sequence[Stage], context: Context) -> StageRatio:
    """Return the likelihood ratio that follows from the stages.

    A stage compares the signal with its background among the events that reach it, so that its yields are those.
    """
    signal = context.config.signal
    total = sum(_yield_of(context, name) for stage in stages for name in stage.classifier.against)
    scale = _yield_of(context, signal) / total
    factors = [scale * _yield_ratio(stage, signal) / _weight_ratio(stage, signal) for stage in stages]
    with np.errstate(divide="ignore"):
        offsets = np.log(np.maximum(factors, 0.0))
    return StageRatio(tuple(stage.classifier.against for stage in stages), tuple(map(float, offsets)))


def _yield_ratio(stage: Stage, signal: str) -> float:
    """Return the yield of the background over that of the signal, of the events that reach a stage."""
    return _ratio_of(stage.classifier.summary.yields or {}, signal)


def _weight_ratio(stage: Stage, signal: str) -> float:
    """Return the weight of the background over that of the signal in the training of a stage."""
    return _ratio_of(stage.classifier.summary.class_weights or {}, signal)


def _ratio_of(sums: dict[str, float], signal: str) -> float:
    (other,) = (value for name, value in sums.items() if name != signal)
    return other / sums[signal]


def _yield_of(context: Context, process: str) -> float:
    """Return the expected yield of a process."""
    return float(context.weights[context.events.of_process(process)].sum())
