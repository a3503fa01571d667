"""The sections of a page: what each shows, by a template of its own.

A further section is an entry of `SECTIONS`, a function that returns what its template shows, and the template
``sections/<name>.html.j2``. All templates know `figures`, place -> figures, and ``blind``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cascadebdt.config.region_names import SIGNAL_REGION
from cascadebdt.report import tables, training
from cascadebdt.report.results import Results

Content = dict[str, Any]


@dataclass(frozen=True)
class Section:
    """A section of the page.

    Attributes
    ----------
    name : of its template, and what links to it name
    title : its heading
    content : returns what the template shows; None where there is nothing to show, and the section is left out
    """

    name: str
    title: str
    content: Callable[[Results], Content | None]


def _regions(results: Results) -> Content:
    summary, treatment = results.summary, results.inferred.treatment
    return {
        "summary": summary,
        "processes": list(dict.fromkeys(name for region in summary.regions.values() for name in region.yields)),
        "signal_region": SIGNAL_REGION,
        "effective": tables.effective_events(summary.regions),
        "edited_bins": treatment.bins,
        "merged": treatment.merged,
    }


def _fit(results: Results) -> Content:
    answers = results.inferred.answers
    return {
        "normalisations": tables.normalisations(answers.fit),
        "parts": tables.parts(answers.breakdown),
        "exclusions": tables.exclusions(answers.limits),
        "toys": tables.toys(answers.toys),
        "noticeable": tables.noticeable(answers.fit),
        "agreement": abs(answers.fit.agreement),
        "lint": answers.lint,
    }


def _fitted(results: Results) -> Content | None:
    predictions = results.inferred.predictions
    if predictions is None:
        return None
    regions = predictions.postfit.regions
    return {
        "regions": regions,
        "processes": list(dict.fromkeys(name for region in regions.values() for name in region.sums)),
    }


def _validation(results: Results) -> Content | None:
    rows = tables.validated(results.inferred.validation)
    return {"validated": rows} if rows else None


def _corrections(results: Results) -> Content | None:
    rows = tables.corrections(results.applied.corrections)
    return {"corrections": rows} if rows else None


def _systematics(results: Results) -> Content | None:
    systematics = tables.systematics(results.inferred.treatment)
    migrations = tables.migrations(results.applied.migrations)
    return {"systematics": systematics, "migrations": migrations} if systematics or migrations else None


def _cascade(results: Results) -> Content:
    cascade, classifiers = results.cascade, results.classifiers
    return {
        "cascade": cascade,
        "used_in_training": results.summary.events.used_in_training or 0,
        "stages": [training.overview(classifier, point, cascade.signal) for classifier, point in classifiers],
        "multiclass": training.multiclass(cascade),
        "sculpting": training.sculpting(cascade),
        "quality": [training.quality(classifier) for classifier, _ in classifiers],
        "negative_weights": [row for classifier, _ in classifiers for row in training.negative_weights(classifier)],
        "effective_events": {classifier.name: training.effective_events(classifier) for classifier, _ in classifiers},
    }


def _inputs(results: Results) -> Content | None:
    return {} if results.applied.inputs.regions else None


def _studies(results: Results) -> Content | None:
    return {"studies": results.studies} if results.studies else None


def _selection(results: Results) -> Content:
    return {"cutflow": results.applied.cutflow}


def _provenance(results: Results) -> Content:
    return {"manifest": results.manifest, "resources": results.summary.resources}


SECTIONS = (
    Section("regions", "Regions", _regions),
    Section("fit", "Fit", _fit),
    Section("fitted", "Yields after the fit", _fitted),
    Section("validation", "Validation regions", _validation),
    Section("corrections", "Corrections from purified data", _corrections),
    Section("systematics", "Systematics", _systematics),
    Section("cascade", "Cascade", _cascade),
    Section("inputs", "Inputs", _inputs),
    Section("studies", "Studies", _studies),
    Section("selection", "Selection", _selection),
    Section("provenance", "Provenance", _provenance),
)
"""In the order of the page."""
