"""What `inspect` tells about a file, and that the configurations that it and `init` write can be used."""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt import features, ntuple
from cascadebdt.cli import main
from cascadebdt.config import Config, ObjectConfig, document
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.events import loading
from cascadebdt.ntuple import roles
from cascadebdt.ntuple.formats import _four_vectors
from cascadebdt.ntuple.roles import Role
from cascadebdt.ntuple.survey import TreeSurvey
from tiny_analysis import write_ntuple

DATA = Path(__file__).parents[2] / "../shared/data/root"


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def with_two_processes(text: str) -> dict[str, Any]:
    """Return a starting configuration with the file also where it has a blank, with another weight."""
    raw: dict[str, Any] = dict(document.parse(text, file="").content)
    (file,) = {sample["files"] for sample in raw["samples"]} - {"FILL_IN.root"}
    for index, sample in enumerate(raw["samples"]):
        sample |= {"files": file, "weight": str(index + 1)}
    return raw


def check(path: Path, recognised: str, entries: int) -> None:
    """Inspect a file by the command and select by its starting configuration."""
    result = call("inspect", path.resolve())
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
        ("Run2012BC_DoubleMuParked_Muons_1000evts_rntuple_v1-0-0-0.root", "flat ntuple", 1000),
        ("uproot-HZZ.root", "flat ntuple", 2421),
        ("uproot-Zmumu.root", "flat ntuple", 2304),
        ("uproot-empty.root", "flat ntuple", 0),
        ("uproot-issue243-new.root", "flat ntuple", 1834),
        ("uproot-nesteddirs.root", "flat ntuple", 100),
    ],
)
def test_a_real_file_is_recognised_and_its_configuration_runs(name: str, recognised: str, entries: int) -> None:
    if not (DATA / name).exists():
        pytest.skip(f"no {name} in ../shared/data beside the repository")
    check(DATA / name, recognised, entries)


def test_physlite_is_recognised_with_its_units_and_its_generator_weight(tmp_path: Path) -> None:
    path = tmp_path / "physlite.root"
    numbers = {f"EventInfoAuxDyn.{name}": np.arange(3, dtype=np.uint32) for name in ("runNumber", "eventNumber")}
    weights = {"EventInfoAuxDyn.mcEventWeights": ak.Array([[2.0, 1.0], [2.0, 1.0], [3.0, 1.0]])}
    jets = {f"AnalysisJetsAuxDyn.{name}": ak.Array([[50e3, 20e3], [], [30e3]]) for name in ("pt", "eta", "phi", "m")}
    with uproot.recreate(path) as file:
        file.mktree("CollectionTree", {**numbers, **weights, **jets})
    check(path, "PHYSLITE", 3)
    raw = with_two_processes(ntuple.starting_configuration(ntuple.survey(str(path))))
    del raw["samples"][0]["weight"]
    events = loading.select(configuration.parse({**raw, "features": {**raw["features"], "m": "jet[0].mass"}}))
    first = events.of_process(raw["samples"][0]["process"])
    leading = events.columns["jet_pt"][first]
    assert sorted(leading[~np.isnan(leading)]) == [30.0, 50.0]
    assert sorted(events.weights["nominal"][first]) == [2.0, 2.0, 3.0]
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


