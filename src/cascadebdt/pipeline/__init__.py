"""The steps in order: select, train, apply, fit, report; each takes and returns values and writes its products."""

from cascadebdt.pipeline.fits import Question, fit_file, fit_workspace
from cascadebdt.pipeline.runs import apply, apply_files, fit, report, run, train
from cascadebdt.pipeline.status import status
from cascadebdt.pipeline.stream import Request

__all__ = [
    "Question",
    "Request",
    "apply",
    "apply_files",
    "fit",
    "fit_file",
    "fit_workspace",
    "report",
    "run",
    "status",
    "train",
]
