"""Columns of flat arrays: joining, selecting, rounding, and writing as NanoAOD-like ROOT files."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from cascadebdt.arrays import AnyArray, IntArray

COLLECTIONS = ("Photon", "Electron", "Muon", "Jet", "PSWeight")

BITS = {"eta": 12, "phi": 12, "genWeight": 16}
DEFAULT_BITS = 10
COARSE_BITS = {"mass": 8, "PSWeight": 8, "significance": 8}
"""Mantissa bits kept of a float, by the last part of its name: a relative precision of 2^-11 by default."""


def collection_of(name: str) -> str | None:
    """Return the collection a column belongs to, None for one value per row."""
    head = name.split("_")[0]
    return head if head in COLLECTIONS else None


def take(columns: Mapping[str, AnyArray], rows: IntArray) -> dict[str, AnyArray]:
    """Return the given rows, in the given order, of all columns."""
    result: dict[str, AnyArray] = {}
    inside: dict[str, IntArray] = {}
    for name in COLLECTIONS:
        if f"n{name}" in columns:
            counts = columns[f"n{name}"]
            starts = (np.cumsum(counts) - counts)[rows]
            chosen = counts[rows]
            ends = np.cumsum(chosen)
            inside[name] = np.arange(chosen.sum()) + np.repeat(starts - (ends - chosen), chosen)
    for name, values in columns.items():
        collection = collection_of(name)
        result[name] = values[rows] if collection is None else values[inside[collection]]
    return result


def concatenate(parts: Sequence[Mapping[str, AnyArray]]) -> dict[str, AnyArray]:
    """Return the rows of all parts in their order."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def rounded(values: AnyArray, *, bits: int) -> AnyArray:
    """Return float32 values with `bits` mantissa bits, rounded to nearest; the rest compresses to nothing."""
    drop = 23 - bits
    raw = np.ascontiguousarray(values, dtype=np.float32).view(np.uint32)
    half = np.uint32(1 << (drop - 1))
    mask = np.uint32(0xFFFFFFFF ^ ((1 << drop) - 1))
    return ((raw + half) & mask).view(np.float32)


def mantissa_bits(name: str) -> int:
    """Return the mantissa bits of a column."""
    return {**BITS, **COARSE_BITS}.get(name.split("_")[-1], DEFAULT_BITS)


def compact(columns: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
    """Return the columns with rounded floats."""
    return {
        name: rounded(values, bits=mantissa_bits(name)) if values.dtype.kind == "f" else values
        for name, values in columns.items()
    }


def tree(columns: Mapping[str, AnyArray]) -> dict[str, ak.Array]:
    """Return the branches as uproot writes them: one jagged record array per collection."""
    branches: dict[str, ak.Array] = {}
    for name, values in columns.items():
        if collection_of(name) is None and name.removeprefix("n") not in COLLECTIONS:
            branches[name] = values
    for collection in COLLECTIONS:
        if f"n{collection}" not in columns:
            continue
        fields = {
            name.removeprefix(f"{collection}_"): values
            for name, values in columns.items()
            if name.startswith(f"{collection}_")
        }
        content = ak.zip(fields) if fields else columns[collection]
        branches[collection] = ak.unflatten(content, columns[f"n{collection}"])
    return branches


def write(path: Path, columns: Mapping[str, AnyArray], *, runs: Mapping[str, AnyArray] | None) -> Path:
    """Write the trees ``Events`` and, for simulation, ``Runs``."""
    with uproot.recreate(path, compression=uproot.ZSTD(19)) as file:
        branches = tree(compact(columns))
        file.mktree(
            "Events",
            {name: branch.type if isinstance(branch, ak.Array) else branch.dtype for name, branch in branches.items()},
            title="Events",
        )
        file["Events"].extend(branches)
        file["Runs"] = dict(runs) if runs is not None else {"run": np.unique(columns["run"])}
    return path
