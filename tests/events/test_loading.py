from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot

from cascadebdt import config as configuration
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError, TrainingError
from cascadebdt.events import Events, loading
from tiny_analysis import tiny_config, write_ntuple


def select(ntuples: Path, raw: dict[str, Any], jobs: int = 1) -> Events:
    return loading.select(configuration.parse(raw, directory=ntuples), jobs=jobs)


def assert_same(a: Events, b: Events) -> None:
    for name, column in a.columns.items():
        np.testing.assert_array_equal(column, b.columns[name])
    for name, weight in a.weights.items():
        np.testing.assert_array_equal(weight, b.weights[name])
    np.testing.assert_array_equal(a.event_id, b.event_id)
    np.testing.assert_array_equal(a.variation, b.variation)


@pytest.mark.parametrize(("chunk_entries", "jobs"), [(61, 2), (333, 1), (10**6, 3)])
def test_chunks_and_jobs_change_nothing(tiny_events: Events, ntuples: Path, chunk_entries: int, jobs: int) -> None:
    raw = tiny_config()
    raw["ntuples"]["chunk_entries"] = chunk_entries
    if chunk_entries == 61:  # many chunks: a small part is enough
        raw["samples"] = [{**sample, "files": "data.root"} for sample in raw["samples"] if sample["name"] == "data"] + [
            {**raw["samples"][1], "files": "zee_0.root"},
            {**raw["samples"][0], "files": "signal_0.root"},
            {**raw["samples"][2], "files": "wjets_0.root"},
        ]
        large = {**raw, "ntuples": {**raw["ntuples"], "chunk_entries": 5000}}
        assert_same(select(ntuples, raw, jobs), select(ntuples, large))
    else:
        assert_same(select(ntuples, raw, jobs), tiny_events)


def test_the_order_of_files_changes_nothing(tiny_events: Events, ntuples: Path, tmp_path: Path) -> None:
    raw = tiny_config()
    for sample in raw["samples"][:3]:
        for part in range(2):
            (tmp_path / f"{sample['name']}_{1 - part}.root").symlink_to(ntuples / f"{sample['name']}_{part}.root")
    (tmp_path / "data.root").symlink_to(ntuples / "data.root")
    assert_same(select(tmp_path, raw), tiny_events)


def test_selection_and_features_equal_an_awkward_analysis(tiny_events: Events, ntuples: Path) -> None:
    arrays = uproot.concatenate([f"{ntuples}/wjets_{part}.root:Events" for part in range(2)])
    photons = ak.zip({name: arrays[f"Photon_{name}"] for name in ("pt", "eta", "phi")})
    photons = photons[(photons.pt > 30) & (abs(photons.eta) < 2.4)]
    electrons = ak.zip({name: arrays[f"Electron_{name}"] for name in ("pt", "eta", "phi")})
    electrons = electrons[electrons.pt > 25]
    pairs = ak.cartesian([electrons, photons], nested=True)
    electron, photon = ak.unzip(pairs)
    dphi = (electron.phi - photon.phi + np.pi) % (2 * np.pi) - np.pi
    away = ak.all(np.hypot(electron.eta - photon.eta, dphi) >= 0.4, axis=-1)
    mask = (ak.num(photons) >= 1) & (ak.num(electrons[away]) >= 1)
    expected = np.sort(ak.to_numpy(ak.max(photons.pt[mask], axis=1)))
    found = tiny_events.columns["photon_pt"][tiny_events.is_nominal & tiny_events.of_process("wjets")]
    np.testing.assert_array_equal(np.sort(found), expected.astype(np.float32))


def test_weights_are_normalised_to_cross_section_and_luminosity(ntuples: Path) -> None:
    raw = tiny_config()
    raw["selection"] = []
    events = select(ntuples, raw)
    rows = events.is_nominal & events.of_process("wjets")
    assert events.weights["nominal"][rows].sum() == pytest.approx(0.5 * 1.0 * 1000)
    assert (events.weights["nominal"][rows] < 0).any()


def test_a_weight_variation_touches_only_its_processes(tiny_events: Events) -> None:
    ratio = tiny_events.weights["pileup_up"] / tiny_events.weights["nominal"]
    zee = tiny_events.of_process("zee") & tiny_events.is_nominal
    assert ((ratio[zee] >= 1) & (ratio[zee] <= 1.2)).all()
    assert (ratio[~tiny_events.of_process("zee")] == 1).all()


