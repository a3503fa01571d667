"""Names -> files and what is known of them before their events are read."""

import glob
import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from cascadebdt.config import NtupleConfig
from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.ntuple import checksums
from cascadebdt.ntuple.access import (
    SEPARATOR,
    is_remote,
    is_rntuple,
    of_any,
    opened,
    reading,
    replicas,
    require,
    tree_in,
)
from cascadebdt.ntuple.baskets import Column
from cascadebdt.ntuple.verified import header_sum

MAX_BRANCHES, MAX_BASKETS = 100, 1000  # of a small tree
PORTS = {"root": 1094, "roots": 1094, "xroot": 1094, "http": 80, "https": 443}


@dataclass(frozen=True)
class NtupleFile:
    """What is known of an input file before its events are read.

    Attributes
    ----------
    location : absolute path, or URL, or several of them with ``|`` between that have the same content
    tree : name of its tree
    size_bytes : 0 where a server does not tell
    identity : the identifier that ROOT wrote into the file; it stays the same when the file is copied
    branches : names for expressions -> names in the file
    boundaries : entries at which all branches begin a new block on disk, the first and the last included
    produced : sum of the generator weights kept in a second tree, None if it was not asked for
    columns : branch in the file -> where its baskets lie, of a small local TTree, so that it need not be opened again
    header : checksum of what describes the tree
    """

    location: str
    tree: str
    entries: int
    size_bytes: int
    identity: str
    branches: Mapping[str, str] = field(repr=False)
    boundaries: tuple[int, ...] = field(repr=False)
    produced: float | None = None
    columns: Mapping[str, Column] = field(default_factory=dict, repr=False)
    header: Mapping[tuple[int, int], int] = field(default_factory=dict, repr=False)

    @property
    def name(self) -> str:
        """Last part of the location, of the first replica."""
        return replicas(self.location)[0].rpartition("/")[2]


def find(patterns: Sequence[str], *, directory: Path) -> tuple[str, ...]:
    """Return the locations that `patterns` stand for, sorted, each once.

    Parameters
    ----------
    patterns : names, glob patterns, URLs, or text files (``.txt``) with one of these a line, blank lines and lines that
        start with ``#`` aside; relative to `directory`, or to the text file. Names and URLs of the same content have
        ``|`` between

    Raises
    ------
    InputError
        If a pattern matches no file, or if a file is named twice or under two names.
    """
    return tuple(location for location, _ in locate(patterns, directory=directory))


def locate(patterns: Sequence[str], *, directory: Path) -> tuple[tuple[str, str | None], ...]:
    """Return the locations as `find` does, each with the checksum that a list of files gives for it."""
    found: dict[str, _Match] = {}
    for pattern in patterns:
        for match in _matches(pattern, directory):
            known = found.setdefault(_canonical(match.location), match)
            if known is not match and (known.named != match.named or (known.is_explicit and match.is_explicit)):
                raise InputError(
                    f"{match.location}: named twice, as '{known.named}' and as '{match.named}'; its events would count "
                    "twice: remove one"
                )
    return tuple(sorted((match.location, match.checksum) for match in found.values()))


@dataclass(frozen=True)
class _Match:
    """A file, how it is named, whether with a name of its own, and its checksum from a list."""

    location: str
    named: str
    is_explicit: bool
    checksum: str | None = None


def _canonical(location: str) -> str:
    """Return a location such that other spellings of a URL give the same."""
    first = replicas(location)[0]
    if not is_remote(first):
        return first
    url = urlsplit(first)
    host = url.netloc.lower().removesuffix(f":{PORTS.get(url.scheme, '')}")
    return f"{url.scheme}://{host}/{re.sub('/+', '/', url.path).lstrip('/')}?{url.query}"


def _matches(pattern: str, directory: Path) -> list[_Match]:
    """Return the files of one pattern."""
    if "|" in pattern:
        return [_Match(_alternatives(pattern, directory), pattern, is_explicit=True)]
    if is_remote(pattern):
        return [_Match(url, url, not glob.has_magic(pattern)) for url in _remote_matches(pattern)]
    matches = [Path(os.path.abspath(name)) for name in glob.glob(str(directory / pattern))]
    if not matches:
        raise InputError(f"{pattern}: no such file in {directory}{_nearby(directory / pattern)}")
    is_explicit = not glob.has_magic(pattern)
    found: list[_Match] = []
    for path in matches:
        if path.suffix == ".txt":
            found += _listed(path)
        else:
            found.append(_Match(str(path.resolve()), str(path), is_explicit))
    return found


def _alternatives(text: str, directory: Path) -> str:
    """Return the location of a file with several replicas; local ones need not be there."""
    names = [name.strip() for name in text.split("|")]
    for name in names:
        if not name or name.endswith(".txt") or (glob.has_magic(name) and not is_remote(name)):
            raise InputError(f"{text}: expected names or URLs of one file with '|' between them, got '{name}'")
    return SEPARATOR.join(name if is_remote(name) else str((directory / name).resolve()) for name in names)


def _listed(path: Path) -> list[_Match]:
    """Return the files that a text file lists, each with its checksum if one stands behind it."""
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot read this list of files ({error})") from error
    entries = [checksums.split(line) for line in lines if line and not line.startswith("#")]
    if not entries:
        raise InputError(f"{path}: this list of files is empty, expected one name a line")
    if nested := [name for name, _ in entries if name.endswith(".txt")]:
        raise InputError(f"{path}: a list of files cannot name another list, got '{nested[0]}'")
    found: list[_Match] = []
    for name, checksum in entries:
        matches = _matches(name, path.parent)
        if checksum is not None and len(matches) != 1:
            raise InputError(f"{path}: '{name}' with a checksum is {len(matches)} files, expected one")
        found += [replace(match, checksum=checksum) for match in matches]
    return found


