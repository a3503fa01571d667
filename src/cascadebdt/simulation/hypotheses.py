"""Hypotheses: how one generated event can look to the analysis, each with its probability.

A hypothesis is a choice of the photon candidate (a prompt photon, or a misidentified electron or jet), of the
leptons found and lost, and, where a process needs it, of the jet taken for a lepton. Its weight is the product
of the probabilities, so that the sum over hypotheses is an expectation and no event is lost to chance.
Each hypothesis is one row of the ntuple; the rows of one event share its identity.
"""

from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import AnyArray, BoolArray, FloatArray, IntArray
from cascadebdt.kernels.jit import kernel
from cascadebdt.simulation.detector import Objects
from cascadebdt.simulation.particles import ELECTRON, JET, MUON, PHOTON, delta_phi
from cascadebdt.simulation.processes import Process

MAX_LEPTONS = 4
"""Leptons beyond the hardest four are taken as lost."""

PHOTON_PT = 33.0
PHOTON_ETA = 2.4
LEPTON_PT = 22.0
TIGHT_PT = 30.0
TIGHT_ISOLATION = 0.10
MET = 15.0
"""The skim: a photon, a lepton, at most one tight lepton, missing transverse momentum (GeV)."""

SEPARATION = 0.3
JET_PT = 25.0
JET_AS_PHOTON = (0.75, 1.0)
JET_AS_LEPTON = (0.70, 1.0)
"""Range of the fraction of the jet's pT that the misidentified object carries."""


@dataclass(frozen=True, eq=False)
class Hypotheses:
    """Rows before the skim.

    Attributes
    ----------
    event : (n_rows,) int64, index in the batch
    number : (n_rows,) int64, position among the rows of the event
    photon : (n_rows,) int64, index of the object taken for the photon
    fake : (n_rows,) int64, index of the jet taken for the lepton, or -1
    found : (n_rows,) int64, bit k: the k-th lepton of the event is found
    weight : (n_rows,) float64, product of the probabilities
    """

    event: IntArray
    number: IntArray
    photon: IntArray
    fake: IntArray
    found: IntArray
    weight: FloatArray

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.event)

    def where(self, mask: BoolArray) -> "Hypotheses":
        """Return the rows of the mask."""
        return Hypotheses(*(getattr(self, name)[mask] for name in self.__dataclass_fields__))


@kernel
def photon_probability(
    kind: AnyArray,
    efficiency: FloatArray,
    as_photon: FloatArray,
    begin: int,
    end: int,
    chosen: int,
) -> float:
    """Return the probability that `chosen` is the only photon candidate; other fakes are neglected."""
    if kind[chosen] != PHOTON:
        return float(as_photon[chosen])
    probability = float(efficiency[chosen])
    for i in range(begin, end):
        if kind[i] == PHOTON and i != chosen:
            probability *= 1.0 - efficiency[i]
    return probability


@kernel
def is_near(eta: FloatArray, phi: FloatArray, i: int, j: int) -> bool:
    """Return whether two objects overlap."""
    return bool(np.hypot(eta[i] - eta[j], delta_phi(phi[i], phi[j])) < SEPARATION)


@kernel
def lepton_probability(
    pt: FloatArray,
    eta: FloatArray,
    phi: FloatArray,
    efficiency: FloatArray,
    as_photon: FloatArray,
    leptons: IntArray,
    chosen: int,
    pattern: int,
) -> float:
    """Return the probability of a pattern of found leptons, zero if no found lepton passes the skim."""
    probability, passes = 1.0, False
    for k in range(len(leptons)):
        i = leptons[k]
        found = (pattern >> k) & 1
        if i == chosen or (found and is_near(eta, phi, i, chosen)):
            if found:
                return 0.0
            continue
        probability *= efficiency[i] if found else 1.0 - efficiency[i] - as_photon[i]
        passes = passes or (found == 1 and pt[i] > LEPTON_PT)
    return probability if passes else 0.0


