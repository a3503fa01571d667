"""The search for the best setting: coordinate descent from several starts, on a function that is cheap to evaluate.

Every setting is evaluated once. Neighbouring settings differ little, so that one coordinate after the other, each tried
at all of its values, soon leads to a minimum; several starts tell whether it is the only one.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from cascadebdt.progress import Progress, silent
from cascadebdt.studies.grid import Grid, Setting

Objective = Callable[[Setting], float]

SIGNIFICANT = 3.0
"""Standard errors that a change must gain: it is the best of about a hundred, whose largest accident is above two."""
MAX_LOSS = 0.02
"""A simpler setting may be worse by one standard error, but not by more than this."""


@dataclass(frozen=True)
class Space:
    """The settings to choose from.

    Attributes
    ----------
    grid : working points of the stages
    n_signal, n_control : numbers of bins to choose from; one where the edges are given
    """

    grid: Grid
    n_signal: tuple[int, ...]
    n_control: tuple[int, ...]

    def neighbours(self, setting: Setting, coordinate: int) -> list[Setting]:
        """Return the settings that differ in one coordinate: a stage, or one of the two numbers of bins."""
        n_stages = len(self.grid.stages)
        if coordinate < n_stages:
            levels = range(len(self.grid.stages[coordinate].points))
            every = [setting.with_level(coordinate, level) for level in levels]
        elif coordinate == n_stages:
            every = [replace(setting, n_signal=number) for number in self.n_signal]
        else:
            every = [replace(setting, n_control=number) for number in self.n_control]
        return [other for other in every if other != setting]

    def around(self, setting: Setting) -> list[Setting]:
        """Return all settings that differ in one coordinate."""
        return [other for k in range(self.n_coordinates) for other in self.neighbours(setting, k)]

    @property
    def n_coordinates(self) -> int:
        """How many coordinates a setting has."""
        return len(self.grid.stages) + 2

    def drawn(self, random: np.random.Generator) -> Setting:
        """Draw a setting."""
        levels = tuple(int(random.integers(len(stage.points))) for stage in self.grid.stages)
        return Setting(levels, int(random.choice(self.n_signal)), int(random.choice(self.n_control)))


class Trials(dict[Setting, float]):
    """Settings that were evaluated, with their values, in the order in which they were tried.

    Parameters
    ----------
    objective : to be minimised; infinity where a setting is not allowed
    limit : of the number of trials
    """

    def __init__(self, objective: Objective, limit: int) -> None:
        super().__init__()
        self.objective = objective
        self.limit = limit

    def __missing__(self, setting: Setting) -> float:
        value = self.objective(setting) if not self.are_over else float("inf")
        if not self.are_over:
            self[setting] = value
        return value

    def unlimited(self) -> "Trials":
        """Return the trials without a limit of their number."""
        trials = Trials(self.objective, sys.maxsize)
        trials.update(self)
        return trials

    @property
    def are_over(self) -> bool:
        """Whether no further setting is evaluated."""
        return len(self) >= self.limit


def search(
    objective: Objective,
    space: Space,
    start: Setting,
    *,
    n_trials: int,
    n_starts: int,
    seed: int,
    progress: Progress = silent,
) -> Trials:
    """Return the settings that were evaluated with their values, the smallest among them.

    Parameters
    ----------
    objective : to be minimised; infinity where a setting is not allowed
    space : settings to choose from
    start : of the first descent; the next ones begin at random settings
    n_trials : evaluations at most
    n_starts : descents at most
    seed : of the random settings and of the order of the coordinates
    """
    random = np.random.default_rng(seed)
    trials = Trials(objective, n_trials)
    for number in progress(range(n_starts), "descents"):
        if not trials.are_over:
            _descend(trials, space, start if number == 0 else _allowed(trials, space, random), random)
    return trials


def _descend(trials: Trials, space: Space, start: Setting, random: np.random.Generator) -> None:
    """Change one coordinate after the other until none improves the value."""
    best, unchanged = start, 0
    order = random.permutation(space.n_coordinates)
    position = 0
    while unchanged < space.n_coordinates and not trials.are_over:
        candidates = [best, *space.neighbours(best, int(order[position]))]
        chosen = min(candidates, key=lambda setting: trials[setting])
        unchanged = unchanged + 1 if chosen == best else 0
        best, position = chosen, (position + 1) % space.n_coordinates


def _allowed(trials: Trials, space: Space, random: np.random.Generator) -> Setting:
    """Draw settings until one is allowed, or there are no more trials."""
    setting = space.drawn(random)
    while not np.isfinite(trials[setting]) and not trials.are_over:
        setting = space.drawn(random)
    return setting


Error = Callable[[Setting, Setting], float]
"""Returns the standard error of the ratio of two values."""


def improved(trials: "Trials", space: Space, start: Setting, error: Error) -> Setting:
    """Change one coordinate after the other, each time the one that gains most, while the gain is no accident.

    A change is made if it gains more than `SIGNIFICANT` standard errors.
    """
    current = start
    while True:
        best = min(space.around(current), key=lambda setting: trials[setting], default=current)
        gain = 1 - trials[best] / trials[current]
        if not gain > 0 or not gain > SIGNIFICANT * error(best, current):
            return current
        current = best


def simplified(
    trials: "Trials", space: Space, setting: Setting, error: Error, complexity: Callable[[Setting], int]
) -> list[Setting]:
    """Return simpler and simpler settings, each with one coordinate of the one before changed.

    All are within one standard error of the first, and within `MAX_LOSS`.
    """
    path, limit = [setting], trials[setting] * (1 + MAX_LOSS)
    while True:
        simpler = [one for one in space.around(path[-1]) if complexity(one) < complexity(path[-1])]
        close = sorted((one for one in simpler if trials[one] <= limit), key=lambda one: trials[one])
        allowed = next((one for one in close if trials[one] <= trials[setting] * (1 + error(one, setting))), None)
        if allowed is None:
            return path
        path.append(allowed)
