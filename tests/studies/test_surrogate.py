"""The surrogate: its histogram holds what direct filling gives, and its uncertainty is that of the fit."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt.studies import evaluation
from cascadebdt.studies.cells import SUMW, SUMW2, VARIED
from cascadebdt.studies.grid import Grid, Setting
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.surrogate import Surrogate
from cascadebdt.workspace.templates import content
from studies.toy_study import ToyStudy, toy_study

EDGES = [0.0, 0.2, 0.5, 0.7, 1.0]


@pytest.fixture(scope="module", params=["stage", "sorter"])
def binned(request: pytest.FixtureRequest) -> tuple[ToyStudy, Surrogate]:
    """A study whose bins are given, so that fine bins are the bins."""
    regions: dict[str, Any] = {"signal": {"observable": "final", "bins": EDGES}, "control": {"bins": EDGES}}
    toy = toy_study(request.param, **regions)
    return toy, Surrogate.of(toy.scores, toy.config, Grid.of(toy.scores))


@settings(max_examples=25)
@given(shares=st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_sums_of_cells_are_those_of_direct_filling_for_any_thresholds(
    binned: tuple[ToyStudy, Surrogate], shares: tuple[float, float]
) -> None:
    toy, surrogate = binned
    grids = surrogate.grid.stages
    levels = [round(share * (len(grid.points) - 1)) for share, grid in zip(shares, grids, strict=True)]
    thresholds = surrogate.grid.thresholds(levels)
    sums = surrogate.cells.filled(thresholds)
    placed = evaluation.Placed.of(toy.scores.events, toy.scores.at(thresholds), toy.config.regions)
    for region in surrogate.regions:
        histogram = placed.fill(placed.edges())[region.name]
        for p, process in enumerate(surrogate.processes):
            names = ("nominal", "pileup_up", "pileup_down")
            (nominal, squares), (up, _), (down, _) = (content(histogram, process, name) for name in names)
            of_process = sums[region.bins, p]
            np.testing.assert_allclose(of_process[:, SUMW], nominal, atol=1e-9)
            np.testing.assert_allclose(of_process[:, SUMW2], squares, atol=1e-9)
            np.testing.assert_allclose(of_process[:, VARIED], (up - down) / 2, atol=1e-9)


def test_the_histogram_is_sparse(binned: tuple[ToyStudy, Surrogate]) -> None:
    toy, surrogate = binned
    assert len(surrogate.cells.process) < len(toy.scores.events) / 2


@pytest.fixture(scope="module", params=["stage", "sorter"])
def halves(request: pytest.FixtureRequest) -> Halves:
    toy = toy_study(request.param, n_events=12000)
    return Halves.of(toy.scores, toy.config, min_purity=0.0)


def fitted(halves: Halves, setting: Setting) -> float:
    """Return the uncertainty of a fit of the searched events, in bins that they choose."""
    config, thresholds = halves.with_bins(setting), halves.surrogate.grid.thresholds(setting.levels)
    placed = evaluation.Placed.of(halves.searched.events, halves.searched.at(thresholds), config.regions)
    filled, _ = evaluation.fittable(placed.fill(placed.edges()), config.fit.signal)
    return evaluation.sigma_mu(evaluation.asimov(evaluation.model(filled, config)))


def test_the_uncertainty_is_that_of_the_fit_for_random_settings(halves: Halves) -> None:
    random = np.random.default_rng(5)
    ratios: list[float] = []
    while len(ratios) < 6:
        levels = tuple(int(random.integers(len(stage.points))) for stage in halves.surrogate.grid.stages)
        setting = Setting(levels, int(random.choice([3, 5, 8])), int(random.choice([1, 3])))
        expected = halves.surrogate.sigma_mu(setting)
        if np.isfinite(expected):
            ratios.append(expected / fitted(halves, setting))
    np.testing.assert_allclose(ratios, 1.0, atol=0.01)


def test_no_uncertainty_is_given_where_a_region_is_less_pure_than_asked(halves: Halves) -> None:
    strict = Surrogate.of(halves.searched, halves.config, halves.surrogate.grid, min_purity=0.99)
    assert np.isfinite(halves.surrogate.sigma_mu(halves.start))
    assert strict.sigma_mu(halves.start) == np.inf


def test_a_bin_with_too_few_effective_events_is_merged_or_gives_no_uncertainty(halves: Halves) -> None:
    demanding = halves.config.replace("regions.control.min_effective_events", 1e6)
    surrogate = Surrogate.of(halves.searched, demanding, halves.surrogate.grid)
    assert surrogate.sigma_mu(halves.start) == np.inf


def test_counting_every_event_twice_changes_only_what_depends_on_the_number_of_events(halves: Halves) -> None:
    twice = halves.surrogate.resampled(np.full(len(halves.searched.events), 2.0))
    np.testing.assert_allclose(twice.cells.sums, 2 * halves.surrogate.cells.sums)


def test_the_halves_share_no_event_and_have_all(halves: Halves) -> None:
    searched, held_out = halves.searched.events, halves.held_out.events
    assert not set(searched.event_id) & set(held_out.event_id)
    assert len(searched) + len(held_out) == len(halves.whole.events)
    assert abs(len(searched) - len(held_out)) < 5 * np.sqrt(len(halves.whole.events))


def test_fewer_bins_are_not_simpler_but_fewer_cuts_are(halves: Halves) -> None:
    start = halves.start
    assert halves.complexity(replace(start, n_signal=2)) == halves.complexity(start) + 1
    if halves.whole.sorted_to is not None:
        assert halves.complexity(start.with_level(0, 0)) == halves.complexity(start) - 1
