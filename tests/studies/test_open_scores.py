"""Scores of all stages, taken once: regions of any thresholds are those of a cascade with these thresholds."""

import numpy as np
import pytest

from cascadebdt.forest.borders import Thresholds
from cascadebdt.studies.open_scores import OpenScores
from studies.toy_study import ToyStudy, toy_study

THRESHOLDS = ({"zee": 0.0, "wjets": 0.4}, {"zee": 0.5, "wjets": 0.0}, {"zee": 0.3, "wjets": 0.7})


@pytest.fixture(scope="module", params=["stage", "sorter"])
def toy(request: pytest.FixtureRequest) -> ToyStudy:
    return toy_study(request.param)


@pytest.mark.parametrize("thresholds", THRESHOLDS)
def test_regions_and_observables_are_those_of_the_cascade_with_other_working_points(
    toy: ToyStudy, thresholds: dict[str, float]
) -> None:
    expected = toy.cascade.with_working_points(thresholds).score(toy.scores.events)
    scores = toy.scores.at([Thresholds(np.float32(value)) for value in thresholds.values()])
    assert scores.regions == expected.regions
    np.testing.assert_array_equal(scores.region, expected.region)
    for name in ("final_margin", "sorted_as"):
        ours, theirs = getattr(scores, name), getattr(expected, name)
        if theirs is not None:
            known = ~np.isnan(theirs)
            np.testing.assert_array_equal(ours[known], theirs[known])
    reached = ~np.isnan(expected.margins)
    np.testing.assert_array_equal(scores.margins[reached], expected.margins[reached])


def test_a_band_below_a_threshold_is_the_validation_region(toy: ToyStudy) -> None:
    points = [Thresholds(np.float32(0.6), np.float32(0.4)), Thresholds(np.float32(0.5))]
    scores = toy.scores.at(points)
    band = (toy.scores.scores[:, 0] >= np.float32(0.4)) & (toy.scores.scores[:, 0] < np.float32(0.6))
    np.testing.assert_array_equal(scores.region == scores.regions.index("VR_zee"), band)


def test_data_are_left_out(toy: ToyStudy) -> None:
    assert not toy.scores.events.is_data.any()


def test_every_event_has_all_scores(toy: ToyStudy) -> None:
    assert not np.isnan(toy.scores.scores).any()
    assert isinstance(toy.scores, OpenScores)
