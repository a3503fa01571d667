"""From the generator's record to final-state particles: Numba kernels and their callers.

A particle is *prompt* if no hadron decayed into it; leptons of tau decays are prompt if the tau is.
Leptons and photons of hadron decays are part of their jet, and the probability that a jet gives a lepton or
photon candidate covers them.
"""

from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray, IntArray
from cascadebdt.kernels.jit import kernel
from cascadebdt.simulation.generator import Particles

HADRON, ELECTROMAGNETIC, PHOTON, ELECTRON, MUON = range(5)
"""Kinds of visible particles; the last three are prompt and hard, the first two everything else."""

JET = HADRON
"""Measured objects are `PHOTON`, `ELECTRON`, `MUON` or `JET`."""

LIGHT, CHARM, BOTTOM = 0, 4, 5

LEPTON_PT = 10.0
PHOTON_PT = 24.0
TRACKER_ETA = 2.5
CALORIMETER_ETA = 4.9
SOFTEST_PT = 0.3
ISOLATION_PT = 0.5
DRESSING_RADIUS = 0.1
PHOTON_ISOLATION = 0.3
"""A prompt photon with more energy than this fraction around it (radius 0.3) is part of a jet."""


@dataclass(frozen=True, eq=False)
class FinalState:
    """Visible particles of a batch, and heavy hadrons for the flavour of jets.

    Attributes
    ----------
    offsets : (n_events + 1,) int64
    kind : (n_particles,) int8, one of `HADRON`, `ELECTROMAGNETIC`, `PHOTON`, `ELECTRON`, `MUON`
    charge : (n_particles,) int8, only of prompt leptons
    pt, eta, phi, energy : (n_particles,) float64, GeV and rad
    heavy_offsets : (n_events + 1,) int64
    heavy_flavour : (n_heavy,) int8, `CHARM` or `BOTTOM`
    heavy_eta, heavy_phi : (n_heavy,) float64
    """

    offsets: IntArray
    kind: AnyArray
    charge: AnyArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    energy: FloatArray
    heavy_offsets: IntArray
    heavy_flavour: AnyArray
    heavy_eta: FloatArray
    heavy_phi: FloatArray

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1


@kernel
def delta_phi(a: float, b: float) -> float:
    """Return the azimuth difference a - b in [-pi, pi)."""
    return (a - b + np.pi) % (2 * np.pi) - np.pi


@kernel
def is_prompt(pdg: AnyArray, status: AnyArray, mother: AnyArray, start: int, index: int) -> bool:
    """Return whether no hadron is among the ancestors of a final particle (status > 80: hadrons, decays)."""
    while abs(status[index]) > 80:
        parent = start + mother[index]
        if abs(pdg[parent]) != 15:
            return False
        index = parent
    return True


