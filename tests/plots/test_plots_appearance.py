"""What an analysis asks of its figures: labels, colours, order, texts above them, styles."""

from pathlib import Path
from typing import Any

import hist
import matplotlib as mpl
import mplhep
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.offsetbox import AnchoredOffsetbox
from matplotlib.patches import StepPatch
from matplotlib.text import Text

from cascadebdt import plots
from cascadebdt.config import PlotStyle, parse
from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.inference import FitResult
from cascadebdt.plots import Appearance
from tiny_analysis import tiny_config

WANTED = Appearance(
    experiment="CMS",
    status="Preliminary",
    conditions="√s = 13 TeV, 5 fb⁻¹",
    labels={"signal": "H → γγ", "zee": "Z → ee", "CR_zee": "Z region", "score": "Score of the last stage"},
    colours={"zee": "#123456", "signal": "#654321"},
    order=("zee", "ttbar"),
)


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in figure.findobj(Text)}


def long_histogram(n_bins: int) -> Histogram:
    """Return a region of many bins and processes of long names."""
    names = [f"a_background_process_with_a_long_name_{index}" for index in range(6)]
    filled: Histogram = hist.Hist(
        hist.axis.StrCategory(["signal", *names], name="process"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Variable(np.linspace(0, 1, n_bins + 1) ** 2, name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    view: Any = filled.view()
    view["value"] = view["variance"] = 10.0
    return filled


def test_processes_regions_and_observables_have_their_labels(open_yields: Yields) -> None:
    figure = plots.regions(open_yields, appearance=WANTED)
    assert {"Z → ee", "H → γγ × 10", "Z region", "CR_ttbar", "ttbar", "Score of the last stage"} <= words(figure)
    assert not {"zee", "CR_zee", "score"} & words(figure)


def test_processes_have_the_colours_that_were_asked_for(open_yields: Yields) -> None:
    top = plots.region(open_yields["CR_zee"], "CR_zee", appearance=WANTED).axes[0]
    colours = {str(patch.get_label()): patch for patch in top.patches if isinstance(patch, StepPatch)}
    assert to_hex(colours["Z → ee"].get_facecolor()) == "#123456"
    assert to_hex(colours["signal line"].get_edgecolor()) == "#654321"


@pytest.mark.parametrize(("order", "below"), [(("zee", "ttbar"), "zee"), (("ttbar", "zee"), "ttbar"), ((), "ttbar")])
def test_the_stack_begins_with_the_first_of_the_order(open_yields: Yields, order: tuple[str, ...], below: str) -> None:
    top = plots.region(open_yields["CR_zee"], "CR_zee", appearance=Appearance(order=order)).axes[0]
    heights = {str(p.get_label()): p.get_data()[0][0] for p in top.patches if isinstance(p, StepPatch)}
    assert min(("zee", "ttbar"), key=lambda name: heights[name]) == below


@pytest.mark.parametrize("n_bins", [2, 60])
@pytest.mark.parametrize("style", ["plain", "cms"])
def test_texts_above_a_figure_touch_nothing_and_nothing_is_cut(n_bins: int, style: PlotStyle, tmp_path: Path) -> None:
    appearance = Appearance(style=style, experiment="CMS", status="Preliminary", conditions="5 fb⁻¹")
    figure = plots.region(long_histogram(n_bins), "CR_of_a_long_name", appearance=appearance)
    appearance.saved([("region", figure)], tmp_path)
    page = figure.bbox
    header = [item.get_window_extent() for item in figure.artists if isinstance(item, AnchoredOffsetbox)]
    entries = [text.get_window_extent() for text in figure.legends[0].get_texts()]
    titles = [figure.axes[0].title, figure.axes[0]._left_title]  # type: ignore[attr-defined]
    inside = [ax.get_tightbbox() for ax in figure.axes] + entries + [t.get_window_extent() for t in titles]
    assert len(header) == 2
    assert len(figure.axes[1].get_xticklabels()) <= 21
    for box in [*header, *entries]:
        assert page.x0 <= box.x0 < box.x1 <= page.x1
        assert page.y0 <= box.y0 < box.y1 <= page.y1
    assert not any(line.overlaps(box) for line in header for box in inside if box is not None)


def test_the_texts_are_above_a_title_of_all_panels_too(open_fit: FitResult, tmp_path: Path) -> None:
    figure = plots.fit(open_fit)
    WANTED.saved([("fit", figure)], tmp_path)
    (title,) = (text for text in figure.texts if "Signal strength" in text.get_text())
    header = next(item for item in figure.artists if isinstance(item, AnchoredOffsetbox))
    assert title.get_window_extent().y1 - 0.5 * title.get_window_extent().height < header.get_window_extent().y0
    assert {"CMS", "Preliminary", "√s = 13 TeV, 5 fb⁻¹"} <= words(figure)


def test_without_wishes_a_figure_is_the_same_bytes(open_yields: Yields, tmp_path: Path) -> None:
    plain = Appearance.of(parse(tiny_config()))
    figure = plots.region(open_yields["SR"], "SR", appearance=plain)
    png, pdf = plain.saved([("asked", figure)], tmp_path)["asked"]
    other, another = plots.save(plots.region(open_yields["SR"], "SR"), tmp_path / "region")
    assert png.read_bytes() == other.read_bytes()
    assert pdf.read_bytes() == another.read_bytes()


def test_a_style_changes_the_figure_and_no_global_setting(open_yields: Yields, tmp_path: Path) -> None:
    before = dict(mpl.rcParams)
    families = []

    def drawn() -> Figure:
        figure = plots.region(open_yields["SR"], "SR")
        families.append(figure.axes[0].yaxis.label.get_fontfamily()[0])
        return figure

    styles: tuple[PlotStyle, ...] = ("atlas", "plain")
    for style in styles:
        Appearance(style=style).saved((("region", drawn()) for _ in range(1)), tmp_path)
    assert families == [mplhep.style.ATLAS["font.sans-serif"][0], before["font.family"][0]]
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize(
    ("wish", "conditions"),
    [
        ({}, ""),
        ({"experiment": "ATLAS"}, "1 fb⁻¹"),
        ({"sqrt_s_tev": 13.6}, "√s = 13.6 TeV, 1 fb⁻¹"),
        ({"sqrt_s_tev": 13, "luminosity": ""}, "√s = 13 TeV"),
        ({"luminosity": "138 fb⁻¹"}, "138 fb⁻¹"),
    ],
)
def test_the_luminosity_is_written_where_any_text_is(wish: dict[str, object], conditions: str) -> None:
    assert Appearance.of(parse({**tiny_config(), "plots": wish})).conditions == conditions
