"""A chain with a validation region and treated systematics: every product follows, through the command line."""

import html
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyhf
import pytest
from click.testing import CliRunner, Result

from cascadebdt.cli import main
from cascadebdt.histograms.contents import Histograms
from cascadebdt.histograms.inputs import Inputs
from cascadebdt.histograms.yields import Yields
from cascadebdt.products import Products
from tiny_analysis import tiny_config

REGIONS = ["CR_zee", "VR_zee", "CR_wjets", "SR"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def regions(folder: Path) -> Yields:
    return Products(folder).read(Histograms, "histograms", made_by="apply").regions


def raw_config(ntuples: Path) -> dict[str, Any]:
    raw = tiny_config()
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    raw["cascade"]["stages"][0]["working_point"] = {"signal_efficiency": 0.9, "validation_efficiency": 0.96}
    raw["regions"] |= {
        "VR_zee": {"n_bins": 2, "min_effective_events": 5},
        "CR_wjets": {"observable": "met", "n_bins": 2},
    }
    raw["systematics"][1] |= {"regions": "*_zee", "decorrelate": "regions"}
    raw["systematics"][2] |= {"symmetrise": "average", "smooth": {"method": "merge", "max_uncertainty": 0.1}}
    raw["fit"] = {"free": ["zee"], "prune": {"normalisation": 0.005, "shape": 0.03}}
    return raw


def without_validation(raw: dict[str, Any]) -> None:
    raw["cascade"]["stages"][0]["working_point"] = {"signal_efficiency": 0.9}
    raw["regions"].pop("VR_zee")


def write(raw: dict[str, Any], folder: Path) -> Path:
    path = folder / "config.yaml"
    path.write_text(json.dumps(raw))
    return path


@pytest.fixture(scope="module")
def run(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of a blind run."""
    folder = tmp_path_factory.mktemp("validated")
    result = call("run", write(raw_config(ntuples), folder), "--output", folder / "out")
    assert result.exit_code == 0, result.output
    return folder / "out"


@pytest.fixture
def products(run: Path, tmp_path: Path) -> Path:
    """A copy of the run, to be changed."""
    shutil.copytree(run, tmp_path / "out")
    shutil.copy(run.parent / "config.yaml", tmp_path)
    return tmp_path / "out"


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def test_regions_follow_in_every_product(run: Path) -> None:
    assert read(run, "cascade/cascade")["regions"] == REGIONS
    assert list(read(run, "yields")) == REGIONS
    assert list(regions(run)) == REGIONS
    summary = read(run, "summary")
    assert list(summary["regions"]) == REGIONS
    assert summary["regions"]["VR_zee"]["data"] > 0
    assert summary["regions"]["VR_zee"]["purity"] == pytest.approx(
        summary["regions"]["VR_zee"]["yields"]["zee"][0]
        / sum(value for value, _ in summary["regions"]["VR_zee"]["yields"].values())
    )
    assert {f"region_{name}.png" for name in REGIONS} <= {path.name for path in (run / "plots").iterdir()}
    assert read(run, "cutflow")["cascade"]["steps"] == ["zee", "wjets", "SR"]


def test_the_flow_counts_what_a_stage_passes_not_its_validation_region(run: Path) -> None:
    flow = read(run, "cutflow")["cascade"]["yields"]["zee"]
    yields = read(run, "yields")
    parts = [yields[name]["zee"]["nominal"][0] for name in REGIONS]
    assert flow == pytest.approx([sum(parts), sum(parts[2:]), parts[3]])


def test_the_fit_does_not_see_the_validation_region(run: Path) -> None:
    fitted, everything = (pyhf.Workspace(read(run, name)) for name in ("workspace", "workspace_validation"))
    assert fitted.channels == ["CR_wjets", "CR_zee", "SR"]
    assert everything.channels == ["CR_wjets", "CR_zee", "SR", "VR_zee"]
    assert set(read(run, "fit")["total"]) == {"CR_zee", "CR_wjets", "SR"}
    for region in fitted.channels:
        assert everything.observations.get(region) == fitted.observations.get(region)
    data = read(run, "yields")["VR_zee"]["data"]["nominal"][0]
    assert sum(everything.observations["VR_zee"]) == data


def test_the_validation_regions_data_are_compared_with_the_prediction(run: Path) -> None:
    found = read(run, "validation")
    region = found["regions"]["VR_zee"]
    assert 0 < region["p_value"] < 1
    assert found["p_value"] == pytest.approx(region["p_value"])
    assert sum(region["data"]) == read(run, "yields")["VR_zee"]["data"]["nominal"][0]
    page = (run / "report.html").read_text()
    assert "<h2>Validation regions</h2>" in page
    assert f"<td>{region['p_value']:.2g}</td>" in page


def test_own_binnings_and_parameters_reach_the_workspace(run: Path) -> None:
    assert regions(run)["CR_wjets"].axes[2].name == "met"
    parameters = set(pyhf.Workspace(read(run, "workspace")).model().config.parameters)
    assert {"pileup_CR_zee", "photon_scale", "lumi"} <= parameters
    assert not {"pileup", "pileup_SR", "pileup_VR_zee"} & parameters


def test_treatments_are_kept_and_variations_stay_as_they_were(run: Path) -> None:
    treated = read(run, "treatment")
    assert set(treated) == {"merged", "bins", "variations"}
    actions = {action for note in treated["variations"] for action in note["actions"]}
    assert {"merge smoothing", "symmetrised (average)", "shape pruned"} <= actions
    yields = read(run, "yields")
    assert set(yields["SR"]["zee"]) == {
        "nominal",
        *(f"{name}_{side}" for name in ("pileup", "photon_scale") for side in ("up", "down")),
    }
    assert yields["SR"]["wjets"]["photon_scale_up"] != yields["SR"]["wjets"]["nominal"]
    page = (run / "report.html").read_text()
    for text in ("<h2>Systematics</h2>", "merge smoothing", "Migration between regions", "VR_zee"):
        assert text in page


def test_migrations_close_with_the_yields(run: Path) -> None:
    yields = read(run, "yields")
    for variation, processes in read(run, "migration").items():
        assert set(processes) == {"signal", "zee", "wjets"}
        for process, moves in processes.items():
            assert moves["regions"] == [*REGIONS, "not selected"]
            matrix = np.array(moves["sumw"])
            for k, region in enumerate(REGIONS):
                assert matrix[k].sum() == pytest.approx(yields[region][process]["nominal"][0], rel=1e-10)
                assert matrix[:, k].sum() == pytest.approx(yields[region][process][variation][0], rel=1e-10)


def test_bins_of_a_feature_move_at_least_as_far_as_the_yield_of_their_region(run: Path) -> None:
    yields = read(run, "yields")
    systematics = Products(run).read(Inputs, "inputs", made_by="apply").systematics
    for region in REGIONS:
        of_both = {
            variation: np.array([yields[region][process][variation][0] for process in ("zee", "wjets")])
            for variation in yields[region]["zee"]
        }
        scale = (of_both["photon_scale_up"] - of_both["photon_scale_down"]).sum() / 2
        pileup = (of_both["pileup_up"] - of_both["pileup_down"])[0] / 2 if region.endswith("_zee") else 0.0
        lumi = 0.02 * of_both["nominal"].sum()
        histogram: Any = systematics["met"]
        deviations = histogram[{"region": region}].values()
        assert deviations.sum() >= (1 - 1e-9) * np.linalg.norm([scale, pileup, lumi]) > 0


def test_streaming_gives_the_same_regions_and_migrations(run: Path, ntuples: Path, tmp_path: Path) -> None:
    raw = raw_config(ntuples)
    raw["ntuples"]["chunk_entries"] = 511
    where = ["--cascade", run / "cascade", "--output", tmp_path, "--files", ntuples / "*.root", "--scores"]
    result = call("apply", write(raw, tmp_path), *where)
    assert result.exit_code == 0, result.output
    expected, found = (regions(folder) for folder in (run, tmp_path / "applied"))
    for name in REGIONS:
        np.testing.assert_allclose(found[name].values(), expected[name].values(), rtol=1e-12, atol=1e-12)
    one, other = read(run, "migration"), read(tmp_path / "applied", "migration")
    for variation, processes in one.items():
        for process, moves in processes.items():
            assert other[variation][process]["entries"] == moves["entries"]
            assert np.array(other[variation][process]["sumw"]) == pytest.approx(np.array(moves["sumw"]), abs=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda raw: raw["features"].update(met="MET_pt + 1"),
            "met of features was MET_pt and is MET_pt + 1 since 'train'; do it with 'cascadebdt train'",
        ),
        (
            lambda raw: raw["objects"]["photon"].update(where="pt > 31"),
            "where of photon was pt > 30 and abs(eta) < 2.4 and is pt > 31 since 'train'",
        ),
        (
            lambda raw: (
                raw["cascade"]["stages"][0].update(working_point={"signal_efficiency": 0.9})
                or raw["regions"].pop("VR_zee")
            ),
            "validation_efficiency of working_point was 0.96 and is null since 'train'",
        ),
    ],
)
def test_apply_refuses_a_configuration_that_does_not_fit_the_cascade(
    products: Path, ntuples: Path, change: Callable[[dict[str, Any]], Any], message: str
) -> None:
    raw = raw_config(ntuples)
    change(raw)
    result = call("apply", write(raw, products.parent), "--output", products, "--quiet")
    assert result.exit_code == 2
    assert message in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_apply_and_fit_allow_other_systematics_bins_and_spellings(products: Path, ntuples: Path) -> None:
    raw = raw_config(ntuples)
    raw["systematics"] = raw["systematics"][:1]
    raw["regions"] = {"control": {"observable": "met", "bins": [0, 5, 10, 2000, 3000]}, "empty_bins": "merge"}
    raw["features"]["met"] = " MET_pt "
    raw["fit"].pop("prune")
    path = write(raw, products.parent)
    for step in ("apply", "fit", "report"):
        result = call(step, path, "--output", products, "--quiet")
        assert result.exit_code == 0, result.output
    merged = read(products, "treatment")["merged"]
    assert merged["CR_zee"] == [0, 5, 10, 3000]
    assert "configured bins without positive background were merged" in (products / "report.html").read_text()


def test_figures_that_are_not_drawn_any_more_go_and_others_stay(products: Path, ntuples: Path) -> None:
    plots = products / "plots"
    (plots / "region_mine.png").write_bytes(b"mine")
    (plots / "region_VR_zee.pdf").write_bytes(b"changed by somebody")
    raw = raw_config(ntuples)
    without_validation(raw)
    path = write(raw, products.parent)
    for step in ("train", "apply", "fit", "report"):
        assert call(step, path, "--output", products, "--quiet").exit_code == 0
    assert not (plots / "region_VR_zee.png").exists()
    assert (plots / "region_VR_zee.pdf").read_bytes() == b"changed by somebody"
    assert (plots / "region_mine.png").read_bytes() == b"mine"
    assert (plots / "region_CR_zee.png").is_file()
    assert "VR_zee" not in (products / "report.html").read_text()
    assert not any("VR_zee" in name for name in read(products, "figures"))
    assert not list(products.glob("*validation.json"))


def test_a_cascade_from_elsewhere_is_refused_where_events_would_change_their_folds(
    run: Path, ntuples: Path, tmp_path: Path
) -> None:
    raw = raw_config(ntuples)
    raw["ntuples"]["event_id"] = ["run", "event"]
    result = call("apply", write(raw, tmp_path), "--cascade", run / "cascade", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "ntuples.event_id was ['run', 'luminosityBlock', 'event'] and is ['run', 'event']" in result.output
    raw = raw_config(ntuples)
    raw["samples"][1]["name"] = "renamed"
    result = call("apply", write(raw, tmp_path), "--cascade", run / "cascade", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "the sample 'zee' is gone and 'renamed' is new" in result.output


def test_bins_for_chosen_files_come_from_an_apply_of_this_configuration_and_cascade(
    run: Path, ntuples: Path, tmp_path: Path
) -> None:
    def stream(raw: dict[str, Any], folder: Path) -> Result:
        path = write(raw, tmp_path)
        return call(
            "apply", path, "--files", ntuples / "zee_0.root", "--cascade", folder / "cascade", "--output", tmp_path
        )

    assert stream(raw_config(ntuples), run).exit_code == 0
    assert set(read(tmp_path / "applied", "manifest")["steps"]["apply"]["inputs"]) == {"cascade", "reference"}
    other = raw_config(ntuples)
    other["luminosity_fb"] = 2.0
    result = stream(other, run)
    assert result.exit_code == 2
    assert "luminosity_fb was 1.0 and is 2.0 since 'apply'" in result.output
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    (copy / "histograms.json").write_text("{}")
    result = stream(raw_config(ntuples), copy)
    assert result.exit_code == 2
    assert "histograms.json was altered or only half written, so that its bins do not serve" in result.output


def test_a_run_that_trains_and_applies_has_nothing_to_remark(run: Path) -> None:
    assert read(run, "manifest")["warnings"] == []


def test_a_cascade_from_elsewhere_with_another_working_point_is_refused(
    run: Path, ntuples: Path, tmp_path: Path
) -> None:
    raw = raw_config(ntuples)
    raw["cascade"]["stages"][1]["working_point"] = 0.5
    result = call("apply", write(raw, tmp_path), "--cascade", run / "cascade", "--output", tmp_path / "out")
    assert result.exit_code == 2
    assert "the working point of stage 'wjets' was" in result.output


def test_a_cut_that_a_cascade_from_elsewhere_did_not_know_is_in_the_report(
    run: Path, ntuples: Path, tmp_path: Path
) -> None:
    raw = raw_config(ntuples)
    raw["selection"].append({"name": "high met", "cut": "MET_pt > 1"})
    path, out = write(raw, tmp_path), tmp_path / "out"
    applied = call("apply", path, "--cascade", run / "cascade", "--output", out)
    assert applied.exit_code == 0, applied.output
    for step in ("fit", "report"):
        assert call(step, path, "--output", out).exit_code == 0
    remark = "the cut 'high met' is new since the cascade was trained"
    assert read(out, "manifest")["warnings"] == [remark]
    assert remark in html.unescape((out / "report.html").read_text())
