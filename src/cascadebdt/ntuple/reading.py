"""Files -> chunks: ranges of entries, read with as few openings and decompressions as possible."""

import os
import threading
import weakref
from collections import OrderedDict
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from types import TracebackType
from typing import Any, Self

import awkward as ak
import numpy as np

from cascadebdt.arrays import AnyArray
from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError, InputError
from cascadebdt.ntuple import baskets
from cascadebdt.ntuple.access import is_remote, is_rntuple, of_any, open_file, places, reading, tree_in
from cascadebdt.ntuple.baskets import Column
from cascadebdt.ntuple.files import NtupleFile
from cascadebdt.ntuple.verified import Record, Sum, Sums, header_sum, require_headers, require_lists, total

MEV_PER_GEV = 1000.0
MAX_LOCAL = 4  # files that are open at a time, besides those that threads still read


@dataclass(frozen=True)
class EntryRange:
    """A range of entries of one file: the unit of reading."""

    file: NtupleFile
    start: int
    stop: int


def ranges(file: NtupleFile, *, entries: int) -> list[EntryRange]:
    """Cut a file into ranges of at most `entries` entries; an empty file gives one empty range.

    Where it can be, a range ends where all branches begin a new block, so that no block is decompressed twice.
    """
    cuts = [0]
    boundaries = np.array(file.boundaries, np.int64)
    while cuts[-1] < file.entries:
        last = min(cuts[-1] + entries, file.entries)
        within = boundaries[(boundaries > cuts[-1]) & (boundaries <= last)]
        cuts.append(int(within.max()) if len(within) else last)
    return [EntryRange(file, start, stop) for start, stop in zip(cuts, cuts[1:] or [0], strict=False)]


@dataclass(eq=False)
class _Local:
    """What threads share of a local file.

    Attributes
    ----------
    columns : branch -> column, None for branches that uproot reads
    lock : of `columns`
    descriptor : of the open file, which is closed when nobody refers to this any more
    """

    location: str
    columns: dict[str, Column | None] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.descriptor = os.open(self.location, os.O_RDONLY)
        weakref.finalize(self, os.close, self.descriptor)


