"""Multiclass boosted decision trees by XGBoost: the sorter, and the likelihood ratio of the final discriminant.

They train as the stages do: one booster per fold that never sees its events, another fold stops it, all classes weigh
as many as they have events.
"""

import logging
import math
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FEATURE, BoolArray, FloatArray, IntArray
from cascadebdt.cascade.multiclass import Multiclass, log_sum_exp
from cascadebdt.config import NOMINAL, BDTConfig
from cascadebdt.errors import TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import Split, training_split
from cascadebdt.training import inputs, preparation, quality
from cascadebdt.training.boosting import Fitted, Runtime
from cascadebdt.training.context import Context
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.kept import Place, Unfinished, completed
from cascadebdt.training.lineage import Lineage
from cascadebdt.training.quantiser import Quantiser
from cascadebdt.training.survivors import Survivors
from cascadebdt.training.weights import effective_number

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class MulticlassProblem:
    """The classification problem of a multiclass BDT.

    Attributes
    ----------
    name : of the folder of its models
    classes : name -> processes, in the order of the margins
    features : names
    bdt : hyperparameters
    cure : what to do where a class has too few events
    """

    name: str
    classes: Mapping[str, tuple[str, ...]]
    features: tuple[str, ...]
    bdt: BDTConfig
    cure: str

    @property
    def where(self) -> str:
        """What it is called in messages."""
        return f"multiclass BDT '{self.name}'"

    def codes(self, events: Events) -> IntArray:
        """Return the class of each event, ``(n_events,) int64``, -1 for those of no class."""
        codes = np.full(len(events), -1)
        for code, processes in enumerate(self.classes.values()):
            codes[events.of_process(*processes)] = code
        return codes


def train(
    problem: MulticlassProblem,
    chosen: Survivors,
    context: Context,
    *,
    repeat: int = 0,
) -> Multiclass:
    """Train the models that are deployed.

    Parameters
    ----------
    chosen : the events that train
    repeat : how many folds later than by default the one lies that stops the training; it is added to the seed, too

    Raises
    ------
    TrainingError
        If a class has too few effective events, or weights that cannot train.
    Unfinished
        If models are missing that are not to be trained.
    """
    is_stopped = problem.bdt.early_stopping_rounds is not None
    boosters: dict[int, xgb.Booster] = {}
    summary: dict[str, Any] = {}
    missing: list[Place] = []
    for lineage in chosen.lineages:
        sample = _Sample.of(problem, lineage, context)
        splits = {
            fold: training_split(
                context.folds[sample.rows], fold, lineage.folds, early_stopping=is_stopped, later=repeat
            )
            for fold in lineage.deployed
        }
        inputs.require_both(sample.weights, sample.classes, splits, early_stopping=is_stopped, where=problem.where)
        places = {fold: Place(problem.name, fold, lineage.held_out) for fold in splits}
        models = completed(places, context.kept, partial(_fit, sample, splits, problem, context.runtime, repeat))
        missing += [place for fold, place in places.items() if fold not in models]
        boosters |= {fold: fitted.booster for fold, fitted in models.items()}
        summary = {
            "yields": sample.yields,
            "effective_events": sample.effective_events,
            "class_weights": sample.totals,
        }
    if missing:
        raise Unfinished(missing)
    ordered = tuple(boosters[fold] for fold in sorted(boosters))
    model = Multiclass(problem.name, tuple(problem.classes), problem.features, ordered)
    summary |= {
        "auc": _separation(problem, model, chosen, context),
        "best_iterations": [booster.num_boosted_rounds() - 1 for booster in ordered],
        "repetition": {name: context.repetition[name] for name in problem.features},
        "hyperparameters": problem.bdt.model_dump(),
    }
    areas = ", ".join(f"{name} {area:.3f}" for name, area in summary["auc"].items())
    log.info("%s: areas under the ROC curves %s", problem.where, areas)
    return replace(model, summary=summary)


