import json
import logging
from typing import Any

import cabinetry
import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt import workspace
from cascadebdt.errors import YieldError
from small_analysis import SYSTEMATICS, small_config, small_yields


def sample(content: dict[str, Any], region: str, process: str) -> dict[str, Any]:
    channel = next(channel for channel in content["channels"] if channel["name"] == region)
    found: dict[str, Any] = next(sample for sample in channel["samples"] if sample["name"] == process)
    return found


def modifiers(content: dict[str, Any], region: str, process: str) -> dict[tuple[str, str], Any]:
    return {(item["name"], item["type"]): item["data"] for item in sample(content, region, process)["modifiers"]}


def observed(content: dict[str, Any], region: str) -> list[float]:
    return next(list(item["data"]) for item in content["observations"] if item["name"] == region)


def test_a_workspace_follows_the_schema_and_opens_in_pyhf_and_cabinetry() -> None:
    built = json.loads(json.dumps(workspace.build(small_yields(), small_config(unblind="approved"))))
    pyhf.schema.validate(built, "workspace.json")
    model, data = cabinetry.model_utils.model_and_data(built)
    assert model.config.channels == ["CR_top", "SR"]
    assert model.config.poi_name == "mu"
    assert np.isfinite(model.logpdf(model.config.suggested_init(), data)).all()


def test_nominal_rates_in_pyhf_are_the_yields() -> None:
    model = pyhf.Workspace(workspace.build(small_yields(), small_config())).model()
    rates = model.expected_actualdata(model.config.suggested_init())
    assert rates == pytest.approx([70.5, 53.0, 31.0, 21.0, 15.0])


def test_equal_input_gives_equal_bytes() -> None:
    first, second = (json.dumps(workspace.build(small_yields(), small_config())) for _ in range(2))
    assert first == second


def test_a_variation_at_one_standard_deviation_is_reproduced_exactly() -> None:
    yields = small_yields()
    model = pyhf.Workspace(workspace.build(yields, small_config())).model()
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.par_slice("scale")] = 1.0
    cells: Any = yields["SR"].view()
    expected = cells["value"][:3, 1].sum(axis=0)
    assert model.expected_actualdata(parameters)[2:] == pytest.approx(expected)


def test_normalisation_and_shape_of_a_variation_are_split() -> None:
    top = modifiers(workspace.build(small_yields(), small_config()), "SR", "top")
    assert top["scale", "normsys"]["hi"] == pytest.approx((18.9 + 10.5 + 4.62) / 34)
    assert sum(top["scale", "histosys"]["hi_data"]) == pytest.approx(34)
    assert sum(top["scale", "histosys"]["lo_data"]) == pytest.approx(34)


def test_a_one_sided_variation_is_mirrored_and_stays_with_its_process() -> None:
    built = workspace.build(small_yields(), small_config())
    norm, shape = (modifiers(built, "SR", "top")["generator", kind] for kind in ("normsys", "histosys"))
    assert norm["lo"] == pytest.approx(1 / norm["hi"])
    assert np.add(shape["hi_data"], shape["lo_data"]) == pytest.approx([40, 20, 8])
    assert ("generator", "normsys") not in modifiers(built, "SR", "other")


def test_a_variation_without_effect_leaves_no_modifier() -> None:
    yields = small_yields()
    for histogram in yields.values():
        cells: Any = histogram.view()
        cells["value"][1, 1:3] = cells["value"][1, 0]
    top = modifiers(workspace.build(yields, small_config()), "SR", "top")
    assert not [name for name, _ in top if name == "scale"]


def test_roles_of_processes_become_normalisations() -> None:
    built = workspace.build(small_yields(), small_config())
    assert ("mu", "normfactor") in modifiers(built, "CR_top", "signal")
    assert ("norm_top", "normfactor") in modifiers(built, "SR", "top")
    assert modifiers(built, "SR", "other")["lumi", "normsys"] == {"hi": 1.02, "lo": 1 / 1.02}
    assert modifiers(built, "SR", "top")["mcstat_SR", "staterror"] == pytest.approx(np.sqrt([10, 5, 2]).tolist())
    assert not [kind for _, kind in modifiers(built, "SR", "signal") if kind == "staterror"]


