"""Published answers of other programs for real models (see README.md beside the data for their sources)."""

import json
from pathlib import Path
from typing import Any

import jsonpatch
import pytest

from cascadebdt import inference
from cascadebdt.inference.likelihood import objective
from cascadebdt.workspace import Workspace
from small_models import workspace

STATISTICS = Path(__file__).parents[2] / ".." / "shared" / "data" / "stat"
COMBINE = STATISTICS / "combine"
CARDS = [
    f"counting-B5p5-Obs{observed}-{errors}"
    for observed in (1, 6, 11)
    for errors in ("StatOnly", "Syst30B", "Syst30C", "Syst30S", "Syst30U")
]

pytestmark = pytest.mark.skipif(not STATISTICS.is_dir(), reason="the folder of published models is absent")


def read(name: str) -> Any:
    return json.loads((STATISTICS / name).read_text())


def from_card(card: str) -> dict[str, Any]:
    """Translate a data card of one bin, one signal and one background with log-normal uncertainties."""
    lines = [line.split() for line in (COMBINE / "simple-counting" / f"{card}.txt").read_text().splitlines() if line]
    observed = next(float(words[1]) for words in lines if words[0] == "Observation")
    rates = next(words[1:] for words in lines if words[0] == "rate")
    lognormals = [(words[0], words[2:]) for words in lines if words[1:2] == ["lnN"]]
    samples = []
    for column, process in enumerate(("s", "b")):
        modifiers: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}] if column == 0 else []
        for name, factors in lognormals:
            if (factor := float(factors[column])) != 1:
                modifiers.append({"name": f"e{name}", "type": "normsys", "data": {"hi": factor, "lo": 1 / factor}})
        samples.append({"name": process, "data": [float(rates[column])], "modifiers": modifiers})
    return workspace([{"name": "SR", "samples": samples}], {"SR": [observed]})


@pytest.mark.parametrize("card", CARDS)
def test_limits_of_counting_experiments_are_those_of_combine(card: str) -> None:
    published = read("combine/reference.json")["Counting_Asymptotic"]["results"]
    expected = [published[f"{card}.txt {key}"]["limit"] for key in ("E025", "E159", "E500", "E839", "E975")]
    result = inference.limit(from_card(card))
    assert result.observed == pytest.approx(published[f"{card}.txt Obs"]["limit"], rel=2e-3)
    # Combine scales one sigma to the whole band, and stops its search for the median at 0.5 %
    for ours, theirs, tolerance in zip(result.expected, expected, (0.025, 0.015, 0.005, 0.015, 0.025), strict=True):
        assert ours == pytest.approx(theirs, rel=tolerance)


def test_the_limit_without_events_is_that_of_combine() -> None:
    result = inference.limit(read("combine/pyhf_realistic_counting.json"))
    assert result.observed == pytest.approx(1.6281, rel=2e-3)
    assert result.expected == pytest.approx([0.9640, 1.4329, 2.3281, 3.9800, 6.6194], rel=0.025)


@pytest.mark.parametrize(
    ("parameter", "value", "down", "up"), [("r_ggH", 0.882, 0.749, 0.795), ("r_qqH", 4.683, 2.746, 3.464)]
)
def test_intervals_of_two_signals_are_those_of_combine(parameter: str, value: float, down: float, up: float) -> None:
    content = read("combine/pyhf_multi_signal.json")
    result = inference.fit(content)
    low, high = inference.profile_interval(content, parameter)
    best = result.values[result.parameters.index(parameter)]
    assert best == pytest.approx(value, rel=5e-3)
    assert (best - low, high - best) == pytest.approx((down, up), rel=0.01)


def test_the_interval_of_a_shape_fit_is_that_of_combine() -> None:
    content = read("combine/pyhf_longex_part2_noMCstat.json")
    result = inference.fit(content)
    low, high = inference.profile_interval(content, "r")
    assert result.mu[0] == pytest.approx(-2.733, rel=0.01)
    # The interpolation of shapes differs: per bin here, of normalised shapes there
    assert (result.mu[0] - low, high - result.mu[0]) == pytest.approx((2.134, 3.382), rel=0.02)


def test_control_regions_sharpen_the_signal_as_in_combine() -> None:
    content = read("combine/pyhf_longex_part3_cr.json")
    likelihood = objective(content).likelihood
    rates = likelihood.totals(likelihood.start)
    observations = [{"name": region, "data": rates[bins].tolist()} for region, bins in likelihood.regions.items()]
    low, high = inference.profile_interval({**content, "observations": observations}, "r")
    # Statistical uncertainties of simulation are multiplicative here, additive there
    assert (1 - low, high - 1) == pytest.approx((0.4172, 0.4506), rel=0.03)


@pytest.fixture(scope="module")
def sbottom() -> dict[str, Any]:
    patch = jsonpatch.JsonPatch(read("sbottom_regionC/patch.sbottom_600_280_150.json"))
    patched: dict[str, Any] = patch.apply(read("sbottom_regionC/BkgOnly.json"))
    return patched


def test_the_background_fit_of_a_search_is_the_published_one(sbottom: dict[str, Any]) -> None:
    result = inference.fit_background(sbottom)
    assert result.normalisation["mu_z"] == pytest.approx((1.0428, 0.1717), rel=2e-3)
    assert result.normalisation["mu_ttbar"] == pytest.approx((0.7992, 0.0958), rel=2e-3)
    uncertainties = [list(result.total_uncertainty[region]) for region in sorted(result.total)]
    assert uncertainties[0] == pytest.approx([11.9316], rel=0.01)
    assert uncertainties[1] == pytest.approx([8.219], rel=0.01)
    assert uncertainties[2] == pytest.approx([3.1752, 1.8404, 0.8833, 0.5963], rel=0.01)


def test_the_prediction_of_a_blind_signal_region_is_the_published_one(sbottom: dict[str, Any]) -> None:
    region = next(name for name in objective(sbottom).likelihood.regions if name.startswith("SR"))
    result = inference.fit_background(Workspace(sbottom, blind=(region,)))
    # A numerical Hessian gave the published 0.094; the profile rises by 1 at +0.098 and -0.107
    assert result.normalisation["mu_ttbar"] == pytest.approx((0.781, 0.094), abs=2e-3)
    assert result.normalisation["mu_z"] == pytest.approx((0.968, 0.183), abs=1e-3)
    assert result.total[region].sum() == pytest.approx(37.5, abs=0.1)
