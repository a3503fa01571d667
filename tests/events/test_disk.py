"""Events on disk: the same rows in the same order, and the same cascade through the command line."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cascadebdt.cli import main
from cascadebdt.errors import TrainingError
from cascadebdt.events import disk, in_order
from tiny_analysis import tiny_config, toy_events


def test_what_was_written_is_read_in_canonical_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events = toy_events()
    events = replace(events, event_id=np.where(np.arange(len(events)) % 50 == 0, np.uint64(7), events.event_id))
    shuffled = events.take(np.random.default_rng(0).permutation(len(events)))
    chunks = [shuffled.take(np.arange(start, min(start + 700, 6000))) for start in range(0, 6000, 700)]
    samples = [[chunk.take(chunk.sample == code) for chunk in chunks] for code in range(4)]
    found = disk.write(tmp_path / "training.root", samples)
    expected = in_order(events.take(~events.is_data))
    np.testing.assert_array_equal(found.event_id, expected.event_id)
    np.testing.assert_array_equal(found.weights["nominal"], expected.weights["nominal"])
    np.testing.assert_array_equal(found.process, expected.process)
    monkeypatch.setattr(disk, "BLOCK", 1000)
    rows = np.flatnonzero(np.random.default_rng(1).random(len(expected)) < 0.3)
    for name, column in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name][rows], column[rows])
        np.testing.assert_array_equal(
            found.columns[name][~expected.of_process("zee")], column[~expected.of_process("zee")]
        )
    assert [path.name for path in tmp_path.iterdir()] == ["training.root"]


def test_no_event_at_all_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no simulated event passes the selection"):
        disk.write(tmp_path / "training.root", [[toy_events().take(np.zeros(6000, np.bool_))]])


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
        assert (output / "training.root").exists() == (where != "ram")
    assert models["ram"] == models[memory]
    assert models["ram"]
