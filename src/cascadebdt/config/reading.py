"""Files and mappings -> `Config`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cascadebdt.config import document
from cascadebdt.config.analysis import Config
from cascadebdt.config.document import Document


def load(path: str | Path) -> Config:
    """Read a YAML configuration.

    Raises
    ------
    ConfigError
        If the file is missing, is not YAML, or its content is not a valid configuration; with file, line and path.

    Examples
    --------
    >>> config = cb.load_config("configs/wh_dark_photon.yaml")
    >>> luminosity = config.luminosity_fb  # in inverse femtobarn
    """
    path = Path(path)
    return Config.of(document.read(path), path.resolve().parent)


def parse(content: Mapping[str, Any], *, directory: Path = Path()) -> Config:
    """Check a raw configuration; relative file names are relative to `directory`.

    Raises
    ------
    ConfigError
        If anything is unknown, missing or out of its limits.
    """
    return Config.of(Document(content), directory)
