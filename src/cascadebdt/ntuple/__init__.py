"""ROOT files -> chunks of columns: the only code that knows files, trees and branches.

::

    names --find--> locations --describe--> NtupleFile --ranges--> EntryRange --Reader.read--> chunk

TTree and RNTuple, on local disks or behind ``root://`` and ``https://``. Faults that may pass are tried again; what
is missing, damaged or unexpected is one sentence.
"""

from cascadebdt.ntuple.files import NtupleFile, describe, find, sum_of_weights
from cascadebdt.ntuple.reading import EntryRange, Reader, ranges, require_matches
from cascadebdt.ntuple.survey import Survey, starting_configuration, survey

__all__ = [
    "EntryRange",
    "NtupleFile",
    "Reader",
    "Survey",
    "describe",
    "find",
    "ranges",
    "require_matches",
    "starting_configuration",
    "sum_of_weights",
    "survey",
]
