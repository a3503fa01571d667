"""What is remarkable in the input is said: flags used as numbers, one weight that outweighs all others."""

from pathlib import Path
from typing import Any

import numpy as np
import uproot

from cascadebdt import config as configuration
from cascadebdt.events.loading import select
from mutants import configuration as of_file
from mutants import content


def write(path: Path, **columns: Any) -> Path:
    events = content(500, 1) | columns
    with uproot.recreate(path) as file:
        file.mktree("Events", events)
        file.mktree("Runs", {"genEventSumw": np.array([500.0])})
    return path


def warnings(path: Path, features: dict[str, str]) -> tuple[str, ...]:
    config = of_file(path)
    raw = config.model_dump(mode="python", by_alias=True, exclude={"directory"})
    raw["features"] = {**raw["features"], **features}
    raw["samples"] = [raw["samples"][0], {**raw["samples"][1], "weight": "2 * genWeight"}]
    return select(configuration.parse(raw, directory=path.parent), nominal_only=True).warnings


def test_a_flag_used_as_a_number_is_said_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.root", flag=np.arange(500) % 2 == 0)
    found = warnings(path, {"sum": "flag + MET_pt", "chosen": "MET_pt if flag and not flag else 0"})
    assert found == ("feature 'sum': branch 'flag' is true or false and used as a number, 1 or 0",)


def test_one_weight_that_outweighs_all_others_is_said(tmp_path: Path) -> None:
    weights = np.ones(500)
    weights[7] = 1e30
    found = warnings(write(tmp_path / "a.root", genWeight=weights), {})
    assert len(found) == 2
    assert found[0].startswith("sample 'signal': one of 500 selected events has 100.0% of the sum of all weights")


def test_ordinary_input_has_no_warnings(tmp_path: Path) -> None:
    assert warnings(write(tmp_path / "a.root"), {}) == ()
