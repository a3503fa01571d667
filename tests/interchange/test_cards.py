"""Data cards as models: the published answers from their text, round trips, and what a card must not say."""

import json
import re
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest
import uproot
from scipy.stats import poisson

from cascadebdt import inference
from cascadebdt.errors import InputError
from cascadebdt.inference.likelihood import Objective, objective
from cascadebdt.interchange import read_card, read_workspace, write_card
from inference.published import BAND, CARDS, COMBINE
from interchange.test_combine import model
from small_models import counting

published = pytest.mark.skipif(not COMBINE.is_dir(), reason="the folder of published models is absent")

HEADER = """imax *
jmax *
kmax *
bin         SR
observation 12
bin      SR   SR   SR
process  S    B    C
process  0    1    2
rate     4    10   3
"""


def card(folder: Path, lines: str, header: str = HEADER) -> Path:
    path = folder / "card.txt"
    path.write_text(header + lines)
    return path


def modifiers(content: dict[str, Any], process: str, region: str = "SR") -> dict[tuple[str, str], Any]:
    """Return name and type -> data of a process."""
    samples = next(channel["samples"] for channel in content["channels"] if channel["name"] == region)
    found = next(sample["modifiers"] for sample in samples if sample["name"] == process)
    return {(item["name"], item["type"]): item["data"] for item in found}


def value(target: Objective, parameters: dict[str, float]) -> float:
    """Return -2 ln L at a point."""
    return target.value(np.array([parameters[name] for name in target.likelihood.names])) + target.saturated()


def point(target: Objective, seed: int) -> dict[str, float]:
    """Return a point away from the start, constants as they are."""
    likelihood, rng = target.likelihood, np.random.default_rng(seed)
    width = np.where(np.isfinite(likelihood.width) & ~likelihood.fixed, likelihood.width, 0.0)
    theta = likelihood.start + 0.4 * width * rng.normal(size=len(width))
    return dict(zip(likelihood.names, theta.tolist(), strict=True))


def same_likelihood(first: Any, second: Any, renamed: dict[str, str] | None = None) -> None:
    """Require equal -2 ln L at some points, up to a constant."""
    ours, theirs = objective(first), objective(second)
    points = [point(ours, seed) for seed in range(5)]
    names = renamed or {}
    differences = [value(ours, p) - value(theirs, {names.get(n, n): v for n, v in p.items()}) for p in points]
    assert np.ptp(differences) < 1e-8


@published
@pytest.mark.parametrize("name", CARDS)
def test_counting_cards_give_the_published_limits(name: str) -> None:
    answers = json.loads((COMBINE / "reference.json").read_text())["Counting_Asymptotic"]["results"]
    found = inference.limit(read_workspace(COMBINE / "simple-counting" / f"{name}.txt"))
    theirs = [answers[f"{name}.txt {key}"]["limit"] for key in ("Obs", "E025", "E159", "E500", "E839", "E975")]
    assert found.observed == pytest.approx(theirs[0], rel=2e-3)
    for ours, expected, tolerance in zip(found.expected, theirs[1:], BAND, strict=True):
        assert ours == pytest.approx(expected, rel=tolerance)


@published
def test_a_card_without_events_gives_the_published_limit() -> None:
    found = inference.limit(read_workspace(COMBINE / "realistic-counting-experiment.txt"))
    assert found.observed == pytest.approx(1.6281, rel=2e-3)
    assert found.expected == pytest.approx((0.9640, 1.4329, 2.3281, 3.9800, 6.6194), rel=0.025)


@published
def test_a_card_with_two_signals_and_fake_shapes_gives_the_published_interval() -> None:
    content = read_workspace(COMBINE / "datacard-5-multi-signal.txt")
    low, high = inference.profile_interval(content, "r")
    best = inference.fit(content).mu[0]
    assert (best, best - low, high - best) == pytest.approx((1.4812, 0.5987, 0.6644), rel=0.01)


