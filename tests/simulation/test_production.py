"""Production: reproducible for any number of jobs, with sums and data as promised."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from cascadebdt import simulation
from cascadebdt.errors import InputError
from cascadebdt.simulation import blocks, generator, production, pseudodata, summary
from cascadebdt.simulation.blocks import DATA, SIMULATION, Sample
from cascadebdt.simulation.processes import PROCESSES, Process

pytest.importorskip("pythia8mc", reason="needs the extra 'samples' (pythia8mc)")
pytest.importorskip("fastjet", reason="needs the extra 'samples' (fastjet)")


def small(name: str, *, events: int = 150, blocks: int = 2) -> Process:
    process = next(process for process in PROCESSES if process.name == name)
    return replace(process, block_events=events, blocks=blocks, data_blocks=blocks)


def ignore(line: str) -> None:
    """Take no notice of progress."""


def simulate(process: Process, *, stream: int = SIMULATION, jobs: int = 1, seed: int = 7) -> Sample:
    with production.workers(jobs) as run:
        return production.simulate(process, stream, process.blocks, seed=seed, run=run, report=ignore)


def assert_equal(a: Sample, b: Sample) -> None:
    assert (a.generated, a.sum_of_weights) == (b.generated, b.sum_of_weights)
    for name in a.columns:
        np.testing.assert_array_equal(a.columns[name], b.columns[name], err_msg=name)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Files of two small processes and their data, so bright that many data events are drawn."""
    output = tmp_path_factory.mktemp("samples")
    made = production.produce(
        [small("wgamma", events=1000), small("wjets", events=1000)],
        output,
        scale=1.0,
        jobs=1,
        seed=3,
        luminosity_fb=0.08,
        with_data=True,
        report=ignore,
    )
    return {path.name: path for path in made.paths}


def test_samples_are_equal_for_any_number_of_jobs() -> None:
    assert_equal(simulate(small("wjets")), simulate(small("wjets"), jobs=2))


def test_filtered_samples_are_reproducible_and_count_what_was_tried() -> None:
    process = small("ttbar", events=30, blocks=1)
    sample = simulate(process)
    assert_equal(sample, simulate(process))
    assert sample.generated > sample.events == 30


def test_seeds_data_and_blocks_give_different_events() -> None:
    process = small("whdark")
    samples = [simulate(process), simulate(process, seed=8), simulate(process, stream=DATA)]
    leading = [set(sample.columns["Photon_pt"]) for sample in samples]
    assert not leading[0] & leading[1] | leading[0] & leading[2] | leading[1] & leading[2]
    number = samples[0].columns["luminosityBlock"]
    assert len(set(samples[0].columns["Photon_pt"])) == len(number)
    assert set(number) == {1, 2}


def test_pythia_seeds_are_in_range_and_distinct() -> None:
    seeds = [
        generator.pythia_seed(seed=seed, process=process.name, stream=stream, block=block)
        for seed in (1, 2)
        for process in PROCESSES
        for stream in (SIMULATION, DATA)
        for block in range(50)
    ]
    assert min(seeds) >= 1
    assert max(seeds) <= 900_000_000
    assert len(set(seeds)) == len(seeds)


def test_signs_leave_the_expectation_unchanged() -> None:
    sign = blocks.signs(200_000, negative_fraction=0.15, rng=np.random.default_rng(1))
    assert np.mean(sign < 0) == pytest.approx(0.15, abs=0.004)
    assert sign.mean() == pytest.approx(1.0, abs=0.012)  # five standard errors


def test_negative_weights_are_in_the_simulation_of_wjets_but_not_in_its_data() -> None:
    process = small("wjets", events=400, blocks=1)
    weight = simulate(process).columns["genWeight"]
    assert np.any(weight < 0)
    assert np.any(weight > 0)
    assert np.all(simulate(process, stream=DATA).columns["genWeight"] > 0)


def test_the_runs_tree_holds_the_sums_over_all_generated_events(files: dict[str, Path]) -> None:
    runs = {name: uproot.open(files[name])["Runs"].arrays()[0].tolist() for name in ("wgamma.root", "wjets.root")}
    assert runs["wgamma.root"]["genEventCount"] == runs["wgamma.root"]["genEventSumw"] == 2000
    assert runs["wjets.root"]["genEventCount"] > 2000  # those that fail the filter count as well
    # 2000 signs with a spread of 0.71 / 0.7: four standard errors
    assert runs["wjets.root"]["genEventSumw"] == pytest.approx(runs["wjets.root"]["genEventCount"], abs=180)


