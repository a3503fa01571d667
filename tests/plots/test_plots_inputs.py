"""Figures of the features."""

from dataclasses import replace
from typing import Any

import hist
import numpy as np
import pytest
from matplotlib.container import ErrorbarContainer

from cascadebdt import plots
from cascadebdt.histograms.inputs import Inputs
from cascadebdt.histograms.yields import Histogram

PROCESSES = ["signal", "zee", "data"]


def filled(axis: str, places: list[str], name: str) -> Histogram:
    made: Histogram = hist.Hist(
        hist.axis.StrCategory(places, name=axis),
        hist.axis.StrCategory(PROCESSES if axis == "region" else PROCESSES[:2], name="process"),
        hist.axis.Variable(np.linspace(0, 1, 61), name=name, flow=False),
        storage=hist.storage.Weight(),
    )
    cells: Any = made.view()
    cells["value"] = cells["variance"] = 5.0
    if axis == "region":
        cells["value"][places.index("SR"), -1] = 0.0
        cells["value"][0, -1, 10:] = cells["value"][0, :2, 10:] = 0.0
    return made


@pytest.fixture
def inputs() -> Inputs:
    names = ["met", "a_feature_with_a_long_name_of_40_letters_", "m_lg", "ht", "n_jet"]
    return Inputs(
        {name: filled("region", ["CR_zee", "SR"], name) for name in names},
        {name: filled("stage", ["zee"], name) for name in names},
    )


def test_every_feature_has_a_panel_with_data_and_one_with_the_ratio(inputs: Inputs) -> None:
    axes = [ax for ax in plots.inputs(inputs, "CR_zee").axes if ax.get_visible()]
    assert len(axes) == 2 * 5
    names = [ax.get_xlabel() for ax in axes if ax.get_xlabel()]
    assert sorted(names) == sorted(inputs.regions)


def test_data_are_left_out_where_nothing_is_expected_and_nothing_seen(inputs: Inputs) -> None:
    ax = plots.inputs(inputs, "CR_zee", features=["met"]).axes[0]
    (points,) = [container for container in ax.containers if isinstance(container, ErrorbarContainer)]
    assert np.isfinite(np.asarray(points.lines[0].get_ydata(), np.float64)).sum() == 10


def test_a_blind_signal_region_shows_the_prediction_of_its_features_alone(inputs: Inputs) -> None:
    ax = plots.inputs(inputs, "SR", features=["met"]).axes[0]
    assert not [container for container in ax.containers if isinstance(container, ErrorbarContainer)]
    assert "blinded" in [text.get_text() for text in ax.texts]


def test_signal_and_background_are_drawn_to_unit_area(inputs: Inputs) -> None:
    figure = plots.separation(inputs, "zee", signal="signal", against=["zee"], features=["met", "ht"])
    for ax in figure.axes[:2]:
        values, edges, _ = ax.patches[0].get_data()  # type: ignore[attr-defined]
        assert (values * np.diff(edges)).sum() == pytest.approx(1)


def test_the_band_is_the_quadratic_sum_of_statistics_and_systematics(inputs: Inputs) -> None:
    systematics: Histogram = hist.Hist(
        hist.axis.StrCategory(["CR_zee", "SR"], name="region"), inputs.regions["met"].axes["met"]
    )
    systematics.view()[0] = 2.0
    both = replace(inputs, systematics={"met": systematics})
    widths = {}
    for name, drawn in (("statistics", inputs), ("both", both)):
        ax = plots.inputs(drawn, "CR_zee", features=["met"]).axes[0]
        (band,) = [patch for patch in ax.patches if patch.get_hatch()]
        values, _, baseline = band.get_data()  # type: ignore[attr-defined]
        widths[name] = float((values - baseline)[0])
    assert widths["both"] == pytest.approx(2 * np.sqrt((widths["statistics"] / 2) ** 2 + 4.0))
