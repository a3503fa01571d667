"""A parametrised detector: from final-state particles to smeared objects with probabilities.

Energies are smeared log-normally, once per generated event: all hypotheses of one event
(`cascadebdt.simulation.hypotheses`) share the measured momenta. Jets are anti-kT 0.4 and taken as calibrated, so
that the energy-scale formula of the Delphes cards is not applied. `cascadebdt.simulation.response` has the numbers.
"""

from dataclasses import dataclass, replace

import awkward as ak
import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray, IntArray
from cascadebdt.simulation.generator import load_extra
from cascadebdt.simulation.particles import (
    ELECTRON,
    HADRON,
    JET,
    MUON,
    PHOTON,
    PHOTON_ISOLATION,
    FinalState,
    cone_sums,
    jet_content,
    offsets_of,
)
from cascadebdt.simulation.response import (
    btag_efficiency,
    btag_score,
    ecal_resolution,
    find_efficiency,
    jet_smearing,
    lepton_fake_rate,
    log_normal,
    muon_resolution,
    photon_fake_rate,
)

JET_RADIUS = 0.4
JET_PT = 15.0
JET_ETA = 4.5
MASSES = {ELECTRON: 0.000511, MUON: 0.10566}
UNDERLYING_EVENT = 0.8
"""Mean energy in GeV that pile-up and underlying event leave in an isolation cone after correction."""
SOFT_NOISE = 8.0
SOFT_STOCHASTIC = 0.5
"""Soft term of the missing momentum, per axis: sqrt(8^2 + 0.5^2 sum pT) GeV; 0.5 is ATLAS, arXiv:1108.5602."""


@dataclass(frozen=True, eq=False)
class Objects:
    """Measured objects of a batch, ordered by falling pT within each event.

    Attributes
    ----------
    offsets : (n_events + 1,) int64
    kind : (n_objects,) int8, `PHOTON`, `ELECTRON`, `MUON` or `JET`
    pt, eta, phi, mass : (n_objects,) float64, GeV and rad
    charge, flavour : (n_objects,) int8
    isolation : (n_objects,) float64, energy around the object in GeV, radius 0.3 (muons 0.4)
    btag : (n_objects,) float64 in [0, 1]; above 0.5 with the efficiency of the card
    efficiency : (n_objects,) float64, probability that a photon or lepton is found
    as_photon, as_lepton : (n_objects,) float64, probabilities to be misidentified
    met_x, met_y : (n_events,) float64, GeV
    covariance : (n_events, 3) float64, xx, xy, yy of the missing momentum, GeV^2
    """

    offsets: IntArray
    kind: AnyArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    mass: FloatArray
    charge: AnyArray
    flavour: AnyArray
    isolation: FloatArray
    btag: FloatArray
    efficiency: FloatArray
    as_photon: FloatArray
    as_lepton: FloatArray
    met_x: FloatArray
    met_y: FloatArray
    covariance: FloatArray

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1