def test_events_have_the_branches_of_nanoaod(files: dict[str, Path]) -> None:
    keys = set(uproot.open(files["wgamma.root"])["Events"].keys())
    assert {"run", "luminosityBlock", "event", "genWeight", "nPhoton", "Photon_pt", "nJet", "Jet_btagDeepB"} <= keys
    data = set(uproot.open(files["data.root"])["Events"].keys())
    assert keys - data == {"genWeight", "nPSWeight", "PSWeight", "Photon_genPartFlav", "hypothesis"}


def test_variation_weights_are_four_and_average_to_about_one(files: dict[str, Path]) -> None:
    weights = uproot.open(files["wgamma.root"])["Events/PSWeight"].array()
    assert set(ak.num(weights)) == {4}
    np.testing.assert_allclose(np.asarray(weights).mean(axis=0), 1.0, atol=0.15)
    assert np.all(np.asarray(weights).std(axis=0) > 0.01)


def test_data_events_are_unique_and_as_many_as_expected(files: dict[str, Path]) -> None:
    events = uproot.open(files["data.root"])["Events"].arrays(["run", "luminosityBlock", "event", "Photon_pt"])
    truth = json.loads(files["truth.json"].read_text())
    expected = sum(sample["expected_rows"] for sample in truth["samples"].values())
    assert len(set(events.event)) == len(events) == sum(s["drawn_rows"] for s in truth["samples"].values())
    assert len(events) == pytest.approx(expected, abs=5 * expected**0.5)


def test_acceptance_takes_each_row_as_often_as_its_weight_says() -> None:
    event = np.repeat(np.arange(1, 50_001), 2)
    weight = np.tile([0.3, 0.5], 50_000)
    copies = pseudodata.accept(event, weight, rng=np.random.default_rng(2)).reshape(-1, 2)
    np.testing.assert_allclose(copies.mean(axis=0), [0.3, 0.5], atol=0.012)  # five standard errors
    assert copies.sum(axis=1).max() == 1


def test_the_factors_of_the_data_are_applied() -> None:
    process = replace(small("wgamma", events=400, blocks=1), data_factor=0.0)
    columns, truth = pseudodata.draw(process, simulate(process, stream=DATA), luminosity_fb=1.0, seed=1)
    assert len(columns["event"]) == 0
    assert truth["expected_rows"] == 0.0


def test_without_data_only_the_processes_are_made_and_their_cost_is_told(tmp_path: Path) -> None:
    made = production.produce(
        [small("whdark", events=100)],
        tmp_path,
        scale=1.0,
        jobs=1,
        seed=3,
        luminosity_fb=1.0,
        with_data=False,
        report=ignore,
    )
    assert [path.name for path in made.paths] == ["whdark.root"] == [path.name for path in tmp_path.iterdir()]
    (cost,) = made.costs
    assert (cost.name, cost.generated) == ("whdark", 200)
    assert 0 < cost.effective < 200
    assert cost.cpu_s > 0
    assert made.table().splitlines()[-1].startswith("| whdark | 200 | ")


def test_processes_are_chosen_by_name_in_the_order_of_the_table() -> None:
    assert [process.name for process in production.select(["zee", "whdark"])] == ["whdark", "zee"]
    assert production.select(None) == list(PROCESSES)


def test_an_unknown_process_is_named_with_the_closest_known(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="unknown process 'wgama'; did you mean 'wgamma'"):
        simulation.make(tmp_path, processes=["wgama"])


@pytest.mark.parametrize("wrong", [{"scale": 0.0}, {"jobs": 0}, {"luminosity_fb": -1.0}, {"seed": -1}])
def test_numbers_out_of_range_are_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="must be positive and seed not negative, got"):
        simulation.make(tmp_path, **wrong)


def test_a_missing_module_says_how_to_install_it() -> None:
    with pytest.raises(InputError, match=r"pip install 'cascadebdt\[samples\]'"):
        generator.load_extra("no_such_module")


def test_the_detector_is_faster_than_pythia() -> None:
    rates = summary.speed(small("wgamma", events=500))
    assert rates["detector"] > rates["pythia"]
