"""Bins: enough of everything in each, the same for all variations, own ones per region, none without background."""

import logging
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt import config, training
from cascadebdt.cascade import BLINDED, Scores
from cascadebdt.config import BinningConfig, RegionsConfig
from cascadebdt.errors import ConfigError
from cascadebdt.events import Events
from cascadebdt.histograms import yields
from cascadebdt.histograms.binning import Requirement, enough_of_each, merge_bins, merge_edges, quantile_edges
from cascadebdt.histograms.sensitivity import Cells, Floors
from tiny_analysis import tiny_config, toy_cascade, toy_events


@pytest.fixture(scope="module")
def scored() -> tuple[Events, Scores]:
    events = toy_events()
    return events, training.train(events, toy_cascade()).score(events)


def effective(cells: Any, process: int) -> Any:
    return cells["value"][process, 0] ** 2 / np.maximum(cells["variance"][process, 0], 1e-300)


@given(st.integers(0, 2**32 - 1), st.floats(0, 60), st.floats(0, 60))
def test_merged_bins_meet_every_requirement_and_no_event_is_lost(seed: int, one: float, other: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = (rng.beta(a, 3, 300).astype(np.float32) for a in (1, 3))
    weights = rng.normal(1, 0.7, 300)
    requirements = [Requirement(first, weights, one), Requirement(second, weights, other)]
    edges = np.linspace(0.1, 0.9, 17)
    found = merge_edges(edges, requirements)
    assert (found[0], found[-1]) == (edges[0], edges[-1])
    assert set(found) <= set(edges)
    assert len(found) == 2 or all(requirement.is_met(found) for requirement in requirements)
    for requirement in requirements:
        assert requirement.sums(found)[0].sum() == pytest.approx(weights.sum())


@given(st.lists(st.tuples(st.floats(-5, 20), st.floats(0.1, 10)), min_size=1, max_size=20), st.floats(0, 30))
def test_bins_that_hold_enough_are_not_merged(bins: list[tuple[float, float]], minimum: float) -> None:
    values, squares = np.array(bins).T
    starts = merge_bins([(values, squares)], [minimum])
    assert starts[0] == 0
    assert (np.diff(starts) > 0).all()
    if ((values > 0) & (values**2 >= minimum * squares)).all():
        np.testing.assert_array_equal(starts, np.arange(len(bins)))


def test_quantiles_cut_events_into_parts_of_equal_weight() -> None:
    values = np.linspace(0, 1, 1001, dtype=np.float32)
    assert quantile_edges(values, np.ones(1001), 4) == pytest.approx([0.25, 0.5, 0.75], abs=1e-3)


def test_every_process_asked_for_has_enough_in_every_bin(scored: tuple[Events, Scores]) -> None:
    wanted = {"min_effective_events": 10, "min_effective_events_per_process": {"wjets": 25}, "n_bins": 30}
    regions = RegionsConfig.model_validate({"control": wanted, "signal": {**wanted, "observable": "final"}})
    for name, histogram in yields.fill(*scored, regions).items():
        cells = histogram.view()
        assert (effective(cells, 2) >= 25 - 1e-9).all() or histogram.axes[2].size == 1, name
    loose = yields.fill(*scored, RegionsConfig.model_validate({"control": {"min_effective_events": 10, "n_bins": 30}}))
    assert loose["CR_zee"].axes[2].size > yields.fill(*scored, regions)["CR_zee"].axes[2].size


def test_a_region_may_have_a_binning_of_its_own(scored: tuple[Events, Scores]) -> None:
    own = {"control": {"n_bins": 3}, "CR_zee": {"observable": "x", "bins": [-1, 0, 2]}}
    filled = yields.fill(*scored, RegionsConfig.model_validate(own))
    assert filled["CR_zee"].axes[2].name == "x"
    assert filled["CR_zee"].axes[2].edges.tolist() == [-1, 0, 2]
    assert filled["CR_wjets"].axes[2].name == "score"


def test_a_control_region_may_have_quantiles_of_the_signal(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    binning = BinningConfig(observable="x", n_bins=4, quantiles="signal", min_effective_events=0)
    edges = yields.fill(events, scores, RegionsConfig(control=binning))["CR_zee"].axes[2].edges
    rows = events.of_process("signal") & (scores.region == 0) & events.is_nominal
    parts = np.histogram(events.columns["x"][rows], edges, weights=events.weights["nominal"][rows])[0]
    assert parts == pytest.approx(parts.sum() / 4, rel=0.2)
    assert len(parts) == 4


def test_validation_regions_are_binned_as_control_regions_unless_told_otherwise() -> None:
    regions = RegionsConfig.model_validate({"control": {"n_bins": 3}, "VR_zee": {"n_bins": 2}})
    assert [regions.binning(name).n_bins for name in ("VR_zee", "VR_wjets", "CR_zee", "SR")] == [2, 3, 3, 12]
    regions = RegionsConfig.model_validate({"control": {"n_bins": 3}, "validation": {"n_bins": 1}})
    assert [regions.binning(name).n_bins for name in ("VR_zee", "CR_zee")] == [1, 3]


def test_configured_bins_without_background_are_merged_if_asked_for(
    scored: tuple[Events, Scores], caplog: pytest.LogCaptureFixture
) -> None:
    bins = {"observable": "x", "bins": [-40, -30, -1, 0, 1, 30, 40]}
    floor, merge = (
        yields.fill(*scored, RegionsConfig.model_validate({"control": bins, "empty_bins": policy}))
        for policy in ("floor", "merge")
    )
    assert floor["CR_zee"].axes[2].size == 6
    assert merge["CR_zee"].axes[2].edges.tolist() == [-40, -1, 0, 1, 40]
    assert "region 'CR_zee': bins [0, 5] have no positive background" in caplog.text
    for name in ("signal", "zee", "wjets", "data"):
        assert yields.total(merge["CR_zee"], name) == pytest.approx(yields.total(floor["CR_zee"], name))


def test_a_single_bin_with_too_few_events_is_said(
    scored: tuple[Events, Scores], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="cascadebdt"):
        yields.fill(*scored, RegionsConfig.model_validate({"control": {"min_effective_events": 1e6}}))
    assert "region 'CR_zee': even a single bin holds fewer effective events" in caplog.text


def test_a_region_without_simulation_has_one_bin_of_the_scores(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    hidden = (scores.region == 0) & ~events.is_data
    without = replace(scores, region=np.where(hidden, BLINDED, scores.region).astype(np.int8))
    assert yields.fill(events, without, RegionsConfig())["CR_zee"].axes[2].edges.tolist() == [0, 1]


def test_bins_are_those_of_nominal_simulation(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    rows = np.concatenate([np.arange(len(events)), np.flatnonzero(~events.is_data)])
    variation = np.concatenate([np.zeros(len(events)), np.ones(len(rows) - len(events))]).astype(np.int16)
    doubled = replace(events.take(rows), variation=variation, variations=("nominal", "scale_up"))
    assert scores.final_margin is not None
    both = replace(
        scores,
        margins=scores.margins[rows],
        region=scores.region[rows],
        final_margin=scores.final_margin[rows],
    )
    config = RegionsConfig.model_validate({"signal": {"observable": "final"}})
    one, other = yields.fill(events, scores, config), yields.fill(doubled, both, config)
    for name in one:
        assert (one[name].axes[2].edges == other[name].axes[2].edges).all()
        np.testing.assert_array_equal(other[name].view()[:3, 1], other[name].view()[:3, 0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"CR_ze": {}}, "config.regions.CR_ze: unknown region 'CR_ze'; did you mean 'CR_zee'?"),
        (
            {"CR_zee": {"observable": "mte"}},
            "config.regions.CR_zee.observable: unknown observable 'mte'; did you mean 'met'?",
        ),
        ({"CR_zee": {"bins": [1, 0]}}, "config.regions.CR_zee: bins must increase, got [1.0, 0.0]"),
        ({"CR_zee": {"n_bin": 2}}, "config.regions.CR_zee: unknown key 'n_bin'; did you mean 'n_bins'?"),
        ({"controls": {}}, "config.regions: unknown key 'controls'; did you mean 'control'?"),
        (
            {"control": {"min_effective_events_per_process": {"ze": 5}}},
            "config.regions.control.min_effective_events_per_process.ze: unknown process 'ze'; did you mean 'zee'?",
        ),
        ({"empty_bins": "drop"}, "config.regions.empty_bins: input should be 'floor', 'merge' or 'error', got 'drop'"),
    ],
)
def test_wrong_regions_are_one_sentence(change: dict[str, Any], message: str) -> None:
    raw = tiny_config()
    raw["regions"].update(change)
    with pytest.raises(ConfigError) as error:
        config.parse(raw)
    assert str(error.value).startswith(message)


def test_every_background_that_matters_has_enough_events_in_every_bin() -> None:
    # A process of large weights has one event in each of the first two bins, and none in the others.
    sumw = np.array([[1.0, 1.0, 1.0, 1.0], [40.0, 30.0, 20.0, 10.0], [5.0, 5.0, 0.0, 0.0]])
    sumw2 = np.array([[0.1, 0.1, 0.1, 0.1], [4.0, 3.0, 2.0, 1.0], [25.0, 25.0, 0.0, 0.0]])
    cells = Cells(sumw, sumw2, sumw2.sum(axis=1) / sumw.sum(axis=1))
    assert enough_of_each(cells, Floors(total=0.0, each=1.0)).tolist() == [0, 1]
    assert enough_of_each(cells, Floors(total=0.0, each=2.0)).tolist() == [0]
    light = Cells(sumw, sumw2, np.array([0.1, 0.1, 0.1]))
    assert enough_of_each(light, Floors(total=0.0, each=1.0)).tolist() == [0, 1, 2, 3]
