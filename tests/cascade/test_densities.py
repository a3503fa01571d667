"""Events as events of other processes, with density ratios that are known exactly."""

from dataclasses import replace

import numpy as np
import pytest

from cascadebdt.cascade import Cascade, Classifier, Scores, Stage, WorkingPoint
from cascadebdt.cascade.densities import known_to, weights_as
from cascadebdt.cascade.summary import TrainingSummary
from cascadebdt.events import Events, identify

SLOPES = {"signal": 2.0, "zee": -3.0, "wjets": -1.0}
SIZES = {"signal": 0.001, "zee": 0.5, "wjets": 2.0}
NUMBERS = {"signal": 20_000, "zee": 4000, "wjets": 500}
TRAINED_WITH = {"signal": 700.0, "zee": 300.0, "wjets": 100.0}


def density(name: str, x: np.ndarray) -> np.ndarray:
    slope = SLOPES[name]
    return np.asarray(slope * np.exp(slope * x) / np.expm1(slope))


def yield_of(name: str) -> float:
    return SIZES[name] * NUMBERS[name]


def world(seed: int = 1) -> tuple[Events, Scores, Cascade]:
    """Return events in x, the margins that perfect stages have, and the cascade of such stages."""
    rng = np.random.default_rng(seed)
    names = tuple(SLOPES)
    x = np.concatenate([np.log1p(rng.random(NUMBERS[n]) * np.expm1(SLOPES[n])) / SLOPES[n] for n in names])
    process = np.repeat(np.arange(3), list(NUMBERS.values())).astype(np.int16)
    events = Events(
        columns={"x": x.astype(np.float32)},
        weights={"nominal": np.array(list(SIZES.values()))[process]},
        event_id=identify([np.arange(len(x))], salt="densities"),
        process=process,
        sample=process,
        variation=np.zeros(len(x), np.int16),
        processes=names,
        samples=names,
    )
    stages, margins = [], []
    for name in names[1:]:
        both = ("signal", name)
        summary = TrainingSummary(
            yields={n: yield_of(n) for n in both},
            class_weights={n: TRAINED_WITH[n] for n in both},
            effective_events={n: float(NUMBERS[n]) for n in both},
        )
        stages.append(Stage(Classifier(name, (name,), ("x",), (), summary), WorkingPoint(np.float32(0), None, {})))
        ratio = density("signal", x) * TRAINED_WITH["signal"] / (density(name, x) * TRAINED_WITH[name])
        margins.append(np.log(ratio).astype(np.float32))
    scores = Scores(np.column_stack(margins), None, np.full(len(x), 2, np.int8), ("CR_zee", "CR_wjets", "SR"), "signal")
    return events, scores, Cascade("signal", 5, tuple(stages))


def test_all_events_together_tell_the_yield_of_every_background_in_every_bin() -> None:
    events, scores, cascade = world()
    edges = np.array([0.0, 0.5, 0.9, 1.0])
    weights = weights_as(cascade, events, scores, np.arange(len(events)))
    assert list(weights) == ["zee", "wjets"]
    for name, weight in weights.items():
        slope, (sums, squares) = (
            SLOPES[name],
            (np.histogram(events.columns["x"], edges, weights=w)[0] for w in (weight, weight**2)),
        )
        expected = yield_of(name) * np.diff(np.expm1(slope * edges)) / np.expm1(slope)
        assert np.abs(sums - expected) == pytest.approx(0, abs=4 * np.sqrt(squares).max())
        assert (np.abs(sums - expected) < 4 * np.sqrt(squares)).all()


def test_the_last_bin_has_far_more_effective_events_than_the_process_itself() -> None:
    events, scores, cascade = world()
    last = np.flatnonzero(events.columns["x"] > 0.98)
    weight = weights_as(cascade, events, scores, last)["wjets"]
    own = np.count_nonzero(events.of_process("wjets")[last])
    assert weight.sum() ** 2 / (weight**2).sum() > 20 * own


def test_signed_weights_count_with_their_sign() -> None:
    events, scores, cascade = world()
    rows = np.arange(len(events))
    opposite = replace(events, weights={"nominal": -events.weights["nominal"]})
    before, after = (weights_as(cascade, found, scores, rows)["zee"] for found in (events, opposite))
    np.testing.assert_array_equal(after, -before)


def test_a_stage_against_several_processes_tells_no_ratio() -> None:
    events, scores, cascade = world()
    classifier = replace(cascade.stages[1].classifier, against=("wjets", "zgamma"))
    joint = replace(cascade, stages=(cascade.stages[0], replace(cascade.stages[1], classifier=classifier)))
    assert known_to(joint) == ("zee",)
    weights = weights_as(joint, events, scores, np.arange(len(events)))
    assert not weights["zee"][events.of_process("wjets")].any()
