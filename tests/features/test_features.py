"""Chunks become features, cut decisions and weights: objects, names, ragged input of every kind, variations."""

import json
import math
import pickle
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt.config import CutConfig, ObjectConfig
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.expression import register
from cascadebdt.features import Branches, FeaturePlan, FeatureTable, definition, difference, plan

NANOAOD = Path(__file__).parents[3] / "shared" / "data" / "root" / "nanoAOD_2015_CMS_Open_Data_ttbar.root"

OBJECTS: dict[str, dict[str, Any]] = {
    "photon": {"from": "Photon", "where": "pt > 20 and abs(eta) < 2.4", "order": "-pt"},
    "lepton": {
        "from": ["Electron", "Muon"],
        "fields": {"iso": {"Electron": "relIso03", "Muon": "relIso04"}},
        "where": "pt > 10 && iso < 0.15",
        "order": "-pt",
    },
    "jet": {"from": "Jet", "where": "pt > 25", "order": "-pt", "away_from": {"photon": 0.4, "lepton": 0.4}},
}
FEATURES = {
    "photon_pt": "photon[0].pt",
    "lepton_iso": "lepton[0].iso",
    "is_electron": "lepton[0].source == 0",
    "m_lg": "mass(lepton[0], photon[0])",
    "m_l": "mass(lepton[0])",
    "n_jet": "count(jet)",
    "n_bjet": "count(jet.btag > 0.5)",
    "ht": "sum(jet.pt)",
    "second_jet_eta": "jet[1].eta",
    "met": "MET_pt",
}
CUTS = {"one photon": "count(photon) >= 1", "one lepton": "count(lepton) == 1", "hard": "photon[0].pt > 2 * MET_pt"}
WEIGHTS = {"nominal": "genWeight", "scale": "genWeight * PSWeight[1]"}
FIELDS = {
    "Photon": ["pt", "eta", "phi"],
    "Electron": ["pt", "eta", "phi", "relIso03"],
    "Muon": ["pt", "eta", "phi", "mass", "relIso04"],
    "Jet": ["pt", "eta", "phi", "mass", "btag"],
}
BRANCHES = [f"{name}_{field}" for name, fields in FIELDS.items() for field in fields]
BRANCHES += ["MET_pt", "MET_phi", "genWeight", "PSWeight"]


def make(
    features: Mapping[str, str] = {},
    *,
    objects: Mapping[str, Mapping[str, Any]] = OBJECTS,
    cuts: Mapping[str, str] = {},
    weights: Mapping[str, str] = {},
    shifts: Mapping[str, str] = {},
    branches: list[str] = BRANCHES,
) -> FeaturePlan:
    return plan(
        objects={name: ObjectConfig.model_validate(spec) for name, spec in objects.items()},
        selection=[CutConfig(name=name, cut=cut) for name, cut in cuts.items()],
        features=features,
        weights=weights,
        branches=branches,
        shifts=shifts,
    )


def random_chunk(n: int, seed: int) -> ak.Array:
    rng = np.random.default_rng(seed)
    ranges = {"pt": (0, 100), "eta": (-3, 3), "phi": (-math.pi, math.pi), "mass": (0, 10), "btag": (0, 1)}
    columns: dict[str, Any] = {
        "MET_pt": rng.uniform(0, 100, n).astype(np.float32),
        "MET_phi": rng.uniform(-3, 3, n),
        "genWeight": rng.normal(1, 1, n),
        "PSWeight": ak.unflatten(rng.uniform(0.5, 2, 2 * n), np.full(n, 2)),
    }
    for name, fields in FIELDS.items():
        counts = rng.integers(0, 4, n)
        for field in fields:
            content = rng.uniform(*ranges.get(field, (0.0, 0.3)), counts.sum()).astype(np.float32)
            columns[f"{name}_{field}"] = ak.unflatten(content, counts)
    return ak.Array(columns)


def assert_equal(one: FeatureTable, other: FeatureTable) -> None:
    for part in ("columns", "passed", "weights"):
        first, second = getattr(one, part), getattr(other, part)
        assert first.keys() == second.keys()
        for name in first:
            np.testing.assert_array_equal(first[name], second[name], err_msg=name)