def test_mu_may_be_negative_only_as_far_as_rates_stay_positive() -> None:
    bounds = workspace.build(small_yields(), small_config())["measurements"][0]["config"]["parameters"][0]["bounds"]
    assert bounds[0][0] == pytest.approx(-0.99 * 7 / 8)
    assert bounds[0][1] >= 100


def test_mu_may_make_the_signal_outweigh_all_background_tenfold() -> None:
    tiny = {("CR_top", "signal"): [0.0, 0.0], ("SR", "signal"): [0.25, 0.5, 0.25]}
    built = workspace.build(small_yields(tiny), small_config())
    background = 122 + 52
    parameters = built["measurements"][0]["config"]["parameters"]
    assert parameters[0]["bounds"][0][1] == pytest.approx(10 * (background + 10))


def test_a_free_normalisation_may_be_up_to_ten_times_the_expectation() -> None:
    built = workspace.build(small_yields(), small_config())
    assert built["measurements"][0]["config"]["parameters"][1:] == [
        {"name": "norm_top", "bounds": [[0, 10]], "inits": [1]}
    ]


def test_while_blind_the_signal_region_has_no_observation() -> None:
    built = workspace.build(small_yields(), small_config())
    assert built.blind == ("SR",)
    assert built["observations"] == [{"name": "CR_top", "data": [75, 50]}]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(allow_nan=True), min_size=3, max_size=3))
def test_while_blind_data_of_the_signal_region_change_nothing(data: list[float]) -> None:
    changed = workspace.build(small_yields({("SR", "data"): data}), small_config())
    assert json.dumps(changed) == json.dumps(workspace.build(small_yields(), small_config()))


def test_unblinded_data_are_observed_and_may_be_zero_where_few_events_are_expected() -> None:
    few = {("SR", process): [1.0, 1.0, 1.0] for process in ("top", "other")}
    built = workspace.build(small_yields({("SR", "data"): [0.0, 0.0, 0.0]} | few), small_config(unblind="approved"))
    assert built.blind == ()
    assert observed(built, "SR") == [0, 0, 0]


def test_unblinded_data_of_no_event_where_many_are_expected_are_refused() -> None:
    with pytest.raises(YieldError, match="region 'SR': there are no data where 52 events are expected"):
        workspace.build(small_yields({("SR", "data"): [0.0, 0.0, 0.0]}), small_config(unblind="approved"))


def test_an_empty_bin_of_a_background_gets_a_tiny_yield_with_the_uncertainty_of_an_unseen_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, logger="cascadebdt"):
        built = workspace.build(small_yields({("SR", "other"): [9.0, 0.0, -0.5]}), small_config())
    other = sample(built, "SR", "other")
    weight = (9.5 * 0.5) / 8.5
    assert other["data"] == pytest.approx([9, 1e-3 * weight, 1e-3 * weight])
    assert modifiers(built, "SR", "other")["mcstat_SR", "staterror"][1:] == pytest.approx([weight / 2**0.5, 0.5])
    assert "region 'SR', process 'other', bins [1, 2]" in caplog.text


def test_bins_with_nothing_but_a_floor_are_named() -> None:
    yields = small_yields({("SR", "other"): [9.0, 0.0, -0.5], ("CR_top", "other"): [0.0, 12.0]})
    floors = workspace.build(yields, small_config()).notes.floors
    assert floors == ("CR_top bin 0: floor for other", "SR bins 1, 2: floor for other")


def test_the_unseen_event_of_a_process_of_less_than_one_event_has_its_mean_weight() -> None:
    small = {("SR", "top"): [0.2, 0.1, 0.1], ("SR", "other"): [0.3, 0.2, 0.0]}
    built = workspace.build(small_yields(small, weight=0.1), small_config())
    assert sample(built, "SR", "other")["data"] == pytest.approx([0.3, 0.2, 1e-3 * 0.1])
    assert modifiers(built, "SR", "other")["mcstat_SR", "staterror"][2] == pytest.approx(0.1)


