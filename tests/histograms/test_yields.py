from dataclasses import replace
from itertools import pairwise
from typing import Any

import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt import training
from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Scores
from cascadebdt.config import BinningConfig, RegionsConfig
from cascadebdt.errors import YieldError
from cascadebdt.events import Events
from cascadebdt.histograms import yields
from cascadebdt.histograms.binning import Requirement, bin_index, merge_edges, quantile_edges
from cascadebdt.histograms.yields import total
from tiny_analysis import toy_cascade, toy_events

REGIONS = RegionsConfig(signal=BinningConfig(observable="final", n_bins=6))


@pytest.fixture(scope="module")
def scored() -> tuple[Events, Scores]:
    events = toy_events()
    return events, training.train(events, toy_cascade()).score(events)


def test_region_yields_sum_to_the_selected_yield_for_every_process_and_variation(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    filled = yields.fill(events, scores, REGIONS)
    for name in ("signal", "zee", "wjets"):
        for variation, weight in events.weights.items():
            found = sum(total(histogram, name, variation)[0] for histogram in filled.values())
            assert found == pytest.approx(weight[events.of_process(name)].sum(), rel=1e-12)


def test_the_uncertainty_is_the_root_of_the_sum_of_squared_weights(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    rows = events.of_process("zee") & (scores.region == 0)
    weight = events.weights["nominal"][rows]
    found = total(yields.fill(events, scores, REGIONS)["CR_zee"], "zee")
    assert found == pytest.approx((weight.sum(), np.sqrt((weight**2).sum())))


def test_blinded_data_are_in_no_histogram(scored: tuple[Events, Scores]) -> None:
    filled = yields.fill(*scored, REGIONS)
    assert total(filled["SR"], "data") == (0, 0)
    assert total(filled["CR_zee"], "data")[0] > 0


def test_every_automatic_bin_has_enough_background(scored: tuple[Events, Scores]) -> None:
    for histogram in yields.fill(*scored, REGIONS).values():
        cells = histogram.view()[1:3, 0].sum(axis=0)
        assert (cells["value"] ** 2 / cells["variance"] >= 15 - 1e-9).all()


def test_data_have_no_say_in_the_edges(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    simulation = ~events.is_data
    alone = replace(scores, margins=scores.margins[simulation], region=scores.region[simulation])
    alone = replace(alone, final_margin=None if scores.final_margin is None else scores.final_margin[simulation])
    with_data, without = yields.fill(events, scores, REGIONS), yields.fill(events.take(simulation), alone, REGIONS)
    assert all((with_data[name].axes[2].edges == without[name].axes[2].edges).all() for name in with_data)


def test_values_outside_the_edges_count_in_the_outermost_bins(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    binning = BinningConfig(observable="x", bins=(0.0, 1.0, 2.0))
    filled = yields.fill(events, scores, RegionsConfig(control=binning, signal=binning))
    weight = events.weights["nominal"]
    low = events.of_process("zee") & (scores.region == 0) & (events.columns["x"] < 1)
    assert filled["CR_zee"].view()[1, 0, 0]["value"] == pytest.approx(weight[low].sum())


def test_an_observable_without_a_value_is_an_error_that_names_it(scored: tuple[Events, Scores]) -> None:
    config = RegionsConfig(control=BinningConfig(observable="y"))
    with pytest.raises(YieldError, match=r"region .CR_zee.: the observable 'y' has no value for \d+ events"):
        yields.fill(*scored, config)


@given(st.integers(0, 2**31), st.integers(1, 12))
def test_quantile_edges_cut_into_parts_of_equal_weight(seed: int, n_bins: int) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.random(4000).astype(np.float32), rng.uniform(0.5, 1, 4000)
    edges = np.array([0.0, *quantile_edges(values, weights, n_bins), 1.0])
    parts = np.histogram(values, edges, weights=weights)[0]
    np.testing.assert_allclose(parts, weights.sum() / n_bins, rtol=0.02)


def test_the_score_of_the_signal_region_is_that_of_the_last_stage(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    edges = (0.0, 0.6, 0.8, 1.0)
    binning = BinningConfig(observable="score", bins=edges)
    cells: Any = yields.fill(events, scores, RegionsConfig(signal=binning))["SR"].view()
    rows = events.of_process("zee") & (scores.region == 2)
    expected = np.histogram(scores.scores[rows, 1], edges, weights=events.weights["nominal"][rows])[0]
    assert cells["value"][1, 0] == pytest.approx(expected)


def test_the_final_discriminant_of_a_cascade_without_one_is_an_error(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    with pytest.raises(YieldError, match="region 'SR': its observable is 'final', but the cascade has no final"):
        yields.fill(events, replace(scores, final_margin=None), REGIONS)


@pytest.mark.parametrize("weights", [np.zeros(3), np.empty(0)])
def test_events_without_weight_have_no_quantiles(weights: FloatArray) -> None:
    assert quantile_edges(np.arange(len(weights), dtype=np.float32), weights, 4).tolist() == []


def test_quantiles_of_signed_weights_are_those_of_their_sizes() -> None:
    values = np.arange(8, dtype=np.float32)
    assert quantile_edges(values, np.array([1.0, -1.0] * 4), 4).tolist() == [1, 3, 5]


@given(st.integers(0, 2**31), st.floats(0, 200))
def test_merged_bins_hold_enough_or_there_is_one(seed: int, minimum: float) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.beta(1, 4, 300).astype(np.float32), rng.normal(1, 1, 300)
    edges = merge_edges(np.linspace(0, 1, 21), [Requirement(values, weights, minimum)])
    assert (edges[0], edges[-1]) == (0.0, 1.0)
    for low, high in pairwise(edges):
        inside = weights[(values >= low) & (values < high)]
        assert len(edges) == 2 or (inside.sum() > 0 and inside.sum() ** 2 >= minimum * (inside**2).sum() * (1 - 1e-9))


@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0]), min_size=1, max_size=30))
def test_a_value_on_an_edge_is_in_the_bin_above_it_as_in_hist(values: list[float]) -> None:
    edges = np.array([0.0, 0.5, 1.0, 2.0, 4.0])
    axis = hist.axis.Variable(edges)
    below_last = np.array([value for value in values if value < edges[-1]], np.float32)
    expected = [axis.index(float(value)) for value in below_last]
    np.testing.assert_array_equal(bin_index(below_last, edges), expected)
    assert bin_index(np.array([np.float32(edges[-1])]), edges).tolist() == [3]


def test_a_value_on_an_edge_counts_in_the_bin_above_it(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    on_edge = replace(events, columns={**events.columns, "x": np.ones(len(events), np.float32)})
    binning = BinningConfig(observable="x", bins=(0.0, 1.0, 2.0))
    cells: Any = yields.fill(on_edge, scores, RegionsConfig(control=binning, signal=binning))["CR_zee"].view()
    assert cells["value"][1, 0, 0] == 0
    assert cells["value"][1, 0, 1] == pytest.approx(
        events.weights["nominal"][events.of_process("zee") & (scores.region == 0)].sum()
    )


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_an_event_that_is_in_no_region_is_an_error(scored: tuple[Events, Scores], sign: float) -> None:
    events, scores = scored
    row = int(np.flatnonzero(events.of_process("zee") & (scores.region == 0))[0])
    weight = np.where(np.arange(len(events)) == row, sign, events.weights["nominal"])
    changed = replace(events, weights={**events.weights, "nominal": weight})
    region = scores.region.copy()
    region[row] = len(scores.regions)
    message = "regions: process 'zee', variation 'nominal': the regions' yields sum to .*, expected the selected yield"
    with pytest.raises(YieldError, match=message):
        yields.fill(changed, replace(scores, region=region), REGIONS)
