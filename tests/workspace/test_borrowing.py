"""Templates of the signal region with borrowed shapes: what they keep, and what uncertainty they get."""

import json
from typing import Any

import hist
import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt import workspace
from cascadebdt.config import Config, TemplatesConfig
from cascadebdt.errors import YieldError
from cascadebdt.histograms.yields import Histogram
from cascadebdt.workspace.borrowing import borrow
from cascadebdt.workspace.templates import Template
from small_analysis import small_config, small_yields

LIKELIHOOD = TemplatesConfig(shapes="likelihood")
SELECTION = TemplatesConfig(shapes="selection", min_effective_events=5)
positive = st.lists(st.floats(0.1, 100), min_size=4, max_size=4).map(np.array)


def shapes_of(**shapes: Any) -> Histogram:
    """Return shapes of some processes, each from a hundred times as many events as their yield."""
    n_bins = len(next(iter(shapes.values())))
    made: Histogram = hist.Hist(
        hist.axis.StrCategory(list(shapes), name="process"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Variable(np.arange(n_bins + 1.0), name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    cells: Any = made.view()
    for code, values in enumerate(shapes.values()):
        cells["value"][code, 0], cells["variance"][code, 0] = values, 0.01 * np.array(values)
    return made


def own(values: Any, *, weight: float = 1.0) -> Template:
    array = np.array(values, np.float64)
    return Template(array, weight * array, np.zeros(len(array), np.bool_), {})


def asking(shapes: str, **changes: Any) -> Config:
    return small_config(**changes).replace("templates", {"shapes": shapes})


def sample(content: Any, process: str) -> dict[str, Any]:
    channel = next(channel for channel in content["channels"] if channel["name"] == "SR")
    found: dict[str, Any] = next(sample for sample in channel["samples"] if sample["name"] == process)
    return found


@settings(max_examples=30)
@given(positive, positive)
def test_a_shape_of_all_simulation_keeps_the_yield_of_the_process(values: Any, shape: Any) -> None:
    found, notes = borrow("SR", {"zee": own(values)}, shapes_of(zee=shape), LIKELIHOOD)
    borrowed = found["zee"]
    assert borrowed.values.sum() == pytest.approx(values.sum())
    assert (borrowed.values > 0).all()
    assert borrowed.changes["mcstat_SR_zee"] == pytest.approx(min(0.9, 1 / np.sqrt(values.sum())))
    assert [(note.action, note.added) for note in notes] == [("borrowed", 0.0)]


def test_a_shape_that_the_own_events_follow_stays_as_it_is() -> None:
    values = np.array([40.0, 30.0, 20.0, 10.0])
    borrowed = borrow("SR", {"zee": own(values)}, shapes_of(zee=values / 7), LIKELIHOOD)[0]["zee"]
    assert borrowed.values == pytest.approx(values)
    assert borrowed.values @ borrowed.changes["shape_SR_zee"] == pytest.approx(0, abs=1e-9)


def test_many_own_events_tilt_the_shape_as_they_are_and_few_leave_it_to_the_prior() -> None:
    shape = np.array([40.0, 30.0, 20.0, 10.0])
    position = np.linspace(0, 1, 4)
    tilted = shape * (1 + 0.3 * (position - shape @ position / shape.sum()))
    many, few = (
        borrow("SR", {"zee": own(tilted * n, weight=1)}, shapes_of(zee=shape), LIKELIHOOD)[0]["zee"] for n in (1e6, 0.1)
    )
    assert many.values / 1e6 == pytest.approx(tilted, rel=1e-3)
    assert few.values / 0.1 == pytest.approx(shape, rel=0.01)
    assert np.abs(many.changes["shape_SR_zee"]).max() < 0.01 < np.abs(few.changes["shape_SR_zee"]).max()


def test_with_few_events_the_prior_says_how_uncertain_a_shape_is() -> None:
    few = {"zee": own([1.0, 1.0, 0.0, 0.0], weight=2.0)}
    found = borrow("SR", few, shapes_of(zee=[1.0, 0.5, 0.25, 0.25]), LIKELIHOOD.model_copy(update={"prior": 0.1}))
    change = found[0]["zee"].changes["shape_SR_zee"]
    assert change[-1] - change[0] == pytest.approx(0.1, rel=0.1)


@settings(max_examples=30)
@given(positive)
def test_a_shape_of_the_selection_keeps_the_yield_of_every_group_of_bins(shape: Any) -> None:
    template = own([50.0, 20.0, 4.0, 2.0])  # the last two bins together have six events
    borrowed = borrow("SR", {"zee": template}, shapes_of(zee=shape), SELECTION)[0]["zee"]
    assert borrowed.values[:2].tolist() == [50, 20]
    assert borrowed.values[2:].sum() == pytest.approx(6)
    assert borrowed.values[3] / borrowed.values[2] == pytest.approx(shape[3] / shape[2])
    assert borrowed.changes["mcstat_SR_zee_2"] == pytest.approx([0, 0, 6**-0.5, 6**-0.5])
    assert borrowed.values @ borrowed.changes["shape_SR_zee"] == pytest.approx(0, abs=1e-9)


def test_a_process_with_enough_events_everywhere_borrows_nothing_of_the_selection() -> None:
    template = own([50.0, 20.0, 14.0, 12.0])
    found, notes = borrow("SR", {"zee": template}, shapes_of(zee=[1.0, 1.0, 1.0, 1.0]), SELECTION)
    assert found["zee"] is template
    assert notes == []


@pytest.mark.parametrize("shapes", ["likelihood", "selection"])
def test_a_workspace_with_borrowed_shapes_fits_and_has_their_parameters(shapes: str) -> None:
    yields = small_yields({("SR", "other"): [2.0, 0.0, 0.5]})
    given_shapes = {"SR": shapes_of(top=[20.0, 11.0, 3.0], other=[10.0, 4.0, 2.0])}
    built = workspace.build(yields, asking(shapes), shapes=given_shapes)
    pyhf.schema.validate(json.loads(json.dumps(built)), "workspace.json")
    assert sum(sample(built, "other")["data"]) == pytest.approx(2.5)
    assert min(sample(built, "other")["data"]) > 0.1
    assert {"shape_SR_other"} <= {modifier["name"] for modifier in sample(built, "other")["modifiers"]}
    assert [note.process for note in built.notes.bins if note.action == "floored"] == []


def test_variations_of_a_borrowed_shape_are_those_of_the_own_events() -> None:
    given_shapes = {"SR": shapes_of(top=[34.0, 34.0, 34.0])}
    borrowed, plain = (
        workspace.build(small_yields(), config, shapes=given_shapes)
        for config in (asking("likelihood"), small_config())
    )
    effects = [
        {m["name"]: m["data"] for m in sample(built, "top")["modifiers"] if m["type"] == "normsys"}
        for built in (borrowed, plain)
    ]
    assert effects[0] == effects[1]


def test_shapes_that_are_asked_for_and_not_given_are_an_error() -> None:
    with pytest.raises(YieldError, match=r"templates\.shapes is 'likelihood', but there are no shapes to borrow"):
        workspace.build(small_yields(), asking("likelihood"))


def test_shapes_with_other_bins_are_an_error() -> None:
    with pytest.raises(YieldError, match="the shapes to borrow have other bins than the yields"):
        workspace.build(small_yields(), asking("likelihood"), shapes={"SR": shapes_of(top=[1.0, 1.0])})


def test_shapes_that_are_not_asked_for_change_nothing() -> None:
    given_shapes = {"SR": shapes_of(top=[1.0, 1.0, 1.0])}
    assert workspace.build(small_yields(), small_config(), shapes=given_shapes) == workspace.build(
        small_yields(), small_config()
    )
