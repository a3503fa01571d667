"""Models from other programs, and for them."""

from cascadebdt.interchange.workspaces import read_workspace

__all__ = ["read_workspace"]