@kernel
def hadron_flavour(pdg: int) -> int:
    """Return `BOTTOM`, `CHARM` or `LIGHT` for a PDG code, from its quark digits."""
    code = abs(pdg)
    if code < 100 or code > 1000000:
        return LIGHT
    heaviest = max((code // 100) % 10, (code // 1000) % 10)
    return heaviest if heaviest in (CHARM, BOTTOM) else LIGHT


@kernel
def is_seen(code: int, transverse: float, eta: float) -> bool:
    """Return whether a particle leaves a signal: no neutrinos, dark photons, forward muons."""
    if code in (12, 14, 16, 4900022) or transverse < SOFTEST_PT or abs(eta) > CALORIMETER_ETA:
        return False
    return not (code == 13 and abs(eta) > TRACKER_ETA)


@kernel
def particle_kind(code: int, prompt: bool, transverse: float, eta: float) -> int:
    """Return the kind of a visible particle."""
    hard = prompt and abs(eta) < TRACKER_ETA
    if code == 22:
        return PHOTON if hard and transverse > PHOTON_PT else ELECTROMAGNETIC
    if code == 11:
        return ELECTRON if hard and transverse > LEPTON_PT else ELECTROMAGNETIC
    if code == 13:
        return MUON if hard and transverse > LEPTON_PT else HADRON
    return HADRON


@kernel
def visible_particles(
    offsets: IntArray,
    pdg: AnyArray,
    status: AnyArray,
    mother: AnyArray,
    px: FloatArray,
    py: FloatArray,
    pz: FloatArray,
    counts: IntArray,
    index: IntArray,
    kind: AnyArray,
    eta: FloatArray,
) -> int:
    """Fill `index`, `kind` and `eta` of the visible final particles, `counts` per event; return their number."""
    n = 0
    for event in range(len(offsets) - 1):
        first = n
        for i in range(offsets[event], offsets[event + 1]):
            if status[i] <= 0:
                continue
            transverse = np.sqrt(px[i] * px[i] + py[i] * py[i])
            rapidity = np.arcsinh(pz[i] / (transverse + 1e-12))
            code = abs(pdg[i])
            if not is_seen(code, transverse, rapidity):
                continue
            prompt = code in (11, 13, 22) and is_prompt(pdg, status, mother, offsets[event], i)
            index[n] = i
            kind[n] = particle_kind(code, prompt, transverse, rapidity)
            eta[n] = rapidity
            n += 1
        counts[event] = n - first
    return n


@kernel
def heavy_hadrons(
    offsets: IntArray,
    pdg: AnyArray,
    px: FloatArray,
    py: FloatArray,
    counts: IntArray,
    index: IntArray,
    flavour: AnyArray,
) -> int:
    """Fill `index` and `flavour` of the hadrons with charm or bottom, pT > 5 GeV; return their number."""
    n = 0
    for event in range(len(offsets) - 1):
        first = n
        for i in range(offsets[event], offsets[event + 1]):
            heavy = hadron_flavour(pdg[i])
            if heavy != LIGHT and px[i] * px[i] + py[i] * py[i] > 25.0:
                index[n] = i
                flavour[n] = heavy
                n += 1
        counts[event] = n - first
    return n


@kernel
def dress(
    offsets: IntArray, kind: AnyArray, pt: FloatArray, eta: FloatArray, phi: FloatArray, dressed: FloatArray
) -> None:
    """Add the energy of photons near a prompt lepton to it; mark them with a zero in `dressed`."""
    for event in range(len(offsets) - 1):
        begin, end = offsets[event], offsets[event + 1]
        for i in range(begin, end):
            if kind[i] != ELECTRON and kind[i] != MUON:
                continue
            for j in range(begin, end):
                near = kind[j] in (ELECTROMAGNETIC, PHOTON) and dressed[j] > 0
                if near and np.hypot(eta[i] - eta[j], delta_phi(phi[i], phi[j])) < DRESSING_RADIUS:
                    dressed[i] += pt[j]
                    dressed[j] = 0.0


@kernel
def cone_sums(
    offsets: IntArray,
    pt: FloatArray,
    eta: FloatArray,
    phi: FloatArray,
    axis_offsets: IntArray,
    axis: IntArray,
    sums: FloatArray,
) -> None:
    """Fill `sums` (n_axes, 2) with the scalar pT sums of other particles within 0.3 and 0.4 of each axis.

    `axis` holds indices of particles; particles below 0.5 GeV do not count, as in the Delphes cards.
    """
    for event in range(len(offsets) - 1):
        for a in range(axis_offsets[event], axis_offsets[event + 1]):
            centre = axis[a]
            for j in range(offsets[event], offsets[event + 1]):
                if j == centre or pt[j] < ISOLATION_PT:
                    continue
                deta = eta[j] - eta[centre]
                if abs(deta) > 0.4:
                    continue
                dphi = delta_phi(phi[j], phi[centre])
                distance = deta * deta + dphi * dphi
                if distance < 0.16:
                    sums[a, 1] += pt[j]
                    if distance < 0.09:
                        sums[a, 0] += pt[j]


@kernel
def jet_content(
    offsets: IntArray,
    pt: FloatArray,
    eta: FloatArray,
    phi: FloatArray,
    electromagnetic: BoolArray,
    jet_offsets: IntArray,
    jet_eta: FloatArray,
    jet_phi: FloatArray,
    heavy_offsets: IntArray,
    heavy_flavour: AnyArray,
    heavy_eta: FloatArray,
    heavy_phi: FloatArray,
    fraction: FloatArray,
    flavour: AnyArray,
) -> None:
    """Fill the electromagnetic `fraction` (radius 0.4) and the `flavour` (heaviest hadron in 0.3) of jets."""
    for event in range(len(offsets) - 1):
        for jet in range(jet_offsets[event], jet_offsets[event + 1]):
            total, light = 0.0, 0.0
            for j in range(offsets[event], offsets[event + 1]):
                deta = eta[j] - jet_eta[jet]
                if abs(deta) > 0.4:
                    continue
                if deta * deta + delta_phi(phi[j], jet_phi[jet]) ** 2 < 0.16:
                    total += pt[j]
                    light += pt[j] * electromagnetic[j]
            fraction[jet] = light / max(total, 1e-9)
            for h in range(heavy_offsets[event], heavy_offsets[event + 1]):
                near = np.hypot(heavy_eta[h] - jet_eta[jet], delta_phi(heavy_phi[h], jet_phi[jet])) < 0.3
                if near and heavy_flavour[h] > flavour[jet]:
                    flavour[jet] = heavy_flavour[h]


def offsets_of(counts: IntArray) -> IntArray:
    """Return the offsets (n + 1,) of lists with the given lengths (n,)."""
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])


def final_state(particles: Particles) -> FinalState:
    """Return the visible particles with dressed leptons; photons inside leptons are gone."""
    p = particles
    size = len(p.pdg)
    counts, index = np.zeros(len(p), np.int64), np.empty(size, np.int64)
    kind, eta = np.empty(size, np.int8), np.empty(size)
    n = visible_particles(p.offsets, p.pdg, p.status, p.mother, p.px, p.py, p.pz, counts, index, kind, eta)
    index, kind, eta = index[:n], kind[:n], eta[:n]
    heavy_counts, heavy_index = np.zeros(len(p), np.int64), np.empty(size, np.int64)
    flavour = np.empty(size, np.int8)
    n_heavy = heavy_hadrons(p.offsets, p.pdg, p.px, p.py, heavy_counts, heavy_index, flavour)
    heavy_index = heavy_index[:n_heavy]

    pt, phi = np.hypot(p.px[index], p.py[index]), np.arctan2(p.py[index], p.px[index])
    dressed = pt.copy()
    offsets = offsets_of(counts)
    dress(offsets, kind, pt, eta, phi, dressed)
    keep = dressed > 0
    events = np.repeat(np.arange(len(p)), counts)
    return FinalState(
        offsets=offsets_of(np.bincount(events[keep], minlength=len(p))),
        kind=kind[keep],
        charge=np.where(np.isin(kind, (ELECTRON, MUON)), -np.sign(p.pdg[index]), 0).astype(np.int8)[keep],
        pt=dressed[keep],
        eta=eta[keep],
        phi=phi[keep],
        energy=(p.energy[index] * dressed / pt)[keep],
        heavy_offsets=offsets_of(heavy_counts),
        heavy_flavour=flavour[:n_heavy],
        heavy_eta=np.arcsinh(p.pz[heavy_index] / (np.hypot(p.px[heavy_index], p.py[heavy_index]) + 1e-12)),
        heavy_phi=np.arctan2(p.py[heavy_index], p.px[heavy_index]),
    )
