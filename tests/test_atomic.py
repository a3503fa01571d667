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
