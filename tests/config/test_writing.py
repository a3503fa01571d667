from pathlib import Path

import pytest

from cascadebdt import config
from tiny_analysis import tiny_config


@pytest.mark.parametrize("files", ["zee_*.root", ["zee_0.root", "deeper/zee_1.root"]])
def test_a_configuration_means_the_same_in_another_folder(tmp_path: Path, files: str | list[str]) -> None:
    raw = tiny_config()
    raw["samples"][1]["files"] = files
    raw["systematics"].append({**raw["samples"][1], "name": "other", "kind": "sample", "files": "../zee.root"})
    here, there = tmp_path / "here", tmp_path / "there" / "deep"
    there.mkdir(parents=True)
    original = config.parse(raw, directory=here)
    (there / "config.yaml").write_text(original.text(there))
    read = config.load(there / "config.yaml")

    def located(one: config.Config) -> list[Path]:
        entries = [*one.samples, *(entry for entry in one.systematics if entry.kind == "sample")]
        return [(one.directory / name).resolve() for entry in entries for name in entry.files]

    assert located(read) == located(original)
    same = {"samples", "systematics"}
    assert read.model_dump(exclude=same) == original.model_dump(exclude=same)


def test_urls_absolute_names_and_checksums_keep_their_files(tmp_path: Path) -> None:
    raw = tiny_config()
    raw["samples"][0] |= {"files": "a.root", "checksum": {"a.root": "adler32:03da0195"}}
    raw["samples"][1]["files"] = ["root://server//store/zee.root", str(tmp_path / "zee.root")]
    there = tmp_path / "there"
    there.mkdir()
    (there / "config.yaml").write_text(config.parse(raw, directory=tmp_path).text(there))
    first, second = config.load(there / "config.yaml").samples[:2]
    assert first.checksum == {"../a.root": "adler32:03da0195"}
    assert second.files == ("root://server//store/zee.root", str(tmp_path / "zee.root"))
