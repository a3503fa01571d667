"""Where events lie during a run changes no bit of its products; on disk, memory does not grow with them."""

import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascadebdt import config as configuration
from cascadebdt import pipeline
from cascadebdt.config import Config
from cascadebdt.events import disk, loading, read_ahead
from cascadebdt.pipeline import filling
from cascadebdt.pipeline.provenance import load_cascade
from cascadebdt.products import Products
from cascadebdt.products.results import Applied
from tiny_analysis import tiny_config, write_ntuple

Change = Callable[[dict[str, Any]], None]

ANALYSES: dict[str, Change] = {
    "cross-fitted": lambda raw: None,
    "holdout": lambda raw: raw["cascade"].update(mode="holdout", folds=4),
    "sorted": lambda raw: raw["cascade"].update(
        control={"assign": "sorter"}, final={**raw["cascade"]["final"], "kind": ["stages", "multiclass"]}
    ),
    "configured bins": lambda raw: raw.update(
        regions={"control": {"bins": [0, 0.3, 0.6, 1]}, "signal": {"observable": "met", "bins": [0, 20, 60, 300]}}
    ),
    "merged bins": lambda raw: raw.update(regions={"control": {"bins": [0, 0.5, 1]}, "empty_bins": "merge"}),
    "alternative sample": lambda raw: raw["systematics"].append(
        {"name": "generator", "kind": "sample", "process": "zee", "files": "zee_0.root", "cross_section_pb": 1.1}
    ),
}


def analysis(folder: Path, change: Change, *, memory: str, chunk_entries: int) -> Config:
    raw = tiny_config()
    raw["fit"]["free"] = ["zee"]
    change(raw)
    raw["cascade"]["memory"] = memory
    raw["ntuples"]["chunk_entries"] = chunk_entries
    return configuration.parse(raw, directory=folder)


@pytest.mark.parametrize("case", ANALYSES)
def test_every_product_of_a_run_from_disk_has_the_bits_of_one_in_memory(
    case: str, ntuples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "ROWS_PER_FILE", 500)
    products = {}
    for memory, chunk_entries in (("ram", 1500), ("stream", 400)):
        config = analysis(ntuples, ANALYSES[case], memory=memory, chunk_entries=chunk_entries)
        pipeline.run(config, Products(tmp_path / memory))
        paths = [path for pattern in ("*.json", "*.ubj") for path in (tmp_path / memory).rglob(pattern)]
        products[memory] = {path.relative_to(tmp_path / memory): path.read_bytes() for path in paths}
    assert products["ram"].keys() == products["stream"].keys()
    differing = {str(path) for path, content in products["ram"].items() if products["stream"][path] != content}
    assert differing <= {"manifest.json", "summary.json"}  # the configuration, and the time that was needed
    manifests = [Applied.read(Products(tmp_path / memory)).manifest for memory in products]
    assert replace(manifests[0], config={}, config_hash="") == replace(manifests[1], config={}, config_hash="")
    assert not list((tmp_path / "stream").glob(".selected*"))


@pytest.mark.parametrize(("case", "bytes_per_event"), [("configured bins", 40), ("cross-fitted", 130)])
def test_memory_of_selecting_to_disk_and_filling_grows_by_bytes_an_event_alone(
    case: str, bytes_per_event: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "ROWS_PER_FILE", 2000)
    monkeypatch.setattr(read_ahead, "MAX_READS", 1)  # how many chunks are there at a time depends on the load
    peaks, selected = [], []
    for n_files in (1, 4):
        folder = tmp_path / str(n_files)
        folder.mkdir()
        for process in ("signal", "zee", "wjets"):
            for k in range(n_files):
                write_ntuple(folder / f"{process}_{k}.root", process, 20_000, seed=k, first=20_000 * k)
        write_ntuple(folder / "data.root", "zee", 500, seed=9, is_data=True)
        config = analysis(folder, ANALYSES[case], memory="stream", chunk_entries=2500)
        pipeline.run(config, Products(folder / "once"))  # everything is compiled and imported
        cascade = load_cascade(config, folder / "once" / "cascade")
        (folder / "store").mkdir()
        tracemalloc.start()
        stored = loading.select_to_disk(config, folder / "store")
        filling.fill(stored, cascade, config)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        selected.append(stored.account.cutflow.selected)
    # In memory its three variations of 4 features and 3 weights are 3 x 54 bytes, and twice that while they are joined.
    assert (peaks[1] - peaks[0]) / (selected[1] - selected[0]) < bytes_per_event
    assert np.all(np.diff(selected) > 10_000)
