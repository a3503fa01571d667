"""Bins by sensitivity: they measure the signal best among those that have enough simulated events."""

from itertools import combinations

import numpy as np
import pytest

from cascadebdt.arrays import FloatArray
from cascadebdt.histograms.sensitivity import Cells, Floors, choose, sigma

NOTHING = np.zeros((2, 2))
FREE = Floors(0.0, 0.0)


def cells(signal: list[float], background: list[float], weight: float = 0.01) -> Cells:
    sumw = np.array([signal, background], np.float64)
    return Cells(sumw, weight * sumw, np.full(2, weight))


def found(of: Cells, n_bins: int, elsewhere: FloatArray = NOTHING) -> float:
    merged = of.merged(choose(of, elsewhere, n_bins, FREE, monotone=False))
    return float(sigma(merged.information.sum(axis=0) + elsewhere))


RISING = cells([1, 2, 3, 5, 9, 12, 14, 15], [900, 700, 500, 300, 120, 50, 20, 8])


def test_the_choice_is_nearly_the_best_of_all_of_so_many_bins() -> None:
    every = [np.array([0, *inner]) for inner in combinations(range(1, 8), 3)]
    best = min(float(sigma(RISING.merged(starts).information.sum(axis=0))) for starts in every)
    assert found(RISING, 4) <= 1.02 * best


def test_more_bins_are_never_worse() -> None:
    reached = [found(RISING, n_bins) for n_bins in range(1, 9)]
    assert np.all(np.diff(reached) <= 1e-12)


def test_bins_of_equal_signal_over_background_merge_without_loss() -> None:
    flat = cells([1, 1, 2, 10], [100, 100, 200, 10])
    assert choose(flat, NOTHING, 2, FREE, monotone=False).tolist() == [0, 3]


def test_what_other_regions_measure_counts() -> None:
    # The low bins measure the background; where it is known already, they are not needed apart.
    known = np.diag([0.0, 1e8])
    gain = [found(RISING, 1, known) / found(RISING, 1), found(RISING, 8, known) / found(RISING, 8)]
    assert gain[0] < 0.5
    assert gain[1] > gain[0]


@pytest.mark.parametrize("total", [10.0, 100.0, 1000.0])
def test_every_bin_holds_enough_effective_background(total: float) -> None:
    sparse = cells([1, 2, 3, 4], [400, 200, 30, 3], weight=1.0)
    starts = choose(sparse, NOTHING, 4, Floors(total, 0.0), monotone=False)
    assert sparse.merged(starts).has_enough(Floors(total, 0.0)).all() or len(starts) == 1


def test_a_process_of_large_weights_needs_events_in_every_bin_that_one_of_them_would_change() -> None:
    sumw = np.array([[1.0, 2, 3, 4], [400, 200, 30, 10], [300, 200, 0, 0]])
    rare = Cells(sumw, sumw * np.array([[0.01], [0.01], [20.0]]), np.array([0.01, 0.01, 20.0]))
    assert rare.has_enough(Floors(1.0, 5.0)).tolist() == [True, True, False, False]
    starts = choose(rare, np.zeros((3, 3)), 4, Floors(1.0, 5.0), monotone=False)
    assert rare.merged(starts).has_enough(Floors(1.0, 5.0)).all()


def test_monotone_bins_increase_in_signal_over_background() -> None:
    uneven = cells([1, 5, 2, 9, 6, 20], [100, 90, 80, 60, 50, 20])
    merged = uneven.merged(choose(uneven, NOTHING, 6, FREE, monotone=True))
    assert np.all(np.diff(merged.sumw[0] / merged.sumw[1]) >= 0)


def test_the_uncertainty_of_a_counting_experiment_is_the_square_root_of_the_background() -> None:
    one = cells([10.0], [100.0], weight=0.0)
    known = np.diag([0.0, 1e12])
    assert sigma(one.information.sum(axis=0) + known) == pytest.approx(np.sqrt(100) / 10)
