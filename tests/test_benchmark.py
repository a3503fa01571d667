"""The benchmark analysis on the shipped samples: closure, and what the configurations promise."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cascadebdt.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def summary(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Summary of the quick configuration, unblinded on pseudo-data."""
    output = tmp_path_factory.mktemp("quick")
    arguments = ["run", str(ROOT / "configs" / "quick.yaml"), "--output", str(output), "--unblind", "closure test"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return json.loads((output / "summary.json").read_text())


@pytest.fixture(scope="module")
def factors() -> dict[str, float]:
    """Injected normalisation per process."""
    truth = json.loads((ROOT / "samples" / "truth.json").read_text())
    return {sample["process"]: sample["factor"] for sample in truth["samples"].values()}


def test_every_normalisation_comes_back_within_two_and_a_half_uncertainties(
    summary: Any, factors: dict[str, float]
) -> None:
    found = summary["fit"]["normalisation"]
    assert set(found) == {"wgamma", "zgamma", "zee", "wjets", "gammajet", "ttbar"}
    pulls = {name: (value - factors[name]) / error for name, (value, error) in found.items()}
    assert all(abs(pull) < 2.5 for pull in pulls.values()), pulls


def test_normalisations_are_measured_not_left_open(summary: Any) -> None:
    errors = {name: error for name, (_, error) in summary["fit"]["normalisation"].items()}
    assert max(errors[name] for name in ("wgamma", "zee", "wjets", "gammajet", "ttbar")) < 0.1
    assert errors["zgamma"] < 0.8


def test_the_signal_strength_agrees_with_the_signal_that_is_not_there(summary: Any, factors: dict[str, float]) -> None:
    value, error = summary["fit"]["mu"]
    assert factors["signal"] == 0.0
    assert abs(value) < 2.5 * error
    assert summary["limit"]["observed"] > value


def test_the_fit_describes_the_data(summary: Any) -> None:
    assert summary["fit"]["goodness_of_fit"] > 0.01


def test_no_event_is_lost_and_every_region_has_data(summary: Any) -> None:
    assert summary["events"]["lost"] == 0
    assert len(summary["regions"]) == 7
    assert all(region["data"] > 100 for region in summary["regions"].values())


@pytest.mark.parametrize("region", ["CR_zee", "CR_gammajet", "CR_ttbar", "CR_wjets", "CR_wgamma"])
def test_a_control_region_is_enriched_in_its_background(summary: Any, region: str) -> None:
    name = region.removeprefix("CR_")
    selected = sum(entry["yields"][name][0] for entry in summary["regions"].values())
    everything = sum(value for entry in summary["regions"].values() for value, _ in entry["yields"].values())
    assert summary["regions"][region]["purity"] > 1.5 * selected / everything
