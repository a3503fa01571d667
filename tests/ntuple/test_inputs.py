"""Every kind of ntuple, through a configuration alone: real files, their published sums, and what is made here."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascadebdt import config as configuration
from cascadebdt.events import Events, loading

DATA = Path(__file__).parents[2] / "../shared/data"
CODECS = ["uproot-HZZ.root", "uproot-HZZ-lz4.root", "uproot-HZZ-lzma.root", "uproot-HZZ-zstd.root"]
CARTESIAN = {"momentum": ["Px", "Py", "Pz", "E"]}


def analysis(files: object, features: dict[str, str], **changes: Any) -> dict[str, Any]:
    """Return a raw configuration that selects the same files as signal and background, without normalisation."""
    ntuples = {"event_id": "entry", **changes.pop("ntuples", {})}
    sample = {"files": files, **changes.pop("sample", {})}
    stage = {"name": "all", "against": "background", "features": [next(iter(features))]}
    return {
        "analysis": "inputs",
        "luminosity_fb": 1.0,
        "ntuples": ntuples,
        "samples": [{"name": name, "process": name, **sample} for name in ("signal", "background")],
        "features": features,
        "cascade": {"stages": [{**stage, "working_point": {"threshold": 0.5}}]},
        **changes,
    }


def select(files: str, features: dict[str, str], **changes: Any) -> Events:
    """Select a file of the shared data by configuration; return the events of one sample, in the file's order."""
    if not (DATA / files).exists():
        pytest.skip(f"no {files} in ../shared/data beside the repository")
    raw = analysis(files, features, **changes)
    events = loading.select(configuration.parse(raw, directory=DATA), nominal_only=True)
    assert events.cutflow.entries[0, 0] == sum(file.entries for file in events.files["signal"])
    return events.take(events.of_process("signal"))


def total(events: Events, feature: str) -> float:
    return float(np.nansum(events.columns[feature], dtype=np.float64))


@pytest.mark.parametrize("name", CODECS)
def test_four_compressions_of_cartesian_objects_give_the_sums_written_in_their_readme(name: str) -> None:
    objects = {kind.lower(): {"from": kind, **CARTESIAN} for kind in ("Muon", "Electron", "Photon", "Jet")}
    counts = {f"n_{name}": f"count({name})" for name in objects}
    features = {**counts, "px": "sum(muon.Px)", "mm": "mass(muon[0], muon[1])", "btag": "count(jet.ID)"}
    events = select(
        f"root/{name}", features, objects=objects, ntuples={"tree": "events"}, sample={"weight": "EventWeight"}
    )
    assert [total(events, name) for name in counts] == [3825, 171, 220, 2773]
    assert len(events) == 2421
    assert total(events, "px") == pytest.approx(-2506.02099609375, rel=1e-6)
    assert events.weights["nominal"].sum() == pytest.approx(16.9225, abs=5e-5)
    assert 80 < np.nanmedian(events.columns["mm"]) < 95
    reference = select(f"root/{CODECS[0]}", features, objects=objects, ntuples={"tree": "events"})
    for feature, column in events.columns.items():
        np.testing.assert_array_equal(np.sort(column), np.sort(reference.columns[feature]))


def test_nanoaod_has_the_objects_written_in_its_readme() -> None:
    kinds = ("Photon", "Electron", "Muon", "Jet")
    objects = {kind.lower(): {"from": kind} for kind in kinds}
    features = {f"n_{kind}": f"count({kind.lower()})" for kind in kinds}
    name = "root/nanoAOD_2015_CMS_Open_Data_ttbar.root"
    identity = ["run", "luminosityBlock", "event"]
    events = select(name, features, objects=objects, ntuples={"event_id": identity}, sample={"weight": "genWeight"})
    assert [total(events, feature) for feature in features] == [79, 69, 41, 537]
    assert len(np.unique(events.event_id)) == len(events) == 200


def test_data_without_generator_weights_and_simulation_with_them_share_a_configuration() -> None:
    if not (DATA / "root/nano_dy.root").exists():
        pytest.skip("no nano_dy.root in ../shared/data beside the repository")
    raw = analysis("root/nano_dy.root", {"n_muon": "count(muon)"}, objects={"muon": {"from": "Muon"}})
    raw["ntuples"] = {"weight": "genWeight", "sum_of_weights": "Runs:genEventSumw_"}
    raw["samples"] = [{**sample, "cross_section_pb": 6000.0} for sample in raw["samples"]]
    raw["samples"].append({"name": "data", "process": "data", "files": "root/nano_dimuon.root"})
    events = loading.select(configuration.parse(raw, directory=DATA))
    assert events.cutflow.entries.tolist() == [[40], [40], [40]]
    assert (events.weights["nominal"][events.is_data] == 1).all()


