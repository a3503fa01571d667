from pathlib import Path

import pytest

from cascadebdt import atomic


def write_half(path: Path) -> None:
    with atomic.draft(path) as place:
        place.write_text("half")
        raise KeyboardInterrupt


def test_a_file_that_could_not_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    atomic.write_text(tmp_path / "a.json", "old")
    with pytest.raises(KeyboardInterrupt):
        write_half(tmp_path / "a.json")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["old"]


def test_the_draft_of_a_killed_process_goes_and_that_of_another_machine_stays(tmp_path: Path) -> None:
    prefix = atomic.draft_prefix(tmp_path / "a.json")
    for name in (f"{prefix}999999999.abc", ".a.json.elsewhere-1.999999999.abc"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.json").write_text("half")
    atomic.write_text(tmp_path / "a.json", "whole")
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", ".a.json.elsewhere-1.999999999.abc"}


def test_the_draft_of_a_running_process_stays(tmp_path: Path) -> None:
    with atomic.draft(tmp_path / "a.json") as first:
        first.write_text("first")
        atomic.write_text(tmp_path / "a.json", "second")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["first"]
