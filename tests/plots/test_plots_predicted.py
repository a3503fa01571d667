"""Figures of the regions of any workspace."""

import json
from typing import Any

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from cascadebdt import inference, plots
from cascadebdt.workspace import Workspace
from small_models import on_off, workspace


def many_regions(n: int) -> dict[str, Any]:
    signal: dict[str, Any] = {
        "name": "s",
        "data": [1.0] * 20,
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    background: dict[str, Any] = {"name": "b", "data": [10.0] * 20, "modifiers": []}
    samples = [signal, background]
    channels = [{"name": f"region_{number}", "samples": samples} for number in range(n)]
    return workspace(channels, {f"region_{number}": [10.0] * 20 for number in range(n)})


def test_regions_are_drawn_before_and_after_the_fit() -> None:
    predictions = inference.predictions(on_off(on=25, off=60, ratio=5, signal=4))
    figures = dict(plots.predicted(predictions))
    assert list(figures) == ["regions_prefit", "regions_postfit"]
    panels = [ax for ax in figures["regions_postfit"].axes if ax.get_title()]
    assert [ax.get_title() for ax in panels] == ["CR", "SR"]
    tops = [max(np.max(p.get_data()[0]) for p in ax.patches if isinstance(p, StepPatch)) for ax in panels]
    assert tops == pytest.approx([60 + np.sqrt(60), 25 + 5], rel=0.001)  # of the band of uncertainty


def test_large_models_have_pages() -> None:
    names = [name for name, _ in plots.predicted(inference.predictions(many_regions(9)))]
    assert names == ["regions_prefit", "regions_prefit_2", "regions_postfit", "regions_postfit_2"]


def test_blind_regions_show_no_data() -> None:
    blind = Workspace(on_off(on=25, off=60, ratio=5, signal=4)).blinded("SR")
    figure = dict(plots.predicted(inference.predictions(blind)))["regions_postfit"]
    assert "blinded" in [text.get_text() for ax in figure.axes for text in ax.texts]


def test_long_names_of_processes_and_regions_are_whole() -> None:
    content = on_off(on=25, off=60, ratio=5, signal=4)
    long = {"SR": "signal_region_" * 4, "b": "background_from_misidentified_leptons_" * 2, "s": "signal_" * 10}
    text = json.dumps(content)
    for old, new in long.items():
        text = text.replace(f'"name": "{old}"', f'"name": "{new}"')
    for _, figure in plots.predicted(inference.predictions(json.loads(text))):
        figure.draw_without_rendering()
        (legend,) = figure.legends
        boxes = [legend.get_window_extent(), *(ax.title.get_window_extent() for ax in figure.axes if ax.get_title())]
        for box in boxes:
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1
