"""Folds: parts of the events by identity, the same at every stage, in every file order and for every variation."""

import numpy as np

from cascadebdt.arrays import BoolArray, IdArray, IntArray


def fold_of(event_id: IdArray, n_folds: int) -> IntArray:
    """Return the fold of each event, ``(n_events,) int64`` in 0..n_folds-1."""
    return (event_id % np.uint64(n_folds)).astype(np.int64)


def training_masks(folds: IntArray, fold: int, n_folds: int, *, early_stopping: bool) -> tuple[BoolArray, BoolArray]:
    """Return which events train the model of `fold`, and which stop its training.

    The model of a fold sees none of its events. With early stopping the next fold is held back to stop the training,
    so that the events that decide on the number of trees neither train them nor are scored by them.

    Returns
    -------
    train, stop : (n_events,) bool, disjoint, both without `fold`; `stop` is empty without early stopping
    """
    stop = (folds == (fold + 1) % n_folds) if early_stopping else np.zeros(len(folds), np.bool_)
    return (folds != fold) & ~stop, stop
