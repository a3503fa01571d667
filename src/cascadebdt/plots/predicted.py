"""Figures of the regions of any workspace, before and after its fit."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from cascadebdt.inference import Prediction, Predictions, RegionYields
from cascadebdt.plots.appearance import PLAIN, Appearance
from cascadebdt.plots.yields import Content, Look, draw_rows, rows_of

ROWS_PER_PAGE = 4


def predicted(predictions: Predictions, *, appearance: Appearance = PLAIN) -> Iterator[tuple[str, Figure]]:
    """Yield name and figure of all regions before and after the fit, on as many pages as they need.

    The stack holds all processes, with the signal on top; its sum and its band are those of the tables.

    Parameters
    ----------
    predictions : see `inference.predictions`
    appearance : labels, colours and order
    """
    stages = (("prefit", "Before the fit", predictions.prefit), ("postfit", "After the fit", predictions.postfit))
    for when, title, prediction in stages:
        contents = [_content(name, yields) for name, yields in prediction.regions.items()]
        look = _look(prediction, predictions.signal, appearance)
        rows = rows_of(contents)
        pages = [rows[first : first + ROWS_PER_PAGE] for first in range(0, len(rows), ROWS_PER_PAGE)]
        for number, page in enumerate(pages, start=1):
            text = f"{title} ({number} of {len(pages)})" if len(pages) > 1 else title
            yield f"regions_{when}{'' if number == 1 else f'_{number}'}", draw_rows(page, look, text)


def _content(name: str, yields: RegionYields) -> Content:
    """Return what is drawn of a region."""
    n_bins = len(yields.total)
    return Content(
        name=name,
        observable="",
        edges=np.arange(n_bins + 1, dtype=np.float64),
        stack=yields.processes,
        total=yields.total,
        uncertainty=yields.total_uncertainty,
        signal=np.zeros(n_bins),
        data=yields.data,
        is_blind=yields.data is None,
    )


def _look(prediction: Prediction, signal: Sequence[str], appearance: Appearance) -> Look:
    """Return colours, and the order of the stack: signals above the others, small processes below large ones."""
    sums: Mapping[str, float] = {
        name: sum(float(y.processes[name].sum()) for y in prediction.regions.values() if name in y.processes)
        for region in prediction.regions.values()
        for name in region.processes
    }
    order = sorted(sums, key=lambda name: (name in signal, appearance.rank(name), sums[name]))
    colours = appearance.colours_of(sums, signal=next(iter(signal), ""))
    return Look("", tuple(order), colours, 1.0, appearance)