@dataclass(frozen=True, eq=False)
class _Sample:
    """The events of a lineage that train.

    Attributes
    ----------
    features : of n_rows
    rows : (n_rows,) int64, in the events
    codes : (n_rows,) the class
    weights : (n_rows,) float64, none negative, with a mean of 1 in each class
    classes : name -> (n_rows,) bool
    yields, effective_events, totals : class -> expected events, effective number of events, and sum of the weights
    """

    features: FeatureRows
    rows: IntArray
    codes: IntArray
    weights: FloatArray
    classes: Mapping[str, BoolArray]
    yields: Mapping[str, float]
    effective_events: Mapping[str, float]
    totals: Mapping[str, float]

    @classmethod
    def of(cls, problem: MulticlassProblem, lineage: Lineage, context: Context) -> "_Sample":
        events, folds, config = context.events, context.folds, context.config
        codes = problem.codes(events)
        rows, weights = preparation.sampled(np.flatnonzero(lineage.alive & (codes >= 0)), events, folds, config)
        found = {name: codes[rows] == code for code, name in enumerate(problem.classes)}
        missing = inputs.shortage(weights, found, config.min_effective_events)
        if missing:
            raise TrainingError(f"{problem.where}: {missing}; {problem.cure}")
        inputs.require_positive(weights, found, where=problem.where)
        used = preparation.usable(problem.features, problem.where, rows, weights, events, folds, config)
        kept = used > 0
        rows, codes, used = rows[kept], codes[rows][kept], used[kept]
        classes = {name: mask[kept] for name, mask in found.items()}
        for mask in classes.values():
            used[mask] *= mask.sum() / used[mask].sum()
        return cls(
            features=FeatureRows(events.columns, problem.features, rows),
            rows=rows,
            codes=codes,
            weights=used,
            classes=classes,
            yields={name: float(weights[mask].sum()) for name, mask in found.items()},
            effective_events={name: effective_number(weights[mask]) for name, mask in found.items()},
            totals={name: float(mask.sum()) for name, mask in classes.items()},
        )


def _fit(
    sample: _Sample,
    splits: Mapping[int, Split],
    problem: MulticlassProblem,
    runtime: Runtime,
    repeat: int,
    folds: Sequence[int],
) -> list[Fitted]:
    """Train a booster for each of some folds, as many at a time as there are jobs, with one thread each."""
    side_by_side = runtime.device == "cpu" and runtime.memory == "ram"
    parameters = {
        **problem.bdt.model_dump(exclude={"n_estimators", "early_stopping_rounds"}),
        "objective": "multi:softprob",
        "num_class": len(problem.classes),
        "base_score": 0.5,
        "eval_metric": "mlogloss",
        "tree_method": "hist",
        "device": runtime.device,
        "nthread": 1 if side_by_side else runtime.jobs,
        "seed": runtime.seed + repeat,
    }
    with tempfile.TemporaryDirectory(prefix="cascadebdt-") as folder:
        cache = Path(folder) if runtime.memory == "disk" else None
        quantiser = Quantiser.of(sample.features, problem.bdt.max_bin, threads=parameters["nthread"], cache=cache)
        with ThreadPoolExecutor(min(runtime.jobs, len(folds)) if side_by_side else 1) as pool:
            return list(pool.map(lambda fold: _boost(sample, splits[fold], problem.bdt, parameters, quantiser), folds))


def _boost(
    sample: _Sample, split: Split, config: BDTConfig, parameters: Mapping[str, Any], quantiser: Quantiser
) -> Fitted:
    """Train one booster, cut to its best iteration."""
    stopping = config.early_stopping_rounds
    parts = {"train": split.train, **({"stop": split.stop} if stopping else {})}
    data = {}
    for name, mask in parts.items():
        rows = np.flatnonzero(mask)
        data[name] = quantiser.binned(rows)
        data[name].set_info(label=sample.codes[rows].astype(FEATURE), weight=sample.weights[rows].astype(FEATURE))
    booster = xgb.Booster(dict(parameters), list(data.values()))
    best, lowest = config.n_estimators, math.inf
    for n_rounds in range(1, config.n_estimators + 1):
        booster.update(data["train"], n_rounds - 1)
        if not stopping:
            continue
        loss = float(booster.eval_set([(data["stop"], "loss")]).rpartition(":")[2])
        if loss < lowest:
            best, lowest = n_rounds, loss
        if n_rounds - best >= stopping:
            break
    booster.feature_names = list(sample.features.names)
    trained = booster[:best]
    trained.set_param({"device": "cpu"})  # where events are scored, whatever trained it
    return Fitted(trained, {})


def _separation(
    problem: MulticlassProblem, model: Multiclass, chosen: Survivors, context: Context
) -> dict[str, float | None]:
    """Return, per class, the area under the ROC curve of its probability, of this class against the others."""
    events, folds = context.events, context.folds
    codes = problem.codes(events)
    rows = np.flatnonzero(chosen.unseen & (codes >= 0))
    models = folds if len(model.boosters) > 1 else np.zeros(len(folds), np.int64)
    margins = model.margins(events.columns, models, rows).astype(np.float64)
    shares = (margins - log_sum_exp(margins)[:, None]).astype(FEATURE)
    weights = events.weights[NOMINAL][rows]
    return {
        name: quality.number(quality.roc_auc(shares[:, code], weights, codes[rows] == code))
        for code, name in enumerate(problem.classes)
    }
