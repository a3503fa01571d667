"""Columns: rounding, selecting rows, and what is written."""

from pathlib import Path

import numpy as np
import uproot

from cascadebdt.arrays import AnyArray
from cascadebdt.simulation import files


def columns() -> dict[str, AnyArray]:
    return {
        "MET_pt": np.array([10.0, 20.0, 30.0]),
        "event": np.array([1, 2, 3], np.uint64),
        "nJet": np.array([2, 0, 1]),
        "Jet_pt": np.array([50.0, 40.0, 30.0]),
        "Jet_eta": np.array([0.5, -0.5, 1.5]),
        "nPSWeight": np.array([2, 2, 2]),
        "PSWeight": np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]),
    }


def test_rows_are_taken_with_their_lists_in_any_order() -> None:
    taken = files.take(columns(), np.array([2, 0, 2]))
    assert taken["nJet"].tolist() == [1, 2, 1]
    assert taken["Jet_pt"].tolist() == [30.0, 50.0, 40.0, 30.0]
    assert taken["PSWeight"].tolist() == [5.0, 6.0, 1.0, 2.0, 5.0, 6.0]


def test_rounding_keeps_the_relative_precision_of_the_mantissa() -> None:
    values = np.random.default_rng(1).lognormal(0, 10, 10_000) * np.tile([1, -1], 5_000)
    for bits in (8, 10, 12):
        relative = files.rounded(values, bits=bits) / values - 1
        assert np.abs(relative).max() <= 2.0 ** -(bits + 1) + 1e-7
        assert abs(relative.mean()) < 2.0**-bits / 50


def test_branches_have_the_names_of_nanoaod(tmp_path: Path) -> None:
    path = files.write(tmp_path / "a.root", columns(), runs={"genEventSumw": np.array([3.5])})
    with uproot.open(path) as file:
        assert set(file["Events"].keys()) == set(columns())
        assert file["Events"]["Jet_eta"].array().tolist() == [[0.5, -0.5], [], [1.5]]
        assert file["Events"]["nJet"].array().tolist() == [2, 0, 1]
        assert file["Runs"]["genEventSumw"].array().tolist() == [3.5]