@pytest.fixture(scope="module")
def full() -> FeaturePlan:
    """The plan with everything above."""
    return make(FEATURES, cuts=CUTS, weights=WEIGHTS)


@pytest.fixture(scope="module")
def chunk() -> ak.Array:
    """A few hundred random events."""
    return random_chunk(300, 1)


def test_a_plan_reads_the_branches_it_uses_and_no_others(full: FeaturePlan) -> None:
    assert full.branches == {name for name in BRANCHES if name != "MET_phi"} - {"Jet_mass"}


def test_the_columns_have_the_promised_dtypes(full: FeaturePlan, chunk: ak.Array) -> None:
    table = full.apply(chunk)
    assert list(table.columns) == list(FEATURES)
    assert {column.dtype for column in table.columns.values()} == {np.dtype(np.float32)}
    assert {column.dtype for column in table.passed.values()} == {np.dtype(np.bool_)}
    assert {column.dtype for column in table.weights.values()} == {np.dtype(np.float64)}
    assert {column.shape for column in table.columns.values()} == {(300,)}


def by_awkward(chunk: ak.Array, *, iso: tuple[str, str], btag: str, photon_cut: float) -> dict[str, ak.Array]:
    """Return objects and features made with Awkward Array and vector instead."""
    vector.register_awkward()

    def collection(name: str, **more: Any) -> ak.Array:
        fields = {field: chunk[f"{name}_{field}"] for field in ("pt", "eta", "phi")}
        fields = {field: ak.values_astype(values, np.float64) for field, values in fields.items()}
        mass = f"{name}_mass"
        fields["mass"] = ak.values_astype(chunk[mass], np.float64) if mass in chunk.fields else 0 * fields["pt"]
        return ak.zip(fields | more, with_name="Momentum4D")

    def ordered(objects: ak.Array) -> ak.Array:
        return objects[ak.argsort(-objects.pt, axis=1, stable=True)]

    electron = collection("Electron", iso=chunk[f"Electron_{iso[0]}"], source=0 * chunk["Electron_pt"])
    muon = collection("Muon", iso=chunk[f"Muon_{iso[1]}"], source=0 * chunk["Muon_pt"] + 1)
    lepton = ak.concatenate([electron, muon], axis=1)
    lepton = ordered(lepton[(lepton.pt > 10) & (lepton.iso < 0.15)])
    photon = collection("Photon")
    photon = ordered(photon[(photon.pt > photon_cut) & (abs(photon.eta) < 2.4)])
    jet = collection("Jet", btag=chunk[f"Jet_{btag}"])
    jet = jet[jet.pt > 25]
    for other in (photon, lepton):
        near = ak.cartesian([jet, other], axis=1, nested=True)
        first, second = ak.unzip(near)
        jet = jet[~ak.any(first.deltaR(second) < 0.4, axis=2)]
    jet = ordered(jet)
    first_lepton, first_photon = ak.firsts(lepton), ak.firsts(photon)
    return {
        "photon_pt": first_photon.pt,
        "lepton_iso": first_lepton.iso,
        "is_electron": ak.fill_none(first_lepton.source == 0, False),
        "m_lg": (first_lepton + first_photon).mass,
        "m_l": first_lepton.mass,
        "n_jet": ak.num(jet),
        "n_bjet": ak.sum(jet.btag > 0.5, axis=1),
        "ht": ak.sum(jet.pt, axis=1),
        "second_jet_eta": ak.firsts(jet[:, 1:]).eta,
        "met": chunk["MET_pt"],
    }


def assert_like_awkward(found: Mapping[str, Any], expected: Mapping[str, ak.Array]) -> None:
    for name, column in expected.items():
        plain = ak.to_numpy(ak.fill_none(ak.values_astype(column, np.float64), np.nan))
        # vector adds momenta in another order; float32 keeps 7 digits, and small masses are differences.
        np.testing.assert_allclose(found[name], plain, rtol=1e-6, atol=1e-3 if name == "m_lg" else 0, err_msg=name)


def test_objects_and_features_agree_with_awkward(full: FeaturePlan, chunk: ak.Array) -> None:
    expected = by_awkward(chunk, iso=("relIso03", "relIso04"), btag="btag", photon_cut=20)
    assert_like_awkward(full.apply(chunk).columns, expected)


