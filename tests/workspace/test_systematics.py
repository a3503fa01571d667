"""Where systematics act, which parameters they have, and what the workspace keeps of validation regions."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import hist
import numpy as np
import pyhf
import pytest

from cascadebdt import config, workspace
from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, YieldError
from cascadebdt.histograms.yields import Histogram
from small_analysis import SYSTEMATICS, small_config, small_yields
from tiny_analysis import tiny_config


def parameters(built: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield region, process, parameter and type of every systematic."""
    for channel in built["channels"]:
        for sample in channel["samples"]:
            for item in sample["modifiers"]:
                if item["type"] in ("normsys", "histosys"):
                    yield channel["name"], sample["name"], item["name"], item["type"]


def with_scale(**options: Any) -> Config:
    lumi, scale, generator = SYSTEMATICS
    return small_config(systematics=[lumi, {**scale, **options}, generator])


def test_a_systematic_acts_only_in_the_regions_and_on_the_processes_it_names() -> None:
    built = workspace.build(small_yields(), with_scale(regions="CR_*", processes=["top"]))
    found = {(region, process) for region, process, name, _ in parameters(built) if name == "scale"}
    assert found == {("CR_top", "top")}
    assert {name for region, _, name, _ in parameters(built) if region == "SR"} == {"lumi", "generator"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"scale"}),
        ({"decorrelate": "regions"}, {"scale_CR_top", "scale_SR"}),
        ({"decorrelate": "processes"}, {"scale_signal", "scale_top", "scale_other"}),
        (
            {"decorrelate": ["regions", "processes"]},
            {f"scale_{process}_{region}" for process in ("signal", "top", "other") for region in ("CR_top", "SR")},
        ),
        ({"parameter": "jes", "decorrelate": "regions"}, {"jes_CR_top", "jes_SR"}),
    ],
)
def test_parameters_are_shared_by_name_unless_decorrelated(options: Any, expected: set[str]) -> None:
    built = workspace.build(small_yields(), with_scale(**options))
    names = {name for _, _, name, _ in parameters(built)} - {"lumi", "generator"}
    assert names == expected
    model = pyhf.Workspace(built).model()
    assert names <= set(model.config.parameters)


def test_systematics_of_one_parameter_share_it_where_they_do_not_meet() -> None:
    xs = [
        {"name": "xs_top", "kind": "normalisation", "size": 0.1, "processes": "top", "parameter": "xs"},
        {"name": "xs_other", "kind": "normalisation", "size": 0.3, "processes": "other", "parameter": "xs"},
    ]
    built = workspace.build(small_yields(), small_config(systematics=xs))
    sizes = {
        (sample["name"], item["name"]): item["data"]["hi"]
        for channel in built["channels"]
        for sample in channel["samples"]
        for item in sample["modifiers"]
        if item["type"] == "normsys"
    }
    assert sizes == {("top", "xs"): 1.1, ("other", "xs"): 1.3}


@pytest.mark.parametrize(
    ("systematics", "message"),
    [
        (
            [{"name": "a", "size": 0.1, "parameter": "x"}, {"name": "b", "size": 0.1, "parameter": "x"}],
            "'a' and 'b' both vary signal in CR_zee with the parameter 'x'",
        ),
        (
            [{"name": "a", "size": 0.1, "decorrelate": "regions"}, {"name": "a_SR", "size": 0.1}],
            "'a_SR' would be two parameters of one name; rename 'a_SR'",
        ),
        ([{"name": "mu", "size": 0.1}], "'mu' needs the parameter 'mu', a name that is taken"),
        ([{"name": "norm_zee", "size": 0.1}], "the parameter 'norm_zee', a name that is taken"),
        ([{"name": "mcstat", "size": 0.1, "decorrelate": "regions"}], "the parameter 'mcstat_CR_zee'"),
        ([{"name": "a", "size": 0.1, "regions": "CR_ze"}], "unknown region 'CR_ze'; did you mean 'CR_zee'?"),
        ([{"name": "a", "size": 0.1, "decorrelate": "region"}], "systematics[0].decorrelate: input should be"),
    ],
)
def test_parameters_that_are_not_what_they_seem_are_refused(systematics: Any, message: str) -> None:
    raw = tiny_config()
    raw["systematics"] = [{"kind": "normalisation", **item} for item in systematics]
    with pytest.raises(ConfigError) as error:
        config.parse(raw)
    assert message in str(error.value)


def test_what_is_done_to_variations_is_noted() -> None:
    scale = {**SYSTEMATICS[1], "symmetrise": "average", "smooth": {"method": "merge", "max_uncertainty": 0.2}}
    options = {"fit": {"free": ["top"], "prune": {"normalisation": 0.06, "shape": 0.5}}}
    raw = small_config(systematics=[SYSTEMATICS[0], scale, SYSTEMATICS[2]]).model_dump(by_alias=True)
    pruned = config.parse({**{key: raw[key] for key in raw if key != "fit"}, **options})
    notes = workspace.build(small_yields(), pruned).notes.variations
    found = {(note.region, note.process, note.systematic): note for note in notes}
    assert found["SR", "top", "scale"].actions == (
        "merge smoothing",
        "symmetrised (average)",
        "normalisation pruned",
        "shape pruned",
    )
    assert found["SR", "top", "scale"].normalisation == pytest.approx((1, 1))
    assert found["CR_top", "top", "generator"].actions == ("mirrored up", "shape pruned")
    assert found["CR_top", "top", "generator"].normalisation[0] == pytest.approx(1.1 * (54 + 44) / 100)
    assert not [key for key in found if key[2] == "lumi"]


