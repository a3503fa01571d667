"""The tiny analysis in folders of its own, as a user has it: configuration, ntuples and products beside each other."""

import json
import shutil
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from cascadebdt.cli import main
from tiny_analysis import tiny_config

BITWISE = ("yields", "workspace", "histograms", "migration", "cutflow", "fit", "limits")


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_analysis(folder: Path, ntuples: Path, **batch: Any) -> Path:
    """Write configuration and ntuples, which it names relative to itself, and return its path."""
    shutil.copytree(ntuples, folder / "ntuples")
    return write_config(folder, **batch)


def write_config(folder: Path, **batch: Any) -> Path:
    raw = tiny_config()
    for sample in raw["samples"]:
        sample["files"] = f"../ntuples/{sample['files']}"
    path = folder / "configs" / "tiny.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({**raw, "batch": batch}))
    return path


def bits(output: Path) -> dict[str, bytes]:
    """Return the products that must not depend on where they were made."""
    paths = [*output.glob("cascade/*/*.ubj"), *(output / f"{name}.json" for name in BITWISE)]
    return {path.relative_to(output).as_posix(): path.read_bytes() for path in paths}


def numbers(output: Path) -> dict[str, Any]:
    """Return the summary without what the run took."""
    summary: dict[str, Any] = json.loads((output / "summary.json").read_text())
    return {**summary, "resources": {}}
