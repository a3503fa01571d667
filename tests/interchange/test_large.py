"""Large workspaces: what is said of them, and that their structure is still checked where the numbers are skipped."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest

from cascadebdt.errors import InputError
from cascadebdt.interchange import read_workspace
from small_models import counting


def model() -> dict[str, Any]:
    return {**counting(observed=[30, 20], signal=[10, 5], background=[20, 15], relative_error=0.1), "version": "1.0.0"}


def test_reading_a_large_file_is_logged_with_its_size_and_how_far_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "large.json"
    path.write_text(json.dumps(model()) + " " * 21_000_000)
    with caplog.at_level(logging.INFO, logger="cascadebdt"):
        read_workspace(path)
    assert caplog.messages == [f"{path}: reading 21 MB", f"{path}: read, checking 1 regions", f"{path}: checked"]


def test_an_unknown_entry_of_a_modifier_is_refused_by_the_schema(tmp_path: Path) -> None:
    content = model()
    content["channels"][0]["samples"][0]["modifiers"][0]["colour"] = [1.0, 2.0]
    path = tmp_path / "w.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="not valid against the HistFactory schema"):
        read_workspace(path)
