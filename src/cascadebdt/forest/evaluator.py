"""Compiled boosters: evaluated by the kernels where the models allow it, else by XGBoost.

Events are evaluated in blocks, spread over threads; besides what is returned, each thread needs memory for one block.
"""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import EVENT_ID, FEATURE, REGION, AnyArray, FeatureArray, IdArray
from cascadebdt.events.folds import fold_of
from cascadebdt.forest import kernel_source, kernel_steps, tables, target, trees, vector_code, vector_steps
from cascadebdt.forest.borders import RegionBorders
from cascadebdt.forest.columns import require_features
from cascadebdt.forest.engines import Engine, EngineChain, Evaluation, KernelEngine, Member, XGBoostEngine
from cascadebdt.forest.reference import out_of_fold
from cascadebdt.forest.target import Target
from cascadebdt.forest.trees import Trees, UnsupportedModelError
from cascadebdt.kernels import cpu, generated, jit

log = logging.getLogger(__name__)

BLOCK = 1 << 16  # events; their rows and the cast columns stay in the L2 cache
CALLED_MODULES = (kernel_steps, vector_steps, jit, vector_code, target)  # by what `kernel_source` generates
PROBES_PER_FOLD = 64  # events on which the kernels must agree with XGBoost before they are used


@dataclass(frozen=True)
class Evaluator:
    """Evaluates events of any number; `features` are those that must be given."""

    members: tuple[Member, ...]
    features: tuple[str, ...]
    engine: Engine

    def run(
        self,
        columns: Mapping[str, AnyArray],
        event_id: IdArray,
        borders: RegionBorders,
        *,
        jobs: int,
        with_margins: bool,
    ) -> Evaluation:
        """Evaluate events; `jobs` is the number of blocks at a time, which does not change the result.

        Raises
        ------
        InputError
            If a feature is missing.
        """
        require_features(columns, self.features)
        shape = (len(self.members), len(event_id)) if with_margins else (0, 0)
        evaluation = Evaluation(np.empty(shape, FEATURE), np.full(len(event_id), borders.passed, REGION))

        def evaluate(start: int) -> None:
            block = {name: np.asarray(columns[name])[start : start + BLOCK] for name in self.features}
            self.engine(block, event_id[start : start + BLOCK], borders, evaluation, start)

        starts = range(0, len(event_id), BLOCK)
        if jobs == 1 or len(starts) < 2:
            for start in starts:
                evaluate(start)
        else:
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(evaluate, starts))
        return evaluation


def compile_members(
    members: Sequence[Member], n_folds: int, *, choose_target: Callable[[int], Target] | None = None
) -> Evaluator:
    """Compile the boosters of a cascade.

    Parameters
    ----------
    members : the stages in order, then the final discriminant if there is one
    choose_target : returns the target of the kernels for a depth; the fastest that this CPU can run if not given
    """
    features = tuple(dict.fromkeys(name for member in members for name in member.features))
    read = {member.name: _trees(member, n_folds) for member in members}
    _log_excluded(read)
    alike = itertools.groupby(members, lambda member: isinstance(read[member.name], str))
    engines = tuple(_engine(list(group), read, n_folds, choose_target or _fastest) for _, group in alike)
    return Evaluator(tuple(members), features, engines[0] if len(engines) == 1 else EngineChain(engines))


def _trees(member: Member, n_folds: int) -> list[Trees] | str:
    """Return the trees of each fold, or the reason why the kernels cannot evaluate them."""
    of_folds = []
    for fold in range(n_folds):
        try:
            of_folds.append(trees.read(member.boosters[fold]))
            tables.require_few_cuts(of_folds[-1])
        except UnsupportedModelError as error:
            return f"model {fold} of '{member.name}': {error}"
    return of_folds


def _log_excluded(read: Mapping[str, list[Trees] | str]) -> None:
    """Log one line that names the members XGBoost evaluates, if any, with the reason for the first of them."""
    reasons = {name: found for name, found in read.items() if isinstance(found, str)}
    if reasons:
        names = "" if len(reasons) == len(read) else f" {', '.join(map(repr, reasons))}"
        log.warning("scoring%s through XGBoost, which is slower: %s", names, next(iter(reasons.values())))


