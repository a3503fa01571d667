from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch

from cascadebdt import plots
from cascadebdt.arrays import FloatArray
from cascadebdt.errors import FitError
from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.inference import FitResult
from cascadebdt.plots import style


def panels(figure: Figure) -> tuple[list[Axes], list[Axes], list[Axes]]:
    """Return the yields, the compositions and the ratios of an overview, region by region."""
    n = len(figure.axes) // 3
    return figure.axes[:n], figure.axes[n : 2 * n], figure.axes[2 * n :]


def steps(ax: Axes, label: str) -> Any:
    """Return values and baseline of what is drawn as steps under a label."""
    return next(patch for patch in ax.patches if isinstance(patch, StepPatch) and patch.get_label() == label).get_data()


def points(ax: Axes) -> FloatArray | None:
    """Return the heights of the data points of a panel."""
    found = [item for item in ax.containers if isinstance(item, ErrorbarContainer)]
    return np.asarray(found[0].lines[0].get_ydata(), np.float64) if found else None


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_a_blind_signal_region_shows_no_data_and_says_so(blind_yields: Yields) -> None:
    top, _, bottom = panels(plots.regions(blind_yields))
    assert points(top[-1]) is None
    assert points(bottom[-1]) is None
    assert words(top[-1]) == words(bottom[-1]) == ["blinded"]


def test_a_blind_fit_hides_data_of_the_signal_region_even_if_there_are_any(
    open_yields: Yields, blind_fit: FitResult
) -> None:
    top, _, bottom = panels(plots.regions(open_yields, blind_fit))
    assert points(top[-1]) is None
    assert points(bottom[-1]) is None


def test_an_open_fit_shows_that_the_signal_region_has_no_events(blind_yields: Yields, open_fit: FitResult) -> None:
    top, _, _ = panels(plots.regions(blind_yields, open_fit))
    assert points(top[-1]) == pytest.approx([0, 0, 0, 0])


def test_control_regions_show_their_data_while_blind(blind_yields: Yields) -> None:
    top, _, _ = panels(plots.regions(blind_yields))
    assert points(top[0]) == pytest.approx([990, 410])
    assert words(top[0]) == []


def test_an_unblinded_signal_region_shows_its_data(open_yields: Yields) -> None:
    top, _, _ = panels(plots.regions(open_yields))
    assert points(top[-1]) == pytest.approx([410, 140, 55, 9])
    assert words(top[-1]) == []


def test_yields_without_data_are_drawn_without_points_and_not_called_blinded(simulation: Histogram) -> None:
    top, _ = plots.region(simulation, "SR").axes
    assert points(top) is None
    assert words(top) == []


def test_the_stack_is_as_high_as_the_background_yields(open_yields: Yields) -> None:
    top, _, _ = panels(plots.regions(open_yields))
    heights = [steps(top[0], name).values for name in ("ttbar", "zee")]
    assert heights[0] == pytest.approx([50, 30])
    assert heights[1] == pytest.approx([950, 430])


def test_the_order_of_the_stack_is_the_same_in_all_regions_with_the_largest_process_on_top(open_yields: Yields) -> None:
    top, _, _ = panels(plots.regions(open_yields))
    assert all((steps(ax, "zee").values >= steps(ax, "ttbar").values).all() for ax in top)


def test_the_band_before_the_fit_is_the_statistical_uncertainty(open_yields: Yields) -> None:
    top, _, bottom = panels(plots.regions(open_yields))
    error = np.sqrt([900 * 2 + 50 * 0.5, 400 * 2 + 30 * 0.5])
    total = np.array([950, 430])
    assert steps(top[0], "Uncertainty").values == pytest.approx(total + error)
    assert steps(bottom[0], "Uncertainty").values == pytest.approx(1 + error / total)
    assert steps(bottom[0], "Uncertainty").baseline == pytest.approx(1 - error / total)


def test_the_ratio_has_the_errors_of_the_data_over_the_prediction(open_yields: Yields) -> None:
    _, _, bottom = panels(plots.regions(open_yields))
    assert points(bottom[0]) == pytest.approx(np.array([990 / 950, 410 / 430]))
    container = next(item for item in bottom[0].containers if isinstance(item, ErrorbarContainer))
    (low, high) = container.lines[2][0].get_segments()[0][:, 1]
    assert [low, high] == pytest.approx(style.poisson_interval(np.array([990.0]))[:, 0] / 950)


