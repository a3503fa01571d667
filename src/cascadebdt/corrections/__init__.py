"""Corrections: weights of simulated processes learnt from the data of the regions in which they dominate."""

from cascadebdt.corrections.learning import learn
from cascadebdt.corrections.results import Correction, Corrections

__all__ = ["Correction", "Corrections", "learn"]
