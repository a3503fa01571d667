"""Nothing is lost and nothing counts twice: bad files, faults that pass, copies of data, sentinels, units."""

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from cascadebdt import config as configuration
from cascadebdt import ntuple
from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError, InputError, TransientInputError
from cascadebdt.events import Events, loading
from cascadebdt.events.loading import select_each
from cascadebdt.ntuple.access import attempt
from cascadebdt.products.cutflow import CutflowTable
from tiny_analysis import tiny_config, write_ntuple

Change = Callable[[dict[str, Any]], Any]


def select(folder: Path, change: Change = lambda raw: None) -> Events:
    raw = tiny_config()
    change(raw)
    return loading.select(configuration.parse(raw, directory=folder), nominal_only=True)


@pytest.fixture
def folder(ntuples: Path, tmp_path: Path) -> Path:
    """The tiny ntuples, and a damaged file of one process beside them."""
    for path in ntuples.glob("*.root"):
        (tmp_path / path.name).symlink_to(path)
    return tmp_path


def damage(folder: Path, *, at: int) -> Path:
    """Write a third file of the process wjets whose bytes are wrong from a position on."""
    path = write_ntuple(folder / "wjets_2.root", "wjets", 2000, 77, first=9000)
    content = bytearray(path.read_bytes())
    content[at : at + 60_000] = bytes(len(content[at : at + 60_000]))
    path.write_bytes(content)
    return path


def skipping(raw: dict[str, Any]) -> Any:
    raw["ntuples"]["on_bad_file"] = "skip"


def test_a_damaged_file_ends_the_selection_by_default(folder: Path) -> None:
    damage(folder, at=0)
    with pytest.raises(FileError, match=r"wjets_2.root: not a readable ROOT file"):
        select(folder)


@pytest.mark.parametrize("at", [0, 3000, 70_000])
def test_a_skipped_file_changes_nothing_but_the_ledger(folder: Path, tiny_events: Events, at: int) -> None:
    damage(folder, at=at)
    events = select(folder, skipping)
    nominal = tiny_events.take(tiny_events.is_nominal)
    np.testing.assert_array_equal(events.weights["nominal"], nominal.weights["nominal"])
    (skipped,) = [record for record in events.ledger if record.skipped]
    assert (skipped.sample, Path(skipped.location).name, skipped.selected) == ("wjets", "wjets_2.root", 0)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda raw: raw["samples"][2].update(cross_section_pb=None), "without cross_section_pb cannot be corrected"),
        (lambda raw: raw["samples"][3].update(files=["data.root", "wjets_2.root"]), "data cannot do without"),
    ],
)
def test_a_file_that_no_normalisation_corrects_for_is_never_skipped(folder: Path, change: Change, reason: str) -> None:
    damage(folder, at=0)
    with pytest.raises(FileError, match=reason):
        select(folder, lambda raw: [change_it(raw) for change_it in (skipping, change)])


def test_every_entry_of_every_file_is_in_the_ledger(tiny_events: Events) -> None:
    assert [record.entries for record in tiny_events.ledger] == [1500, 1500, 2000, 2000, 2000, 2000, 800]
    assert all(record.read == record.entries for record in tiny_events.ledger)
    assert sum(record.selected for record in tiny_events.ledger) == tiny_events.cutflow.selected


COPIES = r"are one file, or copies of it"
COUNTS: dict[str, tuple[Change, str]] = {
    "a copy": (
        lambda raw: raw["samples"][1].update(files=["zee_*.root", "more.root"]),
        rf"zee_0.root .*more.root {COPIES}",
    ),
    "data": (
        lambda raw: raw["samples"][3].update(files=["data.root", "same.root"]),
        rf"data.root and .*same.root {COPIES}",
    ),
    "two processes": (
        lambda raw: raw["samples"][2].update(files=["wjets_*.root", "more.root"]),
        rf"zee_0.root of sample 'zee' .*more.root of sample 'wjets' \(process wjets\) {COPIES}",
    ),
    "simulation as data": (lambda raw: raw["samples"][3].update(files="more.root"), COPIES),
}


def streamed(folder: Path, change: Change) -> None:
    raw = tiny_config()
    change(raw)
    config = configuration.parse(raw, directory=folder)
    select_each(config, config.samples, lambda sample, events: None)


