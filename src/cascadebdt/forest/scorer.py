"""A cascade compiled for scoring: through the kernels where its models allow it, else through XGBoost.

Events go through in blocks, spread over threads; beside what it returns, scoring needs memory for one block a thread.
"""

import itertools
import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import EVENT_ID, FEATURE, REGION, AnyArray, FeatureArray, IdArray
from cascadebdt.events.folds import fold_of
from cascadebdt.forest import kernels, registers, source, tables, trees, vector
from cascadebdt.forest.engines import Chain, Engine, Kernels, Member, Result, XGBoost
from cascadebdt.forest.reference import out_of_fold, require
from cascadebdt.forest.source import Level
from cascadebdt.forest.trees import Trees, UnsupportedModelError
from cascadebdt.kernels import cpu, generated, jit

log = logging.getLogger(__name__)

BLOCK = 1 << 16  # events; their rows and the cast columns stay in the L2 cache
KERNELS = (kernels, vector, jit, registers)  # called by what `source` generates
PROBES = 64  # events per fold on which the kernels must agree with XGBoost before they are used


@dataclass(frozen=True)
class Scorer:
    """Scores events of any number; `features` are those that must be given."""

    members: tuple[Member, ...]
    features: tuple[str, ...]
    accept: FeatureArray
    engine: Engine

    def run(self, columns: Mapping[str, AnyArray], event_id: IdArray, *, jobs: int, with_margins: bool) -> Result:
        """Score events; `jobs` is the number of blocks at a time, which does not change the result.

        Raises
        ------
        InputError
            If a feature is missing.
        """
        require(columns, self.features)
        n_stages = sum(member.threshold is not None for member in self.members)
        shape = (len(self.members), len(event_id)) if with_margins else (0, 0)
        result = Result(np.empty(shape, FEATURE), np.full(len(event_id), n_stages, REGION))

        def score(start: int) -> None:
            block = {name: np.asarray(columns[name])[start : start + BLOCK] for name in self.features}
            self.engine(block, event_id[start : start + BLOCK], self.accept, result, start)

        starts = range(0, len(event_id), BLOCK)
        if jobs == 1 or len(starts) < 2:
            for start in starts:
                score(start)
        else:
            with ThreadPoolExecutor(jobs) as pool:
                list(pool.map(score, starts))
        return result


def build(members: Sequence[Member], n_folds: int, *, level: Callable[[int], Level] | None = None) -> Scorer:
    """Compile a cascade.

    Parameters
    ----------
    members : the stages in order, then the final discriminant if there is one
    level : gives the level of the kernels for a depth; the fastest that this CPU can run if not given
    """
    features = tuple(dict.fromkeys(name for member in members for name in member.features))
    accept = np.array([member.accept for member in members], FEATURE)
    read = {member.name: _trees(member, n_folds) for member in members}
    _tell_excluded(read)
    alike = itertools.groupby(members, lambda member: isinstance(read[member.name], str))
    parts = [_part(list(group), read, n_folds, level or _fastest) for _, group in alike]
    return Scorer(tuple(members), features, accept, parts[0] if len(parts) == 1 else Chain(tuple(parts)))


def _trees(member: Member, n_folds: int) -> list[Trees] | str:
    """Return the trees of each fold, or why the kernels cannot evaluate them."""
    found = []
    for fold in range(n_folds):
        try:
            found.append(trees.read(member.boosters[fold]))
            tables.require_few_cuts(found[-1])
        except UnsupportedModelError as error:
            return f"model {fold} of '{member.name}': {error}"
    return found


def _tell_excluded(read: Mapping[str, list[Trees] | str]) -> None:
    """Log one line that says what goes through XGBoost, if anything does, and why the first of it does."""
    reasons = {name: found for name, found in read.items() if isinstance(found, str)}
    if reasons:
        which = "" if len(reasons) == len(read) else f" {', '.join(map(repr, reasons))}"
        log.warning("scoring%s through XGBoost, which is slower: %s", which, next(iter(reasons.values())))


def _part(
    members: Sequence[Member], read: Mapping[str, list[Trees] | str], n_folds: int, level: Callable[[int], Level]
) -> "Kernels | XGBoost":
    """Return the engine of members of which the kernels can evaluate all or none."""
    found = [trees_ for member in members if not isinstance(trees_ := read[member.name], str)]
    if not found:
        return XGBoost(tuple(members), n_folds)
    models = [trees_[fold] for fold in range(n_folds) for trees_ in found]
    features = tuple(dict.fromkeys(name for member in members for name in member.features))
    try:
        engine = _kernels(models, members, features, n_folds, level)
        _require_agreement(engine, members, features, models, n_folds)
    except UnsupportedModelError as error:
        log.warning("scoring through XGBoost, which is slower: %s", error)
        return XGBoost(tuple(members), n_folds)
    return engine


def _fastest(depth: int) -> Level:
    return source.fastest(depth, cpu.instructions())


def _kernels(
    models: Sequence[Trees],
    members: Sequence[Member],
    features: tuple[str, ...],
    n_folds: int,
    level: Callable[[int], Level],
) -> Kernels:
    depth = max(model.depth for model in models)
    chosen = level(depth)
    columns = [[features.index(name) for name in member.features] for _ in range(n_folds) for member in members]
    evaluate = generated.load(source.source(depth, chosen), KERNELS)
    n_stages = sum(member.threshold is not None for member in members)
    built = tables.build(models, columns, depth, chosen)
    return Kernels(built, evaluate, features, n_folds, len(members), n_stages, depth, chosen)


def _require_agreement(
    engine: Engine, members: Sequence[Member], features: tuple[str, ...], models: Sequence[Trees], n_folds: int
) -> None:
    """Require the margins of XGBoost, bit for bit, on random events that lie on the thresholds and beside them."""
    rng = np.random.default_rng(0)
    event_id = np.arange(PROBES * n_folds, dtype=EVENT_ID)
    columns = {name: _probes(_thresholds(name, members, models), len(event_id), rng) for name in features}
    result = Result(np.full((len(members), len(event_id)), np.nan, FEATURE), np.zeros(len(event_id), REGION))
    engine(columns, event_id, np.full(len(members), -np.inf, FEATURE), result, 0)
    folds, everything = fold_of(event_id, n_folds), np.ones(len(event_id), np.bool_)
    for index, member in enumerate(members):
        expected = out_of_fold(member.boosters, columns, member.features, folds, everything, as_margin=True)
        if not np.array_equal(expected.view(np.int32), result.margins[index].view(np.int32)):
            raise UnsupportedModelError(f"'{member.name}': the kernels do not reproduce this version of XGBoost")


def _thresholds(name: str, members: Sequence[Member], models: Sequence[Trees]) -> FeatureArray:
    found = [np.zeros(1, FEATURE)]
    for index, trees_ in enumerate(models):
        names = members[index % len(members)].features
        if name in names:
            found.append(trees_.value[trees_.is_split & (trees_.feature == names.index(name))])
    return np.concatenate(found)


def _probes(thresholds: FeatureArray, size: int, rng: np.random.Generator) -> FeatureArray:
    """Return random thresholds, a third of them one number up and a third one down, and some missing values."""
    values = rng.choice(thresholds, size)
    towards = rng.choice(np.array([-np.inf, 0.0, np.inf], FEATURE), size)
    beside = np.where(towards == 0, values, np.nextafter(values, towards))
    return np.where(rng.random(size) < 0.1, FEATURE(np.nan), beside).astype(FEATURE)
