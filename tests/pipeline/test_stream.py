"""Streaming chosen files gives what selecting everything at once gives."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import uproot
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.cli import main
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError
from cascadebdt.events import Events, loading
from cascadebdt.histograms import yields
from cascadebdt.histograms.contents import Histograms
from cascadebdt.histograms.yields import Yields
from cascadebdt.pipeline import Request, steps, stream
from cascadebdt.pipeline.provenance import load_cascade
from cascadebdt.products import Products
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.results import Applied
from tiny_analysis import tiny_config


@pytest.fixture(scope="module")
def trained(tiny: Config, tiny_events: Events) -> Cascade:
    return training.train(tiny_events, tiny.cascade)


@pytest.fixture(scope="module")
def whole(tiny: Config, tiny_events: Events, trained: Cascade, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of `apply` to the whole analysis."""
    folder = tmp_path_factory.mktemp("whole")
    steps.apply(tiny, Products(folder), tiny_events, trained)
    trained.save(folder / "cascade")
    return folder


def regions(folder: Path) -> Yields:
    return Products(folder).read(Histograms, "histograms", made_by="apply").regions


def test_what_apply_returns_is_what_it_writes(
    tiny: Config, tiny_events: Events, trained: Cascade, tmp_path: Path
) -> None:
    made = steps.apply(tiny, Products(tmp_path), tiny_events, trained)
    Inventory(tmp_path, about=made.manifest.to_json()).write()
    read = Applied.read(Products(tmp_path))
    for name in ("histograms", "migrations", "cutflow", "manifest"):
        assert getattr(read, name).to_json() == getattr(made, name).to_json()


def test_the_manifest_tells_where_features_are_missing(
    tiny: Config, tiny_events: Events, trained: Cascade, tmp_path: Path
) -> None:
    manifest = steps.apply(tiny, Products(tmp_path), tiny_events, trained).manifest
    assert manifest.missing["met"] == {"signal": 0.0, "zee": 0.0, "wjets": 0.0}
    assert all(0.3 < rate < 1 for rate in manifest.missing["second_pt"].values())
    assert {file.selected for file in manifest.files if file.sample == "data"} == {None}


def test_what_is_remarkable_in_chosen_files_is_in_the_manifest_as_in_that_of_a_run(
    trained: Cascade, whole: Path, ntuples: Path, tmp_path: Path
) -> None:
    raw = tiny_config()
    raw["samples"][1]["weight"] = "genWeight * (1e30 if event == 7 else 1)"
    raw["selection"] = [{"name": "electron", "cut": "count(electron) >= 0"}]
    config = configuration.parse(raw, directory=ntuples)
    expected = loading.select(config).warnings
    filled = stream.apply_files(config, Products(tmp_path), trained, request_all(ntuples, whole))
    assert "sample 'zee': one of" in expected[0]
    assert filled.manifest.warnings[: len(expected)] == expected


def request_all(ntuples: Path, reference: Path, *, scores: bool = False) -> Request:
    return Request((str(ntuples / "*.root"),), None, reference, scores)


@pytest.mark.parametrize("jobs", [1, 3])
def test_streaming_all_files_gives_the_histograms_of_the_analysis(
    jobs: int, tiny: Config, trained: Cascade, whole: Path, ntuples: Path, tmp_path: Path
) -> None:
    small = tiny.model_copy(update={"ntuples": tiny.ntuples.model_copy(update={"chunk_entries": 700})})
    stream.apply_files(small, Products(tmp_path), trained, request_all(ntuples, whole), jobs=jobs)
    for name, histogram in regions(tmp_path).items():
        expected = regions(whole)[name]
        np.testing.assert_allclose(histogram.values(), expected.values(), rtol=1e-12, atol=1e-12)
    found, expected_flow = (json.loads((folder / "cutflow.json").read_text()) for folder in (tmp_path, whole))
    for sample, numbers in found["samples"].items():
        assert numbers["entries"] == expected_flow["samples"][sample]["entries"]


def test_streaming_gives_the_sorted_regions_and_the_discriminant_of_the_analysis(ntuples: Path, tmp_path: Path) -> None:
    raw = tiny_config()
    raw["cascade"] |= {
        "control": {"assign": "sorter"},
        "final": {**raw["cascade"]["final"], "kind": ["stages", "multiclass"], "train_on": "all"},
    }
    config = configuration.parse(raw, directory=ntuples)
    events = loading.select(config)
    steps.apply(config, Products(tmp_path / "whole"), events, model := training.train(events, config.cascade))
    stream.apply_files(config, Products(tmp_path / "parts"), model, request_all(ntuples, tmp_path / "whole"))
    model.save(tmp_path / "cascade")
    assert load_cascade(config, tmp_path / "cascade").sorter is not None
    raw["cascade"]["control"] = {"assign": "stage"}
    with pytest.raises(InputError, match=r"cascade\.control\.assign has become 'stage' since the cascade was trained"):
        load_cascade(configuration.parse(raw, directory=ntuples), tmp_path / "cascade")
    streamed = regions(tmp_path / "parts")
    for name, histogram in regions(tmp_path / "whole").items():
        np.testing.assert_allclose(streamed[name].values(), histogram.values(), rtol=1e-12, atol=1e-12)