PER_OBJECT = (
    *("kind", "pt", "eta", "phi", "mass", "charge", "flavour"),
    *("isolation", "btag", "efficiency", "as_photon", "as_lepton"),
)
"""The attributes of `Objects` with one value per object."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """True momenta of objects before smearing; per object except `offsets`, as in `Objects`."""

    offsets: IntArray
    kind: AnyArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    mass: FloatArray
    charge: AnyArray
    flavour: AnyArray
    isolation: FloatArray
    fraction: FloatArray


def measure(final: FinalState, *, rng: np.random.Generator) -> Objects:
    """Return the objects a detector would measure.

    Parameters
    ----------
    final : visible particles
    rng : source of the smearing
    """
    isolated, leptons = hard_candidates(final)
    jets = jet_candidates(final, outside=~isolated)
    candidates = merge(leptons, jets)
    relative = resolution(candidates)
    factor = log_normal(relative, rng=rng)
    met_x, met_y, covariance = missing_momentum(final, candidates, relative=relative, factor=factor, rng=rng)
    c = candidates
    pt = c.pt * factor
    tag = btag_score(efficiency=btag_efficiency(pt=pt, flavour=c.flavour), rng=rng)
    return by_falling_pt(
        Objects(
            offsets=c.offsets,
            kind=c.kind,
            pt=pt,
            eta=c.eta,
            phi=c.phi,
            mass=c.mass * np.where(c.kind == JET, factor, 1.0),
            charge=c.charge,
            flavour=c.flavour,
            isolation=c.isolation + rng.exponential(UNDERLYING_EVENT, size=len(pt)),
            btag=tag,
            efficiency=find_efficiency(kind=c.kind, eta=c.eta),
            as_photon=photon_fake_rate(kind=c.kind, pt=pt, eta=c.eta),
            as_lepton=lepton_fake_rate(kind=c.kind, pt=pt),
            met_x=met_x,
            met_y=met_y,
            covariance=covariance,
        )
    )


def hard_candidates(final: FinalState) -> tuple[BoolArray, Candidates]:
    """Return the prompt leptons and isolated photons: their mask among the particles, and themselves."""
    hard = np.isin(final.kind, (PHOTON, ELECTRON, MUON))
    index = np.flatnonzero(hard)
    events = event_index(final.offsets)
    sums = np.zeros((len(index), 2))
    offsets = count_offsets(events[index], len(final))
    cone_sums(final.offsets, final.pt, final.eta, final.phi, offsets, index, sums)
    isolation = np.where(final.kind[index] == MUON, sums[:, 1], sums[:, 0])
    keep = (final.kind[index] != PHOTON) | (isolation < PHOTON_ISOLATION * final.pt[index])
    index = index[keep]
    mask = np.zeros(len(final.kind), dtype=np.bool_)
    mask[index] = True
    kind = final.kind[index]
    return mask, Candidates(
        offsets=count_offsets(events[index], len(final)),
        kind=kind,
        pt=final.pt[index],
        eta=final.eta[index],
        phi=final.phi[index],
        mass=np.select([kind == ELECTRON, kind == MUON], [MASSES[ELECTRON], MASSES[MUON]], 0.0),
        charge=final.charge[index],
        flavour=np.zeros(len(index), np.int8),
        isolation=isolation[keep],
        fraction=np.ones(len(index)),
    )


def jet_candidates(final: FinalState, *, outside: BoolArray) -> Candidates:
    """Return anti-kT jets (arXiv:0802.1189) of the particles `outside` leptons and photons."""
    offsets = count_offsets(event_index(final.offsets)[outside], len(final))
    inside = (final.pt[outside], final.eta[outside], final.phi[outside])
    jet_offsets, pt, eta, phi, mass = cluster(offsets, *inside, final.energy[outside])
    fraction, flavour = np.zeros(len(pt)), np.zeros(len(pt), np.int8)
    jet_content(
        offsets,
        *inside,
        final.kind[outside] != HADRON,
        jet_offsets,
        eta,
        phi,
        final.heavy_offsets,
        final.heavy_flavour,
        final.heavy_eta,
        final.heavy_phi,
        fraction,
        flavour,
    )
    return Candidates(
        offsets=jet_offsets,
        kind=np.full(len(pt), JET, np.int8),
        pt=pt,
        eta=eta,
        phi=phi,
        mass=mass,
        charge=np.zeros(len(pt), np.int8),
        flavour=flavour,
        isolation=np.zeros(len(pt)),
        fraction=fraction,
    )


def cluster(
    offsets: IntArray, pt: FloatArray, eta: FloatArray, phi: FloatArray, energy: FloatArray
) -> tuple[IntArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Return offsets, pt, eta, phi and mass of the jets of lists of particles."""
    fastjet = load_extra("fastjet")
    load_extra("fastjet._swig").ClusterSequence.set_fastjet_banner_stream(None)
    momenta = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta), "E": energy}
    lists = ak.unflatten(ak.zip(momenta), np.diff(offsets))
    definition = fastjet.JetDefinition(fastjet.antikt_algorithm, JET_RADIUS)
    jets = fastjet.ClusterSequence(lists, definition).inclusive_jets(min_pt=JET_PT)
    flat = ak.flatten(jets)
    px, py, pz, total = (ak.to_numpy(flat[name]) for name in ("px", "py", "pz", "E"))
    jet_pt = np.hypot(px, py)
    jet_eta, jet_phi = np.arcsinh(pz / jet_pt), np.arctan2(py, px)
    mass = np.sqrt(np.maximum(total**2 - px**2 - py**2 - pz**2, 0.0))
    keep = np.abs(jet_eta) < JET_ETA
    events = np.repeat(np.arange(len(jets)), ak.to_numpy(ak.num(jets)))[keep]
    return count_offsets(events, len(jets)), jet_pt[keep], jet_eta[keep], jet_phi[keep], mass[keep]


