"""Which events train when there are more than needed: a cap per process, by identity and fold by fold."""

import numpy as np

from cascadebdt.arrays import BoolArray, CodeArray, FloatArray, IdArray, IntArray
from cascadebdt.events.events import mix


def chosen(
    event_id: IdArray, process: CodeArray, folds: IntArray, *, cap: int, n_folds: int
) -> tuple[BoolArray, FloatArray]:
    """Choose at most `cap` events of each process, an equal share in each fold.

    Those with the lowest hashes are chosen, whatever the order of the events. Each fold chooses on its own, so that the
    choice of the events that train a model does not depend on events that it will score.

    Parameters
    ----------
    event_id : (n_events,) uint64
    process, folds : (n_events,) codes
    n_folds : the folds that share the cap

    Returns
    -------
    mask : (n_events,) bool
    factor : (n_events,) float64, how many events of its process and fold each one stands for; 0 where not chosen
    """
    share = -(-cap // n_folds)
    rank = mix(event_id)  # hashed once more, as the identity itself decides on the fold
    factor = np.zeros(len(event_id))
    group = process.astype(np.int64) * n_folds + folds
    for one in np.unique(group):
        rows = np.flatnonzero(group == one)
        kept = rows if len(rows) <= share else rows[np.argpartition(rank[rows], share)[:share]]
        factor[kept] = len(rows) / len(kept)
    return factor > 0, factor
