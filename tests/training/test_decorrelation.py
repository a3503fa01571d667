"""Decorrelation against independent numbers: planing, the gradient of the flatness loss, and what a cut sculpts."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon

from cascadebdt import training
from cascadebdt.arrays import BoolArray, FloatArray, IntArray
from cascadebdt.config import CascadeConfig
from cascadebdt.events import Events
from cascadebdt.training.decorrelation import Flatness, SpectatorBins, planing, sculpting
from tiny_analysis import toy_cascade, toy_events


def test_planed_classes_have_one_spectator_distribution() -> None:
    rng = np.random.default_rng(0)
    is_signal = rng.random(5000) < 0.3
    spectator = np.where(is_signal, rng.normal(80, 5, 5000), rng.exponential(80, 5000)).astype(np.float32)
    spectator[::11] = np.nan
    weights = rng.exponential(size=5000)
    bins = SpectatorBins.of(spectator, 12)
    found = bins.find(spectator)
    used = weights * planing(found, is_signal, weights, len(bins))[is_signal.astype(int), found]
    signal, background = (np.bincount(found[mask], used[mask], len(bins)) for mask in (is_signal, ~is_signal))
    np.testing.assert_allclose(signal / signal.sum(), background / background.sum(), atol=1e-12)
    assert np.isnan(spectator[found == len(bins) - 1]).all()


def test_a_bin_that_one_class_lacks_trains_neither() -> None:
    is_signal = np.array([True, True, False, False])
    factors = planing(np.array([0, 1, 1, 2]), is_signal, np.ones(4), 3)
    np.testing.assert_allclose(factors, [[0, 1, 0], [0, 1, 0]])


def integral(margins: FloatArray, weights: FloatArray, bins: IntArray) -> float:
    """Return the flatness loss by its definition, exactly: the distributions are steps."""
    points = np.sort(margins)

    def below(mask: BoolArray) -> FloatArray:
        sums = np.array([weights[mask & (margins <= s)].sum() for s in points[:-1]])
        return np.asarray(sums / weights[mask].sum())

    everywhere = below(np.ones(len(margins), bool))
    parts = [bins == one for one in np.unique(bins)]
    shares = [weights[mask].sum() / weights.sum() for mask in parts]
    apart = [np.sum((below(mask) - everywhere) ** 2 * np.diff(points)) for mask in parts]
    return float(np.dot(shares, apart))


def test_the_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(1)
    margins, weights, bins = rng.normal(size=60), rng.exponential(size=60), rng.integers(0, 3, 60)
    flat, plain = (
        Flatness(np.zeros(60, bool), weights, bins, strength).derivatives(margins.astype(np.float32))[0].astype(float)
        for strength in (1.0, 1e-12)
    )
    for i in range(0, 60, 7):
        moved = [integral(np.where(np.arange(60) == i, margins + d, margins), weights, bins) for d in (1e-6, -1e-6)]
        expected = (moved[0] - moved[1]) / 2e-6 * weights.sum()
        assert flat[i] - plain[i] == pytest.approx(expected, abs=0.02 * weights[i])


def test_the_loss_adds_up() -> None:
    rng = np.random.default_rng(2)
    margins, weights, bins = rng.normal(size=200).astype(np.float32), rng.exponential(size=200), rng.integers(0, 3, 200)
    flat, plain = (Flatness(np.zeros(200, bool), weights, bins, s).loss(margins) for s in (2.0, 1e-12))
    assert flat - plain == pytest.approx(2 * integral(margins.astype(float), weights, bins), rel=1e-6)
    logistic = np.average(np.log1p(np.exp(margins.astype(float))), weights=weights)
    assert plain == pytest.approx(logistic)


def test_equal_margins_leave_the_spectator_alone() -> None:
    flat = Flatness(np.array([True, False, False, False]), np.ones(4), np.array([0, 0, 1, 1]), 5.0)
    np.testing.assert_allclose(flat.derivatives(np.zeros(4, np.float32))[0], [-0.5, 0.5, 0.5, 0.5])


def test_sculpting_is_the_distance_of_the_distributions() -> None:
    rng = np.random.default_rng(3)
    spectator = rng.random(8000).astype(np.float32)
    weights = rng.exponential(size=8000)
    passed = rng.random(8000) < spectator
    found = sculpting(spectator, weights, passed, n_bins=10)
    number = SpectatorBins.of(spectator, 10).find(spectator)
    before, after = np.bincount(number, weights, 10), np.bincount(number[passed], weights[passed], 10)
    assert found["jensen_shannon"] == pytest.approx(jensenshannon(before, after, base=2) ** 2)
    shares = (np.cumsum(before) / before.sum(), np.cumsum(after) / after.sum())
    assert found["kolmogorov_smirnov"] == pytest.approx(np.abs(shares[0] - shares[1]).max())
    everything = sculpting(spectator, weights, np.ones(8000, bool), n_bins=10)
    assert everything == {"jensen_shannon": 0.0, "kolmogorov_smirnov": 0.0}
    nothing = sculpting(spectator, weights, np.zeros(8000, bool), n_bins=10)
    assert nothing == {"jensen_shannon": None, "kolmogorov_smirnov": None}


def with_spectator() -> Events:
    """Return the toy events with a mass that a feature follows, peaked for signal."""
    events = toy_events(8000)
    rng = np.random.default_rng(4)
    signal = events.of_process("signal")
    mass = np.where(signal, rng.normal(0.5, 0.08, len(events)), rng.random(len(events))).astype(np.float32)
    x = (4 * mass + rng.normal(0, 0.6, len(events))).astype(np.float32)
    return replace(events, columns={**events.columns, "x": x, "mass": mass})


def decorrelated(method: str) -> CascadeConfig:
    decorrelate = {"spectator": "mass", "method": method, "strength": 10.0, "bins": 10}
    stage = {"name": "zee", "against": "zee", "features": ["x", "y"], "decorrelate": decorrelate}
    point = {"signal_efficiency": 0.5}
    return toy_cascade(
        stages=[{**stage, "working_point": point}],
        final=None,
        negative_weights="drop",
        bdt={"n_estimators": 80, "max_depth": 3, "learning_rate": 0.2, "early_stopping_rounds": 12},
    )


def test_planing_and_flatness_sculpt_less() -> None:
    events = with_spectator()
    trained = {method: training.train(events, decorrelated(method)) for method in ("none", "planing", "flatness")}
    summary = {name: model.stages[0].classifier.summary for name, model in trained.items()}
    apart = {name: found.sculpting.jensen_shannon or 0 for name, found in summary.items() if found.sculpting}
    assert apart["planing"] < 0.7 * apart["none"]
    assert apart["flatness"] < 0.7 * apart["none"]
    assert all((found.auc or 0) > 0.7 for found in summary.values())
    again = training.train(events, decorrelated("flatness"), jobs=3)
    for one, other in zip(
        again.stages[0].classifier.boosters, trained["flatness"].stages[0].classifier.boosters, strict=True
    ):
        assert one.save_raw("ubj") == other.save_raw("ubj")
    assert trained["flatness"].score(events).scores.shape == (len(events), 1)
