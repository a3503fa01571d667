"""The systematics of a data card as modifiers."""

from collections.abc import Sequence

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.interchange.card_templates import TOLERANCE, WIDEST, Cell, Modifier, Settings, Templates
from cascadebdt.interchange.card_text import Card, Systematic

TRUNCATED = 7.0
"""Standard deviations at which Combine truncates a ``trG``."""


def add_systematic(
    card: Card, templates: Templates, item: Systematic, cells: Sequence[Cell], settings: Settings
) -> list[tuple[Modifier, Modifier]]:
    """Add a systematic to the processes; return the regions that it needs, with their observations."""
    entries = {card.columns[place]: word for place, word in enumerate(item.entries) if word != "-"}
    concerned = [(cell, entries[cell.column]) for cell in cells if cell.column in entries]
    if item.kind == "gmN":
        return _control_sample(item, concerned, settings)
    if item.kind in ("lnU", "trG"):
        _common_factor(item, concerned, settings)
        return []
    for cell, word in concerned:
        if item.kind == "lnN" or (item.kind == "shape?" and not _is_shape(templates, item, cell)):
            _log_normal(item, cell, word)
        else:
            _shape(templates, item, cell, item.line.value(word, "scale of a shape"))
    return []


def _is_shape(templates: Templates, item: Systematic, cell: Cell) -> bool:
    return templates.has(cell.column.region, cell.column.process, f"{item.name}Up")


def _log_normal(item: Systematic, cell: Cell, word: str) -> None:
    """Add a factor; those of 0 and 1 are none, as in Combine."""
    parts = [item.line.value(part, "factor of a lnN") for part in word.split("/")]
    if len(parts) > 2 or (min(parts) <= 0 and parts != [0.0]):
        raise item.line.error(f"expected a positive factor, or two as 'down/up', got '{word}'")
    if parts not in ([0.0], [1.0], [1.0, 1.0]):
        low, high = parts if len(parts) == 2 else (1 / parts[0], parts[0])
        cell.add(item.name, "normsys", {"hi": high, "lo": low})


def _common_factor(item: Systematic, concerned: Sequence[tuple[Cell, str]], settings: Settings) -> None:
    """Add a factor that HistFactory has once for all processes: without a constraint, or with a Gaussian one.

    Combine has k^theta with a theta that is flat in [-1, 1] (``lnU``), and 1 + k theta with a standard normal theta
    within 7 of zero (``trG``), where that is not negative. With the factor itself as parameter these are the same.
    """
    least = 1 if item.kind == "lnU" else 0
    sizes = sorted({item.line.value(word, f"size of a {item.kind}") for _, word in concerned})
    if len(sizes) > 1:
        text = f"the sizes {', '.join(f'{size:g}' for size in sizes)} of one {item.kind}"
        raise item.line.error(f"{text} have no counterpart in HistFactory, which has one factor for all processes")
    for size in sizes:
        if not size > least:
            raise item.line.error(f"expected a {item.kind} above {least}, got {size:g}")
        if item.kind == "lnU":
            settings[item.name] = {"inits": [1.0], "bounds": [[1 / size, size]]}
        else:
            bounds = [max(0.0, 1 - TRUNCATED * size), 1 + TRUNCATED * size]
            settings[item.name] = {"auxdata": [1.0], "sigmas": [size], "inits": [1.0], "bounds": [bounds]}
    for cell, _ in concerned:
        cell.add(item.name, "normfactor" if item.kind == "lnU" else "lumi")


def _shape(templates: Templates, item: Systematic, cell: Cell, size: float) -> None:
    """Add a variation as a change of the normalisation and one of the shape."""
    nominal, column = cell.nominal, cell.column
    total = float(nominal.sum())
    if size == 0 or total == 0:
        return
    templates_of_ends = [templates.find(column.region, column.process, f"{item.name}{side}") for side in ("Up", "Down")]
    where = f"'{item.name}' of process '{column.process}' in '{column.region}'"
    if templates_of_ends[0] is None or templates_of_ends[1] is None:
        raise item.line.error(f"{where} is a shape, but there are no shapes of this bin")
    ends = [cell.scale * template[0] for template in templates_of_ends if template is not None]
    if any(len(end) != len(nominal) or not end.sum() > 0 for end in ends):
        raise item.line.error(f"{where}: expected {len(nominal)} bins with a positive sum in each variation")
    factors = [float(end.sum()) / total for end in ends]
    up, down = (end / factor for end, factor in zip(ends, factors, strict=True))
    if not np.allclose(factors, 1.0, rtol=0, atol=1e-14):
        cell.add(item.name, "normsys", {"hi": factors[0] ** size, "lo": factors[1] ** size})
    if len(nominal) > 1 and not (np.allclose(up, nominal, 1e-14) and np.allclose(down, nominal, 1e-14)):
        high, low = _morphed(nominal, up, down, size), _morphed(nominal, up, down, -size)
        cell.add(item.name, "histosys", {"hi_data": high.tolist(), "lo_data": low.tolist()})


def _morphed(nominal: FloatArray, up: FloatArray, down: FloatArray, size: float) -> FloatArray:
    """Return a template interpolated to `size` standard deviations, as Combine's ``shape`` and HistFactory have it."""
    above, below = up - nominal, nominal - down
    if abs(size) >= 1:
        return np.asarray(nominal + size * (above if size > 0 else below))
    square = size * size
    smooth = 0.0625 * (above - below) * square * (15 + square * (3 * square - 10))
    return np.asarray(nominal + 0.5 * size * (above + below) + smooth)


def _control_sample(
    item: Systematic, concerned: Sequence[tuple[Cell, str]], settings: Settings
) -> list[tuple[Modifier, Modifier]]:
    """Add a count that processes are scaled from."""
    count = item.count
    for cell, word in concerned:
        weight, column = item.line.value(word, "weight of a gmN"), cell.column
        rate = float(cell.nominal.sum())
        if abs(rate - count * weight) > TOLERANCE * max(1.0, rate):
            text = f"{count} events times {weight:g} are not the rate {rate:g}"
            raise item.line.error(f"{text} of process '{column.process}' in '{column.region}'")
        if len(cell.nominal) == 1:
            cell.nominal = np.array([max(count, 1) * weight])
        elif count > 0 and rate > 0:
            cell.nominal = cell.nominal * (count * weight / rate)
        else:
            raise item.line.error(f"a control sample without events leaves '{column.process}' without a shape")
    if len(concerned) == 1 and len(concerned[0][0].nominal) == 1 and count > 0:
        cell = concerned[0][0]
        cell.add(item.name, "shapesys", [float(cell.nominal[0]) / np.sqrt(count)])
        return []
    for cell, _ in concerned:
        cell.add(item.name, "normfactor")
    settings[item.name] = {"inits": [1.0 if count else 0.5], "bounds": [[0.0, WIDEST]]}
    region = f"{item.name}_control"
    sample = {
        "name": f"{item.name}_events",
        "data": [float(max(count, 1))],
        "modifiers": [{"name": item.name, "type": "normfactor", "data": None}],
    }
    return [({"name": region, "samples": [sample]}, {"name": region, "data": [float(count)]})]
