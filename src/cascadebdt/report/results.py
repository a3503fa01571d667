"""What a page shows."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from cascadebdt.cascade import Cascade, Classifier, WorkingPoint
from cascadebdt.inference import FitResult
from cascadebdt.products.manifest import Manifest
from cascadebdt.products.results import Applied, Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.report import training
from cascadebdt.report.studies import StudyAnswer


@dataclass(frozen=True, eq=False)
class Results:
    """What the steps made.

    Attributes
    ----------
    cascade, applied, inferred : of `train`, `apply` and `fit`
    studies : answers of studies of the same configuration
    workspace : that was fitted; None where it is not at hand
    """

    cascade: Cascade
    applied: Applied
    inferred: Inferred
    studies: tuple[StudyAnswer, ...] = ()
    workspace: Mapping[str, Any] | None = None

    @property
    def summary(self) -> Summary:
        """The result in short."""
        return self.inferred.summary

    @property
    def manifest(self) -> Manifest:
        """What it was made from."""
        return self.applied.manifest

    @property
    def signal(self) -> str:
        """Name of the signal process."""
        return self.cascade.signal

    @property
    def classifiers(self) -> list[tuple[Classifier, WorkingPoint | None]]:
        """The stages with their working points, and the final discriminant, which has none, if there is one."""
        return training.classifiers(self.cascade)

    @property
    def fit(self) -> FitResult:
        """The fit with its predictions in the validation regions, for figures of all regions."""
        fit, validation = self.inferred.answers.fit, self.inferred.validation
        regions = validation.regions if validation else {}
        return replace(
            fit,
            postfit=fit.postfit | {name: region.processes for name, region in regions.items()},
            total=fit.total | {name: region.predicted for name, region in regions.items()},
            total_uncertainty=fit.total_uncertainty | {name: region.uncertainty for name, region in regions.items()},
        )
