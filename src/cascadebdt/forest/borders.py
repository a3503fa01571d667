"""Where regions begin: the only place that turns score thresholds into margins."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np

from cascadebdt.arrays import FEATURE, REGION, FeatureArray, RegionArray
from cascadebdt.forest.logistic import smallest_margin


class Thresholds(NamedTuple):
    """The scores from which on an event passes a member, and from which on a rejected one is in a region of its own."""

    passing: np.float32
    validation: np.float32 | None = None


@dataclass(frozen=True, eq=False)
class RegionBorders:
    """The margins that divide events into regions, and the codes of the regions.

    Regions are numbered in the order of the members: what a member rejects, then, if it has a validation threshold,
    what it rejects from that score on. The last code is that of the events that pass all members.

    Attributes
    ----------
    passing : (n_members,) float32, the smallest margin that passes; NaN, which no margin reaches, if none passes
    validation : (n_members,) float32, the smallest margin of a rejected event that has the next code; NaN if none has
    rejected : (n_members,) int8, the code of what a member rejects
    passed : the code of what passes all members
    """

    passing: FeatureArray
    validation: FeatureArray
    rejected: RegionArray
    passed: int

    @classmethod
    def at(cls, thresholds: Sequence[Thresholds | None]) -> Self:
        """Return the borders of members with these thresholds; a member with None rejects nothing."""
        sizes = [0 if found is None else 1 + (found.validation is not None) for found in thresholds]
        nan, lowest = np.float32(np.nan), np.float32(-np.inf)
        passing = [lowest if found is None else smallest_margin(found.passing) for found in thresholds]
        validation = [
            nan if found is None or found.validation is None else smallest_margin(found.validation)
            for found in thresholds
        ]
        rejected = np.concatenate([[0], np.cumsum(sizes)])
        return cls(
            np.array(passing, FEATURE), np.array(validation, FEATURE), rejected[:-1].astype(REGION), int(rejected[-1])
        )

    def of(self, members: slice) -> Self:
        """Return the borders of some members, with codes that are still those of all."""
        return type(self)(self.passing[members], self.validation[members], self.rejected[members], self.passed)
