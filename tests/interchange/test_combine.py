"""Data cards, read back by an independent reader: against the workspace, and against Combine's own cards."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from cascadebdt.cli import main
from cascadebdt.errors import FitError
from cascadebdt.inference.likelihood import objective
from cascadebdt.interchange import write_card
from cascadebdt.workspace import Workspace
from interchange.card_reader import Card, read
from small_models import counting, on_off

COMBINE = Path(__file__).parents[2] / ".." / "shared" / "data" / "stat" / "combine"
published = pytest.mark.skipif(not COMBINE.is_dir(), reason="the folder of published models is absent")


def model() -> dict[str, Any]:
    """Return a workspace with every modifier that a card can say."""
    content = on_off(on=25, off=60, ratio=5, signal=4)
    tilt = {"name": "tilt", "type": "histosys", "data": {"hi_data": [11.0], "lo_data": [9.0]}}
    modifiers = [
        {"name": "scale", "type": "normsys", "data": {"hi": 1.1, "lo": 0.93}},
        tilt,
        {"name": "tilt", "type": "normsys", "data": {"hi": 1.2, "lo": 0.9}},
        {"name": "mcstat_SR", "type": "staterror", "data": [1.5]},
    ]
    background = content["channels"][0]["samples"][1]
    background["modifiers"] = [*background["modifiers"], *modifiers]
    signal = content["channels"][0]["samples"][0]
    signal["modifiers"] = [*signal["modifiers"], {"name": "lumi", "type": "lumi", "data": None}]
    signal["modifiers"].append({"name": "tilt", "type": "normsys", "data": {"hi": 0.8, "lo": 1.1}})
    other = {"name": "c", "data": [8.0], "modifiers": [{"name": "count", "type": "shapesys", "data": [4.0]}]}
    content["channels"][0]["samples"].append(other)
    content["measurements"][0]["config"]["parameters"].append(
        {"name": "lumi", "auxdata": [1.0], "sigmas": [0.02], "bounds": [[0.5, 1.5]], "inits": [1.0]}
    )
    return content


@pytest.fixture
def card(tmp_path: Path) -> Card:
    return read(write_card(model(), tmp_path / "card.txt")[0])


def test_yields_data_and_errors_come_back(card: Card) -> None:
    assert {place: rates.tolist() for place, rates in card.rates.items()} == {
        ("SR", "s"): [4.0],
        ("SR", "b"): [10.0],
        ("SR", "c"): [8.0],
        ("CR", "b"): [50.0],
    }
    assert {region: events.tolist() for region, events in card.observed.items()} == {"SR": [25.0], "CR": [60.0]}
    assert card.errors["SR", "b"] == pytest.approx([1.5])
    assert card.signals == {"s"}
    assert card.statistics == {"SR": False}


def test_the_expected_background_stands_for_the_data_of_a_blind_region(tmp_path: Path) -> None:
    path, _ = write_card(Workspace(model()).blinded("SR"), tmp_path / "card.txt")
    card = read(path)
    first = path.read_text().splitlines()[0]
    assert first == "# blind: the background that the other regions predict stands for the data of SR"
    assert card.observed["SR"] == pytest.approx([20.0], rel=0.1)
    assert card.observed["CR"] == [60]


def test_systematics_come_back(card: Card) -> None:
    assert card.log_normal == {("scale", ("SR", "b")): (0.93, 1.1)}
    ends = {key: [float(side[0]) for side in sides] for key, sides in card.templates.items()}
    assert ends["tilt", ("SR", "b")] == pytest.approx([11 * 1.2, 9 * 0.9])
    assert ends["tilt", ("SR", "s")] == pytest.approx([4 * 0.8, 4 * 1.1])
    assert card.gamma == {("count", ("SR", "c")): (4, 2.0)}
    assert card.free == {("SR", "s"): ["lumi"], ("SR", "b"): ["norm_b"], ("CR", "b"): ["norm_b"]}


def test_uncorrelated_errors_of_several_bins_are_shapes(tmp_path: Path) -> None:
    content = counting(observed=[5, 6], signal=[1, 2], background=[4, 7])
    own = {"name": "own", "type": "shapesys", "data": [1.0, 2.0]}
    content["channels"][0]["samples"][1]["modifiers"] = [own]
    found = read(write_card(content, tmp_path / "card.txt")[0])
    assert found.templates["own_bin0", ("SR", "b")][0].tolist() == [5.0, 7.0]
    assert found.templates["own_bin1", ("SR", "b")][1].tolist() == [4.0, 5.0]


def test_names_that_combine_does_not_accept_are_changed(tmp_path: Path) -> None:
    content = json.loads(json.dumps(model()).replace('"scale"', '"jet scale (1)"'))
    assert ("jet_scale__1_", ("SR", "b")) in read(write_card(content, tmp_path / "card.txt")[0]).log_normal


def test_names_that_become_equal_are_refused(tmp_path: Path) -> None:
    content = json.loads(json.dumps(model()).replace('"scale"', '"jet scale"').replace('"count"', '"jet_scale"'))
    with pytest.raises(FitError, match="'jet scale' and 'jet_scale' are both 'jet_scale' in a data card"):
        write_card(content, tmp_path / "card.txt")


def test_what_a_card_cannot_say_is_refused(tmp_path: Path) -> None:
    content = counting(observed=[5, 6], signal=[1, 2], background=[4, 7])
    content["channels"][0]["samples"][1]["modifiers"] = [{"name": "any", "type": "shapefactor", "data": None}]
    with pytest.raises(FitError, match="region 'SR', process 'b': a data card has no 'shapefactor'"):
        write_card(content, tmp_path / "card.txt")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_card_and_shapes(tmp_path: Path) -> None:
    (tmp_path / "w.json").write_text(json.dumps(model()))
    arguments = ["export", "combine", str(tmp_path / "w.json"), "--output", str(tmp_path / "out" / "my.txt")]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"my.txt", "my_shapes.root"}
    assert CliRunner().invoke(main, ["export", "combine", str(tmp_path / "none.json")]).exit_code == 2


def fitting(ours: Any, theirs: Any) -> Any:
    """Return the sum of bins where a card says no more than that."""
    return ours.sum(keepdims=True) if len(theirs) == 1 else ours


@published
@pytest.mark.parametrize(
    ("workspace", "cards"),
    [
        ("pyhf_multi_signal.json", ["datacard-5-multi-signal.txt"]),
        ("pyhf_realistic_counting.json", ["realistic-counting-experiment.txt"]),
        ("pyhf_longex_part2_noMCstat.json", ["datacard_part2.txt"]),
        ("pyhf_longex_part3_nocrs.json", ["datacard_part3_nocrs.txt"]),
        (
            "pyhf_longex_part3_cr.json",
            ["datacard_part3.txt", "datacard_part3_ttbar_cr.txt", "datacard_part3_DY_cr.txt"],
        ),
    ],
)
def test_the_card_of_a_published_model_is_that_of_combine(workspace: str, cards: list[str], tmp_path: Path) -> None:
    content = json.loads((COMBINE / workspace).read_text())
    ours = read(write_card(content, tmp_path / "card.txt")[0])
    for name in cards:
        theirs = read(COMBINE / name, mass="200")
        for place, rates in theirs.rates.items():
            assert fitting(ours.rates[place], rates) == pytest.approx(rates, rel=1e-5), place
        for key, sides in theirs.templates.items():
            assert np.array(ours.templates[key]) == pytest.approx(np.array(sides), rel=1e-4, abs=1e-6), key
        mine = {key: sides for key, sides in ours.log_normal.items() if key[1] in theirs.rates}
        assert set(mine) == set(theirs.log_normal)
        for key, factors in theirs.log_normal.items():
            assert mine[key] == pytest.approx(factors, rel=1e-6), key
        for region, events in theirs.observed.items():
            assert fitting(ours.observed[region], events) == pytest.approx(events)
        assert list(ours.gamma.values()) == [pytest.approx(found) for found in theirs.gamma.values()]


@published
def test_variations_of_the_card_are_those_of_the_likelihood(tmp_path: Path) -> None:
    content = json.loads((COMBINE / "pyhf_longex_part3_cr.json").read_text())
    card, likelihood = read(write_card(content, tmp_path / "card.txt")[0]), objective(content).likelihood
    for (name, (region, process)), sides in card.templates.items():
        row = likelihood.processes.index(process)
        for value, expected in zip((1.0, -1.0), sides, strict=True):
            theta = likelihood.start.copy()
            theta[likelihood.index(name)] = value
            assert likelihood.rates(theta)[row, likelihood.regions[region]] == pytest.approx(expected, rel=1e-9)
