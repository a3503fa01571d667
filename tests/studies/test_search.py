"""The search finds minima, keeps to its budget, and the simplest of what it tried can be told."""

import numpy as np
import pytest

from cascadebdt.forest.borders import Thresholds
from cascadebdt.studies.grid import Grid, Setting, StageGrid
from cascadebdt.studies.search import Space, fronts, search

POINTS = tuple(Thresholds(np.float32(value)) for value in np.linspace(0, 1, 12))
SPACE = Space(Grid((StageGrid(POINTS, 3),) * 4), (4, 8, 12), (1, 3, 5))
START = Setting((3, 3, 3, 3), 12, 5)
BEST = Setting((7, 0, 11, 4), 8, 3)


def valley(setting: Setting) -> float:
    """Return the distance to the best setting, the levels of neighbouring stages coupled."""
    distance = np.subtract(setting.levels, BEST.levels)
    coupling = float((distance[1:] * distance[:-1]).sum())
    return float(distance @ distance) + 0.5 * coupling + abs(setting.n_signal - 8) + abs(setting.n_control - 3)


def test_the_minimum_of_coupled_coordinates_is_found() -> None:
    trials = search(valley, SPACE, START, n_trials=3000, n_starts=4, seed=1)
    assert min(trials, key=lambda setting: trials[setting]) == BEST


@pytest.mark.parametrize("n_trials", [1, 10, 77])
def test_no_more_settings_are_tried_than_allowed_and_none_twice(n_trials: int) -> None:
    asked: list[Setting] = []

    def counted(setting: Setting) -> float:
        asked.append(setting)
        return valley(setting)

    trials = search(counted, SPACE, START, n_trials=n_trials, n_starts=3, seed=1)
    assert len(trials) == len(asked) == len(set(asked)) == n_trials


def test_the_start_is_tried_first() -> None:
    assert next(iter(search(valley, SPACE, START, n_trials=5, n_starts=1, seed=2))) == START


def test_settings_that_are_not_allowed_are_left() -> None:
    trials = search(
        lambda setting: np.inf if setting.levels[0] < 6 else valley(setting),
        SPACE,
        START,
        n_trials=3000,
        n_starts=4,
        seed=3,
    )
    assert min(trials, key=lambda setting: trials[setting]) == BEST


def test_the_same_seed_tries_the_same_settings() -> None:
    first, second = (list(search(valley, SPACE, START, n_trials=200, n_starts=3, seed=7)) for _ in range(2))
    assert first == second


def test_the_front_has_the_best_of_each_complexity_that_no_simpler_one_beats() -> None:
    values = {Setting((0,), n_signal, 1): value for n_signal, value in ((8, 1.0), (6, 1.5), (5, 1.4), (4, np.inf))}
    assert [setting.n_signal for setting in fronts(values, lambda setting: (setting.n_signal,))] == [8, 5]