def test_objects_and_features_of_real_nanoaod_agree_with_awkward() -> None:
    if not NANOAOD.exists():
        pytest.skip(f"no {NANOAOD.name} beside the repository")
    tree = uproot.open(NANOAOD)["Events"]
    objects = {
        "photon": {**OBJECTS["photon"], "where": "pt > 10 and abs(eta) < 2.4"},
        "lepton": {**OBJECTS["lepton"], "fields": {"iso": {"Electron": "pfRelIso03_all", "Muon": "pfRelIso04_all"}}},
        "jet": OBJECTS["jet"],
    }
    features = {**FEATURES, "n_bjet": "count(jet.btagDeepB > 0.5)"}
    real = make(features, objects=objects, weights={"w": "genWeight * PSWeight[0]"}, branches=tree.keys())
    chunk = tree.arrays([*real.branches, "Photon_mass", "Jet_mass"])
    expected = by_awkward(chunk, iso=("pfRelIso03_all", "pfRelIso04_all"), btag="btagDeepB", photon_cut=10)
    # Some masses are tiny negative numbers.
    expected["m_l"] = np.maximum(expected["m_l"], 0)
    table = real.apply(chunk)
    assert_like_awkward(table.columns, expected)
    np.testing.assert_array_equal(
        table.weights["w"], ak.to_numpy(chunk["genWeight"]).astype(np.float64) * ak.to_numpy(chunk["PSWeight"][:, 0])
    )


def test_cuts_and_weights_follow_their_expressions(full: FeaturePlan, chunk: ak.Array) -> None:
    table = full.apply(chunk)
    leading = table.columns["photon_pt"]
    assert table.passed["one photon"].tolist() == (~np.isnan(leading)).tolist()
    assert table.passed["hard"].tolist() == (leading > 2 * ak.to_numpy(chunk["MET_pt"])).tolist()
    np.testing.assert_array_equal(
        table.weights["scale"], ak.to_numpy(chunk["genWeight"]) * ak.to_numpy(chunk["PSWeight"])[:, 1]
    )


@settings(max_examples=20)
@given(st.lists(st.integers(0, 300), max_size=4))
def test_any_split_into_chunks_gives_the_same_columns(full: FeaturePlan, chunk: ak.Array, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), 300]
    parts = [full.apply(chunk[start:stop]) for start, stop in pairwise(edges)]

    def joined(part: str) -> dict[str, Any]:
        names = getattr(parts[0], part)
        return {name: np.concatenate([getattr(table, part)[name] for table in parts]) for name in names}

    whole = full.apply(chunk)
    assert_equal(FeatureTable(joined("columns"), joined("passed"), joined("weights"), whole.rows), whole)


def test_masked_and_reordered_chunks_are_understood(full: FeaturePlan, chunk: ak.Array) -> None:
    rows = np.random.default_rng(0).permutation(300)[:100]
    table, all_events = full.apply(chunk[rows]), full.apply(chunk)
    for name in FEATURES:
        np.testing.assert_array_equal(table.columns[name], all_events.columns[name][rows])


def test_regular_lists_are_lists() -> None:
    weight = make(weights={"w": "PSWeight[1]"})
    for lists in (np.array([[1.0, 2.0], [3.0, 4.0]]), ak.to_regular(ak.Array([[1, 2], [3, 4]]))):
        assert weight.apply(ak.Array({"PSWeight": lists})).weights["w"].tolist() == [2.0, 4.0]


@pytest.mark.parametrize("chunk_of_none", [random_chunk(0, 0), ak.Array({name: [] for name in BRANCHES})])
def test_a_chunk_without_events_gives_empty_columns(full: FeaturePlan, chunk_of_none: ak.Array) -> None:
    table = full.apply(chunk_of_none)
    assert {column.shape for part in (table.columns, table.passed, table.weights) for column in part.values()} == {(0,)}


def test_events_without_any_candidate_have_no_objects(full: FeaturePlan, chunk: ak.Array) -> None:
    empty = {name: chunk[name][:3] for name in BRANCHES if "_" not in name or name.startswith("MET")}
    empty |= {name: ak.Array([[], [], []]) for name in BRANCHES if name not in empty}
    table = full.apply(ak.Array(empty))
    assert table.columns["n_jet"].tolist() == [0, 0, 0]
    assert np.isnan(table.columns["photon_pt"]).all()


