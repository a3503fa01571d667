"""Workspaces: yields -> templates -> a HistFactory model."""

from cascadebdt.workspace.assembly import Workspace, blind_regions, build, lacks_data

__all__ = ["Workspace", "blind_regions", "build", "lacks_data"]
