"""From hypotheses to the columns of the ntuple: misidentified objects, missing momentum, skim.

What belongs to a misidentified object (its share of the jet's energy, shower shape, isolation, charge) is drawn
anew for each row. The object it was leaves its own collection. A lost electron or photon still deposits its
energy and counts as a jet; a lost muon adds to the missing momentum.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray, IntArray
from cascadebdt.simulation.detector import MASSES, UNDERLYING_EVENT, Objects, event_index
from cascadebdt.simulation.hypotheses import (
    JET_AS_LEPTON,
    JET_AS_PHOTON,
    JET_PT,
    LEPTON_PT,
    MAX_LEPTONS,
    MET,
    PHOTON_PT,
    TIGHT_ISOLATION,
    TIGHT_PT,
    Hypotheses,
)
from cascadebdt.simulation.particles import ELECTRON, JET, MUON, PHOTON
from cascadebdt.simulation.response import ENDCAP_ETA

Columns = dict[str, AnyArray]
"""Name -> flat values; the lengths of the lists of a collection ``X`` stand in ``nX``."""

FAKE_ISOLATION = 3.0
"""Mean energy in GeV around a jet taken for a photon or lepton."""

FLAVOUR = {PHOTON: 1, ELECTRON: 11, JET: 0}
"""NanoAOD's ``Photon_genPartFlav``: prompt photon, prompt electron, unmatched."""


@dataclass(frozen=True, eq=False)
class Leptons:
    """Leptons of all rows: found ones and fakes.

    Attributes
    ----------
    row : (n,) int64
    kind, charge : (n,) int8
    pt, eta, phi, relative_isolation : (n,) float64
    """

    row: IntArray
    kind: AnyArray
    charge: AnyArray
    pt: FloatArray
    eta: FloatArray
    phi: FloatArray
    relative_isolation: FloatArray


def photons(objects: Objects, h: Hypotheses, *, rng: np.random.Generator) -> Columns:
    """Return the photon candidate of each row.

    Shower width (sieie) and compactness (r9) follow the shapes of prompt photons, electrons (radiating in the
    tracker) and jets (neutral pions, several photons); the width in the endcap is larger as in CMS.
    """
    kind, eta = objects.kind[h.photon], objects.eta[h.photon]
    is_jet, n = kind == JET, len(h)
    fraction = np.where(is_jet, rng.uniform(*JET_AS_PHOTON, size=n), 1.0)
    pt = objects.pt[h.photon] * fraction
    shape = np.select([is_jet, kind == ELECTRON], [14.0, 30.0], 40.0)
    mean = np.where(is_jet, 0.0118, 0.0098) * np.where(np.abs(eta) < ENDCAP_ETA, 1.0, 2.75)
    top = np.where(is_jet, 0.92, 0.96)
    tail = np.select([is_jet, kind == ELECTRON], [0.07, 0.045], 0.03)
    fake = rng.exponential(FAKE_ISOLATION, size=n) + rng.exponential(UNDERLYING_EVENT, size=n)
    return {
        "nPhoton": np.ones(n, np.int64),
        "Photon_pt": pt,
        "Photon_eta": eta,
        "Photon_phi": objects.phi[h.photon],
        "Photon_pfRelIso03_all": np.where(is_jet, fake, objects.isolation[h.photon]) / pt,
        "Photon_sieie": rng.gamma(shape) * mean / shape,
        "Photon_r9": np.maximum(top - rng.exponential(tail), 0.05),
        "Photon_electronVeto": np.ones(n, np.bool_),
        "Photon_genPartFlav": np.select(
            [kind == code for code in FLAVOUR], [np.uint8(flavour) for flavour in FLAVOUR.values()]
        ).astype(np.uint8),
    }


def pairs(objects: Objects, h: Hypotheses) -> tuple[IntArray, IntArray]:
    """Return row and object of every pair of a row and an object of its event, by falling pT in each row."""
    counts = np.diff(objects.offsets)[h.event]
    row = np.repeat(np.arange(len(h)), counts)
    starts = np.cumsum(counts) - counts
    index = np.arange(len(row)) - starts[row] + objects.offsets[:-1][h.event][row]
    return row, index


def is_found(objects: Objects, h: Hypotheses, row: IntArray, index: IntArray) -> BoolArray:
    """Return for each pair whether the object is a lepton found in the row."""
    is_lepton = np.isin(objects.kind, (ELECTRON, MUON))
    before: IntArray = np.cumsum(is_lepton) - is_lepton
    start = np.minimum(objects.offsets[:-1], max(len(before) - 1, 0))
    rank: IntArray = before - before[start][event_index(objects.offsets)]
    bit = np.minimum(rank, MAX_LEPTONS)[index]
    found: BoolArray = is_lepton[index] & (((h.found[row] >> bit) & 1) == 1)
    return found


