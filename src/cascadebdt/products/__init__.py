"""Products: what a run leaves on disk."""

from cascadebdt.products.layout import Products

__all__ = ["Products"]
