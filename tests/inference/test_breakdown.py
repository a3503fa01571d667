"""Parts of an uncertainty, against fits of pyhf's likelihood with MINOS in which the same parameters are constants."""

from collections.abc import Callable, Collection
from typing import Any

import numpy as np
import pyhf
import pytest
from iminuit import Minuit

from cascadebdt import inference
from cascadebdt.errors import FitError
from cascadebdt.inference import Breakdown
from small_models import counting, workspace


def measured() -> dict[str, Any]:
    """Return a model with two free normalisations, three systematics and statistics of simulation."""

    def free(name: str) -> dict[str, Any]:
        return {"name": name, "type": "normfactor", "data": None}

    def factor(name: str, high: float, low: float) -> dict[str, Any]:
        return {"name": name, "type": "normsys", "data": {"hi": high, "lo": low}}

    tilt = {"name": "jet_tilt", "type": "histosys", "data": {"hi_data": [92.0, 66.0], "lo_data": [107.0, 55.0]}}
    contents = {
        "SR": {"s": ([10.0, 30.0], [free("mu")]), "b": ([100.0, 60.0], [free("norm_b"), tilt])},
        "CR_b": {
            "b": ([300.0, 200.0], [free("norm_b"), factor("jet_scale", 1.1, 0.92)]),
            "c": ([40.0, 90.0], [free("norm_c")]),
        },
        "CR_c": {"c": ([80.0, 120.0], [free("norm_c"), factor("theory", 0.9, 1.2)]), "b": ([50.0, 30.0], [])},
    }
    channels = [
        {
            "name": region,
            "samples": [
                {
                    "name": process,
                    "data": rates,
                    "modifiers": [
                        *modifiers,
                        {"name": f"mcstat_{region}", "type": "staterror", "data": [0.05 * rate for rate in rates]},
                    ],
                }
                for process, (rates, modifiers) in processes.items()
            ],
        }
        for region, processes in contents.items()
    ]
    return workspace(channels, {"SR": [118, 95], "CR_b": [350, 290], "CR_c": [130, 155]})


@pytest.fixture(scope="module")
def parts() -> Breakdown:
    return inference.breakdown(measured())


@pytest.fixture(scope="module")
def minos() -> Callable[[Collection[str]], tuple[float, float]]:
    """Return a function of the names of parameters that are held: distances below and above of mu."""
    content = measured()
    model = pyhf.Workspace(content).model()
    data = pyhf.Workspace(content).data(model)
    names = model.config.par_names

    def objective(theta: Any) -> float:
        return float(-2 * np.asarray(model.logpdf(theta, data))[0])

    def fitted(start: Any, held: Collection[str]) -> Minuit:
        minuit = Minuit(objective, start, name=names)
        minuit.errordef, minuit.strategy, minuit.tol = Minuit.LEAST_SQUARES, 2, 1e-4
        minuit.fixed[...] = [name in held for name in names]
        return minuit.migrad(ncall=50_000)

    best = np.array(fitted(model.config.suggested_init(), ()).values)

    def distances(held: Collection[str]) -> tuple[float, float]:
        errors = fitted(best, held).minos("mu").merrors["mu"]
        return -errors.lower, errors.upper

    return distances


def test_total_and_statistical_parts_are_those_of_minos(
    parts: Breakdown, minos: Callable[[Collection[str]], tuple[float, float]]
) -> None:
    constrained = inference.fit(measured()).pulls.keys()
    assert parts.total == pytest.approx(minos(()), rel=2e-3)
    assert parts.statistical == pytest.approx(minos(constrained), rel=2e-3)
    assert parts.data == pytest.approx(minos({*constrained, "norm_b", "norm_c"}), rel=2e-3)
    whole, statistical, systematic = (np.array(ends) for ends in (parts.total, parts.statistical, parts.systematic))
    assert np.hypot(statistical, systematic) == pytest.approx(whole)


def test_a_group_is_what_holding_it_in_minos_takes_away(
    parts: Breakdown, minos: Callable[[Collection[str]], tuple[float, float]]
) -> None:
    assert set(parts.groups) == {"jet", "theory", "MC statistics", "normalisations"}
    for name, found in parts.groups.items():
        expected = np.sqrt(np.array(minos(())) ** 2 - np.array(minos(parts.members[name])) ** 2)
        # a difference of squares of numbers that MINOS gives to a few per mille
        assert found == pytest.approx(expected, rel=0.02), name


def test_a_parameter_is_named_by_a_pattern_or_grouped_by_kind_and_name() -> None:
    members = inference.breakdown(measured(), {"shapes": ["*_tilt"], "in SR": ["mcstat_SR"]}).members
    assert members["shapes"] == ("jet_tilt",)
    assert members["jet_scale"] == ("jet_scale",)
    assert members["in SR"] == ("mcstat_SR[0]", "mcstat_SR[1]")
    assert len(members["MC statistics"]) == 4
    assert members["normalisations"] == ("norm_b", "norm_c")


def test_a_group_of_no_parameter_is_refused() -> None:
    with pytest.raises(FitError, match=r"group 'photons': no parameter is named 'photon_\*'"):
        inference.breakdown(measured(), {"photons": ["photon_*"]})


def test_without_systematics_all_is_statistical() -> None:
    found = inference.breakdown(counting(observed=[30], signal=[10], background=[20]))
    assert found.statistical == found.total == found.data
    assert found.systematic == pytest.approx((0, 0))
    assert found.groups == {}


def test_a_side_that_ends_at_a_bound_has_no_distance() -> None:
    model = counting(observed=[22], signal=[10], background=[20], relative_error=0.1)
    model["measurements"][0]["config"]["parameters"][0]["bounds"] = [[0, 9]]
    found = inference.breakdown(model)
    assert found.value == pytest.approx(0.2, abs=1e-3)
    for ends in (found.total, found.statistical, found.systematic, found.groups["error"]):
        assert ends[0] is None
        assert ends[1] is not None


def test_the_statistics_of_simulation_are_one_row_of_the_ranking_and_the_correlations() -> None:
    ranking, fit = inference.ranking(measured()), inference.fit(measured())
    rows = {row.parameter: row for row in ranking.rows()}
    assert set(rows) == {"jet_tilt", "jet_scale", "theory", "norm_b", "norm_c", "MC statistics"}
    below, above = inference.breakdown(measured()).groups["MC statistics"]
    assert below is not None
    assert above is not None
    # second derivatives against the mean of both sides of the profile
    assert rows["MC statistics"].postfit[1] == pytest.approx((below + above) / 2, rel=0.05)
    names, matrix = fit.grouped_correlation()
    assert set(names) == {*rows, "mu"}
    assert matrix.shape == (7, 7)
    share = matrix[names.index("mu"), names.index("MC statistics")]
    assert share * fit.mu[1] == pytest.approx(rows["MC statistics"].postfit[1])