@published
def test_shapes_give_the_published_answer_of_part_two(tmp_path: Path) -> None:
    text = (COMBINE / "datacard_part2.txt").read_text()
    file = (COMBINE / "datacard_part2.shapes.root").resolve()
    background, signal = "signal_region/$PROCESS", "signal_region/bbHtautau$MASS"
    line = f"shapes * * {file} {background} {background}_$SYSTEMATIC\n"
    systematics = ["CMS_eff_t_highpt shape 1 1 1 - 1", "top_pt_ttbar_shape shape 1 - - - -"]
    systematics += [
        f"CMS_scale_t_{prongs}_13TeV shape 1 1 1 - 1" for prongs in ("1prong0pi0", "1prong1pi0", "3prong0pi0")
    ]
    path = tmp_path / "card.txt"
    line += f"shapes bbHtautau * {file} {signal} {signal}_$SYSTEMATIC\n"
    path.write_text(text.replace("----\nbin", f"----\n{line}bin", 1) + "\n".join(systematics))
    content = read_card(path, mass="800")
    low, high = inference.profile_interval(content, "r")
    best = inference.fit(content).mu[0]
    assert (best, best - low, high - best) == pytest.approx((-2.733, 2.134, 3.382), rel=0.02)


def control_region_card(folder: Path) -> Path:
    """Join the cards of part 3, with the rates that the control regions measure."""
    cards = {
        name: (COMBINE / f"datacard_part3{name}.txt").read_text().splitlines() for name in ("", "_ttbar_cr", "_DY_cr")
    }
    columns: list[tuple[str, str, str, str]] = []
    terms: dict[str, dict[str, list[str]]] = {}
    shapes, observed = [], []
    for lines in cards.values():
        words = [line.split() for line in lines]
        heads = {key: [w[1:] for w in words if w[:1] == [key]] for key in ("bin", "process", "rate", "observation")}
        own = list(zip(heads["bin"][1], heads["process"][0], heads["process"][1], heads["rate"][0], strict=True))
        for w in words:
            if w[:1] == ["shapes"]:
                shapes.append(" ".join([*w[:3], str((COMBINE / w[3]).resolve()), *w[4:]]))
            if w[1:2] in (["lnN"], ["shape"]):
                terms.setdefault(f"{w[0]} {w[1]}", {})[own[0][0]] = w[2:]
        observed.append((heads["bin"][0][0], heads["observation"][0][0]))
        columns += own
    numbers = {name: str(n) for n, name in enumerate(dict.fromkeys(c[1] for c in columns if c[1] != "bbHtautau"), 1)}
    regions = [region for region, _ in observed]
    sizes = {region: sum(c[0] == region for c in columns) for region in regions}
    rows = [
        "imax *", "jmax *", "kmax *", *shapes,
        "bin " + " ".join(regions), "observation " + " ".join(events for _, events in observed),
        "bin " + " ".join(c[0] for c in columns), "process " + " ".join(c[1] for c in columns),
        "process " + " ".join(numbers.get(c[1], "0") for c in columns), "rate " + " ".join(c[3] for c in columns),
        *(" ".join([name, *(w for r in regions for w in own.get(r, ["-"] * sizes[r]))]) for name, own in terms.items()),
        "rate_ttbar rateParam * ttbar 1 [0,10]", "rate_Zll rateParam * Ztautau 1 [0,10]",
        "rate_Zll rateParam * Zmumu 1 [0,10]", "* autoMCStats 0",
    ]  # fmt: skip
    path = folder / "card.txt"
    path.write_text("\n".join(rows))
    return path


@published
def test_cards_of_regions_joined_by_rate_parameters_give_the_published_interval(tmp_path: Path) -> None:
    content = read_card(control_region_card(tmp_path), mass="200")
    likelihood = objective(content).likelihood
    rates = likelihood.totals(likelihood.start)
    data = [{"name": region, "data": rates[bins].tolist()} for region, bins in likelihood.regions.items()]
    asimov = {**content, "observations": data}
    low, high = inference.profile_interval(asimov, "r")
    assert (1 - low, high - 1) == pytest.approx((0.4172, 0.4506), rel=0.01)