def test_a_fit_replaces_yields_and_band_by_what_it_made_of_them(open_yields: Yields, blind_fit: FitResult) -> None:
    top, _, bottom = panels(plots.regions(open_yields, blind_fit))
    total = 1.1 * np.array([900, 400]) + 1.2 * np.array([50, 30])
    assert steps(top[0], "zee").values == pytest.approx(total)
    assert steps(bottom[0], "Uncertainty").values == pytest.approx([1.1, 1.1])
    assert points(bottom[0]) == pytest.approx(np.array([990, 410]) / total)


def test_a_fitted_signal_is_stacked_on_top(open_yields: Yields, open_fit: FitResult) -> None:
    top, _, _ = panels(plots.regions(open_yields, open_fit))
    expected = 1.1 * np.array([300, 90, 20, 2]) + 1.2 * np.array([100, 60, 30, 4]) + 2 * np.array([0.5, 1, 2, 4])
    assert steps(top[-1], "signal (fitted)").values == pytest.approx(expected)


def test_a_blind_fit_has_no_signal_in_its_stack(blind_yields: Yields, blind_fit: FitResult) -> None:
    assert "signal (fitted)" not in legend(plots.regions(blind_yields, blind_fit))


def test_the_signal_line_is_the_nominal_signal_times_the_factor_in_the_legend(blind_yields: Yields) -> None:
    figure = plots.regions(blind_yields)
    assert "signal × 10" in legend(figure)
    assert steps(figure.axes[2], "signal line").values == pytest.approx([5, 10, 20, 40])


def test_the_composition_adds_up_to_one(open_yields: Yields) -> None:
    _, middle, _ = panels(plots.regions(open_yields))
    tops = [patch.get_data()[0] for patch in middle[0].patches if isinstance(patch, StepPatch)]
    assert tops[0] == pytest.approx([50 / 950, 30 / 430])
    assert tops[-1] == pytest.approx([1, 1])


def test_unequal_bins_are_drawn_equally_wide_and_the_axis_says_so(open_yields: Yields) -> None:
    figure = plots.region(open_yields["CR_ttbar"], "CR_ttbar")
    bottom = figure.axes[1]
    assert steps(bottom, "Uncertainty").edges == pytest.approx([0, 1, 2, 3])
    assert [label.get_text() for label in bottom.get_xticklabels()] == ["0", "0.111", "0.444", "1"]
    assert "equally wide" in bottom.get_xlabel()


def test_equal_bins_keep_their_edges(open_yields: Yields) -> None:
    source = open_yields["CR_zee"]
    regular: Histogram = type(source)(
        source.axes[0], source.axes[1], type(source.axes[2])([0.0, 0.5, 1.0], name="met", flow=False), storage="Weight"
    )
    regular.view()[...] = source.view()
    bottom = plots.region(regular, "CR_zee").axes[1]
    assert steps(bottom, "Uncertainty").edges == pytest.approx([0, 0.5, 1])
    assert bottom.get_xlabel() == "met"


def test_a_bin_without_prediction_has_no_ratio() -> None:
    from cascadebdt.plots.yields import ratio

    assert np.isnan(ratio(np.array([3.0]), np.array([0.0]))).all()


def test_processes_have_one_colour_in_every_figure(open_yields: Yields, open_fit: FitResult) -> None:
    expected = style.colours(["signal", "zee", "ttbar"], signal="signal")
    for figure in (plots.regions(open_yields), plots.region(open_yields["SR"], "SR", open_fit)):
        patches = [patch for patch in figure.axes[0].patches if patch.get_label() in ("zee", "ttbar")]
        assert patches
        assert all(to_hex(patch.get_facecolor()) == expected[str(patch.get_label())] for patch in patches)


def test_many_regions_break_into_rows(open_yields: Yields) -> None:
    many = {f"CR_{index}": open_yields["CR_ttbar"] for index in range(25)}
    figure = plots.regions(many)
    assert len(figure.axes) == 3 * 25
    assert len(figure.subfigs) == 2


def test_a_fit_of_other_regions_is_refused_by_name(open_yields: Yields, open_fit: FitResult) -> None:
    with pytest.raises(FitError, match="fit: no region 'CR_zeee'; did you mean 'CR_zee'"):
        plots.region(open_yields["CR_zee"], "CR_zeee", open_fit)


def test_a_fit_of_another_binning_is_refused(open_yields: Yields, open_fit: FitResult) -> None:
    with pytest.raises(FitError, match="region 'CR_ttbar' has 3 bins, its histogram 2"):
        plots.region(open_yields["CR_zee"], "CR_ttbar", open_fit)
