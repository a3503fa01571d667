"""A holdout through the real command line: every event read is selected, cut or used in training, in all variations."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uproot
from click.testing import CliRunner

from cascadebdt.cascade import Cascade
from cascadebdt.cli import main
from cascadebdt.config import Config
from cascadebdt.events import Events
from tiny_analysis import tiny_config

FOLDS = 4


@pytest.fixture(scope="module")
def products(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of training with a holdout and of applying it."""
    folder = tmp_path_factory.mktemp("holdout")
    raw = tiny_config()
    raw["cascade"] |= {"mode": "holdout", "folds": FOLDS}
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    (folder / "config.yaml").write_text(json.dumps(raw))
    for command in ("train", "apply"):
        call(command, folder / "config.yaml", "--output", folder / "out")
    return folder / "out"


def call(*arguments: object) -> None:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output


def read(folder: Path, name: str) -> Any:
    return json.loads((folder / f"{name}.json").read_text())


def test_every_event_read_is_selected_cut_or_used_in_training(products: Path, tiny_events: Events) -> None:
    cutflow, manifest = (read(products, name) for name in ("cutflow", "manifest"))
    events = cutflow["events"]
    before = tiny_events.cutflow
    for row, sample in enumerate(before.samples[:3]):
        entries = cutflow["samples"][sample]["entries"]
        assert entries[:-1] == before.entries[row].tolist()
        assert manifest["used_in_training"][sample] == entries[-2] - entries[-1] > 0
        kept = (tiny_events.event_id % np.uint64(FOLDS) == 0) & tiny_events.is_nominal & (tiny_events.sample == row)
        assert entries[-1] == kept.sum()
    assert manifest["used_in_training"]["data"] == 0
    assert events["used_in_training"] == sum(manifest["used_in_training"].values())
    selected_by_file = sum(record["selected"] or 0 for record in manifest["files"])
    scored = sum(cutflow["samples"][sample]["entries"][-1] for sample in before.samples[:3])
    assert selected_by_file == scored + events["used_in_training"]


def test_the_yields_of_all_variations_are_those_of_the_fold_held_out_times_the_folds(
    products: Path, tiny_events: Events
) -> None:
    yields = read(products, "yields")
    held_out = tiny_events.event_id % np.uint64(FOLDS) == 0
    for process in ("signal", "zee", "wjets"):
        for variation in ("nominal", "pileup_up", "photon_scale_down"):
            of_rows = variation if variation in tiny_events.variations else "nominal"
            rows = held_out & tiny_events.of_process(process)
            rows &= tiny_events.variation == tiny_events.variations.index(of_rows)
            weights = tiny_events.weights[variation if variation in tiny_events.weights else "nominal"][rows]
            found = [yields[region][process][variation] for region in ("CR_zee", "CR_wjets", "SR")]
            assert sum(value for value, _ in found) == pytest.approx(FOLDS * weights.sum())
            assert sum(error**2 for _, error in found) == pytest.approx(FOLDS**2 * (weights**2).sum())


def test_all_data_are_scored(products: Path, tiny_events: Events) -> None:
    data = tiny_events.take(tiny_events.is_data)
    (booster,) = Cascade.load(products / "cascade").stages[0].classifier.boosters
    first = read(products / "cascade", "cascade")["stages"][0]
    scores = booster.inplace_predict(np.column_stack([data.columns[name] for name in first["features"]]))
    rejected, _ = read(products, "yields")["CR_zee"]["data"]["nominal"]
    assert rejected == (scores < np.float32(first["threshold"]["value"])).sum() > 0
    assert {path.name for path in (products / "cascade" / "zee").iterdir()} == {"fold_0.ubj"}


def test_streaming_the_files_gives_the_same_yields(
    products: Path, ntuples: Path, tiny: Config, tiny_events: Events, tmp_path: Path
) -> None:
    config = products.parent / "config.yaml"
    where = ["--cascade", products / "cascade", "--output", tmp_path]
    call("apply", config, "--scores", "--files", ntuples / "zee_*.root", *where)
    streamed, whole = read(tmp_path / "applied", "yields"), read(products, "yields")
    for region in ("CR_zee", "CR_wjets", "SR"):
        for variation in ("nominal", "pileup_up", "photon_scale_up"):
            assert streamed[region]["zee"][variation] == pytest.approx(whole[region]["zee"][variation])
    flows = [read(folder, "cutflow")["samples"]["zee"] for folder in (tmp_path / "applied", products)]
    assert flows[0]["entries"] == flows[1]["entries"]
    with uproot.open(tmp_path / "applied" / "scores" / "zee.root") as file:
        assert (file["Events"]["event_id"].array(library="np") % FOLDS == 0).all()


def test_a_feature_that_died_in_data_ends_apply(
    write_config: Callable[[dict[str, Any]], Path], products: Path, ntuples: Path, tmp_path: Path
) -> None:
    with uproot.open(ntuples / "data.root") as file:
        content = file["Events"].arrays()
    content = content[[name for name in content.fields if not name.startswith("n")]]
    content["MET_pt"] = 0 * content["MET_pt"] + np.float32(27.0)
    with uproot.recreate(tmp_path / "dead.root") as file:
        file.mktree("Events", {name: content[name] for name in content.fields})
    raw = tiny_config()
    raw["cascade"] |= {"mode": "holdout", "folds": FOLDS}
    raw["samples"][3]["files"] = str(tmp_path / "dead.root")
    unchanged = products.parent / "config.yaml"
    chosen = ("--files", tmp_path / "dead.root", "--sample", "data")
    where = ("--cascade", products / "cascade", "--output", tmp_path / "o")
    for arguments in ((write_config(raw), *where), (unchanged, *where, *chosen)):
        result = CliRunner().invoke(main, ["apply", *map(str, arguments)])
        assert result.exit_code == 2, result.output
        assert "data: feature 'met' is 27 in all" in result.output
