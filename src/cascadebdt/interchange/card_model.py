"""A Combine data card as a HistFactory workspace.

=============================  ================================================================================
Combine                        HistFactory
=============================  ================================================================================
process numbers 0 and below    ``normfactor`` r, the parameter of interest
``lnN``                        ``normsys``; one number k stands for 1/k and k
``lnU``                        ``normfactor`` between 1/k and k, if all processes have the same k
``trG``                        ``lumi``, a factor with the Gaussian constraint 1 +- k, if all have the same k
``shape``                      ``normsys`` and ``histosys`` of templates with the nominal integral
``shapeN``, ``shapeN2``        the same: equal at -1, 0 and +1, between and beyond these Combine has logarithms
``gmN``                        one bin of one process: ``shapesys``; else a region more, which holds the count
``rateParam``                  ``normfactor``, of a product one each; ``lumi`` if a ``param`` constrains it
``autoMCStats``                ``staterror``; below its threshold one ``shapesys`` or ``staterror`` per process
``nuisance edit freeze``       a constant parameter
=============================  ================================================================================

References
----------
Combine documentation, "Setting up the analysis"; Conway, arXiv:1103.0354 (statistics of simulation).
"""

from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import InputError
from cascadebdt.interchange.card_parameters import add_rate_parameters, freeze
from cascadebdt.interchange.card_statistics import add_statistics
from cascadebdt.interchange.card_systematics import add_systematic
from cascadebdt.interchange.card_templates import TOLERANCE, WIDEST, Cell, Settings, Templates
from cascadebdt.interchange.card_text import DATA, POI, Card, Column, read_text

MASS = "120"
"""What Combine puts in the place of ``$MASS`` unless told otherwise."""


def read_card(path: Path, *, mass: str = MASS) -> dict[str, Any]:
    """Read a data card as a HistFactory workspace.

    Parameters
    ----------
    path : text file; its ROOT files are sought relative to its folder
    mass : takes the place of ``$MASS``

    Raises
    ------
    InputError
        Naming the line, if it is wrong or says what HistFactory cannot express.
    """
    card = read_text(path)
    with Templates(card, mass) as templates:
        observed = {region: _data(card, templates, region) for region in card.observed}
        cells = [_cell(card, templates, column) for column in card.columns if column.rate or _counts(card, column)]
        settings: Settings = {POI: {"inits": [1.0], "bounds": [[-WIDEST, WIDEST]]}}
        for cell in cells:
            if cell.column.is_signal:
                cell.add(POI, "normfactor")
        extra = [
            region for item in card.systematics for region in add_systematic(card, templates, item, cells, settings)
        ]
    add_rate_parameters(card, cells, settings)
    add_statistics(card, cells)
    freeze(card, settings)
    channels = [
        {"name": region, "samples": [cell.sample for cell in cells if cell.column.region == region]}
        for region in observed
    ]
    return {
        "channels": [*channels, *(channel for channel, _ in extra)],
        "observations": [
            *({"name": region, "data": data.tolist()} for region, data in observed.items()),
            *(observation for _, observation in extra),
        ],
        "measurements": [
            {"name": "combine", "config": {"poi": POI, "parameters": [{"name": n, **s} for n, s in settings.items()]}}
        ],
        "version": "1.0.0",
    }


def _counts(card: Card, column: Column) -> bool:
    """Return whether a process without events has some through a control sample without events."""
    place = card.columns.index(column)
    return any(item.kind == "gmN" and item.entries[place] != "-" for item in card.systematics)


def _data(card: Card, templates: Templates, region: str) -> FloatArray:
    """Return the observed events of a bin of the card."""
    stated, histogram = card.observed[region], templates.find(region, DATA)
    if histogram is None:
        if stated < 0:
            raise InputError(f"{card.path}: bin '{region}' has an observation of -1 but no shapes")
        return np.array([stated])
    total = float(histogram[0].sum())
    if stated != -1 and abs(total - stated) > TOLERANCE * max(1.0, stated):
        raise InputError(f"{card.path}: bin '{region}' states {stated:g} events, its histogram {DATA} has {total:g}")
    return histogram[0]


def _cell(card: Card, templates: Templates, column: Column) -> Cell:
    """Return a process in a bin without modifiers, scaled to its rate."""
    histogram = templates.find(column.region, column.process)
    if histogram is None:
        if column.rate < 0:
            raise card.rates.error(f"process '{column.process}' has a rate of -1 but no shape in '{column.region}'")
        return Cell(column, np.array([column.rate]), np.zeros(1), 1.0)
    values, errors = histogram
    total = float(values.sum())
    if column.rate == -1 or total == column.rate:
        return Cell(column, values, errors, 1.0)
    if abs(total - column.rate) > TOLERANCE * max(1.0, column.rate):
        text = f"process '{column.process}' in '{column.region}' has the rate {column.rate:g}, its template {total:g}"
        raise card.rates.error(f"{text}; write -1 for the integral of the template")
    scale = column.rate / total
    return Cell(column, values * scale, errors * scale, scale)
