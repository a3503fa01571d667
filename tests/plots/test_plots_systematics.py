"""Figures of systematics and of limits."""

from typing import Any

import hist
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from cascadebdt import plots
from cascadebdt.histograms.yields import Histogram
from cascadebdt.inference import LimitResult
from cascadebdt.workspace.treatment import VariationNote
from cascadebdt.workspace.varied import effect

NOMINAL, UP, DOWN = np.array([10.0, 20.0]), np.array([12.0, 22.0]), np.array([9.0, 19.0])
MODIFIERS = [
    {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}},
    {"name": "scale", "type": "histosys", "data": {"hi_data": [12.0, 19.0], "lo_data": [8.0, 21.0]}},
    {"name": "lumi", "type": "normsys", "data": {"hi": 1.02, "lo": 0.98}},
]
SAMPLES = [{"name": "zee", "data": NOMINAL.tolist(), "modifiers": MODIFIERS}]
WORKSPACE = {"channels": [{"name": "SR", "samples": SAMPLES}]}


def note(region: str = "SR", *actions: str) -> VariationNote:
    return VariationNote(region, "zee", "scale", "scale", (1.1, 0.9), (0.2, 0.2), actions)


@pytest.fixture
def filled() -> Histogram:
    made: Histogram = hist.Hist(
        hist.axis.StrCategory(["zee"], name="process"),
        hist.axis.StrCategory(["nominal", "scale_up", "scale_down"], name="variation"),
        hist.axis.Variable([0.0, 0.3, 1.0], name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    cells: Any = made.view()
    cells["value"][0] = [NOMINAL, UP, DOWN]
    return made


def lines(figure: Figure, name: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    (found,) = [patch for patch in figure.axes[0].patches if patch.get_label() == name]
    assert isinstance(found, StepPatch)
    return np.asarray(found.get_data()[0])


def test_the_effect_of_a_parameter_is_its_normalisation_times_its_shape() -> None:
    sides = effect(WORKSPACE, "SR", "zee", "scale")
    assert sides is not None
    assert sides[0] == pytest.approx([1.1 * 1.2 - 1, 1.1 * 0.95 - 1])
    assert sides[1] == pytest.approx([0.9 * 0.8 - 1, 0.9 * 1.05 - 1])


@pytest.mark.parametrize("place", [("CR", "zee", "scale"), ("SR", "wjets", "scale"), ("SR", "zee", "jes")])
def test_a_parameter_without_effect_has_none(place: tuple[str, str, str]) -> None:
    assert effect(WORKSPACE, *place) is None


def test_effects_are_drawn_in_per_cent_as_filled_and_as_fitted(filled: Histogram) -> None:
    figure = plots.systematics({"SR": filled, "VR": filled}, WORKSPACE, [note("VR"), note()])
    assert [ax.get_title() for ax in figure.axes if ax.get_visible()] == ["scale: zee in SR"]
    assert lines(figure, "up, filled") == pytest.approx([20, 10])
    assert lines(figure, "down, fitted") == pytest.approx([-28, -5.5])


def test_what_was_pruned_is_a_map() -> None:
    notes = [note("CR"), note("SR", "shape pruned"), note("VR", "normalisation pruned", "shape pruned")]
    (image,) = plots.pruning(notes).axes[0].images
    shown = image.get_array()
    assert shown is not None
    assert shown.tolist() == [[0, 1, 3]]


def test_limits_are_drawn_with_median_and_observed() -> None:
    seen, blind = (LimitResult(0.05, (1.0, 1.5, 2.0, 3.0, 4.0), value) for value in (2.5, None))
    ax = plots.limits({"seen": seen, "blind": blind}).axes[0]
    medians = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [np.asarray(line.get_xdata()).tolist() for line in medians] == [[2.0, 2.0]] * 2
    assert [np.asarray(line.get_xdata()).tolist() for line in ax.lines if line.get_marker() == "o"] == [[2.5]]
    assert [text.get_text() for text in ax.texts] == ["2.50", "2.00"]