def test_branches_of_any_number_type_are_read() -> None:
    events = ak.Array({"MET_pt": np.array([1, 0], np.uint8), "MET_phi": np.array([True, False])})
    found = make({"f": "MET_pt / 2", "g": "MET_phi"}).apply(events).columns
    assert found["f"].tolist() == [0.5, 0.0]
    assert found["g"].tolist() == [1.0, 0.0]


def photons(**fields: list[list[float]]) -> ak.Array:
    return ak.Array({f"Photon_{name}": values for name, values in fields.items()})


def test_the_order_is_stable_and_nan_comes_last() -> None:
    spec = {"photon": {"from": "Photon", "order": "-pt"}}
    features = {f"eta{i}": f"photon[{i}].eta" for i in range(4)}
    events = photons(pt=[[20.0, math.nan, 30.0, 20.0]], eta=[[1.0, 2.0, 3.0, 4.0]])
    found = make(features, objects=spec).apply(events).columns
    assert [found[name].item() for name in features] == [3.0, 1.0, 4.0, 2.0]


def test_without_where_and_order_all_candidates_stay_as_they_are() -> None:
    found = make({"n": "count(photon)"}, objects={"photon": {"from": "Photon"}})
    assert found.branches == {"Photon_pt"}
    assert found.apply(photons(pt=[[1.0, 2.0], []])).columns["n"].tolist() == [2.0, 0.0]


def test_where_may_use_the_source_and_branches_of_the_event() -> None:
    where = "(source == 1 or pt > 50) and abs(delta_phi(phi, MET_phi)) > 1 and PSWeight[0] > 0"
    objects = {"lepton": {"from": ["Electron", "Muon"], "where": where}}
    events = {"Electron_pt": [[60.0, 40.0], [60.0]], "Electron_phi": [[2.0, 2.0], [2.0]]}
    events |= {"Muon_pt": [[5.0], [6.0]], "Muon_phi": [[0.5], [0.0]]}
    table = make({"n": "count(lepton)", "pt": "lepton[0].pt"}, objects=objects).apply(
        ak.Array({**events, "MET_phi": [0.0, 2.5], "PSWeight": [[1.0], [1.0]]})
    )
    assert table.columns["n"].tolist() == [1.0, 1.0]
    assert table.columns["pt"].tolist() == [60.0, 6.0]


def test_only_selected_objects_remove_overlaps() -> None:
    near = {"pt": [[50.0], [10.0]], "eta": [[0.1], [0.1]], "phi": [[3.1], [3.1]]}
    events = {f"{name}_{field}": values for name in ("Photon", "Jet") for field, values in near.items()}
    events["Jet_pt"] = [[50.0], [50.0]]
    objects = {"jet": {"from": "Jet", "away_from": {"photon": 0.4}}, "photon": OBJECTS["photon"]}
    assert make({"n": "count(jet)"}, objects=objects).apply(ak.Array(events)).columns["n"].tolist() == [0.0, 1.0]


