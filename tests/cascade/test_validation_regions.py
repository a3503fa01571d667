"""A second, looser threshold splits what a stage rejects: nearest to the threshold is the validation region."""

import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt import training
from cascadebdt.cascade import Cascade, Scores
from cascadebdt.config import CascadeConfig
from cascadebdt.errors import InputError
from cascadebdt.forest import target
from tiny_analysis import toy_cascade, toy_events


def configured(*points: dict[str, float]) -> CascadeConfig:
    """Return the toy cascade with these working points."""
    stages = [
        {"name": name, "against": name, "features": ["x", "y"], "working_point": point}
        for name, point in zip(("zee", "wjets"), points, strict=True)
    ]
    return toy_cascade(stages=stages)


PLAIN = {"signal_efficiency": 0.9}
BOTH = {"signal_efficiency": 0.9, "validation_efficiency": 0.97}


@pytest.fixture(scope="module")
def plain() -> Cascade:
    return training.train(toy_events(), configured(PLAIN, PLAIN))


@pytest.fixture(scope="module")
def validated() -> Cascade:
    return training.train(toy_events(), configured(BOTH, PLAIN))


def by_definition(trained: Cascade, scores: Scores) -> list[str]:
    """Return the region of every event, found from its scores alone."""
    found = []
    for row in scores.scores:
        region = "SR"
        for stage, score in zip(trained.stages, row, strict=True):
            looser = stage.working_point.validation_threshold
            if score < stage.working_point.threshold:
                near = looser is not None and score >= looser
                region = f"{'VR' if near else 'CR'}_{stage.name}"
                break
        found.append(region)
    return found


def test_the_regions_are_in_the_order_of_the_stages(validated: Cascade) -> None:
    assert validated.regions == ("CR_zee", "VR_zee", "CR_wjets", "SR")


def test_an_event_that_a_stage_rejects_is_validation_from_the_looser_threshold_on(validated: Cascade) -> None:
    scores = validated.score(toy_events(), unblind=True)
    assert [scores.regions[code] for code in scores.region] == by_definition(validated, scores)
    assert set(scores.region) == {0, 1, 2, 3}


def test_validation_regions_are_cut_out_of_the_control_regions_and_change_nothing_else(
    plain: Cascade, validated: Cascade
) -> None:
    one, other = plain.score(toy_events()), validated.score(toy_events())
    merged = np.array([-1, 0, 0, 1, 2])[other.region + 1]
    np.testing.assert_array_equal(merged, one.region)
    np.testing.assert_array_equal(other.margins, one.margins)


def test_the_looser_threshold_keeps_the_signal_efficiency_asked_for(validated: Cascade) -> None:
    events = toy_events()
    scores = validated.score(events)
    rows = events.of_process("signal")
    weight = events.weights["nominal"][rows]
    rejected = weight[scores.region[rows] == 0].sum() / weight.sum()
    above = scores.scores[rows, 0] > validated.stages[0].working_point.validation_threshold
    assert weight[above].sum() / weight.sum() < 0.97 <= 1 - rejected + 1e-12


def test_every_target_gives_the_same_regions(validated: Cascade) -> None:
    events = toy_events()
    expected = validated.score(events).region
    np.testing.assert_array_equal(validated.classify(events, jobs=2), expected)
    np.testing.assert_array_equal(validated.compiled(target.plain).classify(events), expected)


def test_data_of_the_signal_region_stay_blind(validated: Cascade) -> None:
    events = toy_events()
    blind, full = validated.score(events), validated.score(events, unblind=True)
    hidden = events.is_data & (full.region == 3)
    np.testing.assert_array_equal(blind.region, np.where(hidden, -1, full.region))
    np.testing.assert_array_equal(validated.classify(events), blind.region)


def test_a_saved_cascade_keeps_its_validation_regions(validated: Cascade, plain: Cascade, tmp_path: Path) -> None:
    validated.save(tmp_path / "a")
    plain.save(tmp_path / "b")
    loaded = Cascade.load(tmp_path / "a")
    assert loaded.regions == validated.regions
    assert loaded.stages[0].working_point == validated.stages[0].working_point
    assert json.loads((tmp_path / "a" / "cascade.json").read_text())["regions"] == list(validated.regions)
    assert "validation_threshold" not in (tmp_path / "b" / "cascade.json").read_text()


@settings(max_examples=20)
@given(st.floats(0.02, 0.98), st.floats(0.0, 0.98), st.integers(0, 2**32 - 1))
def test_every_event_is_in_exactly_one_region_for_any_fixed_thresholds(tight: float, share: float, seed: int) -> None:
    changed = trained_once().with_working_points({"zee": tight}, validation={"zee": tight * share})
    events = toy_events(400, seed)
    scores = changed.score(events, unblind=True)
    assert [scores.regions[code] for code in scores.region] == by_definition(changed, scores)
    weight = events.weights["nominal"]
    parts = [weight[scores.region == code].sum() for code in range(len(scores.regions))]
    assert sum(parts) == pytest.approx(weight.sum(), rel=1e-12)


@functools.cache
def trained_once() -> Cascade:
    return training.train(toy_events(600, 1), configured({"threshold": 0.5, "validation_threshold": 0.2}, PLAIN))


@pytest.mark.parametrize(
    ("point", "message"),
    [
        ({**PLAIN, "validation_efficiency": 0.9}, "validation_efficiency must be above signal_efficiency"),
        ({**PLAIN, "validation_threshold": 0.1}, "validation_threshold must be below threshold, got 0.1 and None"),
        ({"threshold": 0.5, "validation_threshold": 0.6}, "validation_threshold must be below threshold"),
        ({"threshold": 0.5, "validation_efficiency": 0.6}, "validation_efficiency must be above signal_efficiency"),
    ],
)
def test_a_validation_region_needs_a_looser_threshold_of_the_same_kind(point: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        configured(point, PLAIN)


@pytest.mark.parametrize("thresholds", [({"zee": 0.1}, {}), ({}, {"zee": 0.5}), ({"zee": 0.3}, {"zee": 0.3})])
def test_a_validation_threshold_stays_below_the_threshold(thresholds: Any) -> None:
    tight, loose = thresholds
    with pytest.raises(InputError, match=r"stage 'zee': validation threshold .*, below the threshold"):
        trained_once().with_working_points(tight, validation=loose)


def test_a_validation_threshold_stays_if_only_the_threshold_changes() -> None:
    point = trained_once().with_working_points({"zee": 0.7}).stages[0].working_point
    assert (point.threshold, point.validation_threshold) == (np.float32(0.7), np.float32(0.2))