def flat(path: Path, n: int, seed: int, *, is_data: bool = False) -> Path:
    """Write a flat ntuple with odd names."""
    rng = np.random.default_rng(seed)
    columns: dict[str, Any] = {
        "RunNumber": np.full(n, 7, np.int32),
        "EvtNo": np.arange(n),
        "lepPt": rng.exponential(30 + 10 * seed, n),
        "jet1_PT": np.where(rng.random(n) < 0.2, -999.0, rng.exponential(50, n)),
        "nJets": rng.poisson(3, n),
        "year": np.full(n, 2018),
    }
    if not is_data:
        columns |= {"w_mc": rng.normal(1, 0.1, n), "w_mc_up": np.ones(n), "w_mc_down": np.ones(n)}
        columns |= {"isSigMC": np.full(n, seed == 1), "truth_pt": rng.random(n), "sign": rng.choice([-1.5, 1.5], n)}
    with uproot.recreate(path) as file:
        file.mktree("out/ntup", columns)
    return path


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with flat ntuples and the configuration that `init` writes for them, ``analysis.yaml``."""
    folder = tmp_path_factory.mktemp("odd")
    names = {"ttbar-had": False, "sig": False, "wjets": False, "recorded": True}
    paths = [flat(folder / f"{name}.root", 400, seed, is_data=d) for seed, (name, d) in enumerate(names.items())]
    result = call("init", *paths, "--output", folder / "analysis.yaml", "--luminosity", "3.5")
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture(scope="module")
def odd_config(odd: Path) -> Config:
    """What `init` wrote for the flat ntuples."""
    return configuration.load(odd / "analysis.yaml")


def test_init_makes_a_sample_of_every_file_and_knows_data_by_the_missing_weight(odd_config: Config) -> None:
    assert {sample.name: sample.process for sample in odd_config.samples} == {
        "sig": "sig",
        "ttbar_had": "ttbar_had",
        "wjets": "wjets",
        "recorded": "data",
    }
    assert odd_config.cascade.signal == "sig"
    assert [stage.against for stage in odd_config.cascade.stages] == [("ttbar_had",), ("wjets",)]
    assert odd_config.luminosity_fb == 3.5


def test_init_takes_no_weights_truth_identities_or_constants_for_features(odd_config: Config) -> None:
    assert set(odd_config.features) == {"lepPt", "jet1_PT", "nJets"}
    assert odd_config.ntuples.weight == "w_mc"
    assert odd_config.ntuples.event_id == ("RunNumber", "EvtNo")
    assert odd_config.ntuples.sentinels == {"*": (-999.0,)}
    assert [systematic.name for systematic in odd_config.systematics] == ["lumi", "mc"]


def test_the_configuration_of_init_passes_check(odd: Path) -> None:
    result = call("check", odd / "analysis.yaml")
    assert result.exit_code == 0, result.output
    assert "no errors found" in result.output


def test_init_overwrites_nothing_unless_forced(odd: Path) -> None:
    again = call("init", odd / "sig.root", odd / "wjets.root", "--output", odd / "analysis.yaml")
    assert again.exit_code == 2
    assert "is there already; choose another name with --output, or give --force" in again.output


def test_init_names_the_blanks_and_the_signal_that_it_was_told(odd: Path, tmp_path: Path) -> None:
    path = tmp_path / "other.yaml"
    result = call("init", odd / "sig.root", odd / "wjets.root", "--signal", "wjets", "--output", path)
    assert result.exit_code == 0, result.output
    assert "places marked FILL IN" in result.output
    assert configuration.load(path).cascade.signal == "wjets"
    wrong = call("init", odd / "sig.root", odd / "wjets.root", "--signal", "wjet", "--output", tmp_path / "no.yaml")
    assert "signal: no simulated sample 'wjet'; did you mean 'wjets'?" in wrong.output


def test_energies_in_mev_are_noticed_in_numbers_and_in_lists(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    n = 300
    columns = {
        "lepPt": np.where(rng.random(n) < 0.1, -999.0, rng.exponential(4e4, n)),
        "met_et": rng.exponential(3e4, n),
        "met_phi": rng.uniform(-3, 3, n),
        "mass": np.full(n, 105.7),
        "n_jet": rng.poisson(4000, n),
        "jet": ak.zip({"pt": rng.exponential(5e4, (n, 2)), "eta": rng.random((n, 2)), "phi": rng.random((n, 2))}),
    }
    columns["jet"] = ak.from_regular(columns["jet"])
    for name in ("sig", "ttbar"):
        with uproot.recreate(tmp_path / f"{name}.root") as file:
            file.mktree("events", columns)
    path = tmp_path / "mev.yaml"
    result = call("init", tmp_path / "sig.root", tmp_path / "ttbar.root", "--output", path)
    assert result.exit_code == 0, result.output
    assert set(configuration.load(path).ntuples.mev) == {"lepPt", "met_et", "mass", "jet_pt"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["signal_0.root", "zee_0.root", "zee_1.root"], {"signal_0": 1, "zee": 2}),
        (["signal_*.root", "zee_*.root"], {"signal": 2, "zee": 2}),
        (["signal_0.root", "zee_1.root", "zee_500.root"], {"signal_0": 1, "zee_1": 1, "zee_500": 1}),
    ],
)
def test_files_of_a_pattern_or_that_count_are_one_sample(
    ntuples: Path, tmp_path: Path, arguments: list[str], expected: dict[str, int]
) -> None:
    for path in ntuples.glob("*_?.root"):
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "zee_500.root").symlink_to(ntuples / "wjets_0.root")
    if "zee_*.root" in arguments:
        (tmp_path / "zee_500.root").unlink()
    path = tmp_path / "sets.yaml"
    result = call("init", *(tmp_path / name for name in arguments), "--output", path)
    assert result.exit_code == 0, result.output
    config = configuration.load(path)
    found = {sample.name: len(ntuple.find(sample.files, directory=config.directory)) for sample in config.samples}
    assert found == expected


def test_energies_in_gev_stay_as_they_are(odd_config: Config) -> None:
    assert odd_config.ntuples.mev == ()


def test_files_of_several_formats_are_refused(odd: Path, ntuples: Path, tmp_path: Path) -> None:
    result = call("init", odd / "sig.root", ntuples / "zee_0.root", "--output", tmp_path / "no.yaml")
    assert result.exit_code == 2
    assert "zee_0.root: a NanoAOD, but" in result.output


def test_nanoaod_of_data_and_simulation_have_a_configuration_that_passes_check(ntuples: Path, tmp_path: Path) -> None:
    path = tmp_path / "nano.yaml"
    files = [ntuples / name for name in ("signal_0.root", "zee_0.root", "data.root")]
    assert call("init", *files, "--output", path).exit_code == 0
    config = configuration.load(path)
    assert config.data == "real"
    assert config.ntuples.sum_of_weights == "Runs:genEventSumw"
    assert set(config.objects) == {"photon", "electron"}
    result = call("check", path)
    assert result.exit_code == 0, result.output


def test_a_branch_of_four_vectors_is_one_sentence() -> None:
    tree = TreeSurvey("events", "TTree", 9, {"met": "float", "muonp4": "std::vector<TLorentzVector>"})
    assert "muonp4: objects with four-momenta are not read; write px, py, pz and E as numbers." in _four_vectors(tree)
    muon = {"muon": ObjectConfig.model_validate({"from": "muonp4"})}
    with pytest.raises(ConfigError, match="TLorentzVector are not read, so write their px, py, pz and E as numbers"):
        features.plan(objects=muon, selection=(), features={"n": "count(muon)"}, weights={}, branches=["muonp4"])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("EvtNumber", Role.IDENTITY),
        ("lumiBlock", Role.IDENTITY),
        ("eventweight", Role.WEIGHT),
        ("mu_sf", Role.WEIGHT),
        ("w_mc_up", Role.WEIGHT),
        ("mcw_down", Role.WEIGHT),
        ("W_pt", Role.FEATURE),
        ("m_w", Role.FEATURE),
        ("bdtTruthPdg", Role.TRUTH),
        ("genPartFlav", Role.TRUTH),
        ("MCneutrino_px", Role.TRUTH),
        ("mcChannelNumber", Role.TRUTH),
        ("is_signal", Role.TRUTH),
        ("GenPart_pt", Role.TRUTH),
        ("isolation", Role.FEATURE),
        ("n_mcsomething", Role.FEATURE),
        ("genuine_mass", Role.FEATURE),
        ("swt", Role.FEATURE),
        ("dataMC", Role.FEATURE),
    ],
)
def test_a_name_tells_what_a_branch_is_for(name: str, expected: Role) -> None:
    assert roles.role(name, np.array([1.0, 2.0, 2.0])) is expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 3.0], Role.CONSTANT),
        ([np.nan, np.nan], Role.CONSTANT),
        ([-1.5, 1.5, 1.5], Role.WEIGHT),
        (np.arange(500), Role.IDENTITY),
        (np.arange(500) % 7, Role.FEATURE),
    ],
)
def test_the_content_tells_what_a_branch_is_for(values: Any, expected: Role) -> None:
    assert roles.role("x", np.asarray(values)) is expected