@pytest.mark.parametrize(
    ("name", "entries", "muons"),
    [
        ("cmsopendata2015_ttbar_19980_NANOAOD_RNTupleImporter_rntuple_v1-0-0-1.root", 10, None),
        ("Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root", 1000, 2372),
    ],
)
def test_an_rntuple_is_read_like_a_tree(name: str, entries: int, muons: int | None) -> None:
    features = {"n": "count(muon)", "leading": "muon[0].pt", "stored": "nMuon"}
    events = select(f"root/{name}", features, objects={"muon": {"from": "Muon"}})
    assert len(events) == entries
    assert total(events, "n") == total(events, "stored")
    assert muons is None or total(events, "n") == muons


def test_a_flat_ntuple_with_numbered_particles_and_a_branch_of_text() -> None:
    lepton = {"from": ["1", "2"], "branch": "{field}{collection}", "momentum": ["px", "py", "pz", "E"]}
    features = {"made": "mass(lepton[0], lepton[1])", "stored": "M", "charge": "lepton[0].Q"}
    ntuples = {"tree": "events", "event_id": ["Run", "Event"]}
    events = select("root/uproot-Zmumu.root", features, objects={"lepton": lepton}, ntuples=ntuples)
    assert len(events) == 2304
    np.testing.assert_allclose(events.columns["made"], events.columns["stored"], rtol=2e-4)


def test_flat_doubles_beside_histograms_are_objects_of_one_candidate() -> None:
    objects = {kind.lower(): {"from": kind} for kind in ("Muon", "Electron")}
    features = {"made": "mass(muon[0], electron[0])", "stored": "mu_e_inv_mass"}
    events = select("root/uproot-issue-750.root", features, objects=objects, ntuples={"tree": "tout"})
    assert len(events) == 312
    np.testing.assert_allclose(events.columns["made"], events.columns["stored"], rtol=1e-4)


@pytest.mark.parametrize(("tree", "entries"), [("sig", 502), ("control", 316), ("sideband", 336)])
def test_a_sample_chooses_its_tree_and_keeps_tiny_weights(tree: str, entries: int) -> None:
    ntuples = {"event_id": ["run_number", "event_number"]}
    sample = {"tree": tree, "weight": "mc_sf"}
    events = select("root/uproot-issue243-new.root", {"m_hh": "m_hh"}, ntuples=ntuples, sample=sample)
    assert len(events) == entries
    assert ((events.weights["nominal"] >= 0) & (events.weights["nominal"] < 0.06)).all()


@pytest.mark.parametrize("layout", ["withoffsets", "nooffsets"])
def test_old_jagged_layouts_give_the_same_numbers(layout: str) -> None:
    objects = {"jet": {"from": "Jet", "order": "-pt"}, "muon": {"from": "Muon"}}
    features = {"n_jet": "count(jet)", "n_stored": "nJet", "ht": "sum(jet.pt)", "charge": "sum(muon.charge)"}
    ntuples = {"tree": "tree", "event_id": ["event"]}
    events = select(f"root/uproot-small-dy-{layout}.root", features, objects=objects, ntuples=ntuples)
    assert len(events) == 501
    assert total(events, "n_jet") == total(events, "n_stored")
    other = select("root/uproot-small-dy-withoffsets.root", features, objects=objects, ntuples=ntuples)
    for name, column in events.columns.items():
        np.testing.assert_array_equal(column, other.columns[name])


def test_an_empty_tree_gives_no_events() -> None:
    assert len(select("root/uproot-empty.root", {"x": "x * y"}, ntuples={"tree": "tree"})) == 0


def test_a_tree_in_directories_is_found_by_its_path() -> None:
    features = {"first": "Int32", "last": "ArrayFloat64[9]", "n": "SliceInt32[0]"}
    events = select("root/uproot-nesteddirs.root", features, ntuples={"tree": "one/two/tree", "event_id": ["Int64"]})
    assert sorted(events.columns["first"]) == list(range(100))
    assert np.isnan(events.columns["n"]).sum() == 10


def test_the_yields_of_the_cabinetry_tutorial_to_all_printed_digits() -> None:
    published = {  # process: (file, tree, weight, yields as printed in the tutorial)
        "signal": ("prediction.root", "signal", "weight", "0.00 1.59 23.62 24.55"),
        "background": ("prediction.root", "background", "weight", "112.74 128.62 88.11 55.25"),
        "data": ("data.root", "pseudodata", None, "112.00 112.00 124.00 66.00"),
    }
    folder = DATA / "stat/cabinetry_tutorial"
    if not folder.exists():
        pytest.skip("no stat/cabinetry_tutorial in ../shared/data beside the repository")
    raw = analysis("", {"jet_pt": "jet_pt"}, selection=[{"name": "charge", "cut": "lep_charge > 0"}])
    raw["samples"] = [
        {"name": name, "process": name, "files": file, "tree": tree, **({"weight": weight} if weight else {})}
        for name, (file, tree, weight, _) in published.items()
    ]
    events = loading.select(configuration.parse(raw, directory=folder))
    for name, (*_, printed) in published.items():
        rows = events.of_process(name)
        found = np.histogram(
            events.columns["jet_pt"][rows], [200, 300, 400, 500, 600], weights=events.weights["nominal"][rows]
        )[0]
        assert " ".join(f"{value:.2f}" for value in found) == printed
