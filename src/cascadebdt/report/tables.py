"""Products -> rows of the report's tables about fits, systematics, edited bins and migrations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from cascadebdt.plots.style import significant

Json = Mapping[str, Any]


def systematics(treatment: Json) -> list[dict[str, Any]]:
    """Return a row per systematic: its effects over all regions and processes, and how often what was done to them.

    Parameters
    ----------
    treatment : content of ``treatment.json``
    """
    rows: dict[str, list[Json]] = {}
    for note in treatment.get("variations", ()):
        rows.setdefault(note["systematic"], []).append(note)
    return [
        {
            "name": name,
            "parameters": len({note["parameter"] for note in notes}),
            "effects": len(notes),
            "normalisation": _largest(notes, lambda note: max(abs(side - 1) for side in note["normalisation"])),
            "shape": _largest(notes, lambda note: max(note["shape"])),
            "actions": _counted(action for note in notes for action in note["actions"]),
        }
        for name, notes in rows.items()
    ]


def _largest(notes: list[Json], size: Any) -> dict[str, Any]:
    """Return the largest effect and where it is."""
    note = max(notes, key=size)
    return {"size": size(note), "where": f"{note['process']} in {note['region']}"}


def _counted(actions: Iterable[str]) -> str:
    counts: dict[str, int] = {}
    for action in actions:
        counts[action] = counts.get(action, 0) + 1
    return ", ".join(f"{action} ({count} ×)" for action, count in counts.items())


def edited_bins(treatment: Json) -> list[Json]:
    """Return a row per region, process and action on bins without positive expectation."""
    return list(treatment.get("bins", ()))


def migrations(migration: Json) -> list[dict[str, Any]]:
    """Return a row per variation and process: the shares, in the nominal yield, of what changes region, leaves, enters.

    Parameters
    ----------
    migration : content of ``migration.json``
    """
    return [_moves(variation, process, moves) for variation, by in migration.items() for process, moves in by.items()]


def _moves(variation: str, process: str, moves: Json) -> dict[str, Any]:
    matrix = moves["sumw"]
    inside = matrix[:-1]
    total = sum(map(sum, inside))
    stayed = sum(row[k] for k, row in enumerate(inside))
    left = sum(row[-1] for row in inside)
    shares = {"moved": total - stayed - left, "left": left, "entered": sum(matrix[-1])}
    return {
        "variation": variation,
        "process": process,
        **{name: value / total if total else None for name, value in shares.items()},
    }


def normalisations(summary: Json, fit: Json) -> list[dict[str, Any]]:
    """Return a row per floating process: value and uncertainty, interval of the profile.

    Parameters
    ----------
    summary, fit : contents of ``summary.json`` and ``fit.json``
    """
    intervals = fit.get("intervals", {})
    rows = summary["fit"]["normalisation"].items()
    return [
        {"name": name, "pair": pair, "interval": _interval(intervals.get(f"norm_{name}", intervals.get(name)), pair)}
        for name, pair in rows
    ]


def _interval(ends: Sequence[float] | None, pair: Sequence[float]) -> str:
    """Write an interval as distances from the value."""
    if ends is None:
        return "–"
    value, error = pair
    return f"{significant(ends[0] - value, error)} / +{significant(ends[1] - value, error)}"


def validated(validation: Json) -> list[dict[str, Any]]:
    """Return a row per validation region, and one for all of them together if there are several.

    Parameters
    ----------
    validation : content of ``validation.json``
    """
    rows = [
        {
            "name": name,
            "pair": (region["total"], region["total_uncertainty"]),
            "data": f"{sum(region['data']):,.0f}",
            "total_p_value": f"{region['total_p_value']:.2g}",
            "p_value": f"{region['p_value']:.2g}",
        }
        for name, region in validation["regions"].items()
    ]
    if len(rows) > 1:
        p_value = f"{validation['p_value']:.2g}"
        rows.append({"name": "together", "pair": None, "data": "", "total_p_value": "", "p_value": p_value})
    return rows
