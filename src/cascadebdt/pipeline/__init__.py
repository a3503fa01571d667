"""The steps in order: select, train, apply, fit, report."""

from cascadebdt.pipeline.select import require_trainable, select
from cascadebdt.pipeline.steps import apply, fit, report, run, train

__all__ = ["apply", "fit", "report", "require_trainable", "run", "select", "train"]
