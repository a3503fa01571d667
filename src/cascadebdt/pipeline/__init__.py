"""The steps in order: select, train, apply, fit, report; each takes and returns values and writes its products."""

from cascadebdt.pipeline.fits import Question, fit_file, fit_workspace
from cascadebdt.pipeline.nodes import Node, nodes
from cascadebdt.pipeline.runs import apply, apply_files, fit, report, run, train, train_model
from cascadebdt.pipeline.status import status
from cascadebdt.pipeline.stream import Request

__all__ = [
    "Node",
    "Question",
    "Request",
    "apply",
    "apply_files",
    "fit",
    "fit_file",
    "fit_workspace",
    "nodes",
    "report",
    "run",
    "status",
    "train",
    "train_model",
]
