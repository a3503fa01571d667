"""The manifest: what a result was made from."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt.config import DATA, Config
from cascadebdt.events import Events, FileRecord
from cascadebdt.expression import registered

PACKAGES = ("cascadebdt", "awkward", "hist", "iminuit", "numba", "numpy", "pyhf", "uproot", "xgboost")


def manifest(config: Config, events: Events) -> dict[str, Any]:
    """Return what a result was made from: configuration, versions, input files."""
    return {
        "analysis": config.analysis,
        "config": config.model_dump(mode="json", by_alias=True),
        "config_hash": config.hash,
        "seed": config.seed,
        "unblind": config.fit.unblind or None,
        "versions": versions(),
        "functions": {name: function.digest for name, function in registered().items()},
        "files": [_file_content(record, config, events) for record in events.ledger],
        "missing": missing(config, events),
        "used_in_training": events.cutflow.used_in_training,
    }


def _file_content(record: FileRecord, config: Config, events: Events) -> dict[str, Any]:
    """Return what is known of a file; how many data events were selected is not told while blind."""
    file = next((file for file in events.files[record.sample] if file.location == record.location), None)
    is_hidden = not config.fit.unblind and record.sample in {s.name for s in config.samples if s.is_data}
    return {
        "sample": record.sample,
        "file": _relative(record.location, config.directory),
        "tree": file.tree if file else None,
        "entries": record.entries,
        "read": record.read,
        "selected": None if is_hidden else record.selected,
        "skipped": record.skipped,
        "size_bytes": file.size_bytes if file else 0,
        "identity": file.identity if file else None,
    }


def missing(config: Config, events: Events) -> dict[str, dict[str, float]]:
    """Return feature -> process -> fraction of selected events without a value; data only after unblinding."""
    processes = [name for name in events.processes if name != DATA or config.fit.unblind]
    rows = {name: np.flatnonzero(events.is_nominal & events.of_process(name)) for name in processes}
    return {
        feature: {name: float(np.isnan(column[of]).mean()) if len(of) else 0.0 for name, of in rows.items()}
        for feature, column in events.columns.items()
    }


def versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that a result depends on."""
    return {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}}


def _relative(location: str, directory: Path) -> str:
    return location if "://" in location else os.path.relpath(location, directory)
