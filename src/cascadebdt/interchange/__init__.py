"""Models from other programs, and for them."""

from cascadebdt.interchange.combine import write_card
from cascadebdt.interchange.workspaces import read_workspace

__all__ = ["read_workspace", "write_card"]