def found_leptons(objects: Objects, row: IntArray, index: IntArray) -> Leptons:
    """Return the real leptons found."""
    return Leptons(
        row=row,
        kind=objects.kind[index],
        charge=objects.charge[index],
        pt=objects.pt[index],
        eta=objects.eta[index],
        phi=objects.phi[index],
        relative_isolation=objects.isolation[index] / objects.pt[index],
    )


def fake_leptons(objects: Objects, h: Hypotheses, *, rng: np.random.Generator) -> Leptons:
    """Return the jets taken for leptons, one per row; electron or muon, and the charge, with equal odds."""
    n = len(h)
    pt = objects.pt[h.fake] * rng.uniform(*JET_AS_LEPTON, size=n)
    return Leptons(
        row=np.arange(n),
        kind=rng.choice(np.array([ELECTRON, MUON], np.int8), size=n),
        charge=rng.choice(np.array([-1, 1], np.int8), size=n),
        pt=pt,
        eta=objects.eta[h.fake],
        phi=objects.phi[h.fake],
        relative_isolation=(0.5 + rng.exponential(FAKE_ISOLATION, size=n)) / pt,
    )


def lepton_columns(leptons: Leptons, *, n_rows: int, kind: int, name: str, isolation: str) -> Columns:
    """Return the collection of one lepton flavour."""
    mask = leptons.kind == kind
    return {
        f"n{name}": np.bincount(leptons.row[mask], minlength=n_rows),
        f"{name}_pt": leptons.pt[mask],
        f"{name}_eta": leptons.eta[mask],
        f"{name}_phi": leptons.phi[mask],
        f"{name}_mass": np.full(int(mask.sum()), MASSES[kind]),
        f"{name}_charge": leptons.charge[mask].astype(np.int32),
        f"{name}_{isolation}": leptons.relative_isolation[mask],
    }


def jets(objects: Objects, *, row: IntArray, index: IntArray, n_rows: int) -> Columns:
    """Return the jets, lost electrons and photons among them (their b-tag score is that of a light jet)."""
    return {
        "nJet": np.bincount(row, minlength=n_rows),
        "Jet_pt": objects.pt[index],
        "Jet_eta": objects.eta[index],
        "Jet_phi": objects.phi[index],
        "Jet_mass": objects.mass[index],
        "Jet_btagDeepB": objects.btag[index],
    }


def missing(objects: Objects, h: Hypotheses, *, row: IntArray, index: IntArray) -> Columns:
    """Return the missing transverse momentum of each row, given the pairs of lost muons.

    The significance is m^T V^-1 m with the covariance V of the event (CMS, arXiv:1106.5048).
    """
    x = objects.met_x[h.event] + np.bincount(row, objects.pt[index] * np.cos(objects.phi[index]), minlength=len(h))
    y = objects.met_y[h.event] + np.bincount(row, objects.pt[index] * np.sin(objects.phi[index]), minlength=len(h))
    xx, xy, yy = objects.covariance[h.event].T
    return {
        "MET_pt": np.hypot(x, y),
        "MET_phi": np.arctan2(y, x),
        "MET_significance": (yy * x**2 - 2 * xy * x * y + xx * y**2) / (xx * yy - xy**2),
    }


def build(objects: Objects, h: Hypotheses, *, rng: np.random.Generator) -> tuple[Columns, BoolArray]:
    """Return the physics columns of all rows and the mask of those that pass the skim."""
    n = len(h)
    row, index = pairs(objects, h)
    found = is_found(objects, h, row, index)
    used = (index == h.photon[row]) | (index == h.fake[row])
    lost_muon = (objects.kind[index] == MUON) & ~found
    hard = (objects.pt[index] > JET_PT) & ~np.isin(objects.kind[index], (MUON,))
    is_jet = hard & ~found & ~used
    if np.any(h.fake >= 0):
        leptons = fake_leptons(objects, h, rng=rng)
    else:
        leptons = found_leptons(objects, row[found], index[found])
    columns = photons(objects, h, rng=rng)
    columns |= lepton_columns(leptons, n_rows=n, kind=ELECTRON, name="Electron", isolation="pfRelIso03_all")
    columns |= lepton_columns(leptons, n_rows=n, kind=MUON, name="Muon", isolation="pfRelIso04_all")
    columns |= jets(objects, row=row[is_jet], index=index[is_jet], n_rows=n)
    columns |= missing(objects, h, row=row[lost_muon], index=index[lost_muon])
    return columns, passes_skim(columns, leptons)


def passes_skim(columns: Mapping[str, AnyArray], leptons: Leptons) -> BoolArray:
    """Return the rows with a photon, a lepton, at most one clearly tight lepton, and missing momentum."""
    n = len(columns["MET_pt"])
    hard = np.bincount(leptons.row[leptons.pt > LEPTON_PT], minlength=n)
    is_tight = (leptons.pt > TIGHT_PT) & (leptons.relative_isolation < TIGHT_ISOLATION)
    tight = np.bincount(leptons.row[is_tight], minlength=n)
    return (columns["Photon_pt"] > PHOTON_PT) & (hard >= 1) & (tight <= 1) & (columns["MET_pt"] > MET)
