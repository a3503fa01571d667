"""The training's part of the page: rows of its tables, and what to doubt."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cascadebdt.cascade import Cascade, Classifier, WorkingPoint
from cascadebdt.cascade.summary import Difference, Distance, Sculpting, WeightCount

N_FEATURES = 3  # told of a stage, the most important first
NOTABLE_NEGATIVE_SHARE = 0.2  # of the yield of a process in training


def classifiers(cascade: Cascade) -> list[tuple[Classifier, WorkingPoint | None]]:
    """List the stages with their working points, and the final discriminant, which has none, if there is one."""
    stages: list[tuple[Classifier, WorkingPoint | None]] = [(s.classifier, s.working_point) for s in cascade.stages]
    return stages if cascade.final is None else [*stages, (cascade.final, None)]


def validation_threshold(point: WorkingPoint | None) -> float | None:
    """Return where the validation region of a stage begins, None if it has none."""
    return None if point is None or point.validation_threshold is None else float(point.validation_threshold)


def doubts(classifier: Classifier, signal: str) -> Iterator[str]:
    """Yield what a reader should know of the training of a classifier before believing its result."""
    yield from _doubts_of_inputs(classifier, signal)
    yield from _doubts_of_rounds(classifier)
    for row in negative_weights(classifier):
        if abs(row.count.sum_negative) > NOTABLE_NEGATIVE_SHARE * abs(row.count.sum_true):
            true = row.count.sum_true
            share = percent(abs(row.count.sum_negative / true)) if true else "all"
            yield f"Stage {row.stage}: negative weights are {share} of the yield of {row.name} in training."


def _doubts_of_inputs(classifier: Classifier, signal: str) -> Iterator[str]:
    summary, name = classifier.summary, classifier.name
    if summary.untrained is not None:
        yield f"Stage {name} was not trained and passes everything: {summary.untrained}."
    for feature in summary.leaks or ():
        against = " + ".join(classifier.against)
        yield f"Stage {name}: feature {feature} alone separates {signal} from {against}; it may tell the label."
    for feature in summary.dropped or ():
        yield f"Stage {name}: feature {feature} has one value in all events that reach the stage and was left out."
    for feature, folds in (summary.constant or {}).items():
        of = f"folds {', '.join(map(str, folds))}" if len(folds) > 1 else f"fold {folds[0]}"
        yield f"Stage {name}: feature {feature} has one value in all events that train the models of {of}."


def _doubts_of_rounds(classifier: Classifier) -> Iterator[str]:
    summary = classifier.summary
    hyperparameters = summary.hyperparameters or {}
    last = hyperparameters.get("n_estimators", math.inf) - 1
    n_full = sum(iteration >= last for iteration in summary.best_iterations)
    if n_full and hyperparameters.get("early_stopping_rounds"):
        yield (
            f"Stage {classifier.name}: {n_full} of {len(summary.best_iterations)} boosters still improved when "
            f"n_estimators ({last + 1}) ended their training."
        )


@dataclass(frozen=True)
class StageRow:
    """A row of the cascade's table."""

    name: str
    against: tuple[str, ...]
    features: tuple[str, ...]
    threshold: float | None
    validation_threshold: float | None
    signal_kept: float | None
    background_kept: str
    auc: str
    best_iterations: str


def overview(classifier: Classifier, point: WorkingPoint | None, signal: str) -> StageRow:
    """Return a row of the cascade's table."""
    efficiencies = {} if point is None else point.efficiencies
    summary = classifier.summary
    kept = ", ".join(percent(efficiencies.get(name)) for name in classifier.against)
    return StageRow(
        name=classifier.name,
        against=classifier.against,
        features=classifier.features,
        threshold=None if point is None else float(point.threshold),
        validation_threshold=validation_threshold(point),
        signal_kept=efficiencies.get(signal),
        background_kept=kept if efficiencies else "–",
        auc=decimals(summary.auc, 4),
        best_iterations=span(summary.best_iterations),
    )


@dataclass(frozen=True)
class QualityRow:
    """A row of the table of quality: separation out of fold, its spread over folds, and overtraining."""

    name: str
    auc: str
    auc_spread: str
    average_precision: str
    differences: tuple[str, ...]
    p_values: tuple[str, ...]
    importance: str


