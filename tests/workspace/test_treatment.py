"""Smoothing, symmetrisation and pruning: laws, and cabinetry's smoothing as an independent reference."""

import logging
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cabinetry.smooth import smooth_353qh_twice
from hypothesis import assume, given
from hypothesis import strategies as st

from cascadebdt.arrays import FloatArray
from cascadebdt.config import PruneConfig, SmoothConfig, WeightSystematic
from cascadebdt.workspace import treatment
from cascadebdt.workspace.templates import Template
from cascadebdt.workspace.treatment import Effect, averaged, running_median, smoothed

ratios = st.lists(st.floats(0.2, 5.0), min_size=1, max_size=30).map(np.array)
mild = st.lists(st.floats(0.6, 1.6), min_size=1, max_size=30).map(np.array)
SMOOTH = [SmoothConfig(method="353QH"), SmoothConfig(method="merge", max_uncertainty=0.1)]


def template(nominal: FloatArray, *, weight: float = 0.5, edited: Any = None, **varied: FloatArray) -> Template:
    mask = np.zeros(len(nominal), np.bool_) if edited is None else np.asarray(edited)
    return Template(nominal, weight * nominal, mask, varied)


def systematic(**options: Any) -> WeightSystematic:
    return WeightSystematic.model_validate({"kind": "weight", "name": "w", "up": "u", "down": "d", **options})


def effects(nominal: FloatArray, up: FloatArray, down: FloatArray, **options: Any) -> tuple[Effect, Effect, Any]:
    prune = PruneConfig(**options.pop("prune", {}))
    return treatment.effects("SR", "zee", template(nominal, w_up=up, w_down=down), systematic(**options), prune)


def yields_of(nominal: FloatArray, effect: Effect) -> FloatArray:
    return np.asarray(nominal * effect.normalisation * effect.shape)


@given(st.lists(st.floats(-100, 100), min_size=3, max_size=40))
def test_the_running_median_is_that_of_cabinetry(values: list[float]) -> None:
    expected = smooth_353qh_twice(np.array(values))
    np.testing.assert_allclose(running_median(np.array(values)), expected, rtol=1e-12, atol=1e-12)


def test_the_running_median_leaves_a_straight_line_and_removes_a_spike() -> None:
    line = np.linspace(0.9, 1.1, 12)
    np.testing.assert_allclose(running_median(line), line)
    spiked = line.copy()
    spiked[5] += 3
    np.testing.assert_allclose(running_median(spiked), line, atol=0.03)


@given(ratios, st.integers(0, 2**32 - 1), st.sampled_from(SMOOTH))
def test_smoothing_keeps_the_integral_and_does_not_touch_edited_bins(
    ratio: FloatArray, seed: int, config: SmoothConfig
) -> None:
    rng = np.random.default_rng(seed)
    nominal, edited = rng.uniform(1, 100, len(ratio)), rng.random(len(ratio)) < 0.2
    assume(not edited.all())
    found = smoothed(ratio, template(nominal, edited=edited), config)
    np.testing.assert_allclose(nominal @ found, nominal @ ratio, rtol=1e-12)
    np.testing.assert_array_equal(found[edited], ratio[edited])
    assert np.isfinite(found).all()


@given(ratios, st.floats(0.02, 0.5), st.integers(0, 2**32 - 1))
def test_merging_averages_over_neighbours_that_are_precise_enough_together(
    ratio: FloatArray, threshold: float, seed: int
) -> None:
    nominal = np.random.default_rng(seed).uniform(1, 50, len(ratio))
    found = averaged(nominal, nominal, ratio, max_uncertainty=threshold)
    starts = [0, *(np.flatnonzero(found[1:] != found[:-1]) + 1), len(ratio)]
    for first, stop in pairwise(starts):
        assert found[first] == pytest.approx(nominal[first:stop] @ ratio[first:stop] / nominal[first:stop].sum())
        if len(starts) > 2:
            assert 1 / np.sqrt(nominal[first:stop].sum()) <= threshold * (1 + 1e-12)


@given(ratios, ratios, st.integers(0, 2**32 - 1))
def test_without_options_a_variation_is_what_it_was(up: FloatArray, down: FloatArray, seed: int) -> None:
    n = min(len(up), len(down))
    nominal = np.random.default_rng(seed).uniform(1, 100, n)
    one, other, actions = effects(nominal, nominal * up[:n], nominal * down[:n])
    if "limited" not in actions:
        np.testing.assert_allclose(yields_of(nominal, one), nominal * up[:n])
        np.testing.assert_allclose(yields_of(nominal, other), nominal * down[:n])
    assert set(actions) <= {"limited"}


@pytest.mark.parametrize("how", ["average", "larger", "up", "down"])
@given(mild, mild)
def test_symmetrised_sides_are_opposite_and_a_symmetric_variation_stays(
    how: str, up: FloatArray, down: FloatArray
) -> None:
    n = min(len(up), len(down))
    nominal = np.linspace(10, 20, n)
    one, other, actions = effects(nominal, nominal * up[:n], nominal * down[:n], symmetrise=how)
    assert one.normalisation * other.normalisation == pytest.approx(1)
    assert f"symmetrised ({how})" in actions
    assume(min(one.shape.min(), other.shape.min()) > 1 / treatment.MAX_RATIO + 1e-9)
    np.testing.assert_allclose(one.shape + other.shape, 2)
    again, opposite, _ = effects(nominal, yields_of(nominal, one), yields_of(nominal, other), symmetrise=how)
    np.testing.assert_allclose(again.shape, one.shape, rtol=1e-9)
    assert again.normalisation == pytest.approx(one.normalisation)
    assert opposite.normalisation == pytest.approx(other.normalisation)


