"""Selected events of ranges of entries in the folder of a run, from `select` until `apply` has used them.

They lie in ``.selected``: a folder per key, which is that of a sample, and a file per range. A file that is damaged
counts as missing.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cascadebdt.atomic import draft, write_text
from cascadebdt.events.parts import Arrays
from cascadebdt.ntuple import EntryRange
from cascadebdt.products.keys import Origin

FOLDER = ".selected"


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

    def recall(self, sample: str, entries: EntryRange) -> Arrays | None:
        """Return what was kept of a range of entries; None if it is not there, or damaged."""
        try:
            with self._path(sample, entries).open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return dict(arrays)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None

    def keep(self, sample: str, entries: EntryRange, arrays: Arrays) -> None:
        """Write what is to be kept of a range of entries."""
        with draft(self._path(sample, entries)) as place, place.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)

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
        name = location if "://" in location else os.path.relpath(location, self._directory)
        file = hashlib.sha256(f"{name}:{entries.file.tree}".encode()).hexdigest()[:32]
        return self._folder / self._origins[sample].key / f"{file}_{entries.start}_{entries.stop}.npz"
