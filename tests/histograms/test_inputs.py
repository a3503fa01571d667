"""Histograms of the features: every event once, the same bits for any blocks, bins where trees split."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import KinematicSystematic, NormalisationSystematic, SystematicConfig, WeightSystematic
from cascadebdt.events import Events, joined
from cascadebdt.histograms.contents import flow
from cascadebdt.histograms.inputs import InputFilling, Inputs, _edges, edges_of_features
from cascadebdt.histograms.yields import Histogram
from cascadebdt.training import train
from tiny_analysis import toy_cascade, toy_events

EDGES = {"x": np.linspace(-1, 3, 9), "y": np.linspace(-1, 3, 5)}


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(2000)


@pytest.fixture(scope="module")
def cascade(events: Events) -> Cascade:
    return train(events, toy_cascade(), seed=1)


@pytest.fixture(scope="module")
def scores(events: Events, cascade: Cascade) -> Scores:
    return cascade.score(events)


def filled(events: Events, scores: Scores, *systematics: SystematicConfig, n_blocks: int = 1) -> Inputs:
    filling = InputFilling(EDGES, systematics)
    for rows in np.array_split(np.arange(len(events)), n_blocks):
        block = replace(scores, margins=scores.margins[rows], final_margin=None, region=scores.region[rows])
        filling.add(events.take(rows), block)
    return filling.inputs


def at(histogram: Histogram, **place: str) -> Any:
    """Return the cells of a histogram at some names."""
    index: Any = place
    chosen: Any = histogram[index]
    return chosen.view()


def test_every_event_with_a_value_is_in_one_bin_of_its_region(events: Events, scores: Scores) -> None:
    histogram = filled(events, scores).regions["y"]
    for code, region in enumerate(scores.regions):
        for process in events.processes:
            rows = (scores.region == code) & events.of_process(process) & ~np.isnan(events.columns["y"])
            cells = at(histogram, region=region, process=process)
            assert cells["value"].sum() == pytest.approx(events.weights["nominal"][rows].sum())
            assert cells["variance"].sum() == pytest.approx((events.weights["nominal"][rows] ** 2).sum())


def test_what_reaches_a_stage_is_what_the_flow_says(events: Events, scores: Scores) -> None:
    histogram = filled(events, scores).stages["x"]
    for process, reaching in flow(events, scores).yields.items():
        sums = [at(histogram, stage=stage, process=process)["value"].sum() for stage in scores.stages]
        assert sums == pytest.approx(reaching[:-1])


def test_data_of_a_blind_signal_region_are_in_no_histogram(events: Events, scores: Scores) -> None:
    inputs = filled(events, scores)
    assert not at(inputs.regions["x"], region="SR", process="data")["value"].any()
    assert "data" not in inputs.stages["x"].axes["process"]


def test_blocks_give_the_bits_of_all_events_at_once(events: Events, scores: Scores) -> None:
    assert filled(events, scores).to_json() == filled(events, scores, n_blocks=7).to_json()


def test_inputs_come_back_from_json(events: Events, scores: Scores) -> None:
    content = filled(events, scores, LUMI).to_json()
    assert content["systematics"]
    assert Inputs.from_json(content).to_json() == content


def test_bins_reach_over_the_values_where_trees_split(cascade: Cascade) -> None:
    edges = edges_of_features(cascade)
    assert set(edges) == {"x", "y"}
    for bins in edges.values():
        assert -4 < bins[0] < 0 < 2 < bins[-1] < 6
        assert np.diff(bins) == pytest.approx(np.diff(bins)[0])


def test_a_feature_that_counts_has_bins_of_width_one() -> None:
    assert _edges(np.array([1.0, 2.0, 2.0, 4.0])).tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5, 4.5]


LUMI = NormalisationSystematic(name="lumi", kind="normalisation", size=0.02)
PILEUP = WeightSystematic(name="pileup", kind="weight", up="1.1", down="0.9")


def deviation(events: Events, scores: Scores, *systematics: SystematicConfig, n_blocks: int = 1) -> FloatArray:
    """Return the standard deviation of x in all regions by systematics."""
    return np.asarray(filled(events, scores, *systematics, n_blocks=n_blocks).systematics["x"].values())


def background(events: Events, scores: Scores, *processes: str) -> FloatArray:
    """Return the sum of backgrounds in bins of x in all regions."""
    histogram: Any = filled(events, scores).regions["x"]
    return sum((np.asarray(histogram[{"process": name}].values()) for name in processes), np.zeros(1))


def test_independent_systematics_of_the_background_add_in_quadrature(events: Events, scores: Scores) -> None:
    both = deviation(events, scores, LUMI, PILEUP)
    assert both == pytest.approx(np.hypot(0.02, 0.1) * np.abs(background(events, scores, "zee", "wjets")))


def test_systematics_that_share_a_parameter_add_linearly(events: Events, scores: Scores) -> None:
    parts: list[SystematicConfig] = [
        LUMI.model_copy(update={"parameter": "one", "processes": ("zee",)}),
        PILEUP.model_copy(update={"parameter": "one", "processes": ("wjets", "signal")}),
    ]
    expected = 0.02 * background(events, scores, "zee") + 0.1 * background(events, scores, "wjets")
    assert deviation(events, scores, *parts) == pytest.approx(np.abs(expected))


def test_processes_with_parameters_of_their_own_add_in_quadrature(events: Events, scores: Scores) -> None:
    apart = LUMI.model_copy(update={"decorrelate": ("processes",)})
    expected = 0.02 * np.hypot(background(events, scores, "zee"), background(events, scores, "wjets"))
    assert deviation(events, scores, apart) == pytest.approx(expected)


def test_a_systematic_of_some_regions_leaves_the_others_alone(events: Events, scores: Scores) -> None:
    of_signal_region = deviation(events, scores, PILEUP.model_copy(update={"regions": ("SR",)}))
    is_signal_region = np.array([region == "SR" for region in scores.regions])
    assert of_signal_region[is_signal_region].any()
    assert not of_signal_region[~is_signal_region].any()


def test_a_kinematic_variation_is_told_by_events_of_its_own(events: Events, cascade: Cascade) -> None:
    shifted = replace(
        events,
        columns={name: column + np.float32(0.1) for name, column in events.columns.items()},
        variation=np.ones(len(events), np.int16),
        variations=("nominal", "scale_up"),
    ).take(np.flatnonzero(~events.is_data))
    both = joined([replace(events, variations=("nominal", "scale_up")), shifted])
    scale = KinematicSystematic(name="scale", kind="kinematic", up={"Jet_pt": "Jet_pt * 1.02"})
    nominal, varied = (
        np.array(
            [
                [np.histogram(part.columns["x"][rows], np.r_[-np.inf, EDGES["x"][1:-1], np.inf], weights=w[rows])[0]]
                for code in range(len(scores.regions))
                for rows in [(scores.region == code) & ~part.is_data & ~part.of_process("signal")]
                for w in [part.weights["nominal"]]
            ]
        )[:, 0]
        for part in (events, shifted)
        for scores in [cascade.score(part)]
    )
    spread = deviation(both, cascade.score(both), scale)
    assert spread.any()
    assert spread == pytest.approx(np.abs(varied - nominal))


def test_blocks_give_the_bits_of_all_systematics_at_once(events: Events, scores: Scores) -> None:
    whole = deviation(events, scores, LUMI, PILEUP)
    assert deviation(events, scores, LUMI, PILEUP, n_blocks=7).tolist() == whole.tolist()
