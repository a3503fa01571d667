"""The search finds minima, keeps to its budget, and takes no accident for a gain."""

import numpy as np
import pytest

from cascadebdt.forest.borders import Thresholds
from cascadebdt.studies.grid import Grid, Setting, StageGrid
from cascadebdt.studies.search import Space, Trials, improved, search, simplified

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


def complexity(setting: Setting) -> int:
    return setting.n_signal + setting.n_control


@pytest.mark.parametrize(("error", "is_changed"), [(1e-3, True), (10.0, False)])
def test_a_change_must_gain_more_than_three_standard_errors(error: float, is_changed: bool) -> None:
    trials = Trials(lambda setting: 10 + valley(setting), 10_000)
    reached = improved(trials, SPACE, START, lambda setting, reference: error)
    assert (reached == BEST) == is_changed
    assert is_changed or reached == START


def test_simpler_settings_are_taken_while_they_lose_little() -> None:
    trials = Trials(lambda setting: 100 + setting.n_control / 10 - setting.n_signal, 10_000)
    path = simplified(trials, SPACE, START, lambda setting, reference: 0.05, complexity)
    assert [(one.n_signal, one.n_control) for one in path] == [(12, 5), (12, 1)]


def test_nothing_is_simplified_at_a_loss_of_more_than_one_standard_error() -> None:
    trials = Trials(lambda setting: 100 - (setting.n_control + setting.n_signal) / 10, 10_000)
    assert simplified(trials, SPACE, START, lambda setting, reference: 1e-4, complexity) == [START]
