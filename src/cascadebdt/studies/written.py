"""A setting that was found, as a configuration that can be run."""

import math
from typing import Any

from cascadebdt.config import Config
from cascadebdt.forest.borders import Thresholds
from cascadebdt.studies.grid import Setting
from cascadebdt.studies.halves import Halves
from cascadebdt.studies.optimise_choice import efficiencies_of

STEP = 1e-6
"""Efficiencies are written as multiples of this, rounded down, so that no event more is cut."""


def proposed(halves: Halves, setting: Setting) -> Config:
    """Return the configuration of a setting; what does not change stays as it was written.

    Thresholds are written as signal efficiencies, which stay what they are when later stages are trained anew on what
    the earlier ones now let through. Once one threshold changes, all are written, because the efficiencies of later
    stages are those of the signal that reaches them.
    """
    config = halves.with_bins(setting)
    if setting.levels == halves.surrogate.grid.configured:
        return config
    points = halves.surrogate.grid.thresholds(setting.levels)
    for stage, point, shares in zip(config.cascade.stages, points, efficiencies_of(halves, setting), strict=True):
        config = config.replace(f"cascade.stages.{stage.name}.working_point", _working_point(point, *shares))
    return config


def _working_point(point: Thresholds, passing: float, validated: float) -> dict[str, Any]:
    if point.passing <= 0:
        return {"threshold": 0}
    efficiency = _below_one(passing)
    if point.validation is None:
        return {"signal_efficiency": efficiency}
    looser = _below_one(validated)
    return {"signal_efficiency": min(efficiency, round(looser - STEP, 6)), "validation_efficiency": looser}


def _below_one(share: float) -> float:
    """Return an efficiency as a multiple of `STEP` below 1."""
    return round(min(math.floor(share / STEP) * STEP, 1 - STEP), 6)
