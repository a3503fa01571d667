"""A problem learned in every lineage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from cascadebdt.arrays import FeatureArray
from cascadebdt.training import boosting, distributed, preparation
from cascadebdt.training.boosting import Fitted, Runtime
from cascadebdt.training.context import Context
from cascadebdt.training.kept import Place, Unfinished, completed
from cascadebdt.training.preparation import Prepared
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

    Raises
    ------
    Unfinished
        If models are missing that are not to be trained.
    """
    runtime = replace(context.runtime, seed=context.runtime.seed + repeat)
    models: list[Mapping[int, Fitted]] = []
    summaries: list[Mapping[str, Any]] = []
    constant: dict[str, list[int]] = {}
    missing: list[Place] = []
    for lineage in survivors.lineages:
        members = lineage.deployed if deployed_only else lineage.members
        prepared = preparation.prepare(
            problem, lineage, members, context.events, context.folds, context.config, later=repeat
        )
        places = {fold: Place(problem.name, fold, lineage.held_out) for fold in prepared.splits}
        models.append(completed(places, context.kept, partial(_fit, problem, prepared, runtime)))
        missing += [place for fold, place in places.items() if fold not in models[-1]]
        summaries.append(prepared.summary)
        for name, folds in prepared.constant.items():
            constant.setdefault(name, []).extend(fold for fold in folds if fold in lineage.deployed)
    if missing:
        raise Unfinished(missing)
    deployed = {
        fold: of_lineage[fold]
        for lineage, of_lineage in zip(survivors.lineages, models, strict=True)
        for fold in lineage.deployed
    }
    summary = {**summaries[0], "constant": {name: folds for name, folds in constant.items() if folds}}
    return Trained(tuple(models), deployed, context.scores(deployed, problem, survivors.unseen), summary)


def _fit(problem: Problem, prepared: Prepared, runtime: Runtime, folds: Sequence[int]) -> Sequence[Fitted]:
    """Train the models of some folds of a lineage."""
    train = distributed.fit if problem.distributed else boosting.fit
    return train(prepared.sample, [prepared.splits[fold] for fold in folds], problem.bdt, runtime)
