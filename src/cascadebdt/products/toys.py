"""Finished pieces of pseudo-experiments, from which the same command continues after an interruption."""

from dataclasses import dataclass
from pathlib import Path

from cascadebdt.inference import Piece
from cascadebdt.products import sealed


@dataclass(frozen=True)
class ToyStore:
    """A folder with a file for each piece.

    Attributes
    ----------
    folder : of the pieces
    """

    folder: Path

    def load(self, name: str) -> Piece | None:
        """Return a piece; None if it is not there, or not what was written, so that it is made again."""
        return sealed.read(self._path(name), Piece)

    def save(self, name: str, piece: Piece) -> None:
        """Write a piece, whole or not at all."""
        sealed.write(self._path(name), piece)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