def test_a_kinematic_variation_recomputes_objects_and_features(tiny_events: Events) -> None:
    up = tiny_events.variation == tiny_events.variations.index("photon_scale_up")
    nominal = tiny_events.is_nominal & ~tiny_events.is_data
    assert up.sum() > nominal.sum()
    assert not tiny_events.is_data[up].any()
    common, i, j = np.intersect1d(tiny_events.event_id[up], tiny_events.event_id[nominal], return_indices=True)
    ratio = tiny_events.columns["photon_pt"][up][i] / tiny_events.columns["photon_pt"][nominal][j]
    np.testing.assert_allclose(ratio, 1.05, rtol=1e-6)
    assert len(common) == nominal.sum()


def test_every_event_is_selected_or_cut(tiny_events: Events) -> None:
    cutflow = tiny_events.cutflow
    assert cutflow.entries[:, 0].tolist() == [3000, 4000, 4000, 800]
    assert cutflow.selected == tiny_events.is_nominal.sum()
    nominal = tiny_events.is_nominal & tiny_events.of_process("wjets")
    assert cutflow.sumw[2, -1] == pytest.approx(tiny_events.weights["nominal"][nominal].sum())


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_weight_that_is_no_number_names_file_and_entry(ntuples: Path, tmp_path: Path, value: float) -> None:
    path = write_ntuple(tmp_path / "zee_bad.root", "zee", 100, 1)
    with uproot.open(path) as file:
        content = file["Events"].arrays()
    columns = {name: content[name] for name in ak.fields(content) if not name.startswith("n")}
    columns["genWeight"] = np.where(np.arange(100) == 42, value, 1.0)
    with uproot.recreate(path) as file:
        file.mktree("Events", columns)
        file.mktree("Runs", {"genEventSumw": np.array([100.0])})
    raw = tiny_config()
    raw["samples"][1]["files"] = str(path)
    with pytest.raises(InputError, match=r"zee_bad.root: weight 'nominal' is (nan|inf) at entry 42"):
        select(ntuples, raw)


def test_an_infinite_feature_names_file_feature_and_entry(ntuples: Path) -> None:
    raw = tiny_config()
    raw["features"]["met"] = "MET_pt / 0"
    with pytest.raises(InputError, match=r"signal_0.root: feature 'met' is infinite at entry \d+"):
        select(ntuples, raw)


def test_an_identity_of_floats_is_refused(ntuples: Path) -> None:
    raw = tiny_config()
    raw["ntuples"]["event_id"] = ["MET_pt"]
    with pytest.raises(InputError, match=r"branch 'MET_pt' of ntuples.event_id is float32, expected integers"):
        select(ntuples, raw)


def test_a_wrong_branch_is_named_with_the_closest_one(ntuples: Path) -> None:
    raw = tiny_config()
    raw["features"]["met"] = "MET_pt_"
    with pytest.raises(ConfigError, match=r"features.met: .*'MET_pt_'.*did you mean 'MET_pt'\?"):
        select(ntuples, raw)


def test_a_background_without_selected_events_names_the_stage(ntuples: Path) -> None:
    raw = tiny_config()
    raw["selection"].append({"name": "none", "cut": "MET_pt > 1e6"})
    config = configuration.parse(raw, directory=ntuples)
    with pytest.raises(TrainingError, match=r"cascade.signal: process signal has 0 selected events"):
        loading.require_trainable(loading.select(config), config)


def test_an_alternative_sample_has_rows_of_its_own(ntuples: Path) -> None:
    raw = tiny_config()
    raw["systematics"].append(
        {"name": "generator", "kind": "sample", "process": "zee", "files": "zee_1.root", "cross_section_pb": 1.0}
    )
    events = select(ntuples, raw)
    rows = events.variation == events.variations.index("generator_up")
    assert rows.any()
    assert (rows <= events.of_process("zee")).all()
    assert not np.isin(events.event_id[rows], events.event_id[events.is_nominal]).any()


def test_the_configuration_decides_the_columns(tiny: Config, tiny_events: Events) -> None:
    assert list(tiny_events.columns) == list(tiny.features)
    assert all(column.dtype == np.float32 for column in tiny_events.columns.values())
    assert np.isnan(tiny_events.columns["second_pt"]).any()