def _remote_matches(pattern: str) -> list[str]:
    """Return the URLs that match a URL, asking the server only if it holds a glob pattern."""
    scheme, _, rest = pattern.partition("://")
    if not glob.has_magic(rest.partition("?")[0] if scheme.startswith("http") else rest):
        return [pattern]
    if scheme.startswith("http"):
        raise InputError(f"{pattern}: a web server cannot list files; name them one by one, or in a text file")
    from fsspec.core import url_to_fs

    with reading(pattern):
        system, path = url_to_fs(pattern)
        names = [system.unstrip_protocol(name) for name in system.glob(path)]
    if not names:
        raise InputError(f"{pattern}: no such file on the server")
    return names


def _nearby(path: Path) -> str:
    names = [other.name for other in path.parent.glob("*.root")] if path.parent.is_dir() else []
    return did_you_mean(path.name, names)


def describe(
    location: str | Path, config: NtupleConfig, *, tree: str | None = None, is_normalised: bool = False
) -> NtupleFile:
    """Open a file and describe its tree.

    Parameters
    ----------
    tree : its name, by default that of the configuration
    is_normalised : whether the sum of weights is needed

    Raises
    ------
    FileError
        If the file is no ROOT file or is damaged.
    InputError
        If it lacks a tree or an event-identity branch.
    """
    where, name = str(location), tree or config.tree
    source = config.sum_of_weights if is_normalised else None
    described = of_any(where, lambda one: _describe(one, name, config, source), config)
    require(described.branches, config.event_id, where=f"{described.location}:{name}")
    has_replicas = described.location != where
    return replace(described, location=where, columns={} if has_replicas else described.columns)


def _describe(location: str, name: str, config: NtupleConfig, source: str | None) -> NtupleFile:
    with opened(location) as file:
        tree = tree_in(file, location, name)
        return NtupleFile(
            location,
            name,
            entries=int(tree.num_entries),
            size_bytes=_size(file, location),
            identity=str(file.file.uuid),
            branches=_branches(tree, config.aliases),
            boundaries=_boundaries(tree),
            produced=None if source is None else _produced(file, location, source),
            columns={} if is_remote(location) or is_rntuple(tree) else _columns(tree),
            header=header_sum(file, name),
        )


def _columns(tree: Any) -> dict[str, Column]:
    """Return the columns of a small tree; those of large ones would fill the memory."""
    branches = tree.branches
    if len(branches) > MAX_BRANCHES or sum(branch.num_baskets for branch in branches) > MAX_BASKETS:
        return {}
    found: dict[str, Column] = {}
    for branch in branches:
        # What is wrong with a branch matters only if it is read, and is said then.
        with suppress(Exception):
            column = Column.of(branch)
            if column is not None:
                found[branch.name] = column
    return found


def _produced(file: Any, location: str, source: str) -> float:
    """Return the sum of weights kept in a second tree of an open file."""
    name, branch = source.split(":", 1)
    tree = tree_in(file, location, name)
    require(tree.keys(), [branch], where=f"{location}:{name}")
    return float(np.sum(tree[branch].array(library="np"), dtype=np.float64))


def _size(file: Any, location: str) -> int:
    """Return the size of a file, which not every server tells."""
    return int(file.file.source.num_bytes or 0) if is_remote(location) else Path(location).stat().st_size


def _branches(tree: Any, aliases: Mapping[str, str]) -> dict[str, str]:
    """Return names for expressions -> names in the file.

    In an RNTuple ``pt`` of the collection ``Photon`` is called ``Photon.pt``; it is ``Photon_pt`` too, as in a TTree.
    """
    own = own_names(tree)
    known = {name.replace(".", "_"): name for name in own if "." in name} if is_rntuple(tree) else {}
    known |= {name.rpartition("/")[2]: name for name in own} | {name: name for name in own}
    return known | {alias: known[name] for alias, name in aliases.items() if name in known}


def own_names(tree: Any) -> list[str]:
    """Return the names of all branches, or of all fields of an RNTuple and of the records in them."""
    if is_rntuple(tree):
        return [name for field in tree.fields for name in _names_in(field)]
    return list(map(str, tree.keys()))


def _names_in(field: Any) -> list[str]:
    """Return the name of a field of an RNTuple, and those of its parts if it holds records."""
    records = [] if field.typename else field.fields
    return [field.name, *(f"{field.name}.{part.name}" for part in records)]


def _boundaries(tree: Any) -> tuple[int, ...]:
    """Return the entries at which all branches begin a new block (of a TTree) or cluster (of an RNTuple)."""
    if is_rntuple(tree):
        clusters = tree.ntuple.cluster_summaries
        return (*(int(cluster.num_first_entry) for cluster in clusters), int(tree.num_entries))
    return tuple(map(int, tree.common_entry_offsets()))


def sum_of_weights(files: Sequence[NtupleFile]) -> float:
    """Return the sum of the generator weights of `files`, in whatever order they come.

    Raises
    ------
    InputError
        If the sum is not a positive finite number.
    """
    total = math.fsum(file.produced or 0.0 for file in files)
    if not (math.isfinite(total) and total > 0):
        names = ", ".join(file.name for file in files)
        raise InputError(f"{names}: the sum of weights is {total}, expected a positive number")
    return total
