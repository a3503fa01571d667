import numpy as np
import pytest
from matplotlib.container import BarContainer, ErrorbarContainer

from cascadebdt import plots
from cascadebdt.inference import (
    Breakdown,
    FitResult,
    Impact,
    LimitResult,
    Limits,
    ProjectedRegion,
    Projection,
    Ranking,
    Scan,
    SignificanceResult,
    ToyLimit,
    ToyPoint,
    ValidatedRegion,
    Validation,
)


@pytest.fixture
def ranking() -> Ranking:
    impacts = (
        Impact("norm_zee", (1.1, 0.05), None, (0.5, -0.4), None),
        Impact("jet_scale", (-0.5, 0.8), (-0.5, 0.8), (-0.3, 0.2), (-0.35, None)),
    )
    return Ranking((1.0, 1.5), impacts)


def test_impacts_are_bars_and_pulls_are_points(ranking: Ranking) -> None:
    pulls, bars = plots.ranking(ranking).axes
    filled = [container for container in bars.containers if isinstance(container, BarContainer)]
    assert [[patch.get_width() for patch in container] for container in filled[::2]] == [[0.5, -0.3], [-0.4, 0.2]]
    (points,) = [container for container in pulls.containers if isinstance(container, ErrorbarContainer)]
    assert points.lines[0].get_xdata() == pytest.approx([np.nan, -0.5], nan_ok=True)
    assert [label.get_text() for label in pulls.get_yticklabels()] == ["norm_zee", "jet_scale"]
    assert "1.100 ± 0.050" in [text.get_text() for text in pulls.texts]


def test_only_the_largest_impacts_are_drawn(ranking: Ranking) -> None:
    pulls, _ = plots.ranking(ranking, n_shown=1).axes
    assert [label.get_text() for label in pulls.get_yticklabels()] == ["norm_zee"]


def test_correlations_leave_out_parameters_without_any() -> None:
    matrix = np.array([[1.0, 0.5, 0.01], [0.5, 1.0, 0.0], [0.01, 0.0, 1.0]])
    axes = plots.correlations(("mu", "norm_zee", "lumi"), matrix).axes[0]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["mu", "norm_zee"]
    assert sorted(text.get_text() for text in axes.texts) == ["100", "100", "50", "50"]


def test_without_any_correlation_all_parameters_are_drawn() -> None:
    axes = plots.correlations(("mu", "lumi"), np.eye(2)).axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mu", "lumi"]


def test_a_scan_is_drawn_with_the_parabola_of_the_uncertainty() -> None:
    values = np.linspace(-3, 3, 7)
    axes = plots.scan(Scan(("mu",), (values,), values**2, (0.0,)), uncertainty=2.0).axes[0]
    curves = {line.get_label(): line.get_ydata() for line in axes.lines}
    assert curves["profile"] == pytest.approx(values**2)
    assert curves["from the second derivatives"] == pytest.approx(values**2 / 4)


def test_a_scan_of_two_parameters_has_contours() -> None:
    values = np.linspace(-4, 4, 17)
    increases = values[:, None] ** 2 + values**2
    axes = plots.scan(Scan(("mu", "norm_zee"), (values, values), increases, (0.0, 0.0))).axes[0]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("mu", "norm_zee")
    assert len(axes.collections) == 1


def test_impossible_points_of_a_scan_are_gaps() -> None:
    scan = Scan(("mu",), (np.array([0.0, 1.0]),), np.array([np.inf, 0.5]), (1.0,))
    curve = next(line for line in plots.scan(scan).axes[0].lines if line.get_label() == "profile")
    assert np.isnan(np.asarray(curve.get_ydata(), np.float64)[0])


def test_a_fit_without_nuisance_parameters_has_no_figure_of_impacts(open_fit: FitResult) -> None:
    scan = Scan(("mu",), (np.array([0.0, 1.0]),), np.array([0.5, 0.0]), (1.0,))
    drawn = plots.fitted(open_fit, Ranking((1.0, 1.5), ()), scan)
    assert [name for name, _ in drawn] == ["fit", "correlations", "scan"]


def test_validation_regions_are_drawn_with_their_pulls_and_p_values() -> None:
    numbers = {"data": np.array([11.0, 0.0]), "predicted": np.array([9.0, 1.0]), "uncertainty": np.array([1.0, 0.5])}
    region = ValidatedRegion(
        **numbers,
        processes={},
        pulls=np.array([0.6, -0.9]),
        total=10.0,
        total_uncertainty=1.2,
        total_p_value=0.8,
        p_value=0.54,
    )
    upper, _, lower, _ = plots.validation(Validation({"VR_a": region, "VR_b": region}, 0.6)).axes
    assert upper.get_title() == "VR_a: p = 0.54"
    assert lower.lines[-1].get_ydata() == pytest.approx([0.6, -0.9])


def test_parts_of_an_uncertainty_are_bars_with_numbers_and_a_stack() -> None:
    groups: dict[str, tuple[float | None, float | None]] = {"jets": (0.3, 0.4), "MC statistics": (None, 1.0)}
    parts = Breakdown("mu", 0.5, (None, 1.5), (None, 1.2), (None, 0.9), (0.5, 1.0), groups, {})
    bars, stack = plots.breakdown(parts).axes
    names = ["total", "statistical", "systematic", "data alone", "MC statistics", "jets"]
    assert [label.get_text() for label in bars.get_yticklabels()] == names
    assert "– +1.5" in [text.get_text() for text in bars.texts]
    widths = [patch.get_width() for container in stack.containers for patch in container]
    assert sum(widths) == pytest.approx(1)


def test_a_projection_shows_prediction_and_data_of_every_region_but_not_blind_data() -> None:
    ones = np.ones(2)
    control = ProjectedRegion(True, 50 * ones, ones, {}, 52 * ones, 100.0, 8.0)
    signal = ProjectedRegion(False, 5 * ones, ones, {}, None, 10.0, 2.0)
    upper, lower = plots.projection(Projection((0.0, 0.0), {}, 0.5, {"CR": control, "SR": signal})).axes
    assert [label.get_text() for label in lower.get_xticklabels()] == ["CR", "SR"]
    (points,) = [container for container in upper.containers if isinstance(container, ErrorbarContainer)]
    assert points.lines[0].get_ydata() == pytest.approx([104])


def test_cls_of_pseudo_experiments_is_drawn_with_the_asymptotic_limit() -> None:
    points = tuple(
        ToyPoint(mu, (0.2 * cls, 0.5 * cls, cls, 1.5 * cls, 2 * cls), cls, 0.01)
        for mu, cls in ((1.0, 0.5), (3.0, 0.02))
    )
    found = ToyLimit(0.05, (1.5, 2.0, 2.4, 2.6, 2.8), 2.4, 0.1, points, 100, ())
    limits = Limits(LimitResult(0.05, (1.4, 1.9, 2.3, 2.5, 2.7), 2.2), SignificanceResult(0.5, 0.2))
    (axes,) = plots.toy_limit(found, limits).axes
    assert axes.get_yscale() == "log"
    assert [line.get_xdata() for line in axes.lines if line.get_label() == "asymptotic limit"] == [[2.2, 2.2]]
