from typing import Any

import hist
import numpy as np
import pytest
from matplotlib.patches import StepPatch

from cascadebdt import plots
from cascadebdt.histograms.contents import Flow
from cascadebdt.histograms.yields import Histogram
from cascadebdt.plots.training import _percent, _spread

FLOW = Flow(("zee", "ttbar", "SR"), {"signal": (10.0, 9.0, 8.0), "zee": (1000.0, 50.0, 0.0)})


@pytest.fixture
def histogram() -> Histogram:
    filled: Histogram = hist.Hist(
        hist.axis.StrCategory(["signal", "zee", "ttbar"], name="process"),
        hist.axis.Regular(4, 0, 1, name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    filled.view()["value"] = [[0.0, 1.0, 2.0, 5.0], [30.0, 8.0, 2.0, 0.0], [-1.0, 1.0, 0.0, 0.0]]  # type: ignore[call-overload]
    return filled


def test_the_working_point_stands_at_the_threshold(histogram: Histogram) -> None:
    (ax,) = plots.scores(histogram, stage="zee", signal="signal", against=["zee"], threshold=0.42).axes
    (line,) = [line for line in ax.lines if line.get_gid() == "working point"]
    assert set(line.get_xdata()) == {0.42}  # type: ignore[arg-type]


def test_scores_are_normalised_to_unit_area(histogram: Histogram) -> None:
    (ax,) = plots.scores(histogram, stage="zee", signal="signal", against=["zee"], threshold=0.42).axes
    drawn = next(patch for patch in ax.patches if isinstance(patch, StepPatch) and patch.get_label() == "signal")
    assert drawn.get_data()[0] == pytest.approx(np.array([0, 1, 2, 5]) / 8 / 0.25)


def test_efficiencies_stand_in_the_legend(histogram: Histogram) -> None:
    kept = {"signal": 0.95, "zee": 0.0412}
    figure = plots.scores(histogram, stage="zee", signal="signal", against=["zee"], threshold=0.42, efficiencies=kept)
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["signal  (95.0 %)", "zee  (4.1 %)"]


def test_a_process_without_positive_sum_has_no_shape(histogram: Histogram) -> None:
    (ax,) = plots.scores(histogram, stage="zee", signal="signal", against=["zee"], threshold=0.42).axes
    assert "ttbar" not in [patch.get_label() for patch in ax.patches]


def test_the_final_discriminant_has_no_working_point(histogram: Histogram) -> None:
    (ax,) = plots.scores(histogram, stage="final", signal="signal", against=["zee", "ttbar"], threshold=None).axes
    assert not [line for line in ax.lines if line.get_gid() == "working point"]
    assert ax.get_xlabel() == "Final discriminant"


def test_the_scale_of_scores_is_a_choice(histogram: Histogram) -> None:
    (ax,) = plots.scores(histogram, stage="zee", signal="signal", against=["zee"], threshold=0.4, yscale="linear").axes
    assert ax.get_yscale() == "linear"


def test_the_flow_has_a_line_per_process_without_points_where_nothing_is_left() -> None:
    left, _ = plots.flow(FLOW).axes
    lines = {str(line.get_label()): np.asarray(line.get_ydata(), np.float64) for line in left.lines}
    assert lines["signal"] == pytest.approx([10, 9, 8])
    assert lines["zee"] == pytest.approx([1000, 50, np.nan], nan_ok=True)


def test_the_flow_tells_what_is_kept_in_total_and_by_each_stage() -> None:
    left, right = plots.flow(FLOW).axes
    assert [text.get_text() for text in left.texts] == ["signal  80.0 %", "zee  0 %"]
    assert [text.get_text() for text in right.texts] == ["90.0", "88.9", "5.0", "0"]


@pytest.mark.parametrize(
    ("fraction", "text"), [(1.0, "100 %"), (0.953, "95.3 %"), (0.0012, "0.12 %"), (1e-6, "<0.01 %"), (np.nan, "–")]
)
def test_percentages_keep_two_or_three_digits(fraction: float, text: str) -> None:
    assert _percent(fraction) == text


def test_labels_at_equal_values_do_not_overlap() -> None:
    places = np.log10(list(_spread({"a": 10.0, "b": 10.0, "c": 99.0, "d": 99.0}, (1.0, 100.0)).values())) / 2
    assert np.diff(places).min() >= 0.055 - 1e-9
    assert places.max() <= 1 + 1e-9


def test_a_validation_region_begins_at_a_line_of_its_own(histogram: Histogram) -> None:
    options: dict[str, Any] = {"stage": "zee", "signal": "signal", "against": ["zee"], "threshold": 0.42}
    (ax,) = plots.scores(histogram, validation_threshold=0.3, **options).axes
    (line,) = [line for line in ax.lines if line.get_gid() == "validation region"]
    assert np.asarray(line.get_xdata()).tolist() == [0.3, 0.3]
    (ax,) = plots.scores(histogram, **options).axes
    assert not [line for line in ax.lines if line.get_gid() == "validation region"]
