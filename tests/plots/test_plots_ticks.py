"""Ticks: minor ones are strokes without objects of their own, powers of ten are plain text."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.ticker import NullLocator

from cascadebdt import plots
from cascadebdt.plots import style
from cascadebdt.plots.ticks import PowersOfTen


def empty(*, yscale: str = "linear", ylim: tuple[float, float] = (0.0, 1.0)) -> Figure:
    figure = style.figure(3, 3)
    ax = figure.subplots()
    ax.set(yscale=yscale, ylim=ylim)
    style.frame(ax)
    return figure


def dark_pixels(figure: Figure, path: Path) -> int:
    png, _ = plots.save(figure, path / "figure")
    return int(np.count_nonzero(imread(png)[..., :3].sum(axis=-1) < 1))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1.0, "1"), (50.0, "50"), (1e3, "10³"), (2e-4, "2 × 10⁻⁴"), (30.0, ""), (0.0, "")],
)
def test_powers_of_ten_are_plain_text(value: float, text: str) -> None:
    assert PowersOfTen()(value) == text


def test_minor_ticks_are_drawn_without_objects_of_the_axis(tmp_path: Path) -> None:
    figure = empty()
    assert figure.axes[0].xaxis.get_minor_ticks() == []
    without = empty()
    without.axes[0].xaxis.set_minor_locator(NullLocator())
    without.axes[0].yaxis.set_minor_locator(NullLocator())
    assert dark_pixels(figure, tmp_path) > dark_pixels(without, tmp_path) + 50


def test_a_side_without_minor_ticks_has_none(tmp_path: Path) -> None:
    figure, bare = empty(), empty()
    bare.axes[0].tick_params(which="minor", top=False, bottom=False)
    assert dark_pixels(figure, tmp_path) > dark_pixels(bare, tmp_path)


def test_a_logarithmic_axis_of_less_than_a_decade_has_labels(tmp_path: Path) -> None:
    figure = empty(yscale="log", ylim=(1.5, 7.0))
    plots.save(figure, tmp_path / "figure")
    labels = [label.get_text() for label in figure.axes[0].yaxis.get_ticklabels(which="minor")]
    assert [text for text in labels if text] == ["2", "5"]


def test_names_with_dollar_signs_are_text_and_powers_stay_powers(tmp_path: Path) -> None:
    figure = empty(yscale="log", ylim=(1.0, 1e6))
    figure.axes[0].set_xlabel("$p_T$")
    plots.save(figure, tmp_path / "figure")
    assert figure.axes[0].xaxis.label.get_parse_math() is False
    assert "10⁴" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
