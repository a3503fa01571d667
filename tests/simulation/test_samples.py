"""The shipped samples: small, rich enough, and described truly."""

import json
from pathlib import Path

import awkward as ak
import numpy as np
import pytest
import uproot

from cascadebdt.simulation import summary
from cascadebdt.simulation.processes import PROCESSES

SAMPLES = Path(__file__).parents[2] / "samples"
CONTRIBUTIONS = sorted({process.process for process in PROCESSES})


def test_every_process_has_its_file_and_all_are_small() -> None:
    expected = {f"{process.name}.root" for process in PROCESSES} | {"data.root"}
    assert {path.name for path in SAMPLES.glob("*.root")} == expected
    assert sum(path.stat().st_size for path in SAMPLES.iterdir()) < 20e6


@pytest.mark.parametrize("contribution", CONTRIBUTIONS)
def test_a_process_has_five_thousand_effective_events_after_the_selection(contribution: str) -> None:
    weights = []
    for process in PROCESSES:
        if process.process == contribution:
            with uproot.open(SAMPLES / f"{process.name}.root") as file:
                events, total = file["Events"].arrays(), file["Runs/genEventSumw"].array()[0]
            selected = summary.selection(events)
            weights.append(np.asarray(events.genWeight)[selected] * process.cross_section_pb / total)
    assert summary.effective_number(np.concatenate(weights).astype(np.float64)) >= 5000


def test_wjets_carries_both_signs_in_the_documented_proportion() -> None:
    events = uproot.open(SAMPLES / "wjets.root")["Events"].arrays(["genWeight", "event"])
    weight = np.asarray(events.genWeight)
    # rows of one event share a sign, hence a tolerance of several standard errors
    assert np.mean(weight < 0) == pytest.approx(0.15, abs=0.012)


def test_data_events_are_unique_and_follow_the_truth() -> None:
    truth = json.loads((SAMPLES / "truth.json").read_text())["samples"]
    events = uproot.open(SAMPLES / "data.root")["Events"].arrays(["run", "luminosityBlock", "event"])
    assert len(np.unique(ak.to_numpy(events.event))) == len(events)
    assert len(events) == sum(sample["drawn_rows"] for sample in truth.values())
    for sample in truth.values():
        expected = sample["expected_rows"]
        assert sample["drawn_rows"] == pytest.approx(expected, abs=5 * expected**0.5)


def test_data_agree_with_the_simulation_scaled_by_the_injected_factors() -> None:
    truth = json.loads((SAMPLES / "truth.json").read_text())
    variance = expected = 0.0
    for process in PROCESSES:
        with uproot.open(SAMPLES / f"{process.name}.root") as file:
            weight = np.asarray(file["Events/genWeight"].array(), np.float64)
            scale = process.cross_section_pb * 1000 * truth["luminosity_fb"] / file["Runs/genEventSumw"].array()[0]
        weight *= scale * truth["samples"][process.name]["factor"]
        expected, variance = expected + weight.sum(), variance + 2 * np.sum(weight**2)
    n = uproot.open(SAMPLES / "data.root")["Events"].num_entries
    # the factor 2 covers rows that share an event; the last term the statistics of the data's own simulation
    assert n == pytest.approx(expected, abs=5 * (2 * variance + n) ** 0.5)


def test_the_table_of_the_readme_matches_the_files() -> None:
    luminosity = json.loads((SAMPLES / "truth.json").read_text())["luminosity_fb"]
    assert summary.table(SAMPLES, luminosity_fb=luminosity) in (SAMPLES / "README.md").read_text()


def test_the_readme_names_the_source_of_every_cross_section() -> None:
    text = (SAMPLES / "README.md").read_text()
    for process in PROCESSES:
        assert process.source in text
