"""A configuration as text again, for another folder than the one it was read from."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cascadebdt.config import document
from cascadebdt.config.base import listed


def text(content: Mapping[str, Any], *, directory: Path, folder: Path) -> str:
    """Return the text of a YAML file in `folder` that says what `content` says in `directory`.

    Parameters
    ----------
    content : of a configuration
    directory : that its relative file names are relative to
    folder : where the file will lie
    """

    def moved(name: str) -> str:
        is_relative = "://" not in name and not os.path.isabs(name)
        return os.path.relpath(directory / name, folder) if is_relative else name

    sections = {
        section: [_moved(entry, moved) for entry in content[section]]
        for section in ("samples", "systematics")
        if section in content
    }
    names: Any = listed(content.get("plugins", []))
    plugins = {"plugins": [moved(name) for name in names]} if names else {}
    factors = [{**entry, "file": moved(entry["file"])} for entry in content.get("scale_factors", [])]
    return document.write({**content, **sections, **plugins, **({"scale_factors": factors} if factors else {})})


def _moved(entry: Mapping[str, Any], moved: Callable[[str], str]) -> dict[str, Any]:
    """Return a sample, or a systematic, with its files under other names."""
    result = dict(entry)
    if "files" in entry:
        names = entry["files"]
        result["files"] = moved(names) if isinstance(names, str) else [moved(name) for name in names]
    if isinstance(entry.get("checksum"), Mapping):
        result["checksum"] = {moved(name): value for name, value in entry["checksum"].items()}
    return result
