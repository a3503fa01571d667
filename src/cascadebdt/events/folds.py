"""Folds: parts of the events by identity, the same at every stage, in every file order and for every variation."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from cascadebdt.arrays import BoolArray, IdArray, IntArray


def fold_of(event_id: IdArray, n_folds: int) -> IntArray:
    """Return the fold of each event, ``(n_events,) int64`` in 0..n_folds-1."""
    return (event_id % np.uint64(n_folds)).astype(np.int64)


class Split(NamedTuple):
    """Which events train a model and which stop its training, ``(n_events,) bool`` each and disjoint."""

    train: BoolArray
    stop: BoolArray


def training_split(folds: IntArray, fold: int, among: Sequence[int], *, early_stopping: bool, later: int = 0) -> Split:
    """Return which events train the model of `fold`, and which stop its training.

    The model of a fold sees none of its events. With early stopping the next fold is held back to stop the training,
    so that the events that decide on the number of trees neither train them nor are scored by them.

    Parameters
    ----------
    folds : (n_events,) the fold of each event
    fold : whose model trains
    among : the folds that take part, increasing; `fold` may or may not be one of them
    early_stopping : whether to hold back a fold
    later : how many folds after the next one the fold held back lies

    Returns
    -------
    Split
        both parts without `fold`; `stop` is empty without early stopping
    """
    others = [other for other in among if other != fold]
    following = sum(other < fold for other in others) + later
    stop = (folds == others[following % len(others)]) if early_stopping else np.zeros(len(folds), np.bool_)
    return Split(np.isin(folds, others) & ~stop, stop)
