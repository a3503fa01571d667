"""Lineages: which models choose the survivors that train a model, fold by fold."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from cascadebdt.arrays import BoolArray, IntArray
from cascadebdt.config import Mode


@dataclass(frozen=True, eq=False)
class Lineage:
    """A cross-fitted cascade of some folds, and a model for a fold that it never sees.

    At every stage one model is trained for each of `folds`, without its events. Their scores, each of events that the
    model never saw, choose the survivors that train the next stage. A `held_out` fold takes no part in any of this: its
    model trains on the survivors of all `folds`, so that its events have no influence on their choice either.

    Attributes
    ----------
    folds : whose events take part
    held_out : the fold that the deployed model is for; None if the models of `folds` are deployed themselves
    alive : (n_events,) bool, events of `folds` that all stages so far passed
    """

    folds: tuple[int, ...]
    held_out: int | None
    alive: BoolArray

    @property
    def deployed(self) -> tuple[int, ...]:
        """Folds whose models score events in the end."""
        return self.folds if self.held_out is None else (self.held_out,)

    @property
    def members(self) -> tuple[int, ...]:
        """Folds for which a model is trained at a stage."""
        return self.folds if self.held_out is None else (*self.folds, self.held_out)

    def after(self, passed: BoolArray) -> Self:
        """Return the lineage with the events that a stage passed."""
        return replace(self, alive=self.alive & passed)


def lineages(mode: Mode, n_folds: int, folds: IntArray) -> tuple[Lineage, ...]:
    """Return the lineages of a mode, with all their events alive.

    ``cross_fit`` is one lineage of all folds, ``nested`` one for every fold, made of the others, ``holdout`` the one of
    fold 0 alone.
    """
    held_out: dict[Mode, list[int | None]] = {"cross_fit": [None], "nested": [*range(n_folds)], "holdout": [0]}
    parts = [(tuple(fold for fold in range(n_folds) if fold != out), out) for out in held_out[mode]]
    return tuple(Lineage(taking_part, out, np.isin(folds, taking_part)) for taking_part, out in parts)
