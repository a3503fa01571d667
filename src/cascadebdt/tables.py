"""Products -> rows of the report's tables about systematics, edited bins and migrations."""

from collections.abc import Iterable, Mapping
from typing import Any

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
