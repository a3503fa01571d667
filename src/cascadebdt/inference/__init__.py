"""Fits of HistFactory workspaces: values, limits, significances, and what tells whether to believe them.

Any workspace will do, of this package or not. A region without an observation is blind: its place is taken by
the background that the fit to the other regions predicts.
"""

from cascadebdt.inference.adjust import adjusted
from cascadebdt.inference.blinding import with_expectation
from cascadebdt.inference.breakdown import Breakdown, breakdown
from cascadebdt.inference.checks import check
from cascadebdt.inference.fitting import FitResult, fit, fit_background
from cascadebdt.inference.limits import (
    Exclusion,
    LimitResult,
    Limits,
    PValues,
    SignificanceResult,
    UndefinedError,
    exclusion,
    limit,
    significance,
)
from cascadebdt.inference.lint import Finding, Lint, Thresholds, lint
from cascadebdt.inference.prediction import Prediction, Predictions, RegionYields, predictions
from cascadebdt.inference.projection import ProjectedRegion, Projection, project
from cascadebdt.inference.pseudo import Experiments, Failure, Piece, Share
from cascadebdt.inference.ranking import Impact, Ranking, ranking
from cascadebdt.inference.scan import Scan, intervals, profile_interval, scan, scan_2d
from cascadebdt.inference.toys import (
    ToyAnswers,
    ToyLimit,
    ToyPoint,
    Toys,
    ToyTest,
    toy_answers,
    toy_cls,
    toy_goodness_of_fit,
    toy_limit,
    toy_part,
    toy_significance,
    toys,
)
from cascadebdt.inference.validation import ValidatedRegion, Validation, validate

__all__ = [
    "Breakdown",
    "Exclusion",
    "Experiments",
    "Failure",
    "Finding",
    "FitResult",
    "Impact",
    "LimitResult",
    "Limits",
    "Lint",
    "PValues",
    "Piece",
    "Prediction",
    "Predictions",
    "ProjectedRegion",
    "Projection",
    "Ranking",
    "RegionYields",
    "Scan",
    "Share",
    "SignificanceResult",
    "Thresholds",
    "ToyAnswers",
    "ToyLimit",
    "ToyPoint",
    "ToyTest",
    "Toys",
    "UndefinedError",
    "ValidatedRegion",
    "Validation",
    "adjusted",
    "breakdown",
    "check",
    "exclusion",
    "fit",
    "fit_background",
    "intervals",
    "limit",
    "lint",
    "predictions",
    "profile_interval",
    "project",
    "ranking",
    "scan",
    "scan_2d",
    "significance",
    "toy_answers",
    "toy_cls",
    "toy_goodness_of_fit",
    "toy_limit",
    "toy_part",
    "toy_significance",
    "toys",
    "validate",
    "with_expectation",
]
