"""The events of one region that a correction learns from, as data, as the process, and as everything else."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Protocol, Self, TypeVar

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IdArray, IntArray
from cascadebdt.events.events import mix
from cascadebdt.events.folds import fold_of

N_FOLDS = 5


def folds_of(event_id: IdArray) -> IntArray:
    """Return the folds of events, ``(n_events,)``, across those of the cascade: with a holdout it scores only one."""
    return fold_of(mix(event_id), N_FOLDS)


class Ratio(Protocol):
    """A ratio of densities as a function of features."""

    def log_ratio(self, columns: Mapping[str, FeatureArray]) -> FloatArray:
        """Return its logarithm, ``(n_events,)``."""

    def shifted(self, constant: float) -> Self:
        """Return the same with a constant added to the logarithm."""


R = TypeVar("R", bound=Ratio)


@dataclass(frozen=True, eq=False)
class Purified:
    """Events of a purified region.

    Attributes
    ----------
    where : what the region is called in messages
    simulated, data, others : variable -> values, of the process, of the data and of the other processes
    weights, weights_of_data, weights_of_others : expected events that each stands for
    process_of_others : code of the process of each of the others
    covariance_of_others : of the relative normalisations of the processes with these codes
    folds, folds_of_data, folds_of_others : of each event
    """

    where: str
    simulated: Mapping[str, FeatureArray]
    data: Mapping[str, FeatureArray]
    others: Mapping[str, FeatureArray]
    weights: FloatArray
    weights_of_data: FloatArray
    weights_of_others: FloatArray
    process_of_others: IntArray
    covariance_of_others: FloatArray
    folds: IntArray
    folds_of_data: IntArray
    folds_of_others: IntArray

    def of_folds(self, folds: BoolArray) -> Self:
        """Return the events of the folds that are true, ``(n_folds,)``."""
        rows, of_data, of_others = (folds[which] for which in (self.folds, self.folds_of_data, self.folds_of_others))
        return replace(
            self,
            simulated={name: column[rows] for name, column in self.simulated.items()},
            data={name: column[of_data] for name, column in self.data.items()},
            others={name: column[of_others] for name, column in self.others.items()},
            weights=self.weights[rows],
            weights_of_data=self.weights_of_data[of_data],
            weights_of_others=self.weights_of_others[of_others],
            process_of_others=self.process_of_others[of_others],
            folds=self.folds[rows],
            folds_of_data=self.folds_of_data[of_data],
            folds_of_others=self.folds_of_others[of_others],
        )

    def normalised(self, ratio: R) -> R:
        """Return the ratio with a constant so that it keeps the sum of weights of the process."""
        corrected = float(self.weights @ np.exp(ratio.log_ratio(self.simulated)))
        return ratio.shifted(float(np.log(self.weights.sum() / corrected)))
