"""The steps in order: select, train, apply, fit, report."""

from cascadebdt.pipeline.steps import apply, fit, load_cascade, report, run, train
from cascadebdt.pipeline.stream import Request, apply_files

__all__ = [
    "Request",
    "apply",
    "apply_files",
    "fit",
    "load_cascade",
    "report",
    "run",
    "train",
]