@published
@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("datacard-5-multi-signal.txt", "pyhf_multi_signal.json"),
        ("realistic-counting-experiment.txt", "pyhf_realistic_counting.json"),
        ("datacard_part3_nocrs.txt", "pyhf_longex_part3_nocrs.json"),
    ],
)
def test_a_card_is_the_published_workspace_of_another_translator(text: str, reference: str) -> None:
    theirs = json.loads((COMBINE / reference).read_text().replace("r_ggH", "r").replace("r_qqH", "r"))
    theirs["measurements"][0]["config"]["parameters"] = [{"name": "r", "bounds": [[-20, 20]], "inits": [1.0]}]
    ours = read_card(COMBINE / text, mass="200")
    first, second = objective(ours).likelihood, objective(theirs).likelihood
    for name in set(first.names) & set(second.names):
        for shift in (0.0, -1.0, 0.4, 1.6):
            thetas = [likelihood.start.copy() for likelihood in (first, second)]
            for theta, likelihood in zip(thetas, (first, second), strict=True):
                theta[likelihood.index(name)] += shift
            ours_rates, their_rates = (lk.totals(theta) for lk, theta in zip((first, second), thetas, strict=True))
            assert ours_rates == pytest.approx(their_rates, rel=2e-5), name


def without_shapes() -> dict[str, Any]:
    """Return the model with all that means the same in a card: its one-bin shapes are factors in Combine."""
    text = json.dumps(model())
    content: dict[str, Any] = json.loads(text)
    for channel in content["channels"]:
        for sample in channel["samples"]:
            sample["modifiers"] = [item for item in sample["modifiers"] if item["type"] != "histosys"]
    return content


def test_a_card_of_a_workspace_has_its_likelihood(tmp_path: Path) -> None:
    content = read_card(write_card(without_shapes(), tmp_path / "card.txt")[0])
    same_likelihood(without_shapes(), content, {"mu": "r"})


def test_a_shape_with_a_yield_comes_back_with_the_same_yields_at_one_standard_deviation(tmp_path: Path) -> None:
    content = read_card(write_card(model(), tmp_path / "card.txt")[0])
    first, second = objective(model()).likelihood, objective(content).likelihood
    for alpha in (-1.0, 0.0, 1.0):
        rates = []
        for likelihood in (first, second):
            theta = likelihood.start.copy()
            theta[likelihood.index("tilt")] = alpha
            rates.append({region: likelihood.totals(theta)[bins] for region, bins in likelihood.regions.items()})
        for region in rates[0]:
            assert rates[0][region] == pytest.approx(rates[1][region], rel=1e-12)


@published
@pytest.mark.parametrize("name", ["longex_part3_cr", "longex_part2_noMCstat", "realistic_counting"])
def test_a_card_of_a_published_workspace_has_its_likelihood(name: str, tmp_path: Path) -> None:
    content = json.loads((COMBINE / f"pyhf_{name}.json").read_text())
    again = read_card(write_card(content, tmp_path / "card.txt")[0])
    renamed = {n: re.sub(r"^stat_", "mcstat_", n) for n in objective(content).likelihood.names}
    same_likelihood(content, again, renamed)


def test_one_number_of_a_log_normal_stands_for_both_sides(tmp_path: Path) -> None:
    content = read_card(card(tmp_path, "a lnN - 1.25 0.9/1.2\nb lnN 1.0 0 -\n"))
    assert modifiers(content, "B") == {("a", "normsys"): {"hi": 1.25, "lo": 0.8}}
    assert modifiers(content, "C") == {("a", "normsys"): {"hi": 1.2, "lo": 0.9}}
    assert modifiers(content, "S") == {("r", "normfactor"): None}


def test_a_count_that_two_processes_share_is_a_region_of_its_own(tmp_path: Path) -> None:
    content = read_card(card(tmp_path, "side gmN 5 - 2.0 0.6\n"))
    assert content["channels"][1]["samples"][0]["data"] == [5.0]
    assert {item["name"]: item["data"] for item in content["observations"]} == {"SR": [12.0], "side_control": [5.0]}
    assert ("side", "normfactor") in modifiers(content, "B")


def test_a_control_sample_without_events_limits_its_process(tmp_path: Path) -> None:
    header = HEADER.replace("rate     4    10   3", "rate     4    0   3")
    content = read_card(card(tmp_path, "side gmN 0 - 2.0 -\n", header))
    shared = {**content, "measurements": content["measurements"]}
    likelihood = objective(shared).likelihood
    theta = likelihood.start.copy()
    theta[likelihood.index("side")] = 1.5  # counts
    assert likelihood.totals(theta)[likelihood.regions["SR"]] == pytest.approx([4 + 1.5 * 2 + 3])
    assert likelihood.totals(theta)[likelihood.regions["side_control"]] == pytest.approx([1.5])


