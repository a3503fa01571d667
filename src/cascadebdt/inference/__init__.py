"""Fit, limits and significances of a HistFactory workspace.

Any workspace will do, of this package or not. Regions that a `Workspace` names as blind are never looked at: their
place is taken by the background that the fit to the other regions predicts.
"""

from cascadebdt.inference.blinding import conditioned
from cascadebdt.inference.fitting import FitResult, fit, fit_background, profile_interval
from cascadebdt.inference.limits import LimitResult, SignificanceResult, limit, significance

__all__ = [
    "FitResult",
    "LimitResult",
    "SignificanceResult",
    "conditioned",
    "fit",
    "fit_background",
    "limit",
    "profile_interval",
    "significance",
]
