"""Models from other programs, and for them."""

from cascadebdt.interchange.card_model import read_card
from cascadebdt.interchange.combine import write_card
from cascadebdt.interchange.gaussian_factors import named_for_pyhf
from cascadebdt.interchange.hs3 import to_hs3, write_hs3
from cascadebdt.interchange.hs3_model import from_hs3
from cascadebdt.interchange.workspaces import PatchSet, read_workspace
from cascadebdt.interchange.yield_tables import write_tables

__all__ = [
    "PatchSet",
    "from_hs3",
    "named_for_pyhf",
    "read_card",
    "read_workspace",
    "to_hs3",
    "write_card",
    "write_hs3",
    "write_tables",
]
