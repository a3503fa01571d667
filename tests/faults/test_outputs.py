"""Places that cannot be written to, and products that are damaged, are one sentence."""

import ctypes
import hashlib
import json
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from cascadebdt.cascade import Cascade
from cascadebdt.errors import InputError
from tiny_analysis import tiny_config

PR_CAPBSET_DROP, CAPABILITIES = 24, (1, 2)  # those of root to write and to read against permissions


def run(arguments: list[str], *, limit: int | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line as a process that must obey permissions and may write files of at most `limit` bytes."""

    def prepare() -> None:
        for capability in CAPABILITIES:
            ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "-c", "from cascadebdt.cli import main; main()", *arguments, "--quiet"]
    environment = {**os.environ, "HOME": "/nonexistent"}
    return subprocess.run(command, capture_output=True, text=True, preexec_fn=prepare, env=environment, check=False)


def require_sentence(result: subprocess.CompletedProcess[str], code: int, words: str) -> None:
    assert result.returncode == code, result.stderr
    assert "Traceback" not in result.stderr
    assert words in result.stderr.strip().splitlines()[-1]


def test_an_output_that_is_a_file_is_a_sentence(write_config: Callable[[dict[str, Any]], Path], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = run(["train", str(write_config(tiny_config())), "--output", str(tmp_path / "file")])
    require_sentence(result, 2, "choose a folder that can be written to, with --output")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read only"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


@pytest.mark.parametrize("step", ["train", "run"])
@pytest.mark.parametrize("place", [".", "below/it"])
def test_a_folder_that_may_not_be_written_to_is_a_sentence(
    write_config: Callable[[dict[str, Any]], Path], read_only: Path, step: str, place: str
) -> None:
    result = run([step, str(write_config(tiny_config())), "--output", str(read_only / place)])
    require_sentence(result, 2, "choose a folder that can be written to, with --output")
    assert not list(read_only.iterdir())


def test_a_file_that_may_not_be_read_is_a_sentence(
    write_config: Callable[[dict[str, Any]], Path], tmp_path: Path
) -> None:
    config = write_config(tiny_config())
    config.chmod(0)
    result = run(["check", str(config)])
    require_sentence(result, 2, str(config))


@pytest.mark.parametrize("limit", [100, 20_000])
def test_a_full_disk_is_worth_a_retry(
    write_config: Callable[[dict[str, Any]], Path], tmp_path: Path, limit: int
) -> None:
    result = run(["train", str(write_config(tiny_config())), "--output", str(tmp_path / "out")], limit=limit)
    require_sentence(result, 75, "make room there")
    assert not list((tmp_path / "out").rglob("cascade.json"))


def spoil_threshold(content: dict[str, Any]) -> Any:
    content["stages"][0]["threshold"] = {"value": 0.5, "hex": "nan"}
    return content


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda content: [content], "not a saved cascade, it holds a list"),
        (lambda content: {**content, "format": 4}, "format 4, expected 5; train it again: 'cascadebdt train'"),
        (spoil_threshold, "damaged .*a threshold is nan.*train it again"),
        (lambda content: {**content, "stages": None}, "damaged"),
        (lambda content: {key: value for key, value in content.items() if key != "folds"}, "damaged .*folds"),
    ],
)
def test_a_damaged_description_of_a_cascade_is_a_sentence(
    saved: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    path = saved / "cascade.json"
    path.write_text(json.dumps(signed(change(json.loads(path.read_text())))))
    with pytest.raises(InputError, match=message) as error:
        Cascade.load(saved)
    assert "\n" not in str(error.value)


def test_a_broken_model_with_a_matching_hash_is_a_sentence(saved: Path) -> None:
    content = json.loads((saved / "cascade.json").read_text())
    model = content["stages"][0]["models"][0]
    raw = (saved / model["file"]).read_bytes()[:200]
    (saved / model["file"]).write_bytes(raw)
    model["sha256"] = hashlib.sha256(raw).hexdigest()
    (saved / "cascade.json").write_text(json.dumps(signed(content)))
    with pytest.raises(InputError, match="not a model of XGBoost") as error:
        Cascade.load(saved)
    assert "\n" not in str(error.value)


def test_a_threshold_changed_by_hand_is_noticed(saved: Path) -> None:
    path = saved / "cascade.json"
    content = json.loads(path.read_text())
    content["stages"][0]["threshold"] = content["stages"][1]["threshold"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"cascade.json: altered since it was written"):
        Cascade.load(saved)


def signed(content: Any) -> Any:
    """Return the description of a cascade with the hash that belongs to it."""
    if not isinstance(content, dict):
        return content
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return {**rest, "sha256": hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()}


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    """Folder with a small cascade."""
    from cascadebdt import training
    from tiny_analysis import toy_cascade, toy_events

    training.train(toy_events(), toy_cascade(), seed=1).save(tmp_path / "cascade")
    return tmp_path / "cascade"
