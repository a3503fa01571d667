"""The steps in order: select, train, apply, fit, report; each takes and returns values and writes its products."""

from cascadebdt.pipeline.fits import Question, fit_file, fit_workspace
from cascadebdt.pipeline.steps import apply, fit, load_cascade, report, run, train
from cascadebdt.pipeline.stream import Request, apply_files

__all__ = [
    "Question",
    "Request",
    "apply",
    "apply_files",
    "fit",
    "fit_file",
    "fit_workspace",
    "load_cascade",
    "report",
    "run",
    "train",
]
