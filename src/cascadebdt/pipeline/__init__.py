"""The steps in order: select, train, apply, fit, report; each takes and returns values and writes its products.

Each name loads when it is first used: a fit needs neither ROOT files nor XGBoost, which take longer to load than it.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cascadebdt.pipeline.fits import Question, fit_file, fit_workspace
    from cascadebdt.pipeline.later import fit, report, toys
    from cascadebdt.pipeline.merging import merge, merge_level
    from cascadebdt.pipeline.node import Node
    from cascadebdt.pipeline.nodes import nodes, note_inputs
    from cascadebdt.pipeline.portions import Portion, choose_bins, fill, observe
    from cascadebdt.pipeline.runs import apply, apply_files, run, train
    from cascadebdt.pipeline.single import select_part, train_model
    from cascadebdt.pipeline.status import status
    from cascadebdt.pipeline.stream import Request

_HOME = {
    "Node": "node",
    "Portion": "portions",
    "Question": "fits",
    "Request": "stream",
    "apply": "runs",
    "apply_files": "runs",
    "choose_bins": "portions",
    "fill": "portions",
    "fit": "later",
    "fit_file": "fits",
    "fit_workspace": "fits",
    "merge": "merging",
    "merge_level": "merging",
    "nodes": "nodes",
    "note_inputs": "nodes",
    "observe": "portions",
    "report": "later",
    "run": "runs",
    "select_part": "single",
    "status": "status",
    "toys": "later",
    "train": "runs",
    "train_model": "single",
}
__all__ = [
    "Node",
    "Portion",
    "Question",
    "Request",
    "apply",
    "apply_files",
    "choose_bins",
    "fill",
    "fit",
    "fit_file",
    "fit_workspace",
    "merge",
    "merge_level",
    "nodes",
    "note_inputs",
    "observe",
    "report",
    "run",
    "select_part",
    "status",
    "toys",
    "train",
    "train_model",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'cascadebdt.pipeline' has no attribute '{name}'")
    module = importlib.import_module(f"cascadebdt.pipeline.{_HOME[name]}")
    # All of them at once: a module that has the name of one, `nodes` or `status`, has just taken its place.
    globals().update({other: getattr(module, other) for other, home in _HOME.items() if home == _HOME[name]})
    return globals()[name]