def test_particles_without_a_mass_branch_are_massless() -> None:
    objects = {"lepton": {"from": ["Electron", "Muon"]}}
    fields = {f"{name}_{field}": [[1.0]] for name in ("Electron", "Muon") for field in ("pt", "eta", "phi")}
    events = ak.Array({**fields, "Muon_mass": [[0.5]]})
    found = make({"e": "lepton[0].mass", "mu": "mass(lepton[1])"}, objects=objects).apply(events).columns
    assert (found["e"].item(), found["mu"].item()) == (0.0, 0.5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {"f": "photn[0].pt"}}, r"^features.f: unknown object 'photn' in .*; did you mean 'photon'\?"),
        (
            {"features": {"f": "photon[0].ptt"}},
            r"^features.f: no branch 'Photon_ptt' \(field 'ptt' of 'Photon'\); did you mean 'Photon_pt'\?",
        ),
        ({"features": {"f": "MET_ptt"}}, r"^features.f: no branch 'MET_ptt'; did you mean 'MET_pt'\?"),
        ({"features": {"f": "lepton[0].mas"}}, "no branch 'Electron_mas' .*"),
        ({"weights": {"up": "genWeigt[0]"}}, r"^weights.up: no branch 'genWeigt'; did you mean 'genWeight'\?"),
        ({"cuts": {"ok": "MET_pt > 3", "one lepton": "count(lepton) = = 1"}}, r"^selection\[1\].cut: cannot"),
        ({"cuts": {"met": "METpt > 3"}}, r"^selection\[0\].cut: no branch 'METpt'; did you mean 'MET_pt'\?"),
        ({"shifts": {"Photon_ptt": "1"}}, r"^shifts.Photon_ptt: no branch 'Photon_ptt'; did you mean 'Photon_pt'\?"),
        ({"shifts": {"Photon_pt": "Photon_ptt * 2"}}, r"^shifts.Photon_pt: no branch 'Photon_ptt'"),
    ],
)
def test_a_wrong_name_in_an_expression_is_found_without_data(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"where": "ptt > 3"},
            r"^objects.lepton: no branch 'Electron_ptt' \(field 'ptt' of 'Electron'\); did you mean",
        ),
        (
            {"where": "relIso04 < 1"},
            r"^objects.lepton: no branch 'Electron_relIso04' \(field 'relIso04' of 'Electron'\)",
        ),
        ({"where": "pt >"}, r"^objects.lepton.where: cannot parse 'pt >'"),
        ({"where": "PSWeigh[0] > 1"}, r"^objects.lepton: no branch 'PSWeigh'; did you mean 'PSWeight'\?"),
        (
            {"where": "photon[0].pt > 1"},
            r"^objects.lepton.where: unknown object 'photon' .*; no objects can be used here",
        ),
        ({"order": "-bt"}, r"^objects.lepton: no branch 'Electron_bt'"),
        (
            {"from": ["Electrn"]},
            r"^objects.lepton.from: no branch of a collection 'Electrn'; did you mean 'Electron'\?",
        ),
        (
            {"fields": {"iso": {"Electron": "relIso3"}}},
            r"^objects.lepton.fields.iso: no branch 'Electron_relIso3' \(field 'iso'",
        ),
        (
            {"fields": {"iso": {"Muons": "x"}}},
            r"^objects.lepton.fields.iso: 'Muons' is not in 'from'; did you mean 'Muon'",
        ),
        ({"fields": {"source": {}}}, "^objects.lepton.fields.source: 'source' is the position"),
        ({"away_from": {"photn": 0.4}}, r"^objects.lepton.away_from: unknown object 'photn'; did you mean 'photon'\?"),
        (
            {"away_from": {"jet": 0.4}},
            r"^objects.\w+.away_from: (jet -> lepton -> jet|lepton -> jet -> lepton) is a cycle",
        ),
    ],
)
def test_a_wrong_object_is_found_without_data(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        make(objects={**OBJECTS, "lepton": {"from": ["Electron", "Muon"], **change}})


def test_an_object_that_nothing_uses_is_checked_but_not_read() -> None:
    assert make({"n": "count(photon)"}).branches == {"Photon_pt", "Photon_eta"}
    with pytest.raises(ConfigError, match="idle: no branch 'Jet_color'"):
        make(objects={"idle": {"from": "Jet", "where": "color > 1"}})


@pytest.mark.parametrize(
    ("features", "events", "message"),
    [
        ({"f": "MET_pt"}, {"MET_pt": [[1.0], []]}, r"'MET_pt': expected one number per event, found var \* float64"),
        ({"f": "MET_pt[0]"}, {"MET_pt": [1.0]}, "'MET_pt': expected a list of numbers per event, found float64"),
        ({"f": "MET_pt"}, {"MET_pt": ["a"]}, "'MET_pt': expected numbers or lists of numbers, found string"),
        ({"f": "MET_pt[0]"}, {"MET_pt": [["a"]]}, r"expected numbers or lists of numbers, found var \* string"),
        ({"f": "MET_pt[0]"}, {"MET_pt": [[[1.0]]]}, r"found var \* var \* float64"),
        ({"f": "MET_pt"}, {"MET_pt": [{"x": 1.0}]}, "expected numbers or lists of numbers, found {x: float64}"),
        ({"f": "MET_pt"}, {"MET_pt": [1.0, None]}, r"found \?float64"),
        ({"f": "MET_pt"}, {"MET_phi": [1.0]}, r"no branch 'MET_pt' in the events; did you mean 'MET_phi'\?"),
        (
            {"f": "idle[0].pt + idle[0].eta"},
            {"Photon_pt": [[1.0]], "Photon_eta": [[]]},
            "'Photon_eta': its lists differ in length from those of 'Photon_pt'",
        ),
    ],
)
def test_data_that_contradict_their_use_are_refused(
    features: dict[str, str], events: dict[str, Any], message: str
) -> None:
    made = make(features, objects={"idle": {"from": "Photon"}})
    with pytest.raises(InputError, match=message):
        made.apply(ak.Array(events))


def test_a_shift_replaces_a_branch_everywhere(full: FeaturePlan, chunk: ak.Array) -> None:
    shifted = make(
        FEATURES, cuts=CUTS, weights=WEIGHTS, shifts={"Photon_pt": "Photon_pt * 1.5", "MET_pt": "MET_pt + 1"}
    )
    replaced = ak.with_field(chunk, ak.values_astype(chunk["Photon_pt"], np.float64) * 1.5, "Photon_pt")
    replaced = ak.with_field(replaced, ak.values_astype(chunk["MET_pt"], np.float64) + 1, "MET_pt")
    assert_equal(shifted.apply(chunk), full.apply(replaced))


def test_shifts_start_from_the_values_in_the_file() -> None:
    shifts = {"Photon_pt": "Photon_pt + Photon_eta", "Photon_eta": "Photon_pt * MET_pt + PSWeight[0]"}
    made = make({"pt": "p[0].pt", "eta": "p[1].eta"}, objects={"p": {"from": "Photon"}}, shifts=shifts)
    events = {"Photon_pt": [[1.0, 2.0]], "Photon_eta": [[10.0, 20.0]], "MET_pt": [3.0], "PSWeight": [[0.5]]}
    found = made.apply(ak.Array(events)).columns
    assert (found["pt"].item(), found["eta"].item()) == (11.0, 6.5)


def test_a_shift_of_a_branch_that_nothing_uses_reads_nothing() -> None:
    assert make({"met": "MET_pt"}, shifts={"Photon_pt": "Photon_pt * 2"}).branches == {"MET_pt"}


@pytest.mark.parametrize(
    ("shifts", "message"),
    [
        ({"Photon_pt": "Jet_pt"}, "shift of 'Photon_pt': 'Jet_pt' does not belong to the same collection"),
        ({"MET_pt": "Jet_pt"}, "shift of 'MET_pt': it has one number per event, but 'Jet_pt' has a list"),
    ],
)
def test_a_shift_that_mixes_collections_is_refused(shifts: dict[str, str], message: str, chunk: ak.Array) -> None:
    with pytest.raises(InputError, match=message):
        make({"f": "photon[0].pt + MET_pt"}, shifts=shifts).apply(chunk)


def test_a_plan_works_in_threads_and_in_other_processes(full: FeaturePlan, chunk: ak.Array) -> None:
    sent: FeaturePlan = pickle.loads(pickle.dumps(full))
    with ThreadPoolExecutor(2) as pool:
        for table in pool.map(sent.apply, [chunk] * 4):
            assert_equal(table, full.apply(chunk))


def test_the_best_z_candidate_is_the_pair_nearest_to_its_mass() -> None:
    objects: dict[str, dict[str, Any]] = {
        "muon": {"from": "Muon", "where": "pt > 5"},
        "z": {"pairs": ["muon", "muon"], "where": "first_source * second_source == 0", "order": "abs(mass - 91.1876)"},
    }
    features = {"m": "z[0].mass", "pt": "z[0].pt", "eta": "z[0].eta", "phi": "z[0].phi", "n": "count(z)"}
    events = random_chunk(300, 5)
    found = make({**features, "lead": "z[0].first_pt"}, objects=objects).apply(events).columns
    vector.register_awkward()
    fields = {name: ak.values_astype(events[f"Muon_{name}"], np.float64) for name in ("pt", "eta", "phi", "mass")}
    muons = ak.zip(fields, with_name="Momentum4D")
    first, second = ak.unzip(ak.combinations(muons[muons.pt > 5], 2))
    pairs = (first + second)[ak.argsort(abs((first + second).mass - 91.1876))]
    best = ak.firsts(pairs)
    for name, values in {"m": best.mass, "pt": best.pt, "eta": best.eta, "phi": best.phi, "n": ak.num(pairs)}.items():
        expected = ak.to_numpy(ak.fill_none(ak.values_astype(values, np.float64), np.nan))
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-3, err_msg=name)


