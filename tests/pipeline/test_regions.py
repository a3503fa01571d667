"""Every selected event is in exactly one region, for every sample and variation, through the whole chain."""

import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.cascade import BLINDED, Cascade, Scores
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.histograms import yields


@pytest.fixture(scope="module")
def trained(tiny: Config, tiny_events: Events) -> Cascade:
    return training.train(tiny_events, tiny.cascade)


@pytest.fixture(scope="module")
def scores(trained: Cascade, tiny_events: Events) -> Scores:
    return trained.score(tiny_events)


def test_every_event_is_in_exactly_one_region_or_blinded(scores: Scores, tiny_events: Events) -> None:
    assert set(np.unique(scores.region)) == {BLINDED, 0, 1, 2}
    assert (scores.region[~tiny_events.is_data] >= 0).all()


def test_regions_sum_to_the_selected_yield_for_every_sample_and_variation(scores: Scores, tiny_events: Events) -> None:
    weight = tiny_events.weights["nominal"]
    for sample in range(3):
        for variation in range(len(tiny_events.variations)):
            rows = (tiny_events.sample == sample) & (tiny_events.variation == variation)
            parts = [weight[rows & (scores.region == region)].sum() for region in range(3)]
            assert rows.any()
            assert sum(parts) == pytest.approx(weight[rows].sum(), rel=1e-12)


def test_histograms_sum_to_the_selected_yield_for_every_process_and_variation(
    scores: Scores, tiny: Config, tiny_events: Events
) -> None:
    filled = yields.fill(tiny_events, scores, tiny.regions)
    for process in ("signal", "zee", "wjets"):
        for code, variation in enumerate(tiny_events.variations):
            rows = tiny_events.of_process(process) & (tiny_events.variation == code)
            found = sum(yields.total(histogram, process, variation)[0] for histogram in filled.values())
            assert found == pytest.approx(tiny_events.weights["nominal"][rows].sum(), rel=1e-12)


def test_an_event_may_change_region_under_a_kinematic_variation(scores: Scores, tiny_events: Events) -> None:
    up = tiny_events.variation == tiny_events.variations.index("photon_scale_up")
    nominal = tiny_events.is_nominal & ~tiny_events.is_data
    _, i, j = np.intersect1d(tiny_events.event_id[up], tiny_events.event_id[nominal], return_indices=True)
    moved = scores.region[up][i] != scores.region[nominal][j]
    assert 0 < moved.mean() < 0.2


def test_a_variation_is_scored_by_the_models_of_the_same_fold(trained: Cascade, tiny_events: Events) -> None:
    up = tiny_events.take(tiny_events.variation == tiny_events.variations.index("photon_scale_up"))
    fold = (up.event_id % np.uint64(3)).astype(int)
    first = trained.stages[0].classifier
    expected = np.empty(len(up), np.float32)
    for f, booster in enumerate(first.boosters):
        table = np.column_stack([up.columns[name] for name in first.features])
        expected[fold == f] = booster.inplace_predict(table[fold == f])
    np.testing.assert_array_equal(trained.score(up).scores[:, 0], expected)
