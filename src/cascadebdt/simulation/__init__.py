"""Simulated samples: Pythia 8 events, a parametrised detector, weighted fakes, NanoAOD-like ntuples.

Processes -> particles -> measured objects -> hypotheses with probabilities -> rows -> files. Needs the extra
``samples`` (pythia8mc, fastjet); nothing else in the package needs this part.
"""

from cascadebdt.simulation.processes import PROCESSES, Process
from cascadebdt.simulation.production import make

__all__ = ["PROCESSES", "Process", "make"]
