"""Events on disk: the same rows in the same order, and the same cascade through the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cascadebdt.cli import main
from cascadebdt.errors import TrainingError
from cascadebdt.events import Events, StoredEvents, disk, in_order, joined
from cascadebdt.events.selection import Cutflow
from tiny_analysis import tiny_config, toy_events


def shuffled() -> tuple[Events, list[Events]]:
    """Return events, some of one identity, and the same in chunks without any order."""
    events = toy_events()
    events = replace(events, event_id=np.where(np.arange(len(events)) % 50 == 0, np.uint64(7), events.event_id))
    mixed = events.take(np.random.default_rng(0).permutation(len(events)))
    return events, [mixed.take(np.arange(start, min(start + 700, 6000))) for start in range(0, 6000, 700)]


def stored(events: Events, chunks: list[Events], folder: Path) -> StoredEvents:
    store = disk.Store(folder)
    for code, sample in enumerate(events.samples):
        store.begin(sample, n_rows=1500)
        for chunk in chunks:
            store.add(sample, chunk.take(chunk.sample == code))
    account = replace(events.take(np.arange(0)), cutflow=Cutflow.empty(("met",), events.samples))
    return StoredEvents(account, store)


def test_what_was_stored_comes_back_in_canonical_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "ROWS_PER_FILE", 200)
    events, chunks = shuffled()
    found = joined(list(stored(events, chunks, tmp_path).blocks()))
    expected = in_order(events)
    assert len(list(tmp_path.iterdir())) > 20
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name], column)
    for name, weights in expected.weights.items():
        np.testing.assert_array_equal(found.weights[name], weights)
    np.testing.assert_array_equal(found.event_id, expected.event_id)
    np.testing.assert_array_equal(found.process, expected.process)


def test_a_sample_that_begins_anew_is_stored_once(tmp_path: Path) -> None:
    _, chunks = shuffled()
    store = disk.Store(tmp_path)
    for _ in range(2):
        store.begin("signal", n_rows=6000)
        store.add("signal", chunks[0])
    assert sum(map(len, store.blocks())) == len(chunks[0])


def test_the_columns_that_train_are_read_by_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "ROWS_PER_FILE", 200)
    monkeypatch.setattr(disk, "BLOCK", 1000)
    events, chunks = shuffled()
    (tmp_path / "store").mkdir()
    found = stored(events, chunks, tmp_path / "store").training(tmp_path / "training.root")
    expected = in_order(events.take(~events.is_data))
    np.testing.assert_array_equal(found.event_id, expected.event_id)
    np.testing.assert_array_equal(found.weights["nominal"], expected.weights["nominal"])
    rows = np.flatnonzero(np.random.default_rng(1).random(len(expected)) < 0.3)
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name][rows], column[rows])
        np.testing.assert_array_equal(
            found.columns[name][~expected.of_process("zee")], column[~expected.of_process("zee")]
        )


def test_no_event_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no simulated event passes the selection"):
        disk.write(tmp_path / "training.root", [toy_events().take(np.zeros(6000, np.bool_))])


@pytest.mark.parametrize("memory", ["stream", "disk"])
def test_training_from_disk_gives_the_same_cascade(ntuples: Path, tmp_path: Path, memory: str) -> None:
    models = {}
    for where, chunk in (("ram", 100_000), (memory, 300)):
        raw = tiny_config()
        raw["ntuples"]["chunk_entries"] = chunk
        raw["cascade"]["memory"] = where
        for sample in raw["samples"]:
            sample["files"] = str(ntuples / sample["files"])
        (tmp_path / "config.yaml").write_text(json.dumps(raw))
        output = tmp_path / where
        result = CliRunner().invoke(main, ["train", str(tmp_path / "config.yaml"), "--output", str(output), "--quiet"])
        assert result.exit_code == 0, result.output
        models[where] = {path.relative_to(output): path.read_bytes() for path in output.rglob("*.ubj")}
        assert not [path for path in output.iterdir() if path.name.startswith(".selected")]
    assert models["ram"] == models[memory]
    assert models["ram"]
