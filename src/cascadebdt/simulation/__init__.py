"""Simulated benchmark samples: Pythia 8 events, a parametrised detector, NanoAOD-like ntuples."""
