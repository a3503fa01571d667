"""The statistical uncertainties of the templates of a data card: ``autoMCStats``."""

from collections.abc import Iterator, Sequence

import numpy as np

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.interchange.card_templates import Cell
from cascadebdt.interchange.card_text import Card, Line


def add_statistics(card: Card, cells: Sequence[Cell]) -> None:
    """Add the statistical uncertainties of templates; a line of a bin goes before that of all."""
    lines = sorted(card.parameters["autoMCStats"], key=lambda line: line.words[0] != "*")
    for region in card.observed:
        chosen = [line for line in lines if line.words[0] in (region, "*")]
        inside = [cell for cell in cells if cell.column.region == region]
        if chosen and inside:
            _statistics_of(chosen[-1], region, inside)


def _statistics_of(line: Line, region: str, cells: Sequence[Cell]) -> None:
    """Add what ``autoMCStats`` makes of the errors of one bin of the card."""
    threshold = line.value(line.at(2, "a threshold"), "threshold")
    has_signal = line.words[3:4] == ("1",)
    if threshold < 0:
        return
    counted = [cell for cell in cells if has_signal or not cell.column.is_signal] or cells
    total = np.sum([cell.nominal for cell in counted], axis=0)
    variance = np.sum([cell.errors**2 for cell in counted], axis=0)
    together = np.where(variance > 0, total**2 / np.where(variance > 0, variance, 1.0), np.inf) > threshold
    for cell in cells:
        name = f"mcstat_{region}"
        if (shared := np.where(together, cell.errors, 0.0)).any():
            cell.add(name, "staterror", shared.tolist())
        for kind, errors in _own(cell, ~together, threshold):
            cell.add(f"{name}_{cell.column.process}_{kind}", kind, errors.tolist())


def _own(cell: Cell, apart: BoolArray, threshold: float) -> Iterator[tuple[str, FloatArray]]:
    """Yield the uncertainties of a process in bins below the threshold: Poisson counts where they are few."""
    with_errors = apart & (cell.errors > 0) & (cell.nominal > 0)
    events = np.where(with_errors, cell.nominal**2 / np.where(with_errors, cell.errors, 1.0) ** 2, 0.0)
    few = with_errors & (events <= threshold)
    whole = np.maximum(np.round(events), 1.0)  # Combine counts events
    if few.any():
        yield "shapesys", np.where(few, cell.nominal / np.sqrt(whole), 0.0)
    if (with_errors & ~few).any():
        yield "staterror", np.where(with_errors & ~few, cell.errors, 0.0)