def test_pairs_of_two_objects_are_all_combinations_and_can_be_away_from_others() -> None:
    objects: dict[str, dict[str, Any]] = {
        "photon": {"from": "Photon"},
        "muon": {"from": "Muon"},
        "lone": {"pairs": ["photon", "muon"], "away_from": {"photon": 0.5}},
        "all": {"pairs": ["photon", "muon"]},
    }
    events = random_chunk(200, 6)
    found = make({"n": "count(all)", "far": "count(lone)"}, objects=objects).apply(events).columns
    assert found["n"].tolist() == ak.to_list(ak.num(events["Photon_pt"]) * ak.num(events["Muon_pt"]))
    assert 0 < found["far"].sum() < found["n"].sum()


@pytest.mark.parametrize("field", ["charge", "first_ptt"])
def test_an_unknown_field_of_pairs_is_found_without_data(field: str) -> None:
    objects: dict[str, dict[str, Any]] = {"muon": {"from": "Muon"}, "z": {"pairs": ["muon", "muon"]}}
    with pytest.raises(ConfigError, match=r"the pairs 'z' have no field 'charge'|no branch 'Muon_ptt'"):
        make({"f": f"z[0].{field}"}, objects=objects)


def test_event_shapes_agree_with_the_eigenvalues_of_the_momentum_tensor() -> None:
    events = random_chunk(200, 7)
    shapes = ("ht", "sphericity", "aplanarity", "transverse_sphericity")
    made = make({name: f"{name}(jet)" for name in shapes}, objects={"jet": {"from": "Jet"}})
    found = made.apply(events).columns
    vector.register_awkward()
    fields = {name: ak.values_astype(events[f"Jet_{name}"], np.float64) for name in ("pt", "eta", "phi")}
    jets = ak.zip(fields, with_name="Momentum3D")
    for i, event in enumerate(jets):
        p = np.array([event.px.to_list(), event.py.to_list(), event.pz.to_list()])
        if not p.size:
            assert all(np.isnan(found[name][i]) for name in shapes[1:])
            continue
        values = np.sort(np.linalg.eigvalsh(p @ p.T))[::-1] / np.trace(p @ p.T)
        plane = np.sort(np.linalg.eigvalsh(p[:2] @ p[:2].T))[::-1]
        expected = [sum(event.pt), 1.5 * (values[1] + values[2]), 1.5 * values[2], 2 * plane[1] / plane.sum()]
        np.testing.assert_allclose([found[name][i] for name in shapes], expected, rtol=1e-5, atol=1e-6)


