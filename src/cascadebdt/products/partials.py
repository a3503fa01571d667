"""The share that parts of the events have in the products of `apply`: from where a part is filled until all are merged.

They lie in ``.filled``, in a folder for the key of ``apply``. A file that is damaged counts as missing.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import reduce
from pathlib import Path

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.errors import InputError
from cascadebdt.histograms.sums import Packed, Sums
from cascadebdt.products import sealed
from cascadebdt.products.keys import Origin
from cascadebdt.records import Record

FOLDER = ".filled"


@dataclass(frozen=True, eq=False)
class Bins(Record):
    """The bin edges of every region, found on all events.

    Attributes
    ----------
    edges : region -> edges
    files : sample -> hash of the names of the files over which it was normalised
    """

    edges: dict[str, FloatArray]
    files: dict[str, str]


@dataclass(frozen=True, eq=False)
class Partial:
    """The sums of some parts of the events.

    Attributes
    ----------
    bins : hash of the bins they were filled into
    parts : names of these parts
    files : sample -> hash of the names of all its files, over which it is normalised
    ranges : (n_features, 4) float64, of the data: number of events, of those without a value, lowest and highest value
    sums : of their events
    """

    bins: str
    parts: tuple[str, ...]
    files: Mapping[str, str]
    ranges: FloatArray
    sums: Packed


def merged(partials: Iterable[Partial], *, where: Path) -> Partial:
    """Return what several partials add together; memory holds the sum and one of them.

    Parameters
    ----------
    where : folder that they come from, for messages

    Raises
    ------
    InputError
        If they are not of the same analysis and files, or one part appears twice.
    """
    sums = Sums()

    def plus(total: Partial | None, one: Partial) -> Partial:
        sums.take(one.sums)
        return one if total is None else _joined(total, one, where)

    total = reduce(plus, partials, None)
    if total is None:
        raise InputError(f"{where}: nothing to merge")
    return Partial(total.bins, total.parts, total.files, total.ranges, sums.packed())


def _joined(total: Partial, one: Partial, where: Path) -> Partial:
    """Return everything about two partials together but for their sums."""
    twice = sorted(set(total.parts) & set(one.parts))
    if twice:
        raise InputError(f"{where}: part '{twice[0]}' would count twice; remove the folder and submit again")
    other = [name for name in one.files if total.files.get(name, one.files[name]) != one.files[name]]
    if other or total.bins != one.bins:
        what = f"sample '{other[0]}' had other files" if other else "regions had other bins"
        raise InputError(f"{where}: {what} when '{one.parts[0]}' was filled; remove the folder and submit again")
    ranges = np.column_stack(
        [
            total.ranges[:, :2] + one.ranges[:, :2],
            np.minimum(total.ranges[:, 2], one.ranges[:, 2]),
            np.maximum(total.ranges[:, 3], one.ranges[:, 3]),
        ]
    )
    return Partial(total.bins, (*total.parts, *one.parts), {**total.files, **one.files}, ranges, total.sums)


class FilledParts:
    """The partials in the folder of a run.

    Parameters
    ----------
    folder : of the run
    origin : what the products of `apply` are made from now
    """

    def __init__(self, folder: Path, origin: Origin) -> None:
        self.key = origin.key
        self.folder = folder / FOLDER / origin.key

    def write(self, name: str, partial: Partial) -> None:
        """Write a partial."""
        sums = {item.name: getattr(partial.sums, item.name) for item in fields(Packed)}
        about = {"bins": partial.bins, "parts": partial.parts, "files": dict(partial.files)}
        about["sums"] = {field: sums.pop(field) for field in ("layout", "n_cells", "n_counts", "lowest")}
        sums |= {field: sums[field].astype(np.uint32) for field in ("cells", "counted")}  # half of their size
        # One text in place of many small arrays, each of which takes as long to read as a large one.
        self.write_arrays(name, {"about": np.array(json.dumps(about)), "ranges": partial.ranges, **sums})

    def read(self, name: str, *, command: str) -> Partial:
        """Return a partial.

        Parameters
        ----------
        command : that makes it

        Raises
        ------
        InputError
            If it is missing, damaged or of another analysis; the message names the command that makes it again.
        """
        arrays = self.read_arrays(name, command=command)
        about = json.loads(str(arrays["about"]))
        packed = Packed(
            **about["sums"],
            cells=arrays["cells"].astype(np.int64),
            digits=arrays["digits"],
            counted=arrays["counted"].astype(np.int64),
            counts=arrays["counts"],
        )
        return Partial(about["bins"], tuple(about["parts"]), about["files"], arrays["ranges"], packed)

    def write_arrays(self, name: str, arrays: Mapping[str, AnyArray]) -> None:
        """Write arrays that belong to a part."""
        sealed.write_arrays(self._path(name), {"key": np.array(self.key), **arrays})

    def read_arrays(self, name: str, *, command: str) -> dict[str, AnyArray]:
        """Return the arrays of a part.

        Raises
        ------
        InputError
            As `read`.
        """
        arrays = sealed.read_arrays(self._path(name))
        if arrays is None or str(arrays["key"]) != self.key:
            raise InputError(f"{self._path(name)}: missing, altered or of another analysis; make it with '{command}'")
        return arrays

    def has(self, name: str) -> bool:
        """Return whether the file of a part is there and whole."""
        return sealed.is_unharmed(self._path(name))

    def forget(self) -> None:
        """Remove everything, of other keys, too."""
        shutil.rmtree(self.folder.parent, ignore_errors=True)

    def write_bins(self, bins: Bins) -> None:
        """Write the bins of the regions."""
        sealed.write(self._bins, bins)

    def read_bins(self) -> Bins | None:
        """Return the bins of the regions; None if they are not there, or not what was written."""
        return sealed.read(self._bins, Bins)

    def place(self, name: str) -> str:
        """Return where the file of a part lies in the folder of the run."""
        return f"{FOLDER}/{self.key}/{self._path(name).name}"

    @property
    def place_of_bins(self) -> str:
        """Where the bins lie in the folder of the run."""
        return f"{FOLDER}/{self.key}/{self._bins.name}"

    @property
    def _bins(self) -> Path:
        return self.folder / "bins.json"

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"
