"""Pseudo-experiments: the same bits whatever computes them, closed forms and asymptotic formulas where these hold."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import scipy.stats

from cascadebdt import inference
from cascadebdt.errors import FitError
from cascadebdt.inference import Experiments, toy_answers
from cascadebdt.inference.toys import ROUNDS
from cascadebdt.products.toys import ToyStore
from cascadebdt.workspace import Workspace
from small_models import counting, on_off

MODEL = on_off(on=25, off=60, ratio=5, signal=8)
N = 50


@pytest.fixture(scope="module")
def uninterrupted() -> inference.ToyAnswers:
    return toy_answers(MODEL, Experiments(N, seed=3))


def test_the_number_of_processes_changes_no_bit(uninterrupted: inference.ToyAnswers, tmp_path: Path) -> None:
    several = toy_answers(MODEL, Experiments(N, seed=3, jobs=3, store=ToyStore(tmp_path)))
    assert several.to_json() == uninterrupted.to_json()


def test_the_same_call_goes_on_where_it_was_interrupted_with_the_same_bits(
    uninterrupted: inference.ToyAnswers, tmp_path: Path
) -> None:
    store = ToyStore(tmp_path)
    toy_answers(MODEL, Experiments(N, seed=3, store=store))
    pieces = sorted(tmp_path.iterdir())
    kept = {path: path.stat().st_mtime_ns for path in pieces[::2]}
    for number, path in enumerate(pieces[1::2]):  # lost, written by half, or altered
        text = path.read_text()
        path.unlink() if number % 3 == 0 else path.write_text(text[:40] if number % 3 == 1 else text.replace("1", "2"))
    again = toy_answers(MODEL, Experiments(N, seed=3, store=store))
    assert again.to_json() == uninterrupted.to_json()
    assert sorted(tmp_path.iterdir()) == pieces
    assert {path: path.stat().st_mtime_ns for path in kept} == kept


@dataclass(frozen=True)
class Counted(ToyStore):
    """A store that counts what is written."""

    written: list[str] = field(default_factory=list)

    def save(self, name: str, piece: inference.Piece) -> None:
        super().save(name, piece)
        self.written.append(name)


def test_shares_made_in_rounds_are_all_that_is_needed_and_no_piece_is_made_twice(
    uninterrupted: inference.ToyAnswers, tmp_path: Path
) -> None:
    store = Counted(tmp_path)
    for _ in range(ROUNDS):
        for part in (2, 1, 3):
            inference.toy_part(MODEL, Experiments(N, seed=3, store=store, share=inference.Share(part, 3)))
    assert len(store.written) == len(set(store.written))
    n_written = len(store.written)
    joined = toy_answers(MODEL, Experiments(N, seed=3, store=store))
    assert joined.to_json() == uninterrupted.to_json()
    assert len(store.written) == n_written


def test_pieces_of_another_seed_or_model_are_not_used(tmp_path: Path) -> None:
    store = ToyStore(tmp_path)
    first = inference.toy_goodness_of_fit(MODEL, 20, seed=1)
    toy_answers(MODEL, Experiments(20, seed=1, store=store), is_limited=False)
    n_files = len(list(tmp_path.iterdir()))
    other = toy_answers(MODEL, Experiments(20, seed=2, store=store), is_limited=False)
    assert len(list(tmp_path.iterdir())) == 2 * n_files
    assert other.goodness_of_fit.observed == first.observed
    changed = on_off(on=26, off=60, ratio=5, signal=8)
    toy_answers(changed, Experiments(20, seed=1, store=store), is_limited=False)
    assert len(list(tmp_path.iterdir())) == 3 * n_files


def test_more_pseudo_experiments_begin_with_the_fewer(tmp_path: Path) -> None:
    store = ToyStore(tmp_path)
    toy_answers(MODEL, Experiments(40, seed=1, store=store), is_limited=False)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    toy_answers(MODEL, Experiments(60, seed=1, store=store), is_limited=False)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert before.items() < after.items()


def test_the_goodness_of_fit_follows_the_chi_square_where_events_are_many() -> None:
    model = counting(observed=[10150, 9900, 9870], signal=[100, 50, 10], background=[10000, 10000, 10000])
    found = inference.toy_goodness_of_fit(model, 300, seed=1)
    fit = inference.fit(model)
    assert fit.goodness_of_fit is not None
    assert scipy.stats.chi2.sf(found.observed, 2) == pytest.approx(fit.goodness_of_fit)
    assert found.value == pytest.approx(fit.goodness_of_fit, abs=3 * found.uncertainty)


def test_the_goodness_of_fit_at_low_counts_is_that_of_counting() -> None:
    # without a free parameter that fits it, all 12 events in a bin that expects 5: summed over Poisson counts
    model = counting(observed=[12, 5], signal=[0, 1], background=[5, 5])
    counts = np.arange(60)
    deviance = 2 * (5 - counts + counts * np.log(np.maximum(counts, 1) / 5))
    expected = scipy.stats.poisson.pmf(counts, 5)[deviance >= deviance[12] - 1e-6].sum()
    found = inference.toy_goodness_of_fit(model, 400, seed=2)
    assert found.value == pytest.approx(expected, abs=3 * np.sqrt(expected / 400))


def test_limits_are_the_asymptotic_ones_where_these_hold() -> None:
    model = on_off(on=205, off=400, ratio=2, signal=20)
    for channel, rate in zip(model["channels"], (200.0, 400.0), strict=True):
        channel["samples"][-1]["data"] = [rate]
    asymptotic = inference.limit(model)
    found = inference.toy_limit(model, 200, seed=1)
    assert found.observed == pytest.approx(asymptotic.observed, abs=3 * found.uncertainty)
    assert found.expected[2] == pytest.approx(asymptotic.expected[2], abs=3 * found.uncertainty)
    assert np.all(np.diff(np.array(found.expected)) > 0)
    assert found.failures == ()


def test_without_background_and_events_the_limit_is_that_of_poisson() -> None:
    # CLs = exp(-mu) is 5 % at 3.0, where asymptotic formulas have 1.92
    found = inference.toy_limit(counting(observed=[0], signal=[1], background=[1e-3]), 300, seed=1)
    assert found.observed == pytest.approx(-np.log(0.05), abs=3 * found.uncertainty)


def test_blind_data_have_no_part_in_toys() -> None:
    answers = []
    for events in (25, 2500):
        blind = Workspace(on_off(on=events, off=60, ratio=5, signal=8)).blinded("SR")
        answers.append(toy_answers(blind, Experiments(20, seed=1)))
    assert answers[0].to_json() == answers[1].to_json()
    assert answers[0].significance is None
    assert answers[0].limit is not None
    assert answers[0].limit.observed is None


def test_too_few_signal_like_pseudo_experiments_are_an_error() -> None:
    with pytest.raises(FitError, match="draw more"):
        inference.toy_cls(counting(observed=[0], signal=[10], background=[100]), 1.0, 5, seed=1)
