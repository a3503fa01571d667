"""Finished pieces of pseudo-experiments, from which the same command continues after an interruption."""

import json
from dataclasses import dataclass
from pathlib import Path

from cascadebdt.atomic import write_text
from cascadebdt.errors import InputError
from cascadebdt.inference import Piece


@dataclass(frozen=True)
class ToyStore:
    """A folder with a file for each piece.

    Attributes
    ----------
    folder : of the pieces
    """

    folder: Path

    def load(self, name: str) -> Piece | None:
        """Return a piece; None if it is not there, or damaged, so that it is made again."""
        try:
            return Piece.from_json(json.loads(self._path(name).read_text(encoding="utf-8")))
        except (FileNotFoundError, ValueError, InputError):
            return None

    def save(self, name: str, piece: Piece) -> None:
        """Write a piece, whole or not at all."""
        write_text(self._path(name), json.dumps(piece.to_json()) + "\n")

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.json"