def resolution(candidates: Candidates) -> FloatArray:
    """Return sigma(E)/E of each candidate."""
    c = candidates
    energy = c.pt * np.cosh(c.eta)
    return np.select(
        [c.kind == MUON, c.kind == JET],
        [
            muon_resolution(pt=c.pt, eta=c.eta),
            jet_smearing(energy=energy, eta=c.eta, fraction=c.fraction),
        ],
        ecal_resolution(energy=energy, eta=c.eta) / energy,
    )


def missing_momentum(
    final: FinalState,
    candidates: Candidates,
    *,
    relative: FloatArray,
    factor: FloatArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return x, y and covariance (xx, xy, yy) of the missing transverse momentum.

    It balances the measured objects and a soft term, whose noise follows the pT sum outside the objects.
    """
    c, n = candidates, len(final)
    particle_event, event = event_index(final.offsets), event_index(c.offsets)

    def total(events: IntArray, values: FloatArray) -> FloatArray:
        sums: FloatArray = np.bincount(events, values, minlength=n).astype(np.float64)
        return sums

    shift = c.pt * (factor - 1.0)
    soft = np.maximum(total(particle_event, final.pt) - total(event, c.pt), 0.0)
    noise = np.hypot(SOFT_NOISE, SOFT_STOCHASTIC * np.sqrt(soft))
    met_x = -total(particle_event, final.pt * np.cos(final.phi)) - total(event, shift * np.cos(c.phi))
    met_y = -total(particle_event, final.pt * np.sin(final.phi)) - total(event, shift * np.sin(c.phi))
    variance, cosine, sine = (relative * c.pt) ** 2, np.cos(c.phi), np.sin(c.phi)
    covariance = np.column_stack(
        [
            total(event, variance * cosine**2) + noise**2,
            total(event, variance * cosine * sine),
            total(event, variance * sine**2) + noise**2,
        ]
    )
    return met_x + noise * rng.normal(size=n), met_y + noise * rng.normal(size=n), covariance


def merge(first: Candidates, second: Candidates) -> Candidates:
    """Return the candidates of both, event by event."""
    n = len(first.offsets) - 1
    event = np.concatenate([event_index(first.offsets), event_index(second.offsets)])
    order = np.argsort(event, kind="stable")
    columns = {
        name: np.concatenate([getattr(first, name), getattr(second, name)])[order]
        for name in Candidates.__dataclass_fields__
        if name != "offsets"
    }
    return Candidates(offsets=count_offsets(event, n), **columns)


def by_falling_pt(objects: Objects) -> Objects:
    """Return the objects ordered by falling pT within each event."""
    order = np.lexsort((-objects.pt, event_index(objects.offsets)))
    return replace(objects, **{name: getattr(objects, name)[order] for name in PER_OBJECT})


def event_index(offsets: IntArray) -> IntArray:
    """Return the event of each entry."""
    return np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))


def count_offsets(events: IntArray, n_events: int) -> IntArray:
    """Return the offsets of entries that belong to the given events."""
    return offsets_of(np.bincount(events, minlength=n_events))
