"""The packed environment holds what the package needs at run time, and nothing else."""

import tarfile
from pathlib import Path

import pytest

from cascadebdt.scaleout import packing


def test_what_is_needed_is_followed_and_extras_are_not() -> None:
    names = packing.needed("cascadebdt")
    assert {"cascadebdt", "xgboost", "numpy", "uproot", "awkward-cpp", "typing-extensions"} <= names.keys()
    assert not {"pytest", "mypy", "onnx"} & names.keys()
    assert not [name for name in names if name.startswith("nvidia")]


def test_an_archive_is_packed_once_for_the_same_packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = packing.needed("click")
    monkeypatch.setattr(packing, "needed", lambda name: small)
    path = packing.pack(tmp_path / "environment.tar.gz")
    with tarfile.open(path) as archive:
        names = archive.getnames()
    assert "environment/click/__init__.py" in names
    assert "environment/cascadebdt/cli/__init__.py" in names
    assert not [name for name in names if "__pycache__" in name or ".." in name]
    first = path.stat().st_mtime_ns
    assert packing.pack(path).stat().st_mtime_ns == first
    whole = path.read_bytes()
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))  # altered under the same list of packages
    packing.pack(path)
    with tarfile.open(path) as archive:
        assert archive.getnames() == names
