"""Events: selected rows with their identity, folds, weights and variations; loading them from files."""

from cascadebdt.events.events import Events, FileRecord, concatenate, identify, in_order

__all__ = ["Events", "FileRecord", "concatenate", "identify", "in_order"]