@pytest.mark.parametrize("read", [select, streamed])
@pytest.mark.parametrize("case", COUNTS)
def test_a_file_that_would_count_twice_is_named_with_both_places(folder: Path, read: Any, case: str) -> None:
    change, message = COUNTS[case]
    shutil.copy(folder / "zee_0.root", folder / "more.root")
    shutil.copy(folder / "data.root", folder / "same.root")
    with pytest.raises(InputError, match=message):
        read(folder, change)


def test_simulation_may_be_divided_between_two_samples_by_weights(folder: Path) -> None:
    def divide(raw: dict[str, Any]) -> None:
        raw["samples"][1]["weight"] = "genWeight * (MET_pt < 20)"
        raw["samples"].insert(2, {**raw["samples"][1], "name": "high", "weight": "genWeight * (MET_pt >= 20)"})

    assert select(folder, divide).cutflow.entries[2, 0] == 4000


@pytest.mark.parametrize("read", [select, streamed])
def test_the_same_event_in_two_samples_of_data_is_found(folder: Path, read: Any) -> None:
    write_ntuple(folder / "other.root", "zee", 800, 99, is_data=True)
    other = {"name": "data_b", "process": "data", "files": "other.root"}
    place = (
        r"\(run 1, luminosityBlock \d+, event \d+\) appears twice, at .*data.root entry \d+ and at .*other.root entry"
    )
    with pytest.raises(InputError, match=place):
        read(folder, lambda raw: raw["samples"].append(other))


@pytest.mark.parametrize("read", [select, streamed])
def test_the_same_row_of_simulation_in_two_files_is_found(folder: Path, read: Any) -> None:
    write_ntuple(folder / "zee_2.root", "zee", 2000, 10, first=0)
    place = r"sample .zee.: with equal values, the event .* appears twice, at .*zee_0.root entry .* and at .*zee_2.root"
    with pytest.raises(InputError, match=place):
        read(folder, lambda raw: None)


def test_rows_of_one_generated_event_with_other_values_are_no_copies(folder: Path) -> None:
    write_ntuple(folder / "zee_2.root", "zee", 2000, 77, first=0)
    assert select(folder).cutflow.entries[1, 0] == 6000


@pytest.mark.parametrize("read", [select, streamed])
def test_rows_that_differ_only_in_what_no_feature_reads_are_no_copies(folder: Path, read: Any) -> None:
    with uproot.open(folder / "zee_0.root") as file:
        events = file["Events"].arrays()
        runs = file["Runs"].arrays(library="np")
    hypotheses = ak.concatenate([ak.with_field(events, number, "hypothesis") for number in (0, 1)])
    names = [name for name in ak.fields(events) if not name.startswith("n")]
    with uproot.recreate(folder / "zee_0.root".replace("0", "both")) as file:
        file["Events"] = {name: hypotheses[name] for name in [*names, "hypothesis"]}
        file["Runs"] = runs
    read(folder, lambda raw: raw["samples"][1].update(files="zee_both.root"))


@pytest.mark.parametrize("read", [select, streamed])
def test_simulation_whose_events_all_have_one_identity_is_refused(folder: Path, read: Any) -> None:
    def without_numbers(raw: dict[str, Any]) -> None:
        raw["ntuples"]["event_id"] = ["run"]

    with pytest.raises(InputError, match="sample 'signal': its 3000 events have only about 1 different values of run"):
        read(folder, without_numbers)


def test_a_fault_that_passes_is_tried_again_with_growing_pauses(caplog: pytest.LogCaptureFixture) -> None:
    faults = [TransientInputError("a: time-out"), TransientInputError("a: time-out")]

    def action() -> str:
        if faults:
            raise faults.pop()
        return "content"

    assert attempt(action, NtupleConfig(retries=2, retry_seconds=0.001)) == "content"
    assert ["0.001 s" in caplog.text, "0.002 s" in caplog.text] == [True, True]


def test_a_fault_that_stays_is_told_after_the_last_retry() -> None:
    calls = []

    def action() -> None:
        calls.append(1)
        raise TransientInputError("a: time-out")

    with pytest.raises(TransientInputError):
        attempt(action, NtupleConfig(retries=3, retry_seconds=0))
    assert len(calls) == 4


def write_mev(path: Path) -> Path:
    """Write simulation in MeV with sentinels, of three events."""
    columns = {
        **{name: np.arange(3) for name in ("run", "luminosityBlock", "event")},
        "Photon_pt": ak.Array(np.array([[40_000.0, 30_000.0], [50_000.0, -999.0], [-999.0, 20_000.0]], np.float32)),
        "n": np.array([1, -7, 3], np.int32),
        "x": np.array([-999.0, 2.5, -7.0]),
        "w": np.array([-7.0, 1.0, 1.0]),
    }
    with uproot.recreate(path) as file:
        file.mktree("Events", columns)
    return path


