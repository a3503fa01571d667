"""Fixtures around the tiny analysis."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from cascadebdt import config as configuration
from cascadebdt.config import Config
from cascadebdt.events import Events, loading
from tiny_analysis import SAMPLES, tiny_config, write_ntuple

settings.register_profile("compiled", deadline=None)  # the first call of a kernel compiles it
settings.load_profile("compiled")


@pytest.fixture(scope="session")
def ntuples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the tiny analysis's ntuples, each simulated process in two files."""
    folder = tmp_path_factory.mktemp("ntuples")
    for index, (process, (n_events, *_)) in enumerate(SAMPLES.items()):
        for part in range(2):
            first = part * n_events // 2
            write_ntuple(folder / f"{process}_{part}.root", process, n_events // 2, 10 * index + part, first=first)
    write_ntuple(folder / "data.root", "zee", 800, 99, is_data=True)
    return folder


@pytest.fixture
def write_config(ntuples: Path, tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Return a function that writes a raw configuration, its files taken from the tiny ntuples."""

    def write(raw: dict[str, Any]) -> Path:
        for sample in raw["samples"]:
            if isinstance(sample.get("files"), str):
                sample["files"] = str(ntuples / sample["files"])
        path = tmp_path / "config.yaml"
        path.write_text(json.dumps(raw))
        return path

    return write


@pytest.fixture(scope="session")
def tiny(ntuples: Path) -> Config:
    """The tiny analysis's configuration."""
    return configuration.parse(tiny_config(), directory=ntuples)


@pytest.fixture(scope="session")
def tiny_events(tiny: Config) -> Events:
    """The tiny analysis's selected events."""
    return loading.select(tiny)
