"""What scoring gives: the margins, scores and regions of events."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from cascadebdt.arrays import REGION, BoolArray, FeatureArray, IntArray, RegionArray
from cascadebdt.config import region_names
from cascadebdt.forest.logistic import probability

BLINDED = -1


@dataclass(frozen=True, eq=False)
class Scores:
    """The margins and the region of each event; its scores are a view of the margins.

    A margin is the float32 sum of an event's leaves; a score is its probability, as XGBoost computes it. Probabilities
    are computed when they are first asked for.

    Attributes
    ----------
    margins : (n_events, n_stages) float32, NaN at stages that an event does not reach
    final_margin : (n_events,) float32, of the final discriminant of what passes every stage, NaN elsewhere; None
        without one
    region : (n_events,) int8, the code of the region: without validation regions k if stage k (from 0) rejects the
        event, n_stages for the signal region; `BLINDED` for data of the signal region, whose margins are NaN unless
        unblinded
    regions : names, ``regions[region[i]]`` is the region of event i
    signal : name of the signal process
    sorted_as : (n_events,) float32, the sorter's probability of the background in whose control region it put an
        event, NaN elsewhere; None without a sorter

    Examples
    --------
    >>> scores = cascade.score(events)
    >>> in_signal_region = scores.region == scores.signal_region
    >>> first_stage = scores.scores[:, 0]
    """

    margins: FeatureArray
    final_margin: FeatureArray | None
    region: RegionArray
    regions: tuple[str, ...]
    signal: str
    sorted_as: FeatureArray | None = None

    @cached_property
    def scores(self) -> FeatureArray:
        """The score of each event at each stage: (n_events, n_stages) float32 in [0, 1], NaN where not reached."""
        return probability(self.margins)

    @cached_property
    def final(self) -> FeatureArray | None:
        """The final discriminant: (n_events,) float32 in [0, 1], NaN outside the signal region; None without one."""
        return None if self.final_margin is None else probability(self.final_margin)

    @cached_property
    def stages(self) -> tuple[str, ...]:
        """Names of the stages."""
        return tuple(
            dict.fromkeys(stage for name in self.regions if (stage := region_names.stage_of(name)) is not None)
        )

    @cached_property
    def stage_of_region(self) -> IntArray:
        """The stage (from 0) of each region, n_stages for the signal region: (n_regions,)."""
        order = [*self.stages, None]
        return np.array([order.index(region_names.stage_of(name)) for name in self.regions])

    @cached_property
    def reached(self) -> IntArray:
        """The last stage (from 0) that each event reaches, n_stages if it passes all: (n_events,)."""
        rejecting = (~np.isnan(self.margins)).sum(axis=1) - 1
        return np.asarray(np.where(self.region == self.signal_region, self.margins.shape[1], rejecting))

    @property
    def signal_region(self) -> int:
        """The code of the signal region."""
        return len(self.regions) - 1

    def blinded(self, is_data: BoolArray) -> "Scores":
        """Return the scores without those of data in the signal region."""
        hidden = is_data & (self.region == self.signal_region)
        if not hidden.any():
            return self
        return replace(
            self,
            margins=np.where(hidden[:, None], np.float32(np.nan), self.margins),
            final_margin=None if self.final_margin is None else np.where(hidden, np.float32(np.nan), self.final_margin),
            region=np.where(hidden, REGION(BLINDED), self.region),
        )
