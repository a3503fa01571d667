"""Selected events of ranges of entries in the folder of a run, from `select` until `apply` has used them.

They lie in ``.selected``: a folder per key, which is that of a sample, and a file per range, which begins with the
SHA-256 of the rest. A file that is damaged counts as missing.
"""

import hashlib
import io
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from cascadebdt import ntuple
from cascadebdt.atomic import write_bytes, write_text
from cascadebdt.events.parts import Arrays
from cascadebdt.ntuple import EntryRange
from cascadebdt.products.keys import Origin

FOLDER = ".selected"
DIGEST_SIZE = hashlib.sha256().digest_size


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
            content = self._path(sample, entries).read_bytes()
        except OSError:
            return None
        digest, arrays = content[:DIGEST_SIZE], content[DIGEST_SIZE:]
        if hashlib.sha256(arrays).digest() != digest:
            return None
        with np.load(io.BytesIO(arrays), allow_pickle=False) as kept:
            return dict(kept)

    def keep(self, sample: str, entries: EntryRange, arrays: Arrays) -> None:
        """Write what is to be kept of a range of entries."""
        packed = io.BytesIO()
        np.savez(packed, allow_pickle=False, **arrays)
        content = packed.getvalue()
        write_bytes(self._path(sample, entries), hashlib.sha256(content).digest() + content)

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
        name = ntuple.relative(entries.file.location, self._directory)
        file = hashlib.sha256(f"{name}:{entries.file.tree}".encode()).hexdigest()[:32]
        return self._folder / self._origins[sample].key / f"{file}_{entries.start}_{entries.stop}.npz"
