"""The training's part of the page: rows of its tables, and what to doubt."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

N_FEATURES = 3  # told of a stage, the most important first


def classifiers(cascade: Json) -> list[Json]:
    """List the stages, and the final discriminant if there is one."""
    return [*cascade["stages"], *([cascade["final"]] if cascade.get("final") else [])]


def doubts(cascade: Json) -> Iterator[str]:
    """Say what a reader should know of the training before believing its result."""
    for stage in classifiers(cascade):
        yield from _doubts_of_inputs(stage, cascade["signal"])
        yield from _doubts_of_rounds(stage)
        for row in negative_weights(stage):
            if abs(row["sum_negative"]) > 0.2 * abs(row["sum_true"]):
                share = percent(abs(row["sum_negative"] / row["sum_true"])) if row["sum_true"] else "all"
                yield f"Stage {stage['name']}: negative weights are {share} of the yield of {row['name']} in training."


def _doubts_of_inputs(stage: Json, signal: str) -> Iterator[str]:
    training, name = stage["training"], stage["name"]
    if "untrained" in training:
        yield f"Stage {name} was not trained and passes everything: {training['untrained']}."
    for feature in training.get("leaks", ()):
        against = " + ".join(stage["against"])
        yield f"Stage {name}: feature {feature} alone separates {signal} from {against}; it may tell the label."
    for feature, folds in training.get("constant", {}).items():
        of = f"folds {', '.join(map(str, folds))}" if len(folds) > 1 else f"fold {folds[0]}"
        yield f"Stage {name}: feature {feature} has one value in all events that train the models of {of}."


def _doubts_of_rounds(stage: Json) -> Iterator[str]:
    training = stage["training"]
    last = training.get("hyperparameters", {}).get("n_estimators", math.inf) - 1
    n_full = sum(iteration >= last for iteration in training.get("best_iterations", ()))
    if n_full and training["hyperparameters"].get("early_stopping_rounds"):
        yield (
            f"Stage {stage['name']}: {n_full} of {len(training['best_iterations'])} boosters still improved when "
            f"n_estimators ({last + 1}) ended their training."
        )


def overview(stage: Json, signal: str) -> dict[str, Any]:
    """Return a row of the cascade's table."""
    efficiencies = stage.get("efficiencies", {})
    training = stage["training"]
    return {
        "name": stage["name"],
        "against": stage["against"],
        "features": stage["features"],
        "threshold": threshold(stage, "threshold"),
        "validation_threshold": threshold(stage, "validation_threshold"),
        "signal_kept": efficiencies.get(signal),
        "background_kept": ", ".join(percent(efficiencies.get(name)) for name in stage["against"])
        if efficiencies
        else "–",
        "auc": decimals(training.get("auc"), 4),
        "best_iterations": span(training.get("best_iterations", [])),
    }


def threshold(stage: Json, key: str) -> float | None:
    """Return a threshold of a stage, None if it has none (``threshold``, ``validation_threshold``)."""
    return stage[key]["value"] if key in stage else None


def quality(stage: Json) -> dict[str, Any]:
    """Return a row of the table of quality: separation out of fold, its spread over folds, and overtraining."""
    training = stage["training"]
    compared = training.get("overtraining", {})
    distances = compared.get("distance", {})
    importance = list(training.get("importance", {}).items())[:N_FEATURES]
    return {
        "name": stage["name"],
        "auc": _with_error(training.get("auc"), training.get("auc_uncertainty")),
        "auc_spread": decimals(training.get("auc_spread"), 4),
        "average_precision": decimals(training.get("average_precision"), 4),
        "differences": [
            _with_error(compared.get(name, {}).get("difference"), compared.get(name, {}).get("uncertainty"))
            for name in ("auc", "signal_efficiency", "background_efficiency")
        ],
        "p_values": [decimals(distances.get(name, {}).get("p_value"), 2) for name in ("signal", "background")],
        "importance": ", ".join(f"{name} {percent(share)}" for name, share in importance) or "–",
    }


def negative_weights(stage: Json) -> list[dict[str, Any]]:
    """Return rows of the table of negative weights, one per process."""
    found = stage["training"].get("negative_weights", {})
    return [
        {"stage": stage["name"], "name": name, "policy": found["policy"], **numbers}
        for name, numbers in found.get("processes", {}).items()
    ]


def sculpting(cascade: Json) -> list[dict[str, Any]]:
    """Return rows of the table of spectators, one per stage that names one."""
    return [
        {"stage": stage["name"], **stage["training"]["sculpting"]}
        for stage in classifiers(cascade)
        if "sculpting" in stage["training"]
    ]


def effective_events(stage: Json) -> str:
    """Say how many effective events each class has."""
    found = stage["training"].get("effective_events", {})
    return ", ".join(f"{name} {number:,.0f}" for name, number in found.items()) or "–"


def span(numbers: Iterable[int]) -> str:
    """Write the smallest and the largest number."""
    found = sorted(numbers)
    if not found:
        return "–"
    return f"{found[0]}" if found[0] == found[-1] else f"{found[0]} – {found[-1]}"


def percent(fraction: float | None) -> str:
    """Write a fraction in per cent."""
    return "–" if fraction is None else f"{100 * fraction:.{1 if abs(fraction) >= 0.01 else 2}f} %"


def decimals(value: float | None, digits: int) -> str:
    """Write a number with some decimals, a dash if there is none."""
    return "–" if value is None else f"{value:.{digits}f}"


def _with_error(value: float | None, error: float | None) -> str:
    return decimals(value, 4) if value is None or error is None else f"{value:.4f} ± {error:.4f}"