def _engine(
    members: Sequence[Member],
    read: Mapping[str, list[Trees] | str],
    n_folds: int,
    choose_target: Callable[[int], Target],
) -> KernelEngine | XGBoostEngine:
    """Return the engine of members of which the kernels can evaluate all or none."""
    supported = [trees_ for member in members if not isinstance(trees_ := read[member.name], str)]
    if not supported:
        return XGBoostEngine(tuple(members), n_folds)
    models = [of_folds[fold] for fold in range(n_folds) for of_folds in supported]
    features = tuple(dict.fromkeys(name for member in members for name in member.features))
    try:
        engine = _kernel_engine(models, members, features, n_folds, choose_target)
        _require_agreement(engine, members, features, models, n_folds)
    except UnsupportedModelError as error:
        log.warning("scoring through XGBoost, which is slower: %s", error)
        return XGBoostEngine(tuple(members), n_folds)
    return engine


def _fastest(depth: int) -> Target:
    return target.fastest(depth, cpu.instructions())


def _kernel_engine(
    models: Sequence[Trees],
    members: Sequence[Member],
    features: tuple[str, ...],
    n_folds: int,
    choose_target: Callable[[int], Target],
) -> KernelEngine:
    depth = max(model.depth for model in models)
    chosen = choose_target(depth)
    columns = [[features.index(name) for name in member.features] for _ in range(n_folds) for member in members]
    evaluate = generated.load(kernel_source.source(depth, chosen), CALLED_MODULES)
    return KernelEngine(
        tables.build(models, columns, depth, chosen), evaluate, features, n_folds, len(members), depth, chosen
    )


def _require_agreement(
    engine: Engine, members: Sequence[Member], features: tuple[str, ...], models: Sequence[Trees], n_folds: int
) -> None:
    """Require the margins of XGBoost, bit for bit, on random events on the split thresholds and beside them.

    XGBoost does not promise the order in which it adds leaves, nor its file format: a version that changed either
    would be noticed here, and its models evaluated by XGBoost itself.
    """
    rng = np.random.default_rng(0)
    event_id = np.arange(PROBES_PER_FOLD * n_folds, dtype=EVENT_ID)
    columns = {name: _probes(_split_values(name, members, models), len(event_id), rng) for name in features}
    evaluation = Evaluation(np.full((len(members), len(event_id)), np.nan, FEATURE), np.zeros(len(event_id), REGION))
    engine(columns, event_id, RegionBorders.at([None] * len(members)), evaluation, 0)
    folds, everything = fold_of(event_id, n_folds), np.ones(len(event_id), np.bool_)
    for index, member in enumerate(members):
        expected = out_of_fold(member.boosters, columns, member.features, folds, everything, as_margin=True)
        if not np.array_equal(expected.view(np.int32), evaluation.margins[index].view(np.int32)):
            raise UnsupportedModelError(f"'{member.name}': the kernels do not reproduce this version of XGBoost")


def _split_values(name: str, members: Sequence[Member], models: Sequence[Trees]) -> FeatureArray:
    """Return the values at which any model splits a feature, and 0."""
    values = [np.zeros(1, FEATURE)]
    for index, trees_ in enumerate(models):
        names = members[index % len(members)].features
        if name in names:
            values.append(trees_.value[trees_.is_split & (trees_.feature == names.index(name))])
    return np.concatenate(values)


def _probes(split_values: FeatureArray, size: int, rng: np.random.Generator) -> FeatureArray:
    """Return random split values, a third of them one number up and a third one down, and some missing values."""
    values = rng.choice(split_values, size)
    towards = rng.choice(np.array([-np.inf, 0.0, np.inf], FEATURE), size)
    beside = np.where(towards == 0, values, np.nextafter(values, towards))
    return np.where(rng.random(size) < 0.1, FEATURE(np.nan), beside).astype(FEATURE)
