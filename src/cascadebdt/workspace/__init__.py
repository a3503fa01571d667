"""Workspaces: yields -> templates -> a HistFactory model."""

from cascadebdt.workspace.assembly import Workspace, build

__all__ = ["Workspace", "build"]
