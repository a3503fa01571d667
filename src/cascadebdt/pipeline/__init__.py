"""The steps in order: select, train, apply, fit, report; each takes and returns values and writes its products."""

from cascadebdt.pipeline.fits import Question, fit_file, fit_workspace
from cascadebdt.pipeline.provenance import load_cascade
from cascadebdt.pipeline.runs import apply, fit, report, run, train
from cascadebdt.pipeline.status import status
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
    "status",
    "train",
]