@kernel
def enumerate_hypotheses(
    offsets: IntArray,
    kind: AnyArray,
    pt: FloatArray,
    eta: FloatArray,
    phi: FloatArray,
    efficiency: FloatArray,
    as_photon: FloatArray,
    as_lepton: FloatArray,
    candidates: BoolArray,
    use_fake_lepton: bool,
    rows: IntArray,
    weight: FloatArray,
) -> int:
    """Fill `rows` (n, 5: event, number, photon, fake, found) and `weight`; return their number.

    Rows beyond the length of the arrays are counted and not filled, so that a first call can size them.
    """
    n = 0
    leptons = np.empty(MAX_LEPTONS, np.int64)
    for event in range(len(offsets) - 1):
        begin, end, first = offsets[event], offsets[event + 1], n
        n_leptons = 0
        for i in range(begin, end):
            if (kind[i] == ELECTRON or kind[i] == MUON) and n_leptons < MAX_LEPTONS:
                leptons[n_leptons] = i
                n_leptons += 1
        for chosen in range(begin, end):
            if not candidates[chosen]:
                continue
            base = photon_probability(kind, efficiency, as_photon, begin, end, chosen)
            for option in range(end - begin if use_fake_lepton else 1 << n_leptons):
                fake, found = (begin + option, 0) if use_fake_lepton else (-1, option)
                if use_fake_lepton:
                    near = fake == chosen or is_near(eta, phi, fake, chosen)
                    soft = pt[fake] * JET_AS_LEPTON[1] < LEPTON_PT or abs(eta[fake]) > 2.5
                    p = 0.0 if near or soft else base * as_lepton[fake]
                else:
                    p = base * lepton_probability(
                        pt, eta, phi, efficiency, as_photon, leptons[:n_leptons], chosen, found
                    )
                if p <= 0.0:
                    continue
                if n < len(weight):
                    rows[n] = (event, n - first, chosen, fake, found)
                    weight[n] = p
                n += 1
    return n


def photon_candidates(objects: Objects, process: Process) -> BoolArray:
    """Return which objects can be the photon, events with a foreign prompt photon removed."""
    o = objects
    event = np.repeat(np.arange(len(o)), np.diff(o.offsets))
    kinds = {"prompt": [PHOTON], "electron": [ELECTRON], "jet": [JET], "electron+jet": [ELECTRON, JET]}
    central = (o.pt > PHOTON_PT) & (np.abs(o.eta) < PHOTON_ETA)
    chosen: BoolArray = np.isin(o.kind, kinds[process.photon]) & central
    if process.photon == "prompt":
        return chosen
    has_photon = np.bincount(event[o.kind == PHOTON], minlength=len(o)) > 0
    return chosen & ~has_photon[event]


def hypotheses(objects: Objects, process: Process) -> Hypotheses:
    """Return all rows of a batch that can pass the skim."""
    o = objects
    arguments = (
        o.offsets,
        o.kind,
        o.pt,
        o.eta,
        o.phi,
        o.efficiency,
        o.as_photon,
        o.as_lepton,
        photon_candidates(objects, process),
        process.lepton_is_fake,
    )
    n = enumerate_hypotheses(*arguments, np.empty((0, 5), np.int64), np.empty(0))
    rows, weight = np.empty((n, 5), np.int64), np.empty(n)
    enumerate_hypotheses(*arguments, rows, weight)
    event, number, photon, fake, found = np.ascontiguousarray(rows.T)
    return Hypotheses(event=event, number=number, photon=photon, fake=fake, found=found, weight=weight)


def thin(hypotheses: Hypotheses, *, least_weight: float, rng: np.random.Generator) -> Hypotheses:
    """Keep light rows with probability weight/least_weight at weight `least_weight`: fewer rows, same sums."""
    h = hypotheses
    keep = rng.random(len(h)) * least_weight < h.weight
    weight = np.maximum(h.weight, least_weight)
    return Hypotheses(h.event, h.number, h.photon, h.fake, h.found, weight).where(keep)
