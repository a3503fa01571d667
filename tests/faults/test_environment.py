"""Products do not depend on the environment: hashes, language, time zone, threads, home, caches."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.events.loading import select_each
from tiny_analysis import tiny_config

STEPS = (
    "from cascadebdt.cli import main\nfor step in 'train', 'apply', 'fit': main([step, *{!r}], standalone_mode=False)"
)
ENVIRONMENTS: dict[str, dict[str, str]] = {
    "plain": {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1"},
    "other": {"PYTHONHASHSEED": "1", "LC_ALL": "C", "TZ": "Asia/Tokyo", "OMP_NUM_THREADS": "3", "LANG": "tr_TR.UTF-8"},
    "bare": {
        "PYTHONHASHSEED": "random",
        "LC_ALL": "C.UTF-8",
        "TZ": "America/St_Johns",
        "OMP_NUM_THREADS": "2",
        "HOME": "/nonexistent",
        "NUMBA_CACHE_DIR": "/nonexistent",
        "MPLCONFIGDIR": "/nonexistent",
    },
}


def products(config: Path, output: Path, environment: dict[str, str]) -> dict[str, bytes]:
    """Train, fill and fit in a process of its own; return the products but for the account of resources."""
    arguments = [str(config), "--output", str(output), "--quiet"]
    subprocess.run([sys.executable, "-c", STEPS.format(arguments)], env={**os.environ, **environment}, check=True)
    files = [path for path in output.rglob("*") if path.suffix in (".json", ".ubj") and path.name != "manifest.json"]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in files}


def test_products_are_the_same_bits_in_every_environment(
    write_config: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    config = write_config(tiny_config())
    plain, *others = (products(config, tmp_path / name, environment) for name, environment in ENVIRONMENTS.items())
    assert len(plain) > 15
    for other in others:
        assert [name for name in plain if other.get(name) != plain[name]] == []


def data_events(config: Config) -> dict[str, bytes]:
    """Return what is selected of the data, read in chunks."""
    chunks: list[Events] = []
    data = [sample for sample in config.samples if sample.is_data]
    select_each(config, data, lambda _, events: chunks.append(events))
    event_id = np.concatenate([chunk.event_id for chunk in chunks])
    order = np.argsort(event_id)  # events of a chunk come sorted
    columns = {name: np.concatenate([chunk.columns[name] for chunk in chunks]) for name in chunks[0].columns}
    return {name: values[order].tobytes() for name, values in {**columns, "event_id": event_id}.items()}


@pytest.mark.parametrize("chunk_entries", [1, 7, 1_000_000])
def test_events_are_the_same_bits_for_every_size_of_chunks(tiny: Config, chunk_entries: int) -> None:
    assert data_events(tiny.replace("ntuples.chunk_entries", chunk_entries)) == data_events(tiny)
