"""The steps in order: select, train, apply, fit, report; each takes and returns values and writes its products."""

from cascadebdt.pipeline.fits import Question, fit_file, fit_workspace
from cascadebdt.pipeline.nodes import Node, nodes, note_inputs
from cascadebdt.pipeline.runs import apply, apply_files, fit, report, run, train
from cascadebdt.pipeline.single import select_part, train_model
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
    "note_inputs",
    "report",
    "run",
    "select_part",
    "status",
    "train",
    "train_model",
]
