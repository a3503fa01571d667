import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.cascade import Scores
from cascadebdt.config import RegionsConfig
from cascadebdt.events import Events
from cascadebdt.histograms import contents, yields
from tiny_analysis import toy_cascade, toy_events


@pytest.fixture(scope="module")
def scored() -> tuple[Events, Scores]:
    events = toy_events()
    return events, training.train(events, toy_cascade()).score(events)


def test_score_histograms_hold_every_simulated_event_that_reaches_a_stage(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    found = contents.score_histograms(events, scores)
    assert list(found) == ["zee", "wjets", "final"]
    for step, name in enumerate(["zee", "wjets", "final"]):
        reached = events.of_process("signal") & (scores.region >= step)
        total = found[name].view()[0]["value"].sum()
        assert total == pytest.approx(events.weights["nominal"][reached].sum())
    assert list(found["zee"].axes["process"]) == ["signal", "zee", "wjets"]


def test_the_flow_starts_with_the_selected_and_ends_with_the_signal_region(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    flow = contents.flow(events, scores)
    assert flow.steps == ("zee", "wjets", "SR")
    assert list(flow.yields) == ["signal", "zee", "wjets"]
    weight = events.weights["nominal"]
    for name, values in flow.yields.items():
        assert values[0] == pytest.approx(weight[events.of_process(name)].sum())
        assert values[2] == pytest.approx(weight[events.of_process(name) & (scores.region == 2)].sum())


def test_the_purity_is_the_share_of_what_a_region_is_made_for(scored: tuple[Events, Scores]) -> None:
    filled = yields.fill(*scored, RegionsConfig())
    table = contents.region_table(filled, {"zee": ("zee",), "wjets": ("wjets",)}, "signal")
    values = {name: value for name, (value, _) in table["CR_zee"].yields.items()}
    assert table["CR_zee"].purity == pytest.approx(values["zee"] / sum(values.values()))
    assert table["CR_zee"].data == int(np.sum(scored[0].is_data & (scored[1].region == 0)))
    assert set(values) == {"signal", "zee", "wjets"}
