from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cascadebdt.config import NOMINAL
from cascadebdt.events import Events, concatenate, identify, in_order

numbers = hnp.arrays(np.uint64, st.integers(0, 30), elements=st.integers(0, 2**64 - 1))


def make(event: Sequence[int], x: Sequence[float], sample: int = 0) -> Events:
    n = len(event)
    return Events(
        columns={"x": np.array(x, np.float32)},
        weights={NOMINAL: np.ones(n)},
        event_id=identify([np.array(event, np.uint64)], salt="s"),
        process=np.zeros(n, np.int16),
        sample=np.full(n, sample, np.int16),
        variation=np.zeros(n, np.int16),
        processes=("signal",),
        samples=("a", "b"),
    )


@given(numbers, st.text(max_size=5))
def test_an_identity_depends_on_the_event_alone(
    event: "np.ndarray[tuple[int], np.dtype[np.uint64]]", salt: str
) -> None:
    together = identify([event], salt=salt)
    alone = [identify([event[i : i + 1]], salt=salt)[0] for i in range(len(event))]
    assert together.dtype == np.uint64
    assert together.tolist() == alone


def test_large_event_numbers_keep_every_bit() -> None:
    event = np.array([2**63, 2**63 + 1, 2**53, 2**53 + 1], np.uint64)
    assert len(set(identify([event], salt="").tolist())) == 4


def test_samples_with_the_same_numbers_have_different_identities() -> None:
    event = np.arange(1000)
    assert not np.isin(identify([event], salt="a"), identify([event], salt="b")).any()


def test_the_order_of_run_and_event_matters() -> None:
    one, two = np.array([1]), np.array([2])
    assert identify([one, two], salt="") != identify([two, one], salt="")


def test_folds_of_consecutive_events_are_evenly_filled() -> None:
    folds = identify([np.ones(50_000, np.uint32), np.arange(50_000)], salt="") % np.uint64(5)
    counts = np.bincount(folds.astype(int))
    assert np.all(np.abs(counts - 10_000) < 5 * np.sqrt(10_000 * 0.8))


@given(st.permutations(range(6)))
def test_rows_come_out_in_the_same_order_whatever_the_order_of_the_parts(order: list[int]) -> None:
    parts = [make([i, 5], [i, np.nan], sample=i % 2) for i in range(6)]
    reference, shuffled = concatenate(parts), concatenate([parts[i] for i in order])
    np.testing.assert_array_equal(shuffled.columns["x"], reference.columns["x"])
    np.testing.assert_array_equal(shuffled.event_id, reference.event_id)


def test_of_process_selects_by_name_and_knows_no_others() -> None:
    events = make([1, 2], [0, 0])
    assert events.of_process("signal").all()
    assert not events.of_process("nobody").any()


@given(st.permutations(range(5)))
def test_rows_in_any_order_come_into_the_same_order(order: list[int]) -> None:
    rows = make([3, 3, 1, 2, 1], [1.0, 0.0, 5.0, 2.0, 4.0]).take(np.array(order))
    found = in_order(rows)
    expected = in_order(make([3, 3, 1, 2, 1], [1.0, 0.0, 5.0, 2.0, 4.0]))
    np.testing.assert_array_equal(found.event_id, expected.event_id)
    np.testing.assert_array_equal(found.columns["x"], expected.columns["x"])
    unique = found.take(np.array([0, 2, 4]))
    assert in_order(unique) is unique
