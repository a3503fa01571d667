"""Corrections from purified data: the laws that they obey on a toy whose mismodelling is known."""

from dataclasses import replace

import numpy as np
import pytest

from cascadebdt.arrays import FloatArray
from cascadebdt.corrections import Corrections, learn
from cascadebdt.corrections.purified import folds_of
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from purified_toy import KNOWN, asked, slope, toy


def learnt(method: str = "bins", *, with_data: bool = True, tilted: bool = True) -> Corrections:
    return learn(*toy(with_data=with_data, tilted=tilted), [asked(method=method)], KNOWN, seed=1)


def with_x(events: Events, x: FloatArray) -> Events:
    return replace(events, columns={**events.columns, "x": x.astype(np.float32)})


@pytest.mark.parametrize("method", ["bins", "boosted"])
def test_a_tilt_of_the_data_is_found_where_the_region_does_not_reach_too(method: str) -> None:
    events, scores = toy(n=20_000)
    corrected = learn(events, scores, [asked(method=method)], KNOWN, seed=1).applied(events, scores)
    rows = events.of_process("main") & (scores.region == scores.signal_region)
    factor = corrected.weights["nominal"][rows] / events.weights["nominal"][rows]
    truth = slope(events.columns["x"][rows].astype(np.float64))
    before, after = (np.std(ratio / ratio.mean()) for ratio in (1 / truth, factor / truth))
    assert after < 0.5 * before


@pytest.mark.parametrize("method", ["bins", "boosted"])
def test_without_data_every_weight_is_one_and_the_uncertainties_are_those_of_the_expected_data(method: str) -> None:
    events, scores = toy(with_data=False)
    found = learnt(method, with_data=False)
    corrected = found.applied(events, scores)
    assert corrected.weights["nominal"] == pytest.approx(events.weights["nominal"], rel=1e-6)
    seen = learnt(method, tilted=False).processes["main"].directions
    sizes = [np.std(part.directions[0].log_ratio(events.columns)) for part in found.processes.values()]
    assert sizes[0] == pytest.approx(np.std(seen[0].log_ratio(events.columns)), rel=0.3)


def test_the_yield_in_the_region_stays() -> None:
    events, scores = toy()
    corrected = learnt().applied(events, scores)
    rows = events.of_process("main") & (scores.region == 0)
    before, after = (one.weights["nominal"][rows].sum() for one in (events, corrected))
    assert after == pytest.approx(before, rel=2e-3)  # the folds are normalised without the events they weigh


def test_no_event_of_the_signal_region_has_any_part_in_it() -> None:
    events, scores = toy()
    rows = events.is_data & (scores.region == scores.signal_region)
    others = replace(
        events, columns={"x": np.where(rows, 0.99, events.columns["x"]).astype(np.float32), "y": events.columns["y"]}
    )
    first, second = (learn(one, scores, [asked()], KNOWN, seed=1).to_json() for one in (events, others))
    assert first == second


def test_the_weights_of_a_fold_do_not_depend_on_its_data() -> None:
    events, scores = toy()
    folds = folds_of(events.event_id)
    moved = events.is_data & (folds == 2)
    others = with_x(events, np.where(moved, 0.5, events.columns["x"]))
    first, second = (learn(one, scores, [asked()], KNOWN, seed=1).processes["main"].bins for one in (events, others))
    assert first[2].to_json() == second[2].to_json()
    assert first[3].to_json() != second[3].to_json()


def test_the_uncertainty_covers_what_other_data_would_have_given() -> None:
    events, _ = toy(n=3000)
    at = {name: column[events.of_process("main")][:500] for name, column in events.columns.items()}
    found = [learn(*toy(seed=seed, n=3000), [asked()], KNOWN, seed=1).processes["main"] for seed in range(12)]
    spread = np.std([one.bins[0].log_ratio(at) for one in found], axis=0)
    claimed = np.sqrt(sum(np.square(direction.log_ratio(at)) for direction in found[0].directions))
    # One fold has four fifths of the data; the prior keeps the spread below what it says is not known.
    assert 0.7 < float(np.sqrt(np.mean(np.square(claimed)) / np.mean(np.square(spread)))) < 2.0


def test_what_is_subtracted_has_its_fitted_normalisation() -> None:
    events, scores = toy()
    twice = replace(KNOWN, values={"main": 1.0, "rest": 2.0})
    one, other = (learn(events, scores, [asked()], by, seed=1).processes["main"] for by in (KNOWN, twice))
    assert other.closure[0].others == pytest.approx(2 * one.closure[0].others)


def test_the_data_agree_better_after_than_before() -> None:
    (closure, _) = learnt().processes["main"].closure
    assert closure.variable == "x"
    assert closure.chi2(corrected=False) > 50
    assert closure.chi2(corrected=True) < 25


def test_only_the_corrected_process_gets_other_weights() -> None:
    events, scores = toy()
    corrected = learnt().applied(events, scores)
    rest = ~events.of_process("main")
    for weights in corrected.weights.values():
        assert (weights[rest] == events.weights["nominal"][rest]).all()


def test_every_parameter_has_both_sides_and_extrapolates_outside_the_region_only() -> None:
    events, scores = toy()
    found = learnt()
    weights = found.applied(events, scores).weights
    assert {
        f"{systematic.name}_{side}" for systematic in found.systematics for side in ("up", "down")
    } == weights.keys() - {"nominal"}
    change = weights["correction_main_extrapolation_up"] / weights["nominal"]
    assert (change[scores.region == 0] == 1).all()
    assert not (change[scores.region == 1] == 1).all()


def test_corrections_come_back_from_the_disk() -> None:
    events, scores = toy()
    found = learnt("boosted")
    again = Corrections.from_json(found.to_json())
    for name, weights in found.applied(events, scores).weights.items():
        assert (again.applied(events, scores).weights[name] == weights).all()


def test_a_region_with_fewer_data_than_other_backgrounds_is_refused() -> None:
    many = replace(KNOWN, values={"main": 1.0, "rest": 50.0})
    with pytest.raises(InputError, match=r"CR_main holds .* events of data less the other backgrounds"):
        learn(*toy(), [asked()], many, seed=1)


def test_events_without_a_value_keep_their_weight_in_that_variable() -> None:
    events, scores = toy()
    holed = with_x(events, np.where(np.arange(len(events)) % 3, events.columns["x"], np.nan))
    corrected = learn(holed, scores, [asked(variables=["x", "y"])], KNOWN, seed=1).applied(holed, scores)
    assert np.isfinite(corrected.weights["nominal"]).all()
