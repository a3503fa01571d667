"""ROOT files -> chunks of columns: the only code that knows files, trees and branches.

::

    names --find--> locations --describe--> NtupleFile --ranges--> EntryRange --Reader.read--> chunk

TTree and RNTuple, on local disks or behind ``root://`` and ``https://``. Faults that may pass are tried again; what
is missing, damaged or unexpected is one sentence.
"""

from cascadebdt.ntuple.access import relative, replicas
from cascadebdt.ntuple.checksums import changed, verify
from cascadebdt.ntuple.files import NtupleFile, describe, find, locate, sum_of_weights
from cascadebdt.ntuple.reading import EntryRange, Reader, ranges, require_matches
from cascadebdt.ntuple.sets import survey_samples
from cascadebdt.ntuple.starting import Blanks, starting_configuration
from cascadebdt.ntuple.survey import Survey, survey

__all__ = [
    "Blanks",
    "EntryRange",
    "NtupleFile",
    "Reader",
    "Survey",
    "changed",
    "describe",
    "find",
    "locate",
    "ranges",
    "relative",
    "replicas",
    "require_matches",
    "starting_configuration",
    "sum_of_weights",
    "survey",
    "survey_samples",
    "verify",
]
