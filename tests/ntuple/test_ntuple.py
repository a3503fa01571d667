import shutil
from pathlib import Path

import numpy as np
import pytest
import uproot

from cascadebdt import ntuple
from cascadebdt.config import NtupleConfig
from cascadebdt.errors import InputError
from tiny_analysis import write_ntuple

NTUPLES = NtupleConfig()


def test_globs_and_names_give_each_file_once_and_sorted(tmp_path: Path) -> None:
    for name in ("b.root", "a.root", "c.txt"):
        (tmp_path / name).touch()
    found = ntuple.find(["*.root", "a.root"], directory=tmp_path)
    assert [Path(name).name for name in found] == ["a.root", "b.root"]


def test_a_missing_file_is_named_with_the_closest_one(tmp_path: Path) -> None:
    (tmp_path / "ttbar.root").touch()
    with pytest.raises(InputError, match=r"tbar.root: no such file in .*; did you mean 'ttbar.root'?"):
        ntuple.find(["tbar.root"], directory=tmp_path)


@pytest.mark.parametrize("size", [0, 10, 400, 3000, 30000])
def test_a_truncated_file_is_one_sentence(tmp_path: Path, ntuples: Path, size: int) -> None:
    path = tmp_path / "short.root"
    path.write_bytes((ntuples / "zee_0.root").read_bytes()[:size])

    def describe_and_read() -> None:
        file = ntuple.describe(path, NTUPLES)
        with ntuple.Reader(NTUPLES) as reader:
            reader.read(ntuple.ranges(file, entries=10**6)[0], ["Photon_pt"])

    with pytest.raises(InputError, match=r"short.root: (not a readable ROOT file|the file is damaged)") as error:
        describe_and_read()
    assert "\n" not in str(error.value)


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "notes.root").write_text("these are my notes" * 100)
    with pytest.raises(InputError, match=r"notes.root: not a readable ROOT file"):
        ntuple.describe(tmp_path / "notes.root", NTUPLES)


def test_an_unknown_tree_is_named_with_the_closest_one(ntuples: Path) -> None:
    with pytest.raises(InputError, match=r"zee_0.root: no tree 'Event'; did you mean 'Events'\?"):
        ntuple.describe(ntuples / "zee_0.root", NtupleConfig(tree="Event"))


def test_an_unknown_identity_branch_is_named_with_the_closest_one(ntuples: Path) -> None:
    with pytest.raises(InputError, match=r"no branch 'evnt'; did you mean 'event'\?"):
        ntuple.describe(ntuples / "zee_0.root", NtupleConfig(event_id=("evnt",)))


def test_the_highest_cycle_of_a_tree_is_read(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "cycles.root") as file:
        for n in (3, 5):
            file.mktree("Events", {name: np.arange(n) for name in NTUPLES.event_id})
    assert ntuple.describe(tmp_path / "cycles.root", NTUPLES).entries == 5


def test_sums_of_weights_add_over_files_and_must_be_positive(ntuples: Path, tmp_path: Path) -> None:
    def produced(path: Path, source: str = "Runs:genEventSumw") -> ntuple.NtupleFile:
        return ntuple.describe(path, NtupleConfig(sum_of_weights=source), is_normalised=True)

    assert ntuple.sum_of_weights([produced(ntuples / f"zee_{part}.root") for part in range(2)]) == 4000
    with uproot.recreate(tmp_path / "bad.root") as file:
        file.mktree("Events", {name: np.arange(2) for name in NTUPLES.event_id})
        file.mktree("Runs", {"genEventSumw": np.array([0.0])})
    with pytest.raises(InputError, match=r"bad.root: the sum of weights is 0.0, expected a positive"):
        ntuple.sum_of_weights([produced(tmp_path / "bad.root")])
    with pytest.raises(InputError, match=r"no branch 'genSumw'; did you mean 'genEventSumw'\?"):
        produced(ntuples / "zee_0.root", "Runs:genSumw")


def test_ranges_cover_every_entry_once(ntuples: Path) -> None:
    file = ntuple.describe(ntuples / "data.root", NTUPLES)
    found = [entry for part in ntuple.ranges(file, entries=300) for entry in range(part.start, part.stop)]
    assert found == list(range(800))


def test_a_copy_keeps_its_identity(ntuples: Path, tmp_path: Path) -> None:
    shutil.copy(ntuples / "data.root", tmp_path / "copy.root")
    original, copy = ntuple.describe(ntuples / "data.root", NTUPLES), ntuple.describe(tmp_path / "copy.root", NTUPLES)
    assert (copy.identity, copy.size_bytes) == (original.identity, original.size_bytes)
    assert write_ntuple(tmp_path / "new.root", "zee", 10, 1).exists()


def test_an_empty_tree_gives_no_entries(tmp_path: Path) -> None:
    path = write_ntuple(tmp_path / "empty.root", "zee", 0, 1)
    parts = ntuple.ranges(ntuple.describe(path, NTUPLES), entries=10)
    with ntuple.Reader(NTUPLES) as reader:
        assert len(reader.read(parts[0], ["Photon_pt", "event"])) == 0