PAIRS = {**OBJECTS, "dijet": {"pairs": ["jet", "jet"], "order": "-mass"}}
SHIFTS: list[dict[str, str]] = [
    {"Photon_pt": "Photon_pt * 1.1"},  # cuts, jets through their distance to photons, features
    {"Jet_pt": "Jet_pt * 0.8", "Jet_btag": "Jet_btag + 0.2"},  # features only
    {"Muon_relIso04": "Muon_relIso04 * 2", "MET_pt": "MET_pt * 1.2"},
    {"genWeight": "genWeight * 2"},  # weights only
]


@given(st.integers(0, 2**32 - 1), st.lists(st.sampled_from(SHIFTS), min_size=1, max_size=4), st.integers(0, 60))
@settings(max_examples=25)
def test_variations_together_give_the_bits_of_each_by_itself(seed: int, shifts: list[dict[str, str]], n: int) -> None:
    columns = {"photon_pt": "photon[0].pt", "iso": "lepton[0].iso", "n": "count(jet)", "m_jj": "dijet[0].mass"}
    plans = [make(columns, objects=PAIRS, cuts=CUTS, weights=WEIGHTS, shifts=by) for by in ({}, *shifts)]
    nominal, *others = plans
    events = random_chunk(n, seed)
    found, varied = nominal.apply_with({str(i): plan for i, plan in enumerate(others)}, Branches(events))
    for table, alone in zip([found, *varied.values()], plans, strict=True):
        expected = alone.apply(events, passing_only=True)
        np.testing.assert_array_equal(table.rows, expected.rows)
        assert list(table.columns) == list(expected.columns)
        for name, column in table.columns.items():
            np.testing.assert_array_equal(column.view(np.int32), expected.columns[name].view(np.int32), err_msg=name)
        for part in ("passed", "weights"):
            for name, values in getattr(table, part).items():
                np.testing.assert_array_equal(values, getattr(expected, part)[name])