def test_a_product_and_a_constrained_rate(tmp_path: Path) -> None:
    lines = "a rateParam SR B 2.0 [0,5]\nb rateParam * C 1.0\nb param 1.0 0.1\nab rateParam SR C (@0*@1) a,b\n"
    lines = lines.replace("b rateParam * C 1.0\n", "b rateParam * B 1.0\n")
    content = read_card(card(tmp_path, lines))
    assert set(modifiers(content, "B")) == {("a", "normfactor"), ("b", "lumi")}
    assert set(modifiers(content, "C")) == {("a", "normfactor"), ("b", "lumi")}
    settings = {item["name"]: item for item in content["measurements"][0]["config"]["parameters"]}
    assert settings["a"] == {"name": "a", "inits": [2.0], "bounds": [[0.0, 5.0]]}
    assert (settings["b"]["auxdata"], settings["b"]["sigmas"]) == ([1.0], [0.1])


def test_groups_are_not_used_and_frozen_parameters_are_constants(tmp_path: Path) -> None:
    lines = "a lnN - 1.1 -\nnuisance edit freeze a\ntheory group = a\n"
    content = read_card(card(tmp_path, lines))
    assert {"name": "a", "fixed": True} in content["measurements"][0]["config"]["parameters"]


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Return a card with two processes of two bins, of which one has errors."""
    templates = {"S": ([1.0, 3.0], [0.0, 0.0]), "B": ([8.0, 2.0], [1.0, 1.0]), "data_obs": ([9.0, 4.0], [0.0, 0.0])}
    templates |= {"B_tiltUp": ([9.0, 3.0], [0.0, 0.0]), "B_tiltDown": ([7.0, 1.0], [0.0, 0.0])}
    with uproot.recreate(tmp_path / "shapes.root") as file:
        for name, (values, errors) in templates.items():
            histogram: Any = hist.Hist(hist.axis.Regular(2, 0, 2), storage=hist.storage.Weight())
            histogram.view()["value"], histogram.view()["variance"] = values, np.square(errors)
            file[name] = histogram
    header = "shapes * * shapes.root $PROCESS $PROCESS_$SYSTEMATIC\nbin SR\nobservation -1\n"
    path = tmp_path / "shapes.txt"
    path.write_text(header + "bin SR SR\nprocess S B\nprocess 0 1\nrate -1 -1\ntilt shape - 1\n")
    return path


def test_a_shape_is_a_factor_and_a_template_of_the_nominal_yield(shapes: Path) -> None:
    found = modifiers(read_card(shapes), "B")
    assert found["tilt", "normsys"] == {"hi": pytest.approx(1.2), "lo": pytest.approx(0.8)}
    assert found["tilt", "histosys"]["hi_data"] == pytest.approx([7.5, 2.5])


def test_half_a_shape_has_half_the_standard_deviation(shapes: Path) -> None:
    shapes.write_text(shapes.read_text().replace("tilt shape - 1", "tilt shape - 0.5"))
    found = modifiers(read_card(shapes), "B")
    assert found["tilt", "normsys"] == {"hi": pytest.approx(1.2**0.5), "lo": pytest.approx(0.8**0.5)}
    high = found["tilt", "histosys"]["hi_data"]
    assert 8.0 > high[0] > 7.5
    assert sum(high) == pytest.approx(10)


def test_bins_with_few_simulated_events_have_a_parameter_per_process(shapes: Path) -> None:
    with shapes.open("a") as file:
        file.write("SR autoMCStats 10\n")
    found = modifiers(read_card(shapes), "B")
    assert found["mcstat_SR", "staterror"] == pytest.approx([1.0, 0.0])  # 64 events
    assert found["mcstat_SR_B_shapesys", "shapesys"] == pytest.approx([0.0, 1.0])  # 4 events


def test_a_flat_factor_and_a_truncated_gaussian_have_the_likelihood_of_combine(tmp_path: Path) -> None:
    target = objective(read_card(card(tmp_path, "a lnU - 1.5 1.5\nb trG 0.3 - -\n")))
    assert dict(zip(target.likelihood.names, target.likelihood.lower, strict=True)) == {
        "a": 1 / 1.5,
        "b": 0.0,
        "r": -20,
    }

    def combine(r: float, flat: float, normal: float) -> float:
        rate = 4 * r * (1 + 0.3 * normal) + (10 + 3) * 1.5**flat
        return float(-2 * poisson.logpmf(12, rate) + normal**2)

    points = [(1.0, 0.0, 0.0), (0.5, -1.0, 2.0), (2.0, 0.7, -1.5)]
    ours = [value(target, {"r": r, "a": 1.5**flat, "b": 1 + 0.3 * normal}) for r, flat, normal in points]
    theirs = [combine(*place) for place in points]
    assert np.diff(ours) == pytest.approx(np.diff(theirs), abs=1e-9)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a lnU - 1.5 2\n", "line 10: the sizes 1.5, 2 of one lnU have no counterpart in HistFactory"),
        ("a lnU - 0.5 -\n", "line 10: expected a lnU above 1, got 0.5"),
        ("a trG - -0.1 -\n", "line 10: expected a trG above 0, got -0.1"),
        ("a unif - 1.5 -\n", "line 10: 'unif', a flat prior, has no counterpart in HistFactory"),
        ("a lnN - 1.5\n", "line 10: expected 3 columns, got 2"),
        ("a lnN - x -\n", "line 10: expected a number as factor of a lnN, got 'x'"),
        ("a lnN - -1.5 -\n", "line 10: expected a positive factor"),
        ("a gmN 4 - 1.0 -\n", "line 10: 4 events times 1 are not the rate 10 of process 'B' in 'SR'"),
        ("a rateParam SR B sqrt(@0) b\n", r"line 10: the formula 'sqrt\(@0\)' has no counterpart in HistFactory"),
        ("a rateParam SR B @0*@1 b,c\n", "line 10: the parameter 'b' of the formula is not defined"),
        ("a shape - 1 -\n", "line 10: 'a' of process 'B' in 'SR' is a shape, but there are no shapes of this bin"),
        ("nuisance edit rename S c dB dS\n", "line 10: 'nuisance edit rename' is not read"),
        ("a wrong - 1 -\n", "line 10: expected one of lnN, .* got 'wrong'"),
        ("a param 1.0 -0.1/+0.2\na rateParam SR B 1\n", "line 10: '-0.1/\\+0.2' is not one width"),
    ],
)
def test_what_cannot_be_expressed_is_one_sentence_with_the_line(tmp_path: Path, lines: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_card(card(tmp_path, lines))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("process  0    1    2", "process  1    2    3", "line 8: no process has a number of 0 or below"),
        ("kmax *", "kmax 3", r"line 3: states 3 systematics, the card has 0; write 'kmax \*'"),
        ("rate     4    10   3", "rate     4    10", "line 6: expected 2 columns as in line 9, got 3"),
        ("process  S    B    C", "process  S    B    B", "line 6: process 'B' appears twice in bin 'SR'"),
        ("rate     4", "yield    4", "not a data card, there is no line 'rate'"),
        ("imax *", "imax *\nshapes * * none.root $PROCESS", "line 2: no file .*none.root"),
    ],
)
def test_a_wrong_header_is_one_sentence(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        read_card(card(tmp_path, "", HEADER.replace(old, new)))


def test_a_workspace_of_roofit_is_refused(tmp_path: Path, shapes: Path) -> None:
    shapes.write_text(shapes.read_text().replace("root $PROCESS ", "root w:$PROCESS "))
    with pytest.raises(InputError, match="line 1: 'w:data_obs' is in a RooFit workspace"):
        read_card(shapes)


def test_a_counting_experiment_is_that_of_the_small_models(tmp_path: Path) -> None:
    header = HEADER.replace("SR   SR   SR", "SR SR").replace("S    B    C", "S B").replace("0    1    2", "0 1")
    header = header.replace("4    10   3", "4 10")
    content = read_card(card(tmp_path, "error lnN - 1.2\n", header))
    expected = inference.limit(counting(observed=[12], signal=[4], background=[10], relative_error=0.2))
    assert inference.limit(content).observed == pytest.approx(expected.observed, rel=1e-9)
