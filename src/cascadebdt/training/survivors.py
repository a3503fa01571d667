"""Events that all stages so far passed."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from cascadebdt.arrays import BoolArray, IntArray
from cascadebdt.config import CascadeConfig
from cascadebdt.training.lineage import Lineage, lineages


@dataclass(frozen=True, eq=False)
class Survivors:
    """Events that all stages so far passed.

    Attributes
    ----------
    lineages : those that train the next stage
    unseen : (n_events,) bool, those that the deployed models passed, none of which had seen them
    """

    lineages: tuple[Lineage, ...]
    unseen: BoolArray

    @classmethod
    def of_no_stage(cls, config: CascadeConfig, folds: IntArray) -> Self:
        """Return the survivors before the first stage: all events of the lineages."""
        every = lineages(config.mode, config.folds, folds)
        return cls(every, np.isin(folds, [fold for lineage in every for fold in lineage.deployed]))

    def without(self, others: Self) -> Self:
        """Return the events that are not among the others: those that a stage rejected."""
        pairs = zip(self.lineages, others.lineages, strict=True)
        return type(self)(tuple(one.after(~other.alive) for one, other in pairs), self.unseen & ~others.unseen)