@pytest.mark.parametrize("how", ["floor", "merge"])
def test_edited_bins_are_noted_with_region_process_bin_and_effect(how: str) -> None:
    yields = small_yields({("SR", "other"): [9.0, 0.0, -0.5], ("SR", "signal"): [-1.0, 5.0, 8.0]})
    notes = workspace.build(yields, policy(how)).notes.bins
    assert [(note.region, note.process, note.bins, note.action) for note in notes] == [
        ("SR", "signal", (0,), "set to zero"),
        ("SR", "other", (1, 2), "floored"),
    ]
    assert notes[0].added == 1
    assert notes[1].added == pytest.approx(0.5, rel=1e-2)


def test_edges_that_differ_from_the_configured_ones_are_noted() -> None:
    given = small_config()
    control, signal = (
        given.regions.binning(region).model_copy(update={"bins": bins})
        for region, bins in (("CR_top", (0.0, 0.5, 1.0, 2.0)), ("SR", (0.0, 1.0, 2.0, 3.0)))
    )
    regions = given.regions.model_copy(update={"control": control, "signal": signal})
    built = workspace.build(small_yields(), given.model_copy(update={"regions": regions}))
    assert built.notes.merged == {"CR_top": (0, 1, 2)}
    assert workspace.build(small_yields(), given).notes.merged == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({("SR", "other"): [9.0, 3.0, -0.5]}, "region 'SR', process 'other', bin 2: no positive expectation"),
        (
            {("SR", "other"): [9.0, 0.0, 3.0], ("SR", "top"): [20.0, 0.0, 3.0]},
            "region 'SR', process 'all backgrounds', bin 1: no positive expectation",
        ),
    ],
)
def test_bins_without_expectation_are_errors_if_asked_for(changes: Any, message: str) -> None:
    with pytest.raises(YieldError, match=message):
        workspace.build(small_yields(changes), policy("error"))
    workspace.build(small_yields({("SR", "other"): [9.0, 0.0, 3.0]}), policy("error"))


def policy(how: str) -> Config:
    raw = small_config()
    return raw.model_copy(update={"regions": raw.regions.model_copy(update={"empty_bins": how})})


def with_validation(*, background: float = 30.0) -> dict[str, Histogram]:
    yields = small_yields()
    like = yields["CR_top"]
    validation: Histogram = hist.Hist(*like.axes, storage=hist.storage.Weight())
    cells: Any = validation.view()
    cells[...] = like.view()
    for p, process in enumerate(like.axes["process"]):
        if process in ("top", "other"):
            cells["value"][p] *= background / 30
            cells["variance"][p] *= (background / 30) ** 2
    return {"CR_top": yields["CR_top"], "VR_top": validation, "SR": yields["SR"]}


def test_validation_regions_are_not_fitted() -> None:
    one, other = (workspace.build(found, small_config()) for found in (with_validation(), small_yields()))
    assert json.dumps(one) == json.dumps(other)
    everything = workspace.build(with_validation(), small_config(), with_validation=True)
    assert json.dumps(everything.fitted()) == json.dumps(one)


def test_a_second_workspace_holds_them_with_the_same_parameters_otherwise() -> None:
    fitted = workspace.build(with_validation(), small_config())
    everything = workspace.build(with_validation(), small_config(), with_validation=True)
    assert [channel["name"] for channel in everything["channels"]] == ["CR_top", "VR_top", "SR"]
    assert everything["measurements"] == fitted["measurements"]
    assert [everything["channels"][0], everything["channels"][2]] == fitted["channels"]
    own = set(pyhf.Workspace(everything).model().config.parameters)
    assert own - set(pyhf.Workspace(fitted).model().config.parameters) == {"mcstat_VR_top"}


def test_a_validation_region_without_background_is_left_out_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="cascadebdt"):
        built = workspace.build(with_validation(background=0.0), small_config(), with_validation=True)
    assert [item["name"] for item in built["channels"]] == ["CR_top", "SR"]
    assert "left out: region 'VR_top': no bin has a positive background" in caplog.text


def test_a_process_that_only_a_variation_has_is_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    yields = small_yields({("CR_top", "signal"): [0.0, 0.0]})
    cells: Any = yields["CR_top"].view()
    cells["value"][0, 1] = [1.0, 0.0]
    with caplog.at_level(logging.INFO, logger="cascadebdt"):
        built = workspace.build(yields, small_config())
    assert [item["name"] for item in built["channels"][0]["samples"]] == ["top", "other"]
    assert "process 'signal' has no events but in the variations ['scale_up'] and is left out" in caplog.text


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("part", ["value", "variance"])
def test_a_variation_that_is_no_number_is_one_sentence(value: float, part: str) -> None:
    yields = small_yields()
    cells: Any = yields["SR"].view()
    cells[part][1, 2, 1] = value
    message = "region 'SR', process 'top', bin 1: the yield of variation 'scale_down' is not a finite number"
    with pytest.raises(YieldError, match=message):
        workspace.build(yields, small_config())


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [-5.0, -3.0, -1.0], [1e6, 1e6, 1e6], [-5.0, 80.0, -5.0]])
def test_any_finite_variation_gives_positive_finite_rates(values: list[float]) -> None:
    yields = small_yields()
    cells: Any = yields["SR"].view()
    cells["value"][1, 1] = values
    model = pyhf.Workspace(workspace.build(yields, small_config())).model()
    theta = np.array(model.config.suggested_init())
    for size in (-1.0, 1.0):
        theta[model.config.par_slice("scale")] = size
        rates = model.expected_actualdata(theta)
        assert np.isfinite(rates).all()
        assert (rates > 0).all()
