from dataclasses import replace

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


def test_the_scores_are_histogrammed_from_0_to_1_with_1_in_the_last_bin(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    certain = replace(scores, margins=np.full_like(scores.margins, 100.0))
    histogram = contents.score_histograms(events, certain, n_bins=4)["zee"]
    assert histogram.axes["score"].edges.tolist() == [0, 0.25, 0.5, 0.75, 1]
    signal = events.weights["nominal"][events.of_process("signal")].sum()
    assert histogram.view()[0]["value"] == pytest.approx([0, 0, 0, signal])


def test_variations_are_neither_in_the_scores_nor_in_the_flow(scored: tuple[Events, Scores]) -> None:
    events, scores = scored
    rows = np.concatenate([np.arange(len(events)), np.flatnonzero(~events.is_data)])
    variation = (np.arange(len(rows)) >= len(events)).astype(np.int16)
    both = replace(events.take(rows), variation=variation, variations=("nominal", "scale_up"))
    assert scores.final_margin is not None
    scores_of_both = replace(
        scores, margins=scores.margins[rows], region=scores.region[rows], final_margin=scores.final_margin[rows]
    )
    assert contents.flow(both, scores_of_both) == contents.flow(events, scores)
    nominal, doubled = contents.score_histograms(events, scores), contents.score_histograms(both, scores_of_both)
    assert all(nominal[name] == doubled[name] for name in nominal)


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


def test_the_table_of_yields_sums_simulation_in_all_variations_and_data_in_the_nominal_one(
    scored: tuple[Events, Scores],
) -> None:
    filled = yields.fill(*scored, RegionsConfig())
    table = contents.YieldTable.of(filled).regions["CR_zee"]
    variations = list(filled["CR_zee"].axes["variation"])
    assert len(variations) > 1
    assert {process: list(sums) for process, sums in table.items()} == {
        "signal": variations,
        "zee": variations,
        "wjets": variations,
        "data": ["nominal"],
    }
    assert table["zee"][variations[-1]] == yields.total(filled["CR_zee"], "zee", variations[-1])


def test_histograms_survive_their_json(scored: tuple[Events, Scores]) -> None:
    made = contents.Histograms(yields.fill(*scored, RegionsConfig()), contents.score_histograms(*scored))
    read = contents.Histograms.from_json(made.to_json())
    assert read.regions == made.regions
    assert read.scores == made.scores
