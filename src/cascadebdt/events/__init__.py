"""Events: selected rows with their identity, folds, weights and variations; loading them from files."""

from cascadebdt.events.disk import StoredEvents
from cascadebdt.events.events import Events, FileRecord, concatenate, identify, in_order, joined

__all__ = ["Events", "FileRecord", "StoredEvents", "concatenate", "identify", "in_order", "joined"]
