"""Caps on the events of a process."""

import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.events import identify
from cascadebdt.events.folds import fold_of
from cascadebdt.training.sampling import chosen
from tiny_analysis import toy_cascade, toy_events

EVENT_ID = identify([np.arange(9000)], salt="")
PROCESS = np.repeat([0, 1, 2], [6000, 2900, 100]).astype(np.int16)
FOLDS = fold_of(EVENT_ID, 3)


def test_each_process_keeps_as_many_as_it_may_in_every_fold_and_these_stand_for_the_rest() -> None:
    mask, factor = chosen(EVENT_ID, PROCESS, FOLDS, cap=300, n_folds=3)
    for process, total in ((0, 100), (1, 100), (2, None)):
        for fold in range(3):
            group = np.equal(PROCESS, process) & np.equal(FOLDS, fold)
            assert (mask & group).sum() == (total or group.sum())
            assert factor[group].sum() == pytest.approx(group.sum())


def test_order_does_not_matter_nor_does_what_other_folds_hold() -> None:
    mask, _ = chosen(EVENT_ID, PROCESS, FOLDS, cap=300, n_folds=3)
    order = np.random.default_rng(0).permutation(9000)
    np.testing.assert_array_equal(
        chosen(EVENT_ID[order], PROCESS[order], FOLDS[order], cap=300, n_folds=3)[0], mask[order]
    )
    relabelled = np.where(FOLDS == 1, 0, PROCESS).astype(np.int16)
    found, _ = chosen(EVENT_ID, relabelled, FOLDS, cap=300, n_folds=3)
    np.testing.assert_array_equal(found[FOLDS != 1], mask[FOLDS != 1])


@pytest.mark.parametrize("stands_for_others", [True, False])
def test_a_capped_training_sees_fewer_events(stands_for_others: bool) -> None:
    events = toy_events()
    config = toy_cascade(max_events_per_process=450, inverse_sampling_weights=stands_for_others)
    summary = training.train(events, config).stages[0].classifier.summary
    assert summary.negative_weights
    found = summary.negative_weights.processes
    assert {name: report.events for name, report in found.items()} == {"signal": 450, "zee": 450}
    scale = 1500 / 450 if stands_for_others else 1
    assert found["zee"].sum_true == pytest.approx(450 * 0.85 * scale, rel=0.1)