def test_sentinels_become_nan_and_mev_become_gev_once(tmp_path: Path) -> None:
    config = NtupleConfig.model_validate({"mev": "*_pt", "sentinels": [-999, -7, -25]})
    file = ntuple.describe(write_mev(tmp_path / "mev.root"), config)
    with ntuple.Reader(config) as reader:
        chunk = reader.read(ntuple.ranges(file, entries=9)[0], ["Photon_pt", "n", "x", "w", "event"], exact={"w"})
    np.testing.assert_array_equal(ak.to_numpy(chunk["Photon_pt"]), [[40, 30], [50, np.nan], [np.nan, 20]])
    np.testing.assert_array_equal(ak.to_numpy(chunk["n"]), [1, np.nan, 3])
    np.testing.assert_array_equal(ak.to_numpy(chunk["x"]), [np.nan, 2.5, np.nan])
    assert ak.to_list(chunk["w"]) == [-7, 1, 1]
    assert ak.to_numpy(chunk["event"]).dtype == np.int64


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("mev", ["Foton_*"], r"ntuples.mev: no branch of any file matches 'Foton_\*'"),
        ("sentinels", {"Foton_pt": [-999]}, "ntuples.sentinels: no branch of any file matches 'Foton_pt'"),
        ("aliases", {"met": "MET.et"}, "ntuples.aliases.met: no file has a branch 'MET.et'"),
    ],
)
def test_a_pattern_that_matches_no_branch_is_an_error(ntuples: Path, key: str, value: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        select(ntuples, lambda raw: raw["ntuples"].update({key: value}))


def test_names_may_come_from_a_text_file(folder: Path) -> None:
    (folder / "list.txt").write_text("# two files\nzee_0.root\n\nzee_1.root\n")
    found = ntuple.find(["list.txt"], directory=folder)
    assert found == ntuple.find(["zee_*.root"], directory=folder)
    (folder / "none.txt").write_text("# nothing\n")
    with pytest.raises(InputError, match=r"none.txt: this list of files is empty"):
        ntuple.find(["none.txt"], directory=folder)


def test_the_cutflow_of_a_process_is_the_sum_of_its_samples(tiny_events: Events) -> None:
    processes = {"signal": "signal", "zee": "z", "wjets": "z", "data": "data"}
    table = CutflowTable.of(tiny_events.cutflow, processes)
    assert list(table.processes) == ["signal", "z", "data"]
    assert table.processes["z"].entries[0] == 8000
    samples = [table.samples[name] for name in ("zee", "wjets")]
    assert table.processes["z"].sumw[-1] == pytest.approx(sum(sample.sumw[-1] for sample in samples))
    variance = sum(sample.uncertainty[-1] ** 2 for sample in samples)
    assert table.processes["z"].uncertainty[-1] == pytest.approx(variance**0.5)


def split(source: Path, folder: Path, cuts: list[int]) -> list[str]:
    """Write the events of a file into several files, cut at these entries."""
    with uproot.open(source) as file:
        content = file["Events"].arrays()
    content = content[[name for name in content.fields if not name.startswith("n")]]
    names = []
    for part, (start, stop) in enumerate(pairwise([0, *cuts, len(content)])):
        events = content[start:stop]
        names.append(str(folder / f"{source.stem}_part{part}.root"))
        with uproot.recreate(names[-1]) as file:
            file.mktree("Events", {name: events[name] for name in events.fields})
            file.mktree("Runs", {"genEventSumw": np.array([float(ak.sum(events["genWeight"]))])})
    return names


@pytest.mark.parametrize("cuts", [[1], [700, 700], [13, 500, 1999]])
def test_any_split_of_the_files_gives_the_same_events(
    ntuples: Path, tiny_events: Events, tmp_path: Path, cuts: list[int]
) -> None:
    names = split(ntuples / "wjets_0.root", tmp_path, cuts)
    events = select(ntuples, lambda raw: raw["samples"][2].update(files=[*reversed(names), "wjets_1.root"]))
    expected = tiny_events.take(tiny_events.is_nominal)
    np.testing.assert_array_equal(events.event_id, expected.event_id)
    np.testing.assert_array_equal(events.weights["nominal"], expected.weights["nominal"])
    for name, column in events.columns.items():
        np.testing.assert_array_equal(column, expected.columns[name])
