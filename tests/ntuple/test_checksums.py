"""Checksums from elsewhere, files named twice, and what changed in a file."""

import hashlib
import zlib
from pathlib import Path
from typing import Any

import pytest

from cascadebdt import config as configuration
from cascadebdt import ntuple
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.events.loading import select
from tiny_analysis import tiny_config


def checksums(path: Path) -> dict[str, str]:
    content = path.read_bytes()
    return {
        "adler32": f"adler32:{zlib.adler32(content):08X}",
        "md5": f"md5:{hashlib.md5(content).hexdigest()}",
        "sha256": f"sha256:{hashlib.sha256(content).hexdigest()}",
    }


def run(folder: Path, **changes: Any) -> int:
    raw = tiny_config()
    raw["samples"][3].update(changes)
    return select(configuration.parse(raw, directory=folder), nominal_only=True).cutflow.read


@pytest.mark.parametrize("kind", ["adler32", "md5", "sha256"])
def test_a_right_checksum_passes_and_a_wrong_one_is_a_sentence(ntuples: Path, kind: str) -> None:
    right = checksums(ntuples / "data.root")[kind]
    wrong = right[:-1] + ("0" if right[-1] != "0" else "1")
    assert run(ntuples, checksum=right) == 11800
    with pytest.raises(InputError, match=rf"data.root: has the checksum {right.lower()}, expected {wrong.lower()}"):
        run(ntuples, checksum={"data.root": wrong})


def test_a_list_of_files_may_hold_checksums(ntuples: Path, tmp_path: Path) -> None:
    line = f"{ntuples / 'data.root'}   {checksums(ntuples / 'zee_0.root')['adler32']}\n"
    (tmp_path / "list.txt").write_text(line)
    with pytest.raises(InputError, match=r"data.root: has the checksum adler32"):
        run(ntuples, files=str(tmp_path / "list.txt"))


def test_a_checksum_of_no_file_of_the_sample_is_refused(ntuples: Path) -> None:
    with pytest.raises(InputError, match=r"sample 'data': 'zee_0.root' in checksum is none of its files"):
        run(ntuples, checksum={"zee_0.root": "adler32:1"})


def test_what_is_no_checksum_is_refused_with_its_place(ntuples: Path) -> None:
    with pytest.raises(ConfigError, match=r"samples\[3\].checksum"):
        run(ntuples, checksum="crc32:12345678")
    with pytest.raises(ConfigError, match="one checksum goes with one file"):
        run(ntuples, files=["data.root", "zee_0.root"], checksum="adler32:12345678")


@pytest.mark.parametrize(
    "patterns", [["a.root", "a.root"], ["a.root", "./a.root"], ["*.root", "b.root"], ["[ab].root"]]
)
def test_a_file_named_twice_or_under_two_names_is_refused(tmp_path: Path, patterns: list[str]) -> None:
    (tmp_path / "a.root").touch()
    (tmp_path / "b.root").symlink_to(tmp_path / "a.root")
    with pytest.raises(InputError, match=r"a.root: named twice, as '.*[ab].root' and as '.*[ab].root'"):
        ntuple.find(patterns, directory=tmp_path)


def test_other_spellings_of_a_url_are_the_same_file() -> None:
    with pytest.raises(InputError, match="named twice"):
        ntuple.find(["root://Server:1094//store/a.root", "root://server/store/a.root"], directory=Path())


RECORDED = {"identity": "a", "size_bytes": 10, "entries": 3, "bytes_read": 5, "checksum": "xxh3:1"}


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({}, None),
        ({"identity": "b"}, "its identity was a and is b"),
        ({"size_bytes": 11}, "its size in bytes was 10 and is 11"),
        ({"checksum": "xxh3:2"}, "the checksum of its events was xxh3:1 and is xxh3:2"),
        ({"checksum": "xxh3:2", "bytes_read": 6}, None),
    ],
)
def test_what_changed_in_a_file_is_said(change: dict[str, Any], what: str | None) -> None:
    assert ntuple.changed({**RECORDED, **change}, RECORDED) == what


def test_every_file_of_a_selection_has_the_checksum_of_what_was_read(tiny_events: Any) -> None:
    assert all(record.checksum.startswith("xxh3:") and record.bytes_read > 10_000 for record in tiny_events.ledger)
    assert len({record.checksum for record in tiny_events.ledger}) == len(tiny_events.ledger)
