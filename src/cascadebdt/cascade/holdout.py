"""Events of a cascade with a holdout: simulation that took part in training is not scored again.

Only the fold held out is left of the simulation, and stands for all of it: its weights are multiplied by the number of
folds. The fold is a hash of the event's identity, so that this is so for every sample and variation. Data take no part
in training and stay.
"""

from dataclasses import replace

import numpy as np

from cascadebdt.arrays import BoolArray
from cascadebdt.config import NOMINAL
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.events.selection import UNSEEN, Counts

HELD_OUT = 0


def unseen(events: Events, n_folds: int) -> Events:
    """Return the events without those that took part in training; the cutflow has their number.

    Parameters
    ----------
    events : selected events, all or some of them
    n_folds : of the training

    Returns
    -------
    Events
        with weights of simulation multiplied by `n_folds`, and `UNSEEN` as last cut of the cutflow; unchanged if they
        are the result of an earlier call
    """
    if UNSEEN in events.cutflow.cuts:
        return events
    is_unseen = ~_took_part(events, n_folds)
    factors = np.where(events.is_data, 1.0, float(n_folds))[is_unseen]
    kept = events.take(is_unseen)
    kept = replace(kept, weights={name: weight * factors for name, weight in kept.weights.items()})
    cutflow = events.cutflow.then(UNSEEN, {name: _counts(kept, name) for name in events.cutflow.samples})
    return replace(kept, cutflow=cutflow)


def require_unseen(events: Events, n_folds: int) -> None:
    """Require that no event took part in training.

    Raises
    ------
    InputError
        If one did.
    """
    n_seen = int(_took_part(events, n_folds).sum())
    if n_seen:
        raise InputError(
            f"score: {n_seen} simulated events took part in the training of this cascade, which holds out fold "
            f"{HELD_OUT} of {n_folds}; score cascade.unseen(events)"
        )


def _took_part(events: Events, n_folds: int) -> BoolArray:
    return np.asarray(~events.is_data & (fold_of(events.event_id, n_folds) != HELD_OUT))


def _counts(events: Events, sample: str) -> Counts:
    """Return the nominal events of a sample, as arrays of one number."""
    code = events.samples.index(sample) if sample in events.samples else -1
    weights = events.weights[NOMINAL][events.is_nominal & (events.sample == code)]
    return Counts(np.array([len(weights)]), np.array([weights.sum()]), np.array([np.square(weights).sum()]))
