"""Figures of large models: labels are whole, and what is not drawn is said."""

import dataclasses
import itertools

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cascadebdt import plots
from cascadebdt.inference import FitResult, Impact, Ranking

SIZES = [(2, 8), (60, 70), (200, 90)]


def names(n: int, length: int) -> list[str]:
    return [f"{'JES_$NP_' * 20}"[: length - 4] + f"_{number:03d}" for number in range(n)]


def values(n: int) -> list[tuple[float, float]]:
    rng = np.random.default_rng(n)
    return [(float(pull), float(error)) for pull, error in zip(rng.normal(size=n), rng.uniform(0.5, 1, n), strict=True)]


def labels_are_whole(figure: Figure) -> None:
    """Require that all labels lie on the figure, and that those of one axis do not overlap."""
    figure.draw_without_rendering()
    page = figure.bbox
    for ax in (ax for ax in figure.axes if ax.yaxis.get_visible()):
        boxes = [label.get_window_extent() for label in ax.get_yticklabels() if label.get_text()]
        for box in boxes:
            assert page.x0 <= box.x0, ax
            assert page.y0 <= box.y0, ax
            assert box.y1 <= page.y1, ax
        for above, below in itertools.pairwise(boxes):
            assert not above.overlaps(below)
        has_room(ax)


def has_room(ax: Axes) -> None:
    """Require that labels leave a panel its width, in pixels."""
    if ax.get_label() != "<colorbar>":
        assert ax.get_window_extent().width > 150


def fit(base: FitResult, n: int, length: int) -> FitResult:
    pulls = dict(zip(names(n, length), values(n), strict=True))
    factors = {name: (1 + 0.1 * value, 0.1) for name, (value, _) in list(pulls.items())[: max(1, n // 4)]}
    return dataclasses.replace(base, pulls=pulls, normalisation=factors)


@pytest.mark.parametrize(("n", "length"), SIZES)
def test_pulls_have_whole_labels(open_fit: FitResult, n: int, length: int) -> None:
    figure = plots.fit(fit(open_fit, n, length))
    labels_are_whole(figure)
    if n == 200:
        assert "\n160 more: |pull| ≤ " in figure.axes[1].get_xlabel()
        assert "\n10 more: |value − 1| ≤ " in figure.axes[0].get_xlabel()


@pytest.mark.parametrize(("n", "length"), SIZES)
def test_a_ranking_has_whole_labels(n: int, length: int) -> None:
    impacts = [
        Impact(name, pull, pull, (-size, size), None)
        for name, pull, size in zip(names(n, length), values(n), np.linspace(1, 0.1, n).tolist(), strict=True)
    ]
    figure = plots.ranking(Ranking((1.0, 2.0), tuple(impacts)))
    labels_are_whole(figure)
    if n == 200:
        assert "\n175 more: |Δμ| ≤ 0.89" in figure.axes[0].get_xlabel()


@pytest.mark.parametrize(("n", "length"), SIZES)
def test_correlations_have_whole_labels(n: int, length: int) -> None:
    factors = np.random.default_rng(1).normal(size=(n, n // 2 + 1))
    matrix = factors @ factors.T
    scale = np.sqrt(np.diag(matrix))
    figure = plots.correlations(names(n, length), matrix / np.outer(scale, scale))
    labels_are_whole(figure)
    if n == 200:
        assert figure.axes[0].get_title().startswith("175 more parameters: correlations up to")
