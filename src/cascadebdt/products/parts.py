"""Selected events of ranges of entries in the folder of a run, from `select` until `apply` has used them.

They lie in ``.selected``: a folder per key, which is that of a sample, and two files per range: the rows, and the
account of them, which is small. A file that is damaged counts as missing.
"""

import hashlib
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

from cascadebdt import ntuple
from cascadebdt.atomic import write_text
from cascadebdt.events.parts import SCALE, Arrays, is_account
from cascadebdt.ntuple import EntryRange
from cascadebdt.products import sealed
from cascadebdt.products.keys import Origin

FOLDER = ".selected"
ACCOUNTS = f"{FOLDER}/*/*.account"  # of all samples, as a pattern


class SelectedParts:
    """The selected events of a folder, as `events.parts.KeptParts` wants them.

    Parameters
    ----------
    folder : of the run
    origins : sample -> what its selected events are made from now
    directory : that names of files are relative to
    """

    def __init__(self, folder: Path, origins: Mapping[str, Origin], directory: Path) -> None:
        self._folder = folder / FOLDER
        self._origins = origins
        self._directory = directory

    def recall(self, sample: str, entries: EntryRange, *, rows: bool) -> Arrays | None:
        """Return what was kept of a range of entries; None if it is not there, or damaged."""
        path = self._path(sample, entries)
        account = sealed.read_arrays(_account(path))
        if account is None or not rows:
            return account
        of_rows = sealed.read_arrays(path)
        # Between the two writes of a process that was killed, rows may have another normalisation than their account.
        return None if of_rows is None or of_rows[SCALE] != account[SCALE] else {**of_rows, **account}

    def keep(self, sample: str, entries: EntryRange, arrays: Arrays) -> None:
        """Write what is to be kept of a range of entries."""
        path = self._path(sample, entries)
        of_rows = {name: array for name, array in arrays.items() if not is_account(name)}
        sealed.write_arrays(path, {**of_rows, SCALE: arrays[SCALE]})
        sealed.write_arrays(_account(path), {name: array for name, array in arrays.items() if is_account(name)})

    def places(self, sample: str, locations: Iterable[str]) -> tuple[str, ...]:
        """Return where the selected events of some files lie in the folder of the run, as patterns."""
        return tuple(f"{FOLDER}/{self._origins[sample].key}/{self._name(location)}_*" for location in locations)

    def place(self, sample: str) -> str:
        """Return where the selected events of a sample lie in the folder of the run."""
        return f"{FOLDER}/{self._origins[sample].key}"

    def is_done(self, sample: str, part: str) -> bool:
        """Return whether a part of a sample, such as ``1of3``, was selected."""
        return self._mark(sample, part).is_file()

    def done(self, sample: str, part: str) -> None:
        """Note that a part of a sample was selected."""
        write_text(self._mark(sample, part), "")

    def forget(self) -> None:
        """Remove everything."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _mark(self, sample: str, part: str) -> Path:
        return self._folder / self._origins[sample].key / f"{part}.done"

    def _path(self, sample: str, entries: EntryRange) -> Path:
        location = entries.file.location
        file = f"{self._name(location)}_{_hash(entries.file.tree)[:8]}"
        return self._folder / self._origins[sample].key / f"{file}_{entries.start}_{entries.stop}.npz"

    def _name(self, location: str) -> str:
        return _hash(ntuple.relative(location, self._directory))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _account(path: Path) -> Path:
    return path.with_suffix(".account")