class Reader:
    """Reads ranges of entries; each thread keeps the tree open that it read last.

    Parameters
    ----------
    config : how events are stored
    """

    def __init__(self, config: NtupleConfig) -> None:
        self.config = config
        self._of_thread = threading.local()
        self._open: dict[int, Any] = {}  # by thread, so that the last one closes the files of all
        self._sums: dict[tuple[str, str], Sums] = {}
        self._local: OrderedDict[tuple[str, str], _Local] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for file in self._open.values():
            file.close()
        self._open.clear()
        self._local.clear()

    def read(self, part: EntryRange, branches: Collection[str], *, exact: Collection[str] = ()) -> ak.Array:
        """Read `branches` of a range of entries, in GeV and with NaN where a sentinel says that a value is missing.

        Parameters
        ----------
        exact : branches in which sentinels are ordinary values, such as weights

        Returns
        -------
        ak.Array of records, one field per branch; collections are jagged

        Raises
        ------
        FileError
            If the file is damaged.
        TransientInputError
            If reading failed, again and again, in a way that may pass.
        """
        arrays = of_any(part.file.location, lambda one: self._read(part, branches, one), self.config)
        keep = {*exact, *self.config.event_id}
        return ak.Array({name: self._clean(array, name, part.file, name in keep) for name, array in arrays.items()})

    def _read(self, part: EntryRange, branches: Collection[str], where: str) -> dict[str, ak.Array]:
        """Read branches from a replica of a file."""
        names = {name: part.file.branches[name] for name in sorted(branches)}
        try:
            with reading(where):
                arrays = self._arrays(part, sorted(set(names.values())), where)
                for name, array in arrays.items():
                    require_lists(array.layout, name)
        except FileError:
            self._forget()
            with self._lock:
                self._local.pop((part.file.location, part.file.tree), None)
            raise
        for name, array in arrays.items():
            if len(array) != part.stop - part.start:
                what = f"{len(array)} entries of '{name}' read, expected {part.stop - part.start}"
                raise FileError(f"{where}:{part.file.tree}: {what}; the file is damaged", location=where)
        return {name: arrays[own] for name, own in names.items()}

    def _arrays(self, part: EntryRange, names: list[str], where: str) -> dict[str, ak.Array]:
        """Return branches by their names in the file, those of plain numbers as `baskets` reads them."""
        found: dict[str, ak.Array] = {}
        if not is_remote(part.file.location):
            local, record = self._columns(part.file, names), Record()
            record.sums = self._sums_of(part.file)
            columns = [column for name in names if (column := local.columns[name]) is not None]
            with suppress(baskets.OtherLayoutError):
                found = baskets.read(columns, local.descriptor, part.start, part.stop, record)
        others = [name for name in names if name not in found]
        if others:
            tree = self._tree(part.file, where)
            found |= _by_uproot(tree, others, part.start, part.stop, self._of_thread.record)
        return {name: found[name] for name in names}

    def _columns(self, file: NtupleFile, names: list[str]) -> "_Local":
        """Return what all threads share of a local file, with its columns of these names."""
        key = (file.location, file.tree)
        with self._lock:
            if key not in self._local:
                self._local[key] = _Local(file.location, dict(file.columns))
            self._local.move_to_end(key)
            local = self._local[key]
            while len(self._local) > MAX_LOCAL:
                self._local.popitem(last=False)
        with local.lock:
            missing = [name for name in names if name not in local.columns]
            if missing:
                tree = self._tree(file, file.location)
                of_branch = (lambda _: None) if is_rntuple(tree) else Column.of
                local.columns |= {name: of_branch(tree[name]) for name in missing}
        return local

    def _tree(self, file: NtupleFile, where: str) -> Any:
        """Return the tree of a replica of a file, opening it if this thread read another one before."""
        if getattr(self._of_thread, "key", None) != (where, file.tree):
            self._forget()
            opened = open_file(where)
            self._of_thread.file = opened
            self._of_thread.record = opened.file.source.record
            self._of_thread.record.sums = self._sums_of(file)
            self._open[threading.get_ident()] = opened
            self._of_thread.tree = tree_in(opened, where, file.tree)
            if len(places(file.location, self.config)) > 1:
                _require_same(opened, file, where)
            self._of_thread.key = (where, file.tree)
        return self._of_thread.tree

    def _sums_of(self, file: NtupleFile) -> Sums:
        """Return what is noted of a file, its header first."""
        return self._sums.setdefault((file.location, file.tree), dict(file.header))

    def noted(self, file: NtupleFile) -> Sums:
        """Return the checksums of the ranges of bytes that were read from a file so far."""
        return dict(self._sums_of(file))

    def note(self, file: NtupleFile, sums: Sums) -> None:
        """Take note of what another reader has read from a file."""
        self._sums_of(file).update(sums)

    def sum(self, file: NtupleFile) -> Sum:
        """Return the checksum of what was read from a file so far."""
        return total(self._sums.get((file.location, file.tree), {}))

    def _forget(self) -> None:
        """Close this thread's file."""
        file = getattr(self._of_thread, "file", None)
        self._of_thread.key = self._of_thread.tree = self._of_thread.file = None
        if file is not None:
            self._open.pop(threading.get_ident(), None)
            file.close()

    def _clean(self, array: ak.Array, name: str, file: NtupleFile, is_exact: bool) -> ak.Array:
        """Return a branch with its units and missing values as everywhere in the package."""
        known = (name, file.branches[name])
        mev = any(_matches(known, pattern) for pattern in self.config.mev)
        sentinels = [] if is_exact else _sentinels(known, self.config.sentinels)
        if not mev and not sentinels:
            return array

        def clean(layout: Any, **_: Any) -> Any:
            if not layout.is_numpy or layout.parameter("__array__") is not None:
                return None
            return ak.contents.NumpyArray(_cleaned(layout.data, sentinels, mev=mev))

        return ak.transform(clean, array)