def test_score_files_hold_every_visible_event_once(
    tiny: Config, tiny_events: Events, trained: Cascade, whole: Path, ntuples: Path, tmp_path: Path
) -> None:
    config = tiny.model_copy(update={"pass_through": ("m_eg",)})
    stream.apply_files(config, Products(tmp_path), trained, request_all(ntuples, whole, scores=True))
    scores = trained.score(tiny_events)
    for code, name in enumerate(("signal", "zee", "wjets", "data")):
        with uproot.open(tmp_path / "scores" / f"{name}.root") as file:
            found = file["Events"].arrays(library="np")
        rows = (tiny_events.sample == code) & tiny_events.is_nominal & (scores.region >= 0)
        order, expected = np.argsort(found["event_id"]), np.argsort(tiny_events.event_id[rows])
        np.testing.assert_array_equal(found["event_id"][order], tiny_events.event_id[rows][expected])
        np.testing.assert_array_equal(found["score_zee"][order], scores.scores[rows, 0][expected])
        np.testing.assert_array_equal(found["region"][order], scores.region[rows][expected])
        np.testing.assert_array_equal(found["m_eg"][order], tiny_events.columns["m_eg"][rows][expected])
    assert not list((tmp_path / "scores").glob(".*"))


def test_an_aborted_run_leaves_no_score_file_behind(
    tiny: Config, trained: Cascade, whole: Path, ntuples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object, **__: object) -> None:
        assert list((tmp_path / "scores").glob(".*"))
        raise KeyboardInterrupt

    monkeypatch.setattr("cascadebdt.pipeline.totals.Totals.add", fails)
    with pytest.raises(KeyboardInterrupt):
        stream.apply_files(tiny, Products(tmp_path), trained, request_all(ntuples, whole, scores=True))
    assert list((tmp_path / "scores").iterdir()) == []


def test_files_of_an_alternative_sample_give_its_variation(
    trained: Cascade, whole: Path, ntuples: Path, tmp_path: Path
) -> None:
    raw = tiny_config()
    raw["samples"] = [sample for sample in raw["samples"] if sample["name"] != "data"]
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / f"{sample['name']}_0.root")
    alternative = {"process": "zee", "files": str(ntuples / "zee_1.root"), "cross_section_pb": 1.0}
    raw.setdefault("systematics", []).append({"name": "generator", "kind": "sample", **alternative})
    config = configuration.parse(raw)
    expected = yields.fill(events := loading.select(config), trained.score(events), config.regions)
    request = Request((str(ntuples / "*_[01].root"),), None, whole, scores=True)
    used = {str(ntuples / f"{name}_0.root") for name in ("signal", "zee", "wjets")} | {str(ntuples / "zee_1.root")}
    stream.apply_files(config, Products(tmp_path), trained, replace(request, files=tuple(sorted(used))))
    found = regions(tmp_path)
    for region, histogram in expected.items():
        for variation in ("nominal", "generator_up"):
            assert yields.total(found[region], "zee", variation) == pytest.approx(
                yields.total(histogram, "zee", variation)
            )
    assert yields.total(found["SR"], "zee", "generator_up") != yields.total(found["SR"], "zee")
    assert not (tmp_path / "scores" / "generator.root").exists()
    assert json.loads((tmp_path / "cutflow.json").read_text())["samples"].keys() == {"signal", "zee", "wjets"}


def test_without_known_bins_scores_get_equal_ones(
    tiny: Config, trained: Cascade, ntuples: Path, tmp_path: Path
) -> None:
    request = Request((str(ntuples / "zee_0.root"),), None, tmp_path / "nowhere", scores=False)
    stream.apply_files(tiny, Products(tmp_path), trained, request)
    histogram = regions(tmp_path)["SR"]
    np.testing.assert_array_equal(histogram.axes[2].edges, np.linspace(0, 1, 51))


def test_files_of_no_sample_are_one_sentence(tiny: Config, trained: Cascade, ntuples: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.root"
    copy.write_bytes((ntuples / "zee_0.root").read_bytes())
    with pytest.raises(InputError, match=r"copy.root: belongs to no sample of the configuration; name its sample"):
        stream.apply_files(tiny, Products(tmp_path), trained, Request((str(copy),), None, tmp_path, scores=False))
    with pytest.raises(ConfigError, match="unknown sample 'zzee'; did you mean 'zee'"):
        stream.apply_files(tiny, Products(tmp_path), trained, Request((str(copy),), "zzee", tmp_path, scores=False))
    stream.apply_files(tiny, Products(tmp_path), trained, Request((str(copy),), "zee", tmp_path, scores=False))


def test_the_command_streams_files(write_config: object, whole: Path, ntuples: Path, tmp_path: Path) -> None:
    path = write_config(tiny_config())  # type: ignore[operator]
    trained = shutil.copytree(whole / "cascade", tmp_path / "trained" / "cascade")
    where = ["--cascade", str(trained), "--output", str(tmp_path / "out")]
    result: Result = CliRunner().invoke(
        main, ["apply", str(path), "--scores", "--files", str(ntuples / "zee_*.root"), *where]
    )
    assert result.exit_code == 0, result.output
    assert (tmp_path / "out" / "applied" / "histograms.json").is_file()
    assert (tmp_path / "out" / "applied" / "scores" / "zee.root").is_file()
    state = CliRunner().invoke(main, ["status", str(tmp_path / "out" / "applied")]).output
    assert "current  apply   histograms.json" in state
    assert "current  apply   scores/zee.root" in state
    told = json.loads((tmp_path / "out" / "applied" / "manifest.json").read_text())
    assert {Path(file["file"]).name for file in told["files"]} == {path.name for path in ntuples.glob("zee_*.root")}
    (tmp_path / "out" / "applied" / "yields.json").write_text("{}")
    state = CliRunner().invoke(main, ["status", str(tmp_path / "out" / "applied")]).output
    assert "altered  apply   yields.json" in state
