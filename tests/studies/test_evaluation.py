"""Evaluation without writing and without data: the workspace, its switches, Asimov data, regions by any function."""

import numpy as np
import pytest

import cascadebdt as cb
from cascadebdt import config as configuration
from cascadebdt import inference
from cascadebdt.arrays import BoolArray
from cascadebdt.config import Config, RegionsConfig
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.histograms.yields import Yields, total
from cascadebdt.studies import evaluation
from cascadebdt.studies.evaluation import Placed, Switches
from cascadebdt.workspace import Workspace
from tiny_analysis import tiny_config

REGIONS = configuration.RegionsConfig.model_validate(
    {"control": {"n_bins": 3}, "signal": {"observable": "final", "n_bins": 4}}
)


def selected(events: Events) -> cb.Scores:
    """Return scores of two cuts, with the signal region binned in a feature."""
    return cb.Scores.in_regions(cuts(events), final=events.columns["met"] / 100)


def cuts(events: Events) -> dict[str, BoolArray]:
    return {"CR_zee": events.columns["met"] < 25, "CR_wjets": events.columns["photon_pt"] < 45}


@pytest.fixture(scope="module")
def simulated(tiny_events: Events) -> Events:
    return evaluation.simulation(tiny_events)


@pytest.fixture(scope="module")
def filled(simulated: Events) -> Yields:
    placed = Placed.of(simulated, selected(simulated), REGIONS)
    return placed.fill(placed.edges())


@pytest.fixture(scope="module")
def model(filled: Yields, tiny: Config) -> Workspace:
    return evaluation.model(filled, tiny)


def test_regions_are_those_of_any_function_of_the_events(simulated: Events, filled: Yields) -> None:
    weights, low = simulated.weights["nominal"], cuts(simulated)["CR_zee"]
    rows = low & simulated.is_nominal & simulated.of_process("zee")
    assert total(filled["CR_zee"], "zee")[0] == pytest.approx(weights[rows].sum())


def test_the_model_is_that_of_the_package_without_an_observation(
    tiny: Config, tiny_events: Events, model: Workspace, filled: Yields
) -> None:
    edges = {name: np.array(histogram.axes[2].edges) for name, histogram in filled.items()}
    with_data = Placed.of(tiny_events, selected(tiny_events), REGIONS).fill(edges)
    observed = cb.build_workspace(with_data, tiny)
    assert model["channels"] == observed["channels"]
    assert model["measurements"] == observed["measurements"]
    assert model["observations"] == []


def test_no_sample_of_data_is_needed(tiny: Config, model: Workspace) -> None:
    raw = tiny_config()
    raw["samples"] = raw["samples"][:-1]
    config = configuration.parse(raw, directory=tiny.directory)
    events = cb.select(config)
    placed = Placed.of(events, selected(events), REGIONS)
    assert evaluation.model(placed.fill(placed.edges()), config)["channels"] == model["channels"]


def test_asimov_data_are_the_nominal_background(model: Workspace) -> None:
    for channel in model["channels"]:
        background = np.sum([s["data"] for s in channel["samples"] if s["name"] != "signal"], axis=0)
        assert evaluation.expected_events(model)[channel["name"]] == pytest.approx(background)


def test_asimov_data_may_have_other_values_of_any_parameter(model: Workspace) -> None:
    fitted = cb.fit(evaluation.asimov(model, {"mu": 2.0, "norm_zee": 1.3}))
    assert fitted.mu[0] == pytest.approx(2.0, abs=1e-3)
    assert fitted.normalisation["zee"][0] == pytest.approx(1.3, abs=1e-4)


def test_with_everything_switched_off_sigma_is_that_of_the_data_alone(model: Workspace) -> None:
    """Cowan et al., arXiv:1007.1727: the Fisher information of Poisson bins at no signal is sum s^2 / b."""
    known = evaluation.switched(model, Switches(False, (), ()))
    information = 0.0
    for channel in known["channels"]:
        samples = {sample["name"]: np.array(sample["data"]) for sample in channel["samples"]}
        signal = samples.pop("signal")
        information += float((signal**2 / np.sum(list(samples.values()), axis=0)).sum())
    assert evaluation.sigma_mu(evaluation.asimov(known)) == pytest.approx(information**-0.5, rel=1e-3)


@pytest.mark.parametrize(
    "switches", [Switches(mc_statistics=False), Switches(systematics=("lumi",)), Switches(free=("zee",))]
)
def test_every_switch_takes_an_uncertainty_away(model: Workspace, switches: Switches) -> None:
    observed = evaluation.asimov(model)
    assert evaluation.sigma_mu(evaluation.switched(observed, switches)) < evaluation.sigma_mu(observed)


def test_a_switch_of_an_unknown_parameter_is_an_error(model: Workspace) -> None:
    with pytest.raises(InputError, match=r"no systematic 'pilup'; did you mean 'pileup'"):
        evaluation.switched(model, Switches(systematics=("pilup",)))


def test_an_expectation_is_what_the_fit_says(model: Workspace) -> None:
    observed = evaluation.asimov(model)
    expected = evaluation.expectation(observed)
    fitted = inference.fit(observed)
    assert expected.limit[2] == pytest.approx(cb.limit(observed).expected[2])
    assert expected.normalisation == {name: error for name, (_, error) in fitted.normalisation.items()}
    assert expected.sigma_mu_no_mcstat < expected.sigma_mu == fitted.mu[1]


def test_an_empty_region_is_left_out_with_a_note(simulated: Events, tiny: Config) -> None:
    nothing = {"CR_ttbar": np.zeros(len(simulated), np.bool_), **cuts(simulated)}
    scores = cb.Scores.in_regions(nothing, final=simulated.columns["met"] / 100)
    placed = Placed.of(simulated, scores, RegionsConfig.model_validate(REGIONS.model_dump()))
    kept, notes = evaluation.fittable(placed.fill(placed.edges()), "signal")
    assert list(kept) == ["CR_zee", "CR_wjets", "SR"]
    assert notes == ("CR_ttbar is left out: it has no expected background (and 0 events of signal)",)
    assert evaluation.sigma_mu(evaluation.asimov(evaluation.model(kept, tiny))) > 0


def test_scores_of_other_events_are_an_error(simulated: Events) -> None:
    with pytest.raises(InputError, match="expected those of"):
        Placed.of(simulated, selected(simulated.take(np.arange(10))), REGIONS)


def test_an_event_in_no_region_is_an_error(tiny_events: Events) -> None:
    scores = selected(tiny_events).blinded(tiny_events.is_data)
    with pytest.raises(InputError, match="events are in no region"):
        Placed.of(tiny_events, scores, REGIONS)


def test_a_name_that_is_no_control_region_is_an_error(simulated: Events) -> None:
    with pytest.raises(InputError, match="expected a name like 'CR_zee'"):
        cb.Scores.in_regions({"zee": cuts(simulated)["CR_zee"]}, final=simulated.columns["met"])