def _require_same(opened: Any, file: NtupleFile, where: str) -> None:
    """Require that a replica has the content of the one that was described."""
    if str(opened.file.uuid) != file.identity or header_sum(opened, file.tree) != file.header:
        raise InputError(
            f"{where}: is another file than the replicas named with it (the identity that ROOT wrote, or tree "
            f"'{file.tree}', differs); name replicas of the same content only"
        )


def _by_uproot(tree: Any, names: list[str], start: int, stop: int, record: Record) -> dict[str, ak.Array]:
    """Return branches by their names in the file."""
    if is_rntuple(tree):
        return {name: tree[name].array(entry_start=start, entry_stop=stop) for name in names}
    try:
        arrays = tree.arrays(names, entry_start=start, entry_stop=stop, library="ak") if names else {}
        require_headers([tree[name] for name in names], start, stop, record)
        return {name: arrays[name] for name in names}
    except ValueError as error:
        # What uproot says of branches of variable size in files of an old layout, which it does not read.
        if "wrong number of entries" not in str(error):
            raise
        return {name: _old_array(tree[name], start, stop) for name in names}


def _old_array(branch: Any, start: int, stop: int) -> ak.Array:
    """Return a branch of an old layout: its baskets hold no offsets, and end elsewhere than those of its counter."""
    if branch.count_branch is None:
        return branch.array(entry_start=start, entry_stop=stop, library="ak")
    kind = branch.interpretation.content
    parts = [branch.basket(i).data.view(kind.from_dtype).astype(kind.to_dtype) for i in range(branch.num_baskets)]
    return ak.unflatten(np.concatenate(parts), branch.count_branch.array(library="np"))[start:stop]


def _matches(names: Collection[str], pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _sentinels(names: Collection[str], sentinels: Mapping[str, tuple[float, ...]]) -> list[float]:
    """Return the sentinels of a branch, from all patterns that match it."""
    return [value for pattern, values in sentinels.items() if _matches(names, pattern) for value in values]


def _cleaned(values: AnyArray, sentinels: list[float], *, mev: bool) -> AnyArray:
    """Return numbers with NaN for sentinels, as the type of the branch holds them, and in GeV."""
    kind = values.dtype
    if kind.kind not in "iuf":
        return values
    if kind.kind != "f":
        sentinels = [value for value in sentinels if value == int(value) and _holds(kind, int(value))]
    missing = np.isin(values, np.array(sentinels, kind)) if sentinels else np.zeros(0, np.bool_)
    if not mev and not missing.any():
        return values
    cleaned = values.astype(np.float64) / MEV_PER_GEV if mev else values.astype(kind if kind.kind == "f" else float)
    if missing.any():
        cleaned[missing] = np.nan
    return cleaned


def _holds(kind: np.dtype[Any], value: int) -> bool:
    limits = np.iinfo(kind)
    return bool(limits.min <= value <= limits.max)


def require_matches(files: Collection[NtupleFile], config: NtupleConfig) -> None:
    """Require that every pattern of `mev` and `sentinels` matches a branch of a file, and every alias exists in one.

    Raises
    ------
    InputError
        If one matches none, which would leave wrong units or missing values unnoticed.
    """
    known = {name for file in files for pair in file.branches.items() for name in pair}
    for key, patterns in (("mev", config.mev), ("sentinels", tuple(config.sentinels))):
        for pattern in patterns:
            if not _matches(known, pattern):
                raise InputError(f"ntuples.{key}: no branch of any file matches '{pattern}'")
    for alias, name in config.aliases.items():
        if name not in known:
            raise InputError(f"ntuples.aliases.{alias}: no file has a branch '{name}'")
