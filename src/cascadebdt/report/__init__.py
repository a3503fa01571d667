"""Results -> one HTML page that stands alone: figures are embedded."""

from cascadebdt.report import partial
from cascadebdt.report.page import build, findings, write

__all__ = ["build", "findings", "partial", "write"]
