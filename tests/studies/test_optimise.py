"""Optimisation: through the command line on the tiny analysis, and on noise, where there is nothing to gain."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cascadebdt import config as configuration
from cascadebdt.cli import main
from cascadebdt.config.document import read
from cascadebdt.forest.logistic import probability
from cascadebdt.products import Products
from cascadebdt.progress import silent
from cascadebdt.report.studies import answers
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.optimise_choice import finalists, judged, proposal
from cascadebdt.studies.optimise_variants import explored
from studies.toy_study import toy_study
from tiny_analysis import tiny_config


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def folder(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an analysis that was optimised, one other order of its stages included."""
    folder = tmp_path_factory.mktemp("optimised")
    raw = tiny_config()
    for sample in raw["samples"]:
        sample["files"] = str(ntuples / sample["files"])
    (folder / "config.yaml").write_text(json.dumps(raw))
    result = optimise(folder)
    assert result.exit_code == 0, result.output
    return folder


def optimise(folder: Path) -> Result:
    options = ("--output", folder / "out", "--jobs", 1, "--trials", 150, "--finalists", 2, "--orders", 1)
    return call("optimise", folder / "config.yaml", *options)


@pytest.fixture
def content(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "out" / "optimise.json").read_text()))


def test_the_result_claims_and_keeps(content: dict[str, Any]) -> None:
    assert content["trials"] >= 150
    for name in ("sigma_mu", "limit"):
        claimed, held_out = content["claimed"][name], content["held_out"][name]
        assert held_out > 0
        assert content["ratio"][name] == pytest.approx(held_out / claimed)
        assert content["gain_claimed"][name] <= 1.0
        assert content["gain_held_out"][name] == pytest.approx(held_out / content["start_held_out"][name])


def test_the_fits_agree_with_what_the_search_saw(content: dict[str, Any]) -> None:
    for finalist in content["finalists"]:
        assert finalist["surrogate"] == pytest.approx(finalist["claimed"]["sigma_mu"], rel=0.02)


def test_the_proposal_is_the_simplest_that_is_close_to_the_best(content: dict[str, Any]) -> None:
    limits = [finalist["claimed"]["limit"] for finalist in content["finalists"]]
    assert content["claimed"]["limit"] <= 1.02 * min(limits)
    simpler = [f for f in content["finalists"] if f["choice"]["complexity"] < content["best"]["complexity"]]
    assert all(f["claimed"]["limit"] > min(limits) for f in simpler)


def test_the_configuration_that_is_written_can_be_used(folder: Path, content: dict[str, Any]) -> None:
    path = folder / "out" / "optimised.yaml"
    result = call("check", path, "--quiet")
    assert result.exit_code == 0, result.output
    written = configuration.load(path)
    assert [stage.name for stage in written.cascade.stages] == content["best"]["stages"]
    assert written.regions.signal.n_bins == content["best"]["n_signal"]
    for stage in written.cascade.stages:
        # A threshold keeps at least the efficiency asked for; as many events share a score, it may keep some more.
        kept = content["best"]["efficiencies"][stage.name]
        asked = stage.working_point.signal_efficiency
        assert asked is not None
        assert asked - 1e-6 <= kept < asked + 0.05


def test_what_did_not_change_stays_as_it_was_written(folder: Path) -> None:
    before, after = (dict(read(folder / name).content) for name in ("config.yaml", "out/optimised.yaml"))
    for key in ("analysis", "selection", "features", "objects", "systematics", "fit"):
        assert after[key] == before[key]


def test_another_order_trains_its_stages_and_is_told(folder: Path, content: dict[str, Any]) -> None:
    (variant,) = content["variants"]
    assert variant["name"] == "stages 1 and 2 exchanged"
    trained = {path.name.split("_fold_")[0] for path in (folder / "out" / ".training").glob("*/*.ubj")}
    assert trained == {"zee", "wjets", "final"}


def test_the_same_question_is_answered_from_the_folder(folder: Path) -> None:
    """And told again: what is proposed, and what of the gain is kept."""
    before = (folder / "out" / "optimise.json").stat().st_mtime_ns
    result = optimise(folder)
    assert result.exit_code == 0, result.output
    assert (folder / "out" / "optimise.json").stat().st_mtime_ns == before
    for text in ("Proposed: signal efficiencies", "gain, claimed", "gain, held out", "optimised.yaml"):
        assert text in result.output
    assert "symmetrised" not in result.output


def test_the_figure_is_drawn(folder: Path) -> None:
    assert (folder / "out" / "plots" / "optimise.png").stat().st_size > 10_000


def test_the_report_tells_it(folder: Path) -> None:
    (answer,) = answers(Products(folder / "out"), configuration.load(folder / "config.yaml").hash)
    assert answer.title == "Optimisation"
    assert len(answer.pictures) == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--features", "zeee=met"), "features: no stage 'zeee'; did you mean 'zee'?"),
        (("--features", "zee=mett"), "'mett'"),
        (("--features", "zee"), "expected STAGE=FEATURE,FEATURE"),
        (("--min-purity", 1), "none of 20 settings"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(folder: Path, options: tuple[object, ...], expected: str) -> None:
    result = call("optimise", folder / "config.yaml", "--output", folder / "out", "--quiet", "--trials", 20, *options)
    assert result.exit_code == 2
    assert expected in result.output


def test_a_search_of_noise_finds_accidents_that_are_not_proposed_and_not_confirmed() -> None:
    toy, random = toy_study("stage", n_events=2000), np.random.default_rng(0)
    n_events = len(toy.scores.events)
    margins = random.normal(size=(n_events, 3)).astype(np.float32)
    scores = probability(margins)
    noise = replace(toy.scores, margins=margins[:, :2], scores=scores[:, :2], final_margin=margins[:, 2])
    config = toy.config.replace("fit.free", []).replace("systematics", [])
    halves = Halves.of(noise, config, min_purity=0.0)
    found = explored(halves, n_trials=400, seed=1, progress=silent)
    among = finalists(found, 2, silent)
    result = judged(halves, among[-1], found, proposal(among, "sigma_mu"), among, "sigma_mu", ())
    assert result.luckiest_gain_claimed.sigma_mu < 0.97
    assert result.luckiest_gain_held_out.sigma_mu > 0.98
    assert result.gain_claimed.sigma_mu > 0.99
