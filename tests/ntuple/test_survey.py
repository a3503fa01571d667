"""What `inspect` tells about a file, and that the configuration it starts from works."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

from cascadebdt import config as configuration
from cascadebdt import ntuple
from cascadebdt.cli import main
from cascadebdt.config import document
from cascadebdt.errors import InputError
from cascadebdt.events import loading
from tiny_analysis import write_ntuple

DATA = Path(__file__).parents[2] / "../shared/data/root"


def with_two_processes(text: str) -> dict[str, Any]:
    """Return a starting configuration whose background is the signal's file with another weight.

    It names the same file for both, for the user to replace; events that count twice are refused.
    """
    raw: dict[str, Any] = dict(document.parse(text, file="").content)
    raw["samples"][1]["weight"] = "2"
    return raw


def check(path: Path, recognised: str, entries: int) -> None:
    """Inspect a file by the command and run its starting configuration as it is."""
    result = CliRunner().invoke(main, ["inspect", str(path.resolve())])
    assert result.exit_code == 0, result.output
    assert f"# Starting point for a {recognised};" in result.output
    events = loading.select(configuration.parse(with_two_processes(result.output)), nominal_only=True)
    assert events.cutflow.entries[:, 0].tolist() == [entries, entries]


@pytest.mark.parametrize(
    ("name", "recognised", "entries"),
    [
        ("nanoAOD_2015_CMS_Open_Data_ttbar.root", "NanoAOD", 200),
        ("nano_dy.root", "NanoAOD", 40),
        ("cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root", "NanoAOD", 10),
        ("uproot-HZZ.root", "flat ntuple", 2421),
        ("uproot-empty.root", "flat ntuple", 0),
        ("uproot-issue243-new.root", "flat ntuple", 10252),
        ("uproot-nesteddirs.root", "flat ntuple", 100),
    ],
)
def test_a_real_file_is_recognised_and_its_configuration_runs(name: str, recognised: str, entries: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in ../shared/data beside the repository")
    check(DATA / name, recognised, entries)


def test_a_file_with_two_equal_rows_of_an_event_is_refused() -> None:
    if not (DATA / "uproot-Zmumu.root").exists():
        pytest.skip("no uproot-Zmumu.root in ../shared/data beside the repository")
    with pytest.raises(InputError, match=r"the event \(Run 148031, Event 10507008\) appears twice"):
        check(DATA / "uproot-Zmumu.root", "flat ntuple", 2304)


def test_physlite_is_recognised_with_its_units(tmp_path: Path) -> None:
    path = tmp_path / "physlite.root"
    numbers = {f"EventInfoAuxDyn.{name}": np.arange(3, dtype=np.uint32) for name in ("runNumber", "eventNumber")}
    jets = {f"AnalysisJetsAuxDyn.{name}": ak.Array([[50e3, 20e3], [], [30e3]]) for name in ("pt", "eta", "phi", "m")}
    with uproot.recreate(path) as file:
        file.mktree("CollectionTree", {**numbers, **jets})
    check(path, "PHYSLITE", 3)
    text = ntuple.starting_configuration(ntuple.survey(str(path)))
    raw = with_two_processes(text)
    events = loading.select(configuration.parse({**raw, "features": {**raw["features"], "m": "jet[0].mass"}}))
    leading = events.columns["jet_pt"][events.of_process("signal")]
    assert sorted(leading[~np.isnan(leading)]) == [30.0, 50.0]
    np.testing.assert_array_equal(events.columns["m"], events.columns["jet_pt"])


def test_the_survey_names_trees_types_and_compression(tmp_path: Path) -> None:
    found = ntuple.survey(str(write_ntuple(tmp_path / "zee.root", "zee", 10, 1)))
    assert [(tree.name, tree.kind, tree.entries) for tree in found.trees] == [
        ("Events", "TTree", 10),
        ("Runs", "TTree", 1),
    ]
    assert found.trees[0].branches["MET_pt"] == "float"
    assert found.compression.startswith("ZLIB")


def test_a_file_without_trees_is_one_sentence(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "none.root") as file:
        file["h"] = np.histogram([1.0])
    with pytest.raises(InputError, match=r"none.root: no tree with a branch of numbers"):
        ntuple.starting_configuration(ntuple.survey(str(tmp_path / "none.root")))