def quality(classifier: Classifier) -> QualityRow:
    """Return a row of the table of quality."""
    summary = classifier.summary
    compared = summary.overtraining
    differences = (
        (compared.auc, compared.signal_efficiency, compared.background_efficiency) if compared else (None, None, None)
    )
    distances = compared.distance if compared else {}
    importance = list((summary.importance or {}).items())[:N_FEATURES]
    return QualityRow(
        name=classifier.name,
        auc=_with_error(summary.auc, summary.auc_uncertainty),
        auc_spread=decimals(summary.auc_spread, 4),
        average_precision=decimals(summary.average_precision, 4),
        differences=tuple(map(_difference, differences)),
        p_values=tuple(_p_value(distances.get(name)) for name in ("signal", "background")),
        importance=", ".join(f"{name} {percent(share)}" for name, share in importance) or "–",
    )


def _difference(compared: Difference | None) -> str:
    return "–" if compared is None else _with_error(compared.difference, compared.uncertainty)


def _p_value(distance: Distance | None) -> str:
    return decimals(None if distance is None else distance.p_value, 2)


@dataclass(frozen=True)
class NegativeWeightRow:
    """A row of the table of negative weights: a process at a stage, and what the policy made of it."""

    stage: str
    name: str
    policy: str
    count: WeightCount


def negative_weights(classifier: Classifier) -> list[NegativeWeightRow]:
    """Return rows of the table of negative weights, one per process."""
    weights = classifier.summary.negative_weights
    if weights is None:
        return []
    return [
        NegativeWeightRow(classifier.name, name, weights.policy, count) for name, count in weights.processes.items()
    ]


def sculpting(cascade: Cascade) -> list[tuple[str, Sculpting]]:
    """Return rows of the table of spectators: stages that name one, with what their cuts do to it."""
    rows = ((classifier.name, classifier.summary.sculpting) for classifier, _ in classifiers(cascade))
    return [(stage, sculpted) for stage, sculpted in rows if sculpted is not None]


@dataclass(frozen=True)
class ClassRow:
    """A row of the table of multiclass BDTs: a class of the sorter or of the final discriminant.

    Attributes
    ----------
    auc : of its probability out of fold, against all other classes
    effective_events : that trained it
    """

    model: str
    name: str
    auc: str
    effective_events: float
    best_iterations: str
    features: tuple[str, ...]


def multiclass(cascade: Cascade) -> list[ClassRow]:
    """Return a row per class of the sorter and of the multiclass BDTs of the final discriminant."""
    ratios = cascade.discriminant.ratios if cascade.discriminant else ()
    models = [*([cascade.sorter] if cascade.sorter else []), *(ratio.model for ratio in ratios)]
    return [
        ClassRow(
            model=model.name,
            name=name,
            auc=decimals(model.summary["auc"][name], 4),
            effective_events=model.summary["effective_events"][name],
            best_iterations=span(model.summary["best_iterations"]),
            features=model.features,
        )
        for model in models
        for name in model.classes
    ]


def effective_events(classifier: Classifier) -> str:
    """Write how many effective events each class has."""
    numbers = classifier.summary.effective_events or {}
    return ", ".join(f"{name} {number:,.0f}" for name, number in numbers.items()) or "–"


def span(numbers: Iterable[int]) -> str:
    """Write the smallest and the largest number."""
    ordered = sorted(numbers)
    if not ordered:
        return "–"
    return f"{ordered[0]}" if ordered[0] == ordered[-1] else f"{ordered[0]} – {ordered[-1]}"


def percent(fraction: float | None) -> str:
    """Write a fraction in per cent."""
    return "–" if fraction is None else f"{100 * fraction:.{1 if abs(fraction) >= 0.01 else 2}f} %"


def decimals(value: float | None, digits: int) -> str:
    """Write a number with some decimals, a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _with_error(value: float | None, error: float | None) -> str:
    return decimals(value, 4) if value is None or error is None else f"{value:.4f} ± {error:.4f}"
