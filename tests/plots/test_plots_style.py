from pathlib import Path

import matplotlib
import numpy as np
import pytest
from hist.intervals import poisson_interval

from cascadebdt import plots
from cascadebdt.histograms.yields import Yields
from cascadebdt.plots import style


def test_colours_follow_the_first_appearance_and_are_never_used_twice() -> None:
    names = [f"process_{index}" for index in range(18)]
    found = style.colours([*names, "signal", "process_0"], signal="signal")
    assert len(set(found.values())) == 18 + 2
    assert found["process_0"] == style.BACKGROUND_COLOURS[0]
    assert found["signal"] == style.SIGNAL_COLOUR


def test_poisson_intervals_are_those_of_garwood() -> None:
    counts = np.array([1.0, 3.0, 50.0, 2000.0])
    assert style.poisson_interval(counts) == pytest.approx(poisson_interval(counts, counts), rel=1e-6)


def test_no_events_are_compatible_with_a_mean_of_1_84() -> None:
    assert style.poisson_interval(np.array([0.0]))[:, 0] == pytest.approx([0, 1.8410], abs=1e-4)


@pytest.mark.parametrize(
    ("value", "uncertainty", "text"),
    [
        (1.2345, 0.0521, "1.234"),
        (55187.3, 407.0, "55,187"),
        (0.123456, None, "0.123"),
        (1234.5, None, "1,234"),
        (0.0, 0.0, "0.0"),
    ],
)
def test_numbers_have_the_digits_that_mean_something(value: float, uncertainty: float | None, text: str) -> None:
    assert style.significant(value, uncertainty) == text


def test_saved_figures_are_the_same_bytes_each_time(blind_yields: Yields, tmp_path: Path) -> None:
    for folder in ("first", "second"):
        plots.save(plots.region(blind_yields["CR_zee"], "CR_zee"), tmp_path / folder / "region_CR.zee")
    first, second = ([path.read_bytes() for path in sorted((tmp_path / f).iterdir())] for f in ("first", "second"))
    assert first == second
    assert sorted(path.name for path in (tmp_path / "first").iterdir()) == ["region_CR.zee.pdf", "region_CR.zee.png"]


def test_a_saved_figure_can_be_saved_again(blind_yields: Yields, tmp_path: Path) -> None:
    figure = plots.region(blind_yields["CR_zee"], "CR_zee")
    png, _ = plots.save(figure, tmp_path / "a")
    assert png.read_bytes() == plots.save(figure, tmp_path / "a")[0].read_bytes()


def test_drawing_changes_no_global_setting(blind_yields: Yields) -> None:
    before = dict(matplotlib.rcParams)
    plots.regions(blind_yields).canvas.draw()
    assert dict(matplotlib.rcParams) == before


def test_drawing_leaves_nothing_in_pyplot(blind_yields: Yields) -> None:
    import matplotlib.pyplot as plt

    plots.region(blind_yields["SR"], "SR")
    assert plt.get_fignums() == []
