"""What the scores of a fold know of its own labels: `python benchmarks/leakage.py [CONFIG]`.

In one fold labels of the signal and of the first stage's background are permuted, the cascade is trained again, and the
scores of the fold's events are compared, at every stage that they reached before. With `mode: nested` no bit may
change. With `mode: cross_fit` none may at the first stage; later ones know the labels through the survivors, which
models of other folds chose that had trained on them. The last table compares both modes with the true
labels.
"""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np

from cascadebdt import config, training
from cascadebdt.arrays import FeatureArray
from cascadebdt.cascade import Cascade
from cascadebdt.cascade.summary import TrainingSummary
from cascadebdt.config import NOMINAL, CascadeConfig
from cascadebdt.events import Events, loading
from cascadebdt.events.folds import fold_of
from cascadebdt.resources import available_cpus
from cascadebdt.training.quality import roc_auc

CONFIG = Path(__file__).parents[1] / "configs" / "wh_dark_photon.yaml"
FOLD = 0
SHARES = (0.1, 1.0)


def permuted(events: Events, settings: CascadeConfig, share: float) -> Events:
    """Return the events with the labels, and their weights, of signal and first background permuted in one fold."""
    rng = np.random.default_rng(settings.folds)
    in_fold = fold_of(events.event_id, settings.folds) == FOLD
    rows = np.flatnonzero(in_fold & events.of_process(settings.signal, *settings.stages[0].against))
    rows = rng.choice(rows, round(share * len(rows)), replace=False)
    places = np.arange(len(events))
    places[rows] = rng.permutation(rows)
    weights = {name: weight[places] for name, weight in events.weights.items()}
    return replace(events, process=events.process[places], weights=weights)


def scores(model: Cascade, events: Events) -> FeatureArray:
    """Return the score of every event at every stage, whether or not earlier ones pass it, and the final one."""
    stages = [replace(s, working_point=replace(s.working_point, threshold=np.float32(0))) for s in model.stages]
    found = replace(model, stages=tuple(stages)).score(events)
    return np.column_stack([found.scores, *([] if found.final is None else [found.final])])


def names(model: Cascade) -> list[tuple[str, tuple[str, ...]]]:
    """Return name and background of every stage and of the final discriminant."""
    return [(c.name, c.against) for c in (*(s.classifier for s in model.stages), model.final) if c is not None]


def main() -> None:
    """Train and print the tables."""
    settings = config.load(sys.argv[1] if len(sys.argv) > 1 else CONFIG)
    every = loading.select(settings, jobs=available_cpus(), nominal_only=True)
    events = every.take(~every.is_data)
    in_fold = fold_of(events.event_id, settings.cascade.folds) == FOLD
    models: dict[str, Cascade] = {}
    for mode in ("cross_fit", "nested"):
        asked = settings.cascade.model_copy(update={"mode": mode})

        models[mode] = training.train(events, asked, seed=settings.seed, jobs=available_cpus())
        for share in SHARES:
            changed = training.train(permuted(events, asked, share), asked, seed=settings.seed, jobs=available_cpus())
            print(f"\nmode {mode}: scores of fold {FOLD}, {share:.0%} of its labels permuted")
            compare(models[mode], changed, events.take(in_fold), asked.signal)
    print("\nAUC out of fold, all events with their true labels")
    print(f"{'stage':10s} {'cross_fit':>20s} {'nested':>20s}")
    for (name, _), *summaries in zip(names(models["nested"]), *map(summary, models.values()), strict=True):
        print(f"{name:10s} " + " ".join(f"{s.auc:11.4f} +- {s.auc_uncertainty:.4f}" for s in summaries))


def summary(model: Cascade) -> list[TrainingSummary]:
    """Return what every stage tells of its training."""
    return [c.summary for c in (*(s.classifier for s in model.stages), model.final) if c is not None]


def compare(model: Cascade, other: Cascade, events: Events, signal: str) -> None:
    """Print how scores differ at every stage among the events that reached it."""
    region = model.score(events).region
    before, after = scores(model, events), scores(other, events)
    print(f"{'stage':10s} {'events':>7s} {'changed':>9s} {'mean':>8s} {'max':>8s} {'AUC':>8s} {'then':>8s}")
    for k, (name, against) in enumerate(names(model)):
        rows = (region >= k) & events.of_process(signal, *against)
        change = np.abs(after[rows, k] - before[rows, k])
        areas = [
            roc_auc(s[rows, k], events.weights[NOMINAL][rows], events.of_process(signal)[rows]) for s in (before, after)
        ]
        print(
            f"{name:10s} {rows.sum():7d} {(change > 0).mean():9.2%} {change.mean():8.4f} {change.max():8.4f} "
            f"{areas[0]:8.4f} {areas[1]:8.4f}"
        )


if __name__ == "__main__":
    main()