@pytest.mark.parametrize(
    ("how", "normalisation", "first_bin"),
    [("average", np.sqrt(1.2 / 0.95), 1 + (0.1 + 0.3) / 2), ("up", 1.2, 1.1), ("down", 1 / 0.95, 1.3)],
)
def test_symmetrisation_by_hand(how: str, normalisation: float, first_bin: float) -> None:
    nominal = np.array([10.0, 10.0])
    up, down = nominal * 1.2 * np.array([1.1, 0.9]), nominal * 0.95 * np.array([0.7, 1.3])
    one, _, _ = effects(nominal, up, down, symmetrise=how)
    assert one.normalisation == pytest.approx(normalisation)
    assert one.shape == pytest.approx([first_bin, 2 - first_bin])


def test_the_larger_side_is_chosen_for_normalisation_and_shape_each() -> None:
    nominal = np.array([10.0, 10.0])
    up, down = nominal * 1.2 * np.array([1.1, 0.9]), nominal * 0.95 * np.array([0.7, 1.3])
    one, other, _ = effects(nominal, up, down, symmetrise="larger")
    assert (one.normalisation, other.normalisation) == pytest.approx((1.2, 1 / 1.2))
    assert one.shape == pytest.approx([1.3, 0.7])
    assert other.shape == pytest.approx([0.7, 1.3])


@given(ratios, ratios, st.floats(0.001, 0.5), st.floats(0.001, 0.5))
def test_what_is_pruned_is_below_the_threshold_and_what_is_kept_is_not(
    up: FloatArray, down: FloatArray, normalisation: float, shape: float
) -> None:
    n = min(len(up), len(down))
    nominal = np.linspace(10, 20, n)
    varied = nominal * up[:n], nominal * down[:n]
    before, after = effects(nominal, *varied), effects(nominal, *varied, prune={"normalisation": normalisation})
    norms = [abs(side.normalisation - 1) for side in before[:2]]
    assert ("normalisation pruned" in after[2]) == (1e-9 < max(norms) < normalisation)
    assert [side.normalisation for side in after[:2]] == (
        [1.0, 1.0] if "normalisation pruned" in after[2] else [side.normalisation for side in before[:2]]
    )
    after = effects(nominal, *varied, prune={"shape": shape})
    largest = max(float(np.abs(side.shape - 1).max()) for side in before[:2])
    assert ("shape pruned" in after[2]) == (1e-9 < largest < shape)
    for kept, side in zip(after[:2], before[:2], strict=True):
        expected = np.ones(n) if "shape pruned" in after[2] else side.shape
        np.testing.assert_array_equal(kept.shape, expected)


@pytest.mark.parametrize("part", ["normalisation", "shape"])
@pytest.mark.parametrize("side", ["up", "down"])
def test_an_effect_that_equals_the_threshold_is_kept_and_a_smaller_one_is_pruned(part: str, side: str) -> None:
    none, some = Effect(1.0, np.ones(2)), Effect(1.25, np.array([1.25, 1.0]))  # binary fractions: no rounding
    up, down = (some, none) if side == "up" else (none, some)
    *kept, actions = treatment.pruned_effects(up, down, PruneConfig.model_validate({part: 0.25}))
    assert kept == [up, down]  # the same values, unchanged
    assert actions == []
    *pruned, actions = treatment.pruned_effects(up, down, PruneConfig.model_validate({part: np.nextafter(0.25, 1)}))
    assert actions == [f"{part} pruned"]
    for effect in pruned:
        assert np.all(getattr(effect, part) == 1)


def test_pruning_is_logged_with_region_process_and_systematic(caplog: pytest.LogCaptureFixture) -> None:
    nominal = np.array([10.0, 20.0])
    with caplog.at_level(logging.INFO, logger="cascadebdt"):
        effects(nominal, nominal * 1.01, nominal * 0.99, prune={"normalisation": 0.02})
    assert "region 'SR', process 'zee': systematic 'w': normalisation pruned" in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"smooth": "merge"},
        {"smooth": {"method": "353QH", "max_uncertainty": 0.1}},
        {"symmetrise": "down", "down": None},
    ],
)
def test_options_that_contradict_are_refused(options: Any) -> None:
    with pytest.raises(ValueError, match=r"max_uncertainty goes with the method merge|needs down"):
        systematic(**options)


def test_a_variation_with_one_side_is_mirrored() -> None:
    nominal = np.array([10.0, 20.0])
    one = template(nominal, w_up=np.array([12.0, 21.0]))
    up, down, actions = treatment.effects("SR", "zee", one, systematic(down=None), PruneConfig())
    assert (up.normalisation, down.normalisation) == pytest.approx((1.1, 1 / 1.1))
    assert up.shape + down.shape == pytest.approx([2, 2])
    assert actions == ("mirrored up",)
