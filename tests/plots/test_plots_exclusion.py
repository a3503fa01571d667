"""Exclusion figures of patch sets."""

import itertools

import numpy as np
import pytest
from matplotlib.contour import ContourSet

from cascadebdt import plots
from cascadebdt.plots.exclusion import ExclusionPoint


def point(*values: float, limit: float, is_blind: bool = False) -> ExclusionPoint:
    low, lower, high, higher = (limit * factor for factor in (0.5, 0.7, 1.5, 2.0))
    return ExclusionPoint(values, None if is_blind else 1.1 * limit, (low, lower, limit, high, higher))


def grid(*, is_blind: bool = False) -> list[ExclusionPoint]:
    """Return signals whose limit is 1 at a sum of masses of 1000."""
    masses = itertools.product(range(300, 900, 100), range(100, 700, 100))
    return [point(x, y, limit=float(np.exp((x + y - 1000) / 150)), is_blind=is_blind) for x, y in masses]


def test_the_expected_contour_is_where_the_limit_is_one() -> None:
    ax = plots.exclusion(grid(), ["m_sb", "m_c1"]).axes[0]
    contours = [item for item in ax.collections if isinstance(item, ContourSet)]
    assert len(contours) == 4  # expected, both sides of its band, observed
    expected = np.concatenate([path.vertices for path in contours[2].get_paths()])
    assert expected.sum(axis=1) == pytest.approx(1000)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("m_sb", "m_c1")


def test_long_labels_stay_inside_the_figure() -> None:
    figure = plots.exclusion(grid(), ["mass of the heavier of two particles " * 3, "m_" * 60])
    figure.draw_without_rendering()
    axes, page = figure.axes[0], figure.bbox
    for label in (axes.xaxis.label, axes.yaxis.label):
        box = label.get_window_extent()
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1


def test_a_blind_exclusion_has_no_observed_contour() -> None:
    ax = plots.exclusion(grid(is_blind=True), ["m_sb", "m_c1"]).axes[0]
    assert len([item for item in ax.collections if isinstance(item, ContourSet)]) == 3


@pytest.mark.parametrize("second", [0.0, 0.5], ids=["constant", "on a line"])
def test_one_quantity_has_limits_over_it(second: float) -> None:
    points = [point(x, second * x, limit=x / 500) for x in (700.0, 300.0, 500.0)]
    ax = plots.exclusion(points, ["m_1", "m_2"]).axes[0]
    assert ax.get_yscale() == "log"
    expected = next(line for line in ax.lines if line.get_label() == "expected")
    assert np.asarray(expected.get_xdata()).tolist() == [300, 500, 700]


def test_nothing_excluded_has_no_contours() -> None:
    points = [point(x, y, limit=20.0) for x, y in ((1, 1), (2, 1), (1, 2))]
    ax = plots.exclusion(points, ["a", "b"]).axes[0]
    assert not [item for item in ax.collections if isinstance(item, ContourSet)]
