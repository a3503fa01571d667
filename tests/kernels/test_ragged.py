"""Ragged kernels against plain Python lists."""

import math
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
import vector
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.kernels import ragged

value = st.floats(-4.0, 4.0) | st.just(math.nan) | st.sampled_from([0.0, 1.0])
lists = st.lists(st.lists(value, max_size=5), max_size=6)


def flat(events: list[list[float]]) -> tuple[IntArray, FloatArray]:
    offsets = np.concatenate([[0], np.cumsum([len(event) for event in events], dtype=np.int64)]).astype(np.int64)
    return offsets, np.array([x for event in events for x in event], dtype=np.float64)


def unflat(offsets: IntArray, content: Any) -> Any:
    return [list(content[a:b]) for a, b in pairwise(offsets)]


@given(lists, st.integers(0, 4))
def test_an_element_that_is_not_there_is_nan(events: list[list[float]], index: int) -> None:
    expected = [event[index] if index < len(event) else math.nan for event in events]
    np.testing.assert_array_equal(ragged.element(*flat(events), index), expected)


@given(lists)
def test_a_candidate_past_the_end_is_nan(events: list[list[float]]) -> None:
    offsets, content = flat(events)
    found = [ragged.candidate(content[None], 0, start, stop) for start, stop in pairwise(offsets)]
    np.testing.assert_array_equal(found, [event[0] if event else math.nan for event in events])


@given(lists, lists)
def test_slots_interleave_two_collections_event_by_event(first: list[list[float]], second: list[list[float]]) -> None:
    n = min(len(first), len(second))
    (offsets1, content1), (offsets2, content2) = flat(first[:n]), flat(second[:n])
    merged = np.empty(content1.size + content2.size)
    begin = (offsets1 + offsets2)[:-1]
    ragged.scatter(content1, ragged.slots(offsets1, begin), merged)
    ragged.scatter(content2, ragged.slots(offsets2, begin + np.diff(offsets1)), merged)
    expected = [x for a, b in zip(first[:n], second[:n], strict=True) for x in (*a, *b)]
    np.testing.assert_array_equal(merged, expected)


@given(lists, st.data())
def test_selection_keeps_what_is_marked_in_its_event(events: list[list[float]], data: st.DataObject) -> None:
    offsets, content = flat(events)
    keep = data.draw(hnp.arrays(np.bool_, content.size))
    new_offsets, index = ragged.select(offsets, keep)
    expected = [
        [x for x, kept in zip(event, marks, strict=True) if kept]
        for event, marks in zip(events, unflat(offsets, keep), strict=True)
    ]
    np.testing.assert_equal(unflat(new_offsets, content[index]), expected)


@given(lists)
def test_the_order_is_ascending_and_stable_with_nan_last(events: list[list[float]]) -> None:
    offsets, key = flat(events)
    positions: list[list[int]] = unflat(offsets, np.arange(key.size))
    expected = [sorted(event, key=lambda k: (math.isnan(key[k]), key[k])) for event in positions]
    nans_in_order = [
        [k for k in event if not math.isnan(key[k])] + [k for k in old if math.isnan(key[k])]
        for event, old in zip(expected, positions, strict=True)
    ]
    assert unflat(offsets, ragged.arrange(offsets, np.arange(key.size), key)) == nans_in_order


@given(lists, lists, st.floats(0.1, 2.0))
def test_overlaps_are_found_in_the_same_event_only(
    own: list[list[float]], other: list[list[float]], radius: float
) -> None:
    n = min(len(own), len(other))
    (offsets, eta), (other_offsets, other_eta) = flat(own[:n]), flat(other[:n])
    keep = np.ones(eta.size, np.bool_)
    far = ragged.apart(offsets, keep, eta, eta / 2, other_offsets, other_eta, other_eta / 2, radius)
    expected = [
        not any(math.sqrt((x - y) ** 2 + (x / 2 - y / 2) ** 2) < radius for y in others)
        for event, others in zip(own[:n], other[:n], strict=True)
        for x in event
    ]
    assert far.tolist() == expected


@given(lists, st.data())
def test_candidates_of_some_events_are_those_of_these_events(events: list[list[float]], data: st.DataObject) -> None:
    offsets, content = flat(events)
    rows = data.draw(st.lists(st.integers(0, max(len(events) - 1, 0)), max_size=4)) if events else []
    new_offsets, index = ragged.of_events(offsets, np.array(rows, np.int64))
    np.testing.assert_equal(unflat(new_offsets, content[index]), [events[row] for row in rows])


@given(lists, lists)
def test_pairs_are_all_combinations_within_an_event(first: list[list[float]], second: list[list[float]]) -> None:
    n = min(len(first), len(second))
    (offsets, _), (other_offsets, _) = flat(first[:n]), flat(second[:n])
    new_offsets, one, two = ragged.pairs(offsets, other_offsets, False)
    expected = [
        [(i, j) for i in range(a, b) for j in range(c, d)]
        for (a, b), (c, d) in zip(pairwise(offsets), pairwise(other_offsets), strict=True)
    ]
    assert unflat(new_offsets, list(zip(one, two, strict=True))) == expected


@given(lists)
def test_an_object_pairs_with_itself_once(events: list[list[float]]) -> None:
    offsets, _ = flat(events)
    new_offsets, one, two = ragged.pairs(offsets, offsets, True)
    assert unflat(new_offsets, list(zip(one, two, strict=True))) == [
        list(combinations(range(a, b), 2)) for a, b in pairwise(offsets)
    ]


def test_momenta_of_pairs_and_from_cartesian_components_agree_with_vector() -> None:
    rng = np.random.default_rng(1)
    first, second = (
        np.array([rng.exponential(40, 50), rng.uniform(-3, 3, 50), rng.uniform(-3, 3, 50), rng.exponential(5, 50)])
        for _ in range(2)
    )
    vectors = [vector.array({"pt": p[0], "eta": p[1], "phi": p[2], "mass": p[3]}) for p in (first, second)]
    total: Any = vectors[0].add(vectors[1])
    expected = [total.pt, total.eta, total.phi, total.mass]
    np.testing.assert_allclose(ragged.pair_momenta(first, second), expected, rtol=1e-9)
    np.testing.assert_allclose(ragged.from_cartesian(total.px, total.py, total.pz, total.E), expected, rtol=1e-9)


def test_gathering_takes_the_first_rows_at_the_positions() -> None:
    table = np.arange(12.0).reshape(3, 4)
    assert ragged.gather(table, np.array([3, 0]), 2).tolist() == [[3.0, 0.0], [7.0, 4.0]]


@pytest.mark.parametrize("kernel", [ragged.element, ragged.select, ragged.arrange, ragged.slots])
def test_no_events_give_no_content(kernel: Any) -> None:
    offsets, nothing = np.zeros(1, np.int64), np.empty(0)
    arguments = {
        "element": (offsets, nothing, 0),
        "select": (offsets, np.empty(0, np.bool_)),
        "arrange": (offsets, np.empty(0, np.int64), nothing),
        "slots": (offsets, np.empty(0, np.int64)),
    }[kernel.__name__]
    result = kernel(*arguments)
    assert np.size(result[-1] if isinstance(result, tuple) else result) == 0
