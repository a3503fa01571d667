"""A problem learned in every lineage."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cascadebdt.arrays import FeatureArray
from cascadebdt.training import boosting, preparation
from cascadebdt.training.boosting import Fitted
from cascadebdt.training.context import Context
from cascadebdt.training.problem import Problem
from cascadebdt.training.survivors import Survivors


@dataclass(frozen=True, eq=False)
class Trained:
    """The models of a problem.

    Attributes
    ----------
    models : per lineage, fold -> model
    deployed : fold -> model, in the order of the lineages
    scores : (n_events,) float32 of the deployed models, NaN where not alive
    summary : numbers about the sample they trained on
    """

    models: tuple[Mapping[int, Fitted], ...]
    deployed: Mapping[int, Fitted]
    scores: FeatureArray
    summary: Mapping[str, Any]


def fit(problem: Problem, survivors: Survivors, context: Context, *, deployed_only: bool, repeat: int = 0) -> Trained:
    """Train a problem in every lineage: the models that choose survivors, unless not needed, and those deployed.

    A `repeat` has another seed, and another fold stops the training.
    """
    runtime = replace(context.runtime, seed=context.runtime.seed + repeat)
    models: list[Mapping[int, Fitted]] = []
    summaries: list[Mapping[str, Any]] = []
    constant: dict[str, list[int]] = {}
    for lineage in survivors.lineages:
        members = lineage.deployed if deployed_only else lineage.members
        prepared = preparation.prepare(
            problem, lineage, members, context.events, context.folds, context.config, later=repeat
        )
        fitted = boosting.fit(prepared.sample, list(prepared.splits.values()), problem.bdt, runtime)
        models.append(dict(zip(prepared.splits, fitted, strict=True)))
        summaries.append(prepared.summary)
        for name, folds in prepared.constant.items():
            constant.setdefault(name, []).extend(fold for fold in folds if fold in lineage.deployed)
    deployed = {
        fold: of_lineage[fold]
        for lineage, of_lineage in zip(survivors.lineages, models, strict=True)
        for fold in lineage.deployed
    }
    summary = {**summaries[0], "constant": {name: folds for name, folds in constant.items() if folds}}
    return Trained(tuple(models), deployed, context.scores(deployed, problem, survivors.unseen), summary)
