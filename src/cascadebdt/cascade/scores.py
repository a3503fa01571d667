"""What scoring gives: the margins, scores and regions of events."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from cascadebdt.arrays import FEATURE, REGION, AnyArray, BoolArray, FeatureArray, IntArray, RegionArray
from cascadebdt.config import region_names
from cascadebdt.errors import InputError
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

    @classmethod
    def in_regions(
        cls, masks: Mapping[str, BoolArray], *, final: AnyArray, control: AnyArray | None = None, signal: str = "signal"
    ) -> Self:
        """Return the scores of a selection that is no cascade: regions by any condition, and what they are binned in.

        Parameters
        ----------
        masks : control region, ``CR_<name>`` -> (n_events,) bool; an event is in the first that takes it, in the signal
            region if none does
        final : (n_events,), the observable of the signal region, such as a margin or another logarithm of a likelihood
            ratio; its logistic function is binned
        control : (n_events,), the observable of the control regions; that of the signal region if not given
        signal : name of the signal process

        Raises
        ------
        InputError
            If a name is not that of a control region, or arrays differ in length.

        Examples
        --------
        >>> many_jets = {"CR_zee": events.columns["met"] < 30}
        >>> chosen = cb.Scores.in_regions(many_jets, final=events.columns["photon_pt"] / 100)
        """
        for name, mask in masks.items():
            if not region_names.is_control(name):
                raise InputError(f"regions: '{name}' is no control region, expected a name like 'CR_zee'")
            if np.shape(mask) != np.shape(final):
                raise InputError(f"regions: '{name}' has shape {np.shape(mask)}, expected {np.shape(final)}")
        region = np.select(list(masks.values()), range(len(masks)), len(masks)) if masks else np.zeros(len(final))
        margin = np.asarray(final, FEATURE)
        return cls(
            margins=np.full((len(margin), max(1, len(masks))), np.nan, FEATURE),
            final_margin=margin,
            region=np.asarray(region, REGION),
            regions=(*masks, region_names.SIGNAL_REGION),
            signal=signal,
            sorted_as=probability(margin) if control is None else np.asarray(control, FEATURE),
        )

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
