"""Results -> one HTML page that stands alone: figures are embedded."""

from cascadebdt.report import partial
from cascadebdt.report.page import N_FEATURES, build, findings, write

__all__ = ["N_FEATURES", "build", "findings", "partial", "write"]