def test_a_bin_without_any_background_gets_its_uncertainty_as_yield(caplog: pytest.LogCaptureFixture) -> None:
    empty = {("SR", "top"): [20.0, 10.0, 0.0], ("SR", "other"): [9.0, 6.0, 0.0]}
    built = workspace.build(small_yields(empty), small_config())
    error = np.hypot(*(modifiers(built, "SR", p)["mcstat_SR", "staterror"][2] for p in ("top", "other")))
    total = sum(sample(built, "SR", process)["data"][2] for process in ("top", "other"))
    assert total == pytest.approx(error, rel=2e-3)
    assert "region 'SR', process 'top', bin 2: no background at all" in caplog.text


def test_a_negative_bin_of_the_signal_is_set_to_zero(caplog: pytest.LogCaptureFixture) -> None:
    built = workspace.build(small_yields({("SR", "signal"): [-1.0, 5.0, 8.0]}), small_config())
    assert sample(built, "SR", "signal")["data"] == [0, 5, 8]
    assert "region 'SR', process 'signal', bins [0]" in caplog.text


def test_a_process_without_events_is_left_out_of_the_region() -> None:
    built = workspace.build(small_yields({("CR_top", "signal"): [0.0, 0.0]}), small_config())
    assert [item["name"] for item in built["channels"][0]["samples"]] == ["top", "other"]


def test_an_extreme_variation_is_limited_so_that_rates_stay_positive(caplog: pytest.LogCaptureFixture) -> None:
    yields = small_yields()
    cells: Any = yields["SR"].view()
    cells["value"][2, 2] = [0.0, 0.0, -1.0]
    other = modifiers(workspace.build(yields, small_config()), "SR", "other")
    assert other["scale", "normsys"]["lo"] == pytest.approx(0.1)
    assert min(other["scale", "histosys"]["lo_data"]) > 0
    assert "the variation 'scale_down' changes the yield by more than a factor of 10" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({("SR", "top"): [20.0, np.nan, 4.0]}, r"region 'SR', process 'top', bin 1: .* not a finite number"),
        ({("CR_top", "data"): [75.0, -1.0]}, r"region 'CR_top', process 'data', bin 1: negative, got -1"),
        (
            {("CR_top", "top"): [-1.0, 0.0], ("CR_top", "other"): [0.0, 0.0]},
            r"region 'CR_top': no bin has a positive background, processes \['top'\]",
        ),
        (
            {("SR", "signal"): [0.0] * 3, ("CR_top", "signal"): [0.0] * 2},
            r"process 'signal' of fit.signal has no events in any region",
        ),
        ({("SR", "top"): [0.0] * 3, ("CR_top", "top"): [0.0] * 2}, r"process 'top' of fit.free has no events"),
    ],
)
def test_yields_that_cannot_be_fitted_are_refused(changes: Any, message: str) -> None:
    with pytest.raises(YieldError, match=message):
        workspace.build(small_yields(changes), small_config())


def test_a_control_region_without_data_is_refused() -> None:
    with pytest.raises(YieldError, match=r"region 'CR_top': there are no data"):
        workspace.build(small_yields(skip="data"), small_config())


def test_a_systematic_that_was_not_filled_is_refused() -> None:
    systematics = [*SYSTEMATICS, {"name": "pileup", "kind": "weight", "up": "w", "down": "w"}]
    with pytest.raises(YieldError, match=r"process 'signal': the variation 'pileup_up' is empty in every region"):
        workspace.build(small_yields(), small_config(systematics=systematics))


def test_yields_without_a_region_are_refused() -> None:
    with pytest.raises(YieldError, match="yields: there is no region"):
        workspace.build({}, small_config())


def test_other_programs_read_the_workspace_alone() -> None:
    built = workspace.build(small_yields(), small_config())
    assert set(built.to_json()) == {"channels", "observations", "measurements", "version"}
    assert workspace.Workspace.from_json(built.to_json()) == built
