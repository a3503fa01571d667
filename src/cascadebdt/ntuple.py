"""ROOT files -> chunks of columns: the only code that knows files, trees and branches."""

import glob
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot

from cascadebdt.config import NtupleConfig
from cascadebdt.errors import InputError, did_you_mean


@dataclass(frozen=True)
class NtupleFile:
    """What is known of an input file before its events are read.

    `identity` is the identifier that ROOT wrote into the file; it stays the same when the file is copied.
    """

    path: Path
    entries: int
    size_bytes: int
    identity: str
    branches: tuple[str, ...]


@dataclass(frozen=True)
class EntryRange:
    """A range of entries of one file: the unit of reading."""

    file: NtupleFile
    start: int
    stop: int


def find(patterns: Sequence[str], *, directory: Path) -> tuple[Path, ...]:
    """Return the files that `patterns` (names or globs, relative to `directory`) stand for, sorted, each once.

    Raises
    ------
    InputError
        If a pattern matches no file.
    """
    found: set[Path] = set()
    for pattern in patterns:
        matches = [Path(name) for name in glob.glob(str(directory / pattern))]
        if not matches:
            raise InputError(f"{pattern}: no such file in {directory}{_nearby(directory / pattern)}")
        found.update(path.resolve() for path in matches)
    return tuple(sorted(found))


def _nearby(path: Path) -> str:
    names = [other.name for other in path.parent.glob("*.root")] if path.parent.is_dir() else []
    return did_you_mean(path.name, names)


def describe(path: Path, ntuples: NtupleConfig) -> NtupleFile:
    """Open a file and describe its tree.

    Raises
    ------
    InputError
        If the file is no ROOT file, is damaged, or lacks the tree or an event-identity branch.
    """
    with _reading(path), uproot.open(path) as file:
        tree = _tree(file, path, ntuples.tree)
        branches = tuple(str(name) for name in tree.keys(recursive=False))
        entries, identity = int(tree.num_entries), str(file.file.uuid)
    _require(branches, ntuples.event_id, where=f"{path}:{ntuples.tree}")
    return NtupleFile(path, entries, path.stat().st_size, identity, branches)


def sum_of_weights(files: Sequence[NtupleFile], *, source: str) -> float:
    """Sum the generator weights kept in a second tree, such as ``Runs:genEventSumw``, over `files`.

    Raises
    ------
    InputError
        If a file lacks the tree or branch, or if the sum is not a positive finite number.
    """
    tree_name, branch = source.split(":", 1)
    total = 0.0
    for file in sorted(files, key=lambda file: file.identity):
        with _reading(file.path), uproot.open(file.path) as opened:
            tree = _tree(opened, file.path, tree_name)
            _require(tree.keys(), [branch], where=f"{file.path}:{tree_name}")
            total += float(np.sum(tree[branch].array(library="np"), dtype=np.float64))
    if not (np.isfinite(total) and total > 0):
        names = ", ".join(file.path.name for file in files)
        raise InputError(f"{names}: the sum of weights {source} is {total}, expected a positive number")
    return total


def ranges(files: Sequence[NtupleFile], *, entries: int) -> list[EntryRange]:
    """Cut `files` into ranges of at most `entries` entries; an empty file gives one empty range."""
    return [
        EntryRange(file, start, min(start + entries, file.entries))
        for file in files
        for start in range(0, max(file.entries, 1), entries)
    ]


def read(part: EntryRange, branches: Collection[str], *, tree: str) -> ak.Array:
    """Read `branches` of a range of entries.

    Returns
    -------
    ak.Array of records, one field per branch; collections are jagged

    Raises
    ------
    InputError
        If the file is damaged.
    """
    path = part.file.path
    with _reading(path), uproot.open(path) as file:
        arrays = file[tree].arrays(sorted(branches), entry_start=part.start, entry_stop=part.stop, library="ak")
    if len(arrays) != part.stop - part.start:
        raise InputError(
            f"{path}:{tree}: {len(arrays)} entries read, expected {part.stop - part.start}; the file is damaged"
        )
    return arrays


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what uproot raises on a bad file into one sentence."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except PermissionError as error:
        raise InputError(f"{path}: not readable: permission denied") from error
    except Exception as error:  # uproot, its decompressors and struct raise many types on damaged bytes
        reason = (" ".join(str(error).split()) or type(error).__name__)[:160]
        raise InputError(
            f"{path}: not a readable ROOT file, it may be truncated or of another kind ({reason})"
        ) from error


def _tree(file: Any, path: Path, name: str) -> Any:
    """Return the tree of the highest cycle called `name`."""
    trees = [
        key
        for key, kind in file.classnames(cycle=False).items()
        if kind.startswith(("TTree", "ROOT::RNTuple", "TNtuple"))
    ]
    if name not in trees:
        raise InputError(f"{path}: no tree '{name}'{did_you_mean(name, trees)} (trees: {', '.join(trees) or 'none'})")
    return file[name]


def _require(known: Collection[str], names: Collection[str], *, where: str) -> None:
    for name in names:
        if name not in known:
            raise InputError(f"{where}: no branch '{name}'{did_you_mean(name, known)}")