@pytest.mark.parametrize(
    ("shifts", "objects", "columns", "decisions"),
    [
        ({"Photon_pt": "Photon_pt * 1.1"}, {"photon", "jet"}, {"photon_pt", "m_lg", "n_jet", "n_bjet", "ht"}, True),
        ({"Jet_pt": "Jet_pt * 0.8"}, {"jet"}, {"n_jet", "n_bjet", "ht"}, False),
        ({"MET_pt": "MET_pt + 5"}, set(), {"met"}, True),
        ({"genWeight": "genWeight * 2"}, set(), set(), True),
        ({}, set(), set(), False),
    ],
)
def test_a_variation_touches_what_depends_on_its_branches(
    shifts: dict[str, str], objects: set[str], columns: set[str], decisions: bool
) -> None:
    touched = make(FEATURES, cuts=CUTS, weights=WEIGHTS, shifts=shifts).touched
    assert touched.objects == objects
    assert set(touched.columns) == columns | ({"second_jet_eta"} if "jet" in objects else set())
    assert touched.decisions == decisions


def changed(kept: dict[str, Any], features: Mapping[str, str] = {}, **objects: dict[str, Any]) -> str | None:
    configured = {name: ObjectConfig.model_validate(spec) for name, spec in {**OBJECTS, **objects}.items()}
    return difference(kept, features={**FEATURES, **features}, objects=configured)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"features": {"met": "MET_pt*1.0"}}, "feature 'met' was 'MET_pt' and is 'MET_pt*1.0'"),
        (
            {"jet": {**OBJECTS["jet"], "where": "pt > 26"}},
            "feature 'n_jet' depends on the object 'jet', which has changed",
        ),
        (
            {"lepton": {**OBJECTS["lepton"], "order": "pt"}},
            "feature 'n_jet' depends on the object 'lepton', which has changed",
        ),
        ({"features": {"n_jet": " count( jet )"}}, None),
        ({"lepton": {**OBJECTS["lepton"], "where": "pt>10 and iso<0.15"}}, None),
        ({"features": {"m_lg": "mass(photon[0])"}}, None),
        ({"features": {"new": "MET_phi"}}, None),
    ],
)
def test_a_changed_definition_of_a_used_feature_is_found(change: dict[str, Any], message: str | None) -> None:
    objects = {name: ObjectConfig.model_validate(spec) for name, spec in OBJECTS.items()}
    kept = json.loads(json.dumps(definition(["n_jet", "met"], features=FEATURES, objects=objects)))
    assert set(kept["objects"]) == {"photon", "lepton", "jet"}
    assert changed(kept, **change) == message


def test_a_feature_that_is_gone_is_found() -> None:
    kept = definition(["met"], features=FEATURES, objects={})
    assert difference(kept, features={}, objects={}) == "feature 'met' is gone"


def test_a_changed_function_is_found() -> None:
    def twice(x: float) -> float:
        return 2 * x

    register(twice)
    kept = definition(["f"], features={"f": "twice(MET_pt)"}, objects={})

    def twice(x: float) -> float:  # type: ignore[no-redef]
        return 2.0 * x + 1

    register(twice)
    found = difference(kept, features={"f": "twice(MET_pt)"}, objects={})
    assert found == "the registered function 'twice' has changed or is not there"
