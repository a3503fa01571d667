"""Cascades that are trained anew for an optimisation: with another order of stages, or other features of one."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cascadebdt import training
from cascadebdt.config import Config
from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.events import Events
from cascadebdt.pipeline.plan import Plan
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.models import KeptModels
from cascadebdt.products.optimised import Variant
from cascadebdt.progress import Progress
from cascadebdt.studies.grid import Setting
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.studies.search import SIGNIFICANT, Space, improved, search, simplified

N_SIGNAL, N_CONTROL = (4, 6, 8, 10, 12, 15, 20, 25), (1, 2, 3, 5, 8)
"""Numbers of bins that are tried besides the configured ones."""
N_STARTS = 8
"""Descents of a search."""

Change = Callable[[Config], Config]


@dataclass(frozen=True, eq=False)
class Explored:
    """A trained cascade, and what the search found for it.

    Attributes
    ----------
    trials : settings and their expected uncertainty
    luckiest : the setting of the smallest uncertainty of all that were tried
    path : the setting that gains as much as is no accident, then simpler and simpler ones that lose hardly anything
    """

    halves: Halves
    trials: Mapping[Setting, float]
    luckiest: Setting
    path: tuple[Setting, ...]

    @property
    def best(self) -> Setting:
        """The setting that gains as much as is no accident."""
        return self.path[0]

    @property
    def uncertainty(self) -> float:
        """That of the best."""
        return self.trials[self.best]


@dataclass(frozen=True)
class Trainer:
    """Trains cascades of other configurations on the same events; models that do not change are kept.

    Attributes
    ----------
    events : selected
    inventory : of the folder in which models are kept
    min_purity : of every control region
    jobs : threads; they do not change the result
    progress : told of every stage
    """

    events: Events
    inventory: Inventory
    min_purity: float
    jobs: int
    progress: Progress

    def halves(self, config: Config) -> Halves:
        """Train the cascade of a configuration, or find its models, and score the events."""
        models = Plan.of(config, self.inventory.folder, jobs=self.jobs).models
        cascade = training.train(
            self.events,
            config.cascade,
            seed=config.seed,
            jobs=self.jobs,
            kept=KeptModels(self.inventory, models),
            progress=self.progress,
        )
        return Halves.of(OpenScores.of(cascade, self.events, jobs=self.jobs), config, min_purity=self.min_purity)


def changes(config: Config, n_orders: int, features: Sequence[tuple[str, tuple[str, ...]]]) -> dict[str, Change]:
    """Return the changes to try, by name: exchanges of neighbouring stages, then sets of features.

    Stages that come late are exchanged first, because fewer models change.

    Raises
    ------
    InputError
        If there is no such stage.
    """
    names = [stage.name for stage in config.cascade.stages]
    for stage, _ in features:
        if stage not in names:
            raise InputError(f"features: no stage '{stage}'{did_you_mean(stage, names)}")
    pairs = [(first, first + 1) for first in reversed(range(len(names) - 1))][:n_orders]
    tried: dict[str, Change] = {
        f"stages {first + 1} and {last + 1} exchanged": _exchanged(first) for first, last in pairs
    }
    for stage, columns in features:
        tried[f"{stage} with {', '.join(columns)}"] = _with_features(stage, columns)
    return tried


def explored(halves: Halves, *, n_trials: int, seed: int, progress: Progress) -> Explored:
    """Search the settings of a trained cascade.

    Raises
    ------
    InputError
        If none has the effective events and the purity that are asked for.
    """
    regions, start = halves.config.regions, halves.start
    space = Space(
        halves.surrogate.grid,
        _numbers(N_SIGNAL, start.n_signal, is_fixed=regions.signal.edges is not None),
        _numbers(N_CONTROL, start.n_control, is_fixed=regions.control.edges is not None),
    )
    found = search(
        halves.surrogate.sigma_mu,
        space,
        start,
        n_trials=n_trials,
        n_starts=N_STARTS,
        seed=seed,
        progress=progress,
    )
    luckiest = min(found, key=lambda setting: found[setting])
    if not np.isfinite(found[luckiest]):
        raise InputError(
            f"optimise: none of {len(found)} settings gives every region the effective events and the purity asked "
            "for, in half of the simulation; simulate more events, or ask for less in regions.*.min_effective_events "
            "or --min-purity"
        )
    trials, error = found.unlimited(), halves.error(seed)
    best = improved(trials, space, start if np.isfinite(trials[start]) else luckiest, error)
    path = simplified(trials, space, best, error, halves.complexity)
    return Explored(halves, trials, luckiest, tuple(path))


def best_training(
    start: Explored,
    trainer: Trainer,
    tried: Mapping[str, Change],
    *,
    n_trials: int,
    seed: int,
) -> tuple[Explored, tuple[Variant, ...]]:
    """Try changes one after the other, each on top of those that were taken, and return the best training.

    A change is taken if it gains more than `SIGNIFICANT` standard errors.
    """
    best, variants = start, []
    for name, change in tried.items():
        halves = trainer.halves(change(best.halves.config))
        other = explored(halves, n_trials=n_trials, seed=seed, progress=trainer.progress)
        ratio = other.uncertainty / best.uncertainty
        error = halves.ratio_error(other.best, best.halves, best.best, seed)
        variants.append(Variant(name, other.uncertainty, ratio, error, is_taken=ratio + SIGNIFICANT * error < 1))
        best = other if variants[-1].is_taken else best
    return best, tuple(variants)


def _numbers(usual: Sequence[int], configured: int, *, is_fixed: bool) -> tuple[int, ...]:
    return (configured,) if is_fixed else tuple(sorted({*usual, configured}))


def _exchanged(first: int) -> Change:
    """Return the change that exchanges a stage and the next."""

    def change(config: Config) -> Config:
        stages: list[Any] = list(config.content["cascade"]["stages"])
        stages[first : first + 2] = reversed(stages[first : first + 2])
        return config.replace("cascade.stages", stages)

    return change


def _with_features(stage: str, columns: tuple[str, ...]) -> Change:
    return lambda config: config.replace(f"cascade.stages.{stage}.features", list(columns))
