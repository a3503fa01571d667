"""Borrowed shapes in a run: filled block by block with the same bits, and part of what the fit sees."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascadebdt import training, workspace
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError
from cascadebdt.events import Events
from cascadebdt.histograms import yields
from cascadebdt.histograms.contents import Histograms
from cascadebdt.histograms.shapes import Shapes
from cascadebdt.pipeline import steps
from cascadebdt.pipeline.plan import Plan
from cascadebdt.products import Products

FINAL = {"features": ["photon_pt", "met", "m_eg"], "kind": ["stages", "multiclass"], "train_on": "all"}
N_BLOCK = 700


def asking(config: Config, shapes: str) -> Config:
    return config.replace("cascade.final", FINAL).replace("templates", {"shapes": shapes})


@pytest.fixture(scope="module")
def trained(tiny: Config, tiny_events: Events) -> Cascade:
    return training.train(tiny_events, asking(tiny, "likelihood").cascade)


def shapes_of(events: Events, cascade: Cascade, config: Config, *, n_block: int) -> Any:
    """Return the sums of the signal region, added in blocks."""
    made = Shapes(config, cascade, np.array([0.0, 0.2, 0.5, 1.0]))
    for start in range(0, len(events), n_block):
        block = events.take(np.arange(start, min(start + n_block, len(events))))
        scores = cascade.score(block)
        made.add(block, scores, yields.observables(block, scores, config.regions))
    return made.histograms["SR"].view()[:, 0]


@pytest.mark.parametrize("shapes", ["selection", "likelihood"])
def test_blocks_of_events_give_the_bits_of_all_at_once(
    tiny: Config, tiny_events: Events, trained: Cascade, shapes: str
) -> None:
    config = asking(tiny, shapes)
    whole, blocks = (shapes_of(tiny_events, trained, config, n_block=n) for n in (len(tiny_events), N_BLOCK))
    np.testing.assert_array_equal(whole["value"], blocks["value"])
    np.testing.assert_array_equal(whole["variance"], blocks["variance"])


def test_without_cuts_all_selected_events_tell_the_shape(tiny: Config, tiny_events: Events, trained: Cascade) -> None:
    found = shapes_of(tiny_events, trained, asking(tiny, "selection"), n_block=len(tiny_events))
    rows = tiny_events.of_process("zee") & tiny_events.is_nominal
    assert found["value"][0].sum() == pytest.approx(tiny_events.weights["nominal"][rows].sum())


def test_likelihood_ratios_give_each_background_about_its_own_yield(
    tiny: Config, tiny_events: Events, trained: Cascade
) -> None:
    found = shapes_of(tiny_events, trained, asking(tiny, "likelihood"), n_block=len(tiny_events))
    region = trained.score(tiny_events).region
    for code, name in enumerate(("zee", "wjets")):
        rows = tiny_events.of_process(name) & tiny_events.is_nominal & (region == region.max())
        assert found["value"][code].sum() == pytest.approx(tiny_events.weights["nominal"][rows].sum(), rel=0.15)


def test_shapes_are_a_product_of_apply_that_the_workspace_takes(
    tiny: Config, tiny_events: Events, trained: Cascade, tmp_path: Path
) -> None:
    config, products = asking(tiny, "likelihood"), Products(tmp_path)
    steps.apply(config, products, tiny_events, trained)
    filled = products.read(Histograms, "histograms", made_by="apply")
    built = workspace.build(filled.regions, config, shapes=filled.shapes)
    (region,) = (channel for channel in built["channels"] if channel["name"] == "SR")
    names = {modifier["name"] for sample in region["samples"] for modifier in sample["modifiers"]}
    assert {"shape_SR_zee", "mcstat_SR_wjets"} <= names
    assert [note.process for note in built.notes.bins if note.action == "borrowed"] == ["zee", "wjets"]


@pytest.mark.parametrize("change", [{"shapes": "selection"}, {"shapes": "own", "prior": 0.1}])
def test_other_templates_are_filled_anew_without_training(tiny: Config, tmp_path: Path, change: dict[str, Any]) -> None:
    before, after = (Plan.of(config, tmp_path, jobs=1).steps for config in (tiny, tiny.replace("templates", change)))
    assert before["train"].key == after["train"].key
    assert before["apply"].key != after["apply"].key


def test_likelihood_ratios_do_not_go_with_corrections_that_they_do_not_know(tiny: Config) -> None:
    corrected = tiny.replace("corrections", [{"process": "zee", "from": "CR_zee", "variables": ["met"]}])
    with pytest.raises(ConfigError, match=r"templates\.shapes: 'likelihood' does not go with corrections"):
        corrected.replace("templates", {"shapes": "likelihood"})
