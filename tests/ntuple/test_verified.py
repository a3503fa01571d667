"""Files that contradict themselves: pages, page lists, baskets, lists, lengths; and the checksum of what is read."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

import mutants
from cascadebdt import ntuple
from cascadebdt.config import NtupleConfig
from cascadebdt.errors import FileError
from cascadebdt.ntuple import files
from cascadebdt.ntuple.access import opened
from cascadebdt.ntuple.verified import DamageError, Sum, require_lists

BRANCHES = ("event", "MET_pt", "Photon_pt", "Photon_eta", "Jet_pt", "Jet_eta")


def read(path: Path, entries: int = 1000) -> tuple[ak.Array, Sum]:
    config = NtupleConfig(chunk_entries=entries, retries=0)
    file = ntuple.describe(path, config)
    with ntuple.Reader(config) as reader:
        chunks = [reader.read(part, BRANCHES) for part in ntuple.ranges(file, entries=entries)]
        return ak.concatenate(chunks), reader.sum(file)


def pages(path: Path) -> list[Any]:
    with opened(str(path)) as file:
        lists = file["Events"].ntuple.page_link_list
    return [page.locator for cluster in lists for column in cluster for page in column.pages]


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 0x10
    path.write_bytes(content)


@pytest.mark.parametrize("codec", mutants.CODECS)
def test_a_flipped_bit_in_any_page_of_an_rntuple_is_one_sentence(tmp_path: Path, codec: str) -> None:
    original = mutants.write_rntuple(tmp_path / "whole.root", codec).read_bytes()
    path = tmp_path / "flipped.root"
    rng = np.random.default_rng(3)
    positions = read_positions(tmp_path / "whole.root")
    for page in (page for page in pages(tmp_path / "whole.root") if page.offset in positions):
        path.write_bytes(original)
        flip(path, page.offset + int(rng.integers(page.num_bytes + 8)))
        with pytest.raises(FileError, match=r"flipped.root: the file is damaged, the page at byte"):
            read(path)


def read_positions(path: Path) -> set[int]:
    config = NtupleConfig()
    file = ntuple.describe(path, config)
    with ntuple.Reader(config) as reader:
        reader.read(ntuple.ranges(file, entries=1000)[0], BRANCHES)
        return {start for start, _ in reader._sums[str(path), "Events"]}


def test_a_flipped_bit_in_a_page_list_is_one_sentence(tmp_path: Path) -> None:
    path = mutants.write_rntuple(tmp_path / "list.root", "zlib")
    with opened(str(path)) as file:
        link = file["Events"].ntuple.footer.cluster_group_records[1].page_list_link
    flip(path, link.locator.offset + 20)
    with pytest.raises(FileError, match=r"list.root: the file is damaged, the page list at byte \d+ does not have its"):
        read(path)


def test_an_rntuple_without_checksums_of_its_pages_is_read(tmp_path: Path) -> None:
    with_checksums, _ = read(mutants.write_rntuple(tmp_path / "a.root", "zstd"))
    without, _ = read(mutants.write_rntuple(tmp_path / "b.root", "zstd", with_checksums=False))
    assert ak.array_equal(with_checksums, without)


def test_two_exchanged_baskets_are_one_sentence(tmp_path: Path) -> None:
    path = mutants.write_tree(tmp_path / "baskets.root", "uncompressed")
    with uproot.open(path) as file:
        branch = file["Events"]["MET_pt"]
        first, second = (int(position) for position in branch.member("fBasketSeek")[:2])
        size = int(branch.member("fBasketBytes")[0])
    content = bytearray(path.read_bytes())
    content[first : first + size], content[second : second + size] = (
        content[second : second + size],
        content[first : first + size],
    )
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"basket 0 of branch 'MET_pt' has the header"):
        read(path)


def test_a_file_shorter_than_its_header_says_is_one_sentence(tmp_path: Path) -> None:
    path = mutants.write_tree(tmp_path / "short.root", "zlib")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FileError, match=r"short.root: the file is damaged, it has \d+ of \d+ bytes"):
        read(path)


def test_a_tree_with_fewer_entries_than_its_branches_is_one_sentence(tmp_path: Path) -> None:
    path = mutants.write_tree(tmp_path / "fewer.root", "uncompressed", n_events=600)
    with uproot.open(path) as file:
        tree = file["Events"]
        entries = np.array([600, tree.member("fTotBytes")], ">i8").tobytes()
    content = path.read_bytes()
    assert content.count(entries) == 1
    path.write_bytes(content.replace(entries, np.array([599], ">i8").tobytes() + entries[8:]))
    with pytest.raises(FileError, match=r"tree 'Events' has 599 entries, its branches have 600"):
        read(path)


@pytest.mark.parametrize("offsets", [[0, 3, 2, 5], [-1, 2, 3, 5], [0, 2, 3, 6]])
def test_lists_outside_their_values_never_reach_a_kernel(offsets: list[int]) -> None:
    layout = ak.contents.ListOffsetArray(ak.index.Index64(offsets), ak.contents.NumpyArray(np.zeros(5)))
    with pytest.raises(DamageError, match="the lists of branch 'Photon_pt' do not lie within its values"):
        require_lists(layout, "Photon_pt")


@pytest.mark.parametrize("write", [mutants.write_tree, mutants.write_rntuple])
def test_the_checksum_does_not_depend_on_the_chunks(tmp_path: Path, write: Any) -> None:
    path = write(tmp_path / "a.root", "zstd")
    assert read(path, 7)[1] == read(path, 1000)[1]
    assert read(path)[1].n_bytes < path.stat().st_size


def test_the_checksum_tells_a_byte_that_no_format_protects(tmp_path: Path) -> None:
    path = mutants.write_tree(tmp_path / "a.root", "uncompressed")
    before = read(path)[1]
    with uproot.open(path) as file:
        branch = file["Events"]["MET_pt"]
        end = int(branch.member("fBasketSeek")[0] + branch.member("fBasketBytes")[0])
    flip(path, end - 1)
    after = read(path)[1]
    assert after.n_bytes == before.n_bytes
    assert after.checksum != before.checksum


@pytest.mark.parametrize("codec", mutants.CODECS)
def test_plain_columns_are_what_uproot_reads_from_any_range_of_entries(tmp_path: Path, codec: str) -> None:
    path = mutants.write_tree(tmp_path / "a.root", codec)
    config = NtupleConfig()
    file = ntuple.describe(path, config)
    names = sorted(file.branches)
    assert set(file.columns) == set(names)
    with ntuple.Reader(config) as reader, uproot.open(path) as whole:
        for start, stop in ((0, 600), (0, 0), (150, 450), (199, 201), (400, 600)):
            found = reader.read(ntuple.EntryRange(file, start, stop), names)
            expected = whole["Events"].arrays(names, entry_start=start, entry_stop=stop)
            for name in names:
                assert ak.array_equal(found[name], expected[name], dtype_exact=True)


def test_a_tree_too_large_to_be_remembered_is_read_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = mutants.write_tree(tmp_path / "a.root", "zstd")
    expected, expected_sum = read(path)
    monkeypatch.setattr(files, "MAX_BRANCHES", 3)
    assert not ntuple.describe(path, NtupleConfig()).columns
    found, found_sum = read(path)
    assert ak.array_equal(found, expected)
    assert found_sum == expected_sum


def test_the_header_of_a_tree_where_baskets_may_be_embedded_is_part_of_the_checksum(tmp_path: Path) -> None:
    path = mutants.write_tree(tmp_path / "a.root", "uncompressed")
    with uproot.open(path) as file:
        start = file.key("Events").fSeekKey
    content = path.read_bytes()
    before, whole = read(path)
    path.write_bytes(content[:start] + content[start:].replace(b"luminosityBlock", b"luminosityBlocK", 1))
    config = NtupleConfig(event_id=("run", "event"))
    file = ntuple.describe(path, config)
    with ntuple.Reader(config) as reader:
        found = reader.read(ntuple.ranges(file, entries=1000)[0], BRANCHES)
        other = reader.sum(file)
    assert ak.array_equal(found, before)
    assert other.n_bytes == whole.n_bytes
    assert other.checksum != whole.checksum
