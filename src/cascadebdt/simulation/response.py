"""Response of the parametrised detector: resolutions, efficiencies, misidentification, b-tagging.

Formulas and numbers are those of the ATLAS card of Delphes (arXiv:1307.6346, ``cards/delphes_card_ATLAS.tcl``);
the probabilities to misidentify an object are of the size both experiments publish. Momenta in GeV.
"""

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.simulation.particles import BOTTOM, CHARM, ELECTRON, JET, MUON

ENDCAP_ETA = 1.5


def ecal_resolution(*, energy: FloatArray, eta: FloatArray) -> FloatArray:
    """Return sigma(E) in GeV of the electromagnetic calorimeter (Delphes ATLAS card)."""
    central = np.hypot(0.0017 * energy, 0.101 * np.sqrt(energy))
    forward = np.hypot(0.035 * energy, 0.285 * np.sqrt(energy))
    return np.where(np.abs(eta) <= 3.2, central, forward)


def hcal_resolution(*, energy: FloatArray, eta: FloatArray) -> FloatArray:
    """Return sigma(E) in GeV of the hadronic calorimeter (Delphes ATLAS card)."""
    barrel = np.sqrt((0.0302 * energy) ** 2 + 0.5205**2 * energy + 1.59**2)
    endcap = np.hypot(0.05 * energy, 0.706 * np.sqrt(energy))
    forward = np.hypot(0.0942 * energy, np.sqrt(energy))
    return np.select([np.abs(eta) <= 1.7, np.abs(eta) <= 3.2], [barrel, endcap], forward)


def muon_resolution(*, pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Return sigma(pT)/pT of muons (Delphes ATLAS card)."""
    regions = [np.abs(eta) <= 0.5, np.abs(eta) <= 1.5]
    constant = np.select(regions, [0.01, 0.015], 0.025)
    slope = np.select(regions, [1.0e-4, 1.5e-4], 3.5e-4)
    relative: FloatArray = np.hypot(constant, slope * pt)
    return relative


def log_normal(relative: FloatArray, *, rng: np.random.Generator) -> FloatArray:
    """Return random factors of mean 1 and standard deviation `relative`, log-normally distributed."""
    width = np.sqrt(np.log1p(relative**2))
    return np.exp(rng.normal(size=len(relative)) * width - width**2 / 2)


def find_efficiency(*, kind: AnyArray, eta: FloatArray) -> FloatArray:
    """Return the probability (tracking times identification, Delphes ATLAS card) to find a lepton or photon."""
    barrel = np.abs(eta) < ENDCAP_ETA
    identified = np.where(barrel, 0.95, 0.85)
    tracked = np.select(
        [kind == ELECTRON, kind == MUON],
        [np.where(barrel, 0.95, 0.83), np.where(barrel, 0.99, 0.98)],
        1.0,
    )
    return np.where(kind == JET, 0.0, identified * tracked)


def photon_fake_rate(*, kind: AnyArray, pt: FloatArray, eta: FloatArray) -> FloatArray:
    """Return the probability that an electron or jet is taken for a photon: 1.5 to 3 %, and about 5e-4."""
    electron = np.where(np.abs(eta) < ENDCAP_ETA, 0.015, 0.03)
    jet = 4e-4 * np.exp(-pt / 150.0) + 1e-4
    return np.select([kind == ELECTRON, kind == JET], [electron, jet], 0.0)


def lepton_fake_rate(*, kind: AnyArray, pt: FloatArray) -> FloatArray:
    """Return the probability, about 1e-3, that a jet is taken for a lepton, heavy-flavour decays included."""
    return np.where(kind == JET, 8e-4 + 4e-4 * np.exp(-pt / 50.0), 0.0)


def btag_efficiency(*, pt: FloatArray, flavour: AnyArray) -> FloatArray:
    """Return the b-tagging probability of jets (Delphes ATLAS card)."""
    bottom = 0.80 * np.tanh(0.003 * pt) * 30.0 / (1.0 + 0.086 * pt)
    charm = 0.20 * np.tanh(0.02 * pt) / (1.0 + 0.0034 * pt)
    return np.select([flavour == BOTTOM, flavour == CHARM], [bottom, charm], 0.002 + 7.3e-6 * pt)


def btag_score(*, efficiency: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return scores in [0, 1] that exceed 0.5 with the given probability."""
    u = rng.random(len(efficiency))
    return np.where(u < efficiency, 1.0 - 0.5 * u / efficiency, 0.5 * (1.0 - u) / (1.0 - efficiency))


def jet_smearing(*, energy: FloatArray, eta: FloatArray, fraction: FloatArray) -> FloatArray:
    """Return sigma(E)/E of jets from the electromagnetic `fraction` of their energy."""
    electromagnetic = ecal_resolution(energy=fraction * energy, eta=eta)
    hadronic = hcal_resolution(energy=(1.0 - fraction) * energy, eta=eta)
    return np.hypot(electromagnetic, hadronic) / energy
