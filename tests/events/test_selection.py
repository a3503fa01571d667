import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cascadebdt.arrays import BoolArray
from cascadebdt.events import selection
from cascadebdt.events.selection import UNSEEN, Counts, Cutflow


@given(hnp.arrays(np.bool_, (3, 20)), st.integers(0, 2**31))
def test_cuts_apply_in_order_and_count_what_is_left(masks: BoolArray, seed: int) -> None:
    weight = np.random.default_rng(seed).normal(size=20)
    passed, counts = selection.apply({"a": masks[0], "b": masks[1], "c": masks[2]}, weight)
    np.testing.assert_array_equal(passed, masks.all(axis=0))
    assert counts.entries.tolist() == [20, masks[0].sum(), masks[:2].all(axis=0).sum(), passed.sum()]
    np.testing.assert_allclose(counts.sumw[-1], weight[passed].sum(), atol=1e-12)
    np.testing.assert_allclose(counts.sumw2[0], (weight**2).sum())


def test_counts_of_chunks_add_up_per_sample() -> None:
    _, counts = selection.apply({"a": np.array([True, False])}, np.array([1.0, -2.0]))
    cutflow = Cutflow.empty(("a",), ("x", "y")).add("y", counts).add("y", counts)
    assert cutflow.entries.tolist() == [[0, 0], [4, 2]]
    assert cutflow.sumw.tolist() == [[0, 0], [-2, 2]]
    assert (cutflow.read, cutflow.selected) == (4, 2)


def test_hidden_events_leave_every_cut_but_not_the_entries_read() -> None:
    _, counts = selection.apply({"a": np.ones(5, np.bool_)}, np.ones(5))
    cutflow = Cutflow.empty(("a",), ("data",)).add("data", counts).without("data", np.array([2.0, 2.0, 2.0]))
    assert cutflow.entries.tolist() == [[5, 3]]


def test_one_more_cut_tells_what_only_trained() -> None:
    _, counts = selection.apply({"a": np.array([True, True, False])}, np.array([1.0, -2.0, 1.0]))
    before = Cutflow.empty(("a",), ("x", "y")).add("y", counts)
    left = {"x": Counts(*np.zeros((3, 1), np.int64)), "y": Counts(np.array([1]), np.array([5.0]), np.array([25.0]))}
    after = before.then(UNSEEN, left)
    assert after.entries.tolist() == [[0, 0, 0], [3, 2, 1]]
    assert (after.sumw[1].tolist(), after.sumw2[1].tolist()) == ([0, -1, 5], [6, 5, 25])
    assert (after.selected, after.used_in_training) == (1, {"x": 0, "y": 1})
    assert before.used_in_training == {"x": 0, "y": 0}
