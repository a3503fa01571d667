"""Events from Pythia 8 as flat arrays.

References
----------
Pythia 8.3: arXiv:2203.11601. Variation weights of the shower: arXiv:1605.08352.
"""

import importlib
import math
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.errors import InputError
from cascadebdt.simulation.processes import BEAMS, Process

BATCH = 500
"""Events per call of Pythia, which bounds the memory to some hundred MB."""

FACTOR = np.sqrt(2.0)
VARIATIONS = (
    ("isr", 1 / FACTOR),
    ("fsr", 1 / FACTOR),
    ("isr", FACTOR),
    ("fsr", FACTOR),
)
"""Renormalisation scale of the initial- and final-state shower: the order of NanoAOD's ``PSWeight``.

NanoAOD calls them ISR=2, FSR=2, ISR=0.5, FSR=0.5 (strength up: scale down). The scale changes by sqrt(2), the
"reduced" variation of CMS, because the weights for a factor 2 have tails that swamp the variation itself.
"""

BANDS = (
    "UncertaintyBands:doVariations = on",
    "UncertaintyBands:ISRpTmin2Fac = 36.",
    "UncertaintyBands:FSRpTmin2Fac = 36.",
    "UncertaintyBands:overSampleISR = 1.2",
    "UncertaintyBands:overSampleFSR = 1.2",
)
"""Only emissions harder than six times the cut-off of the shower vary: those that make jets.

With Pythia's defaults the soft ones give weights with a spread above 1, and the shower takes twice as long.
"""

PHOTON_FILTER_PT = 24.0
PHOTON_FILTER_ETA = 2.5
PHOTON_FILTER_RADIUS = 0.3
PHOTON_FILTER_ISOLATION = 0.5
CENTRAL_PT = 15.0
CENTRAL_ETA = 2.8
LARGEST_SEED = 900_000_000


@dataclass(frozen=True, eq=False)
class Particles:
    """The event records of one batch, flattened.

    Attributes
    ----------
    offsets : (n_events + 1,) int64, start of each event in the particle arrays
    pdg, status, mother : (n_particles,) int32, Pythia's codes; `mother` is the index within the event
    px, py, pz, energy : (n_particles,) float64, GeV
    variations : (n_events, 4) float64, weights of `VARIATIONS` relative to the nominal
    tried : number of generated events behind this batch, those that failed the filter included
    """

    offsets: IntArray
    pdg: AnyArray
    status: AnyArray
    mother: AnyArray
    px: FloatArray
    py: FloatArray
    pz: FloatArray
    energy: FloatArray
    variations: FloatArray
    tried: int

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.offsets) - 1


def load_extra(name: str) -> Any:
    """Import a module of the optional extra ``samples``.

    Raises
    ------
    InputError
        If the module is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise InputError(
            f"simulation: needs the module '{name}'; install it with: pip install 'cascadebdt[samples]'"
        ) from error


def pythia_seed(*, seed: int, process: str, stream: int, block: int) -> int:
    """Return the seed of one block, in Pythia's range 1 to 900000000."""
    state = np.random.SeedSequence([seed, zlib.crc32(process.encode()), stream, block]).generate_state(1)
    return 1 + int(state[0]) % LARGEST_SEED


def generate(process: Process, *, events: int, seed: int, with_variations: bool) -> Iterator[Particles]:
    """Generate `events` events of `process` in batches.

    Parameters
    ----------
    process : settings and filter
    events : number of events that pass the filter of the process
    seed : Pythia's seed
    with_variations : compute the shower variations, which makes the shower two to three times slower

    Raises
    ------
    InputError
        If pythia8mc is missing or Pythia rejects a setting.
    """
    pythia, tried = start_pythia(process, seed=seed, with_variations=with_variations)
    before, done = 0, 0
    while done < events:
        size = min(BATCH, events - done)
        record = pythia.nextBatch(size)
        done += size
        now = tried() if process.filter != "none" else done
        columns = weight_columns(pythia) if with_variations else None
        yield flatten(record, columns=columns, tried=now - before)
        before = now


def start_pythia(process: Process, *, seed: int, with_variations: bool) -> tuple[Any, Callable[[], int]]:
    """Return an initialised Pythia and a function which counts the events tried so far."""
    module = load_extra("pythia8mc")
    pythia = module.Pythia("", False)
    settings = [*BEAMS, f"Random:seed = {seed}", *process.settings]
    if with_variations:
        bands = ",".join(f"v{i} {shower}:muRfac={factor:.4f}" for i, (shower, factor) in enumerate(VARIATIONS))
        settings += [*BANDS, f"UncertaintyBands:List = {{{bands}}}"]
    for setting in settings:
        if not pythia.readString(setting):
            raise InputError(f"simulation: Pythia rejects the setting '{setting}' of '{process.name}'")
    if process.photon_coupling is not None:  # above the range Pythia suggests
        pythia.settings.forceParm("StandardModel:alphaEM0", process.photon_coupling)
    hook = filter_hook(module, process.filter)
    if process.filter != "none":
        pythia.setUserHooksPtr(hook)
    if not pythia.init():
        raise InputError(f"simulation: Pythia cannot initialise the process '{process.name}'")
    return pythia, lambda: int(hook.tried)


def filter_hook(module: Any, name: str) -> Any:
    """Return a Pythia user hook that keeps the events of a filter of `Process` and counts all."""
    codes = (22,) if name == "photon" else (11, 13, 15)

    class Filter(module.UserHooks):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.tried = 0

        def canVetoProcessLevel(self) -> bool:  # noqa: N802
            return True

        def doVetoProcessLevel(self, event: Any) -> bool:  # noqa: N802
            self.tried += 1
            return not any(is_central(event[i], codes) for i in range(event.size() - 1, 0, -1))

        def canVetoPartonLevel(self) -> bool:  # noqa: N802
            return name == "lepton+photon"

        def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
            hard = [i for i in range(event.size() - 1, 0, -1) if is_hard_photon(event[i])]
            return sum(is_isolated(event, i) for i in hard) != 1

    return Filter()


def is_central(particle: Any, codes: tuple[int, ...]) -> bool:
    """Return whether Pythia's `particle` has one of the PDG codes and can end in the acceptance."""
    return bool(particle.idAbs() in codes and particle.pT() > CENTRAL_PT and abs(particle.eta()) < CENTRAL_ETA)


def is_hard_photon(particle: Any) -> bool:
    """Return whether Pythia's `particle` is a final photon in the acceptance."""
    return bool(
        particle.id() == 22
        and particle.isFinal()
        and particle.pT() > PHOTON_FILTER_PT
        and abs(particle.eta()) < PHOTON_FILTER_ETA
    )


def is_isolated(event: Any, photon: int) -> bool:
    """Return whether partons near a photon carry less pT than half of its own; the detector asks for more."""
    candidate = event[photon]
    eta, phi, near = candidate.eta(), candidate.phi(), 0.0
    for i in range(1, event.size()):
        other = event[i]
        if i == photon or not other.isFinal() or other.pT() < 0.5:
            continue
        distance = math.remainder(other.phi() - phi, 2 * math.pi)
        if math.hypot(other.eta() - eta, distance) < PHOTON_FILTER_RADIUS:
            near += other.pT()
    return bool(near < PHOTON_FILTER_ISOLATION * candidate.pT())


def weight_columns(pythia: Any) -> IntArray:
    """Return the positions of `VARIATIONS` in Pythia's vector of weights, which it sorts by name."""
    info = pythia.infoPython()
    names = [info.weightNameByIndex(i) for i in range(info.nWeights())]
    return np.array([names.index(f"{shower}.murfac={factor:.4f}") for shower, factor in VARIATIONS])


def flatten(record: Any, *, columns: IntArray | None, tried: int) -> Particles:
    """Return Pythia's Awkward record as flat arrays."""
    particles = record.prt
    offsets = np.concatenate([[0], np.cumsum(ak.to_numpy(ak.num(particles)))]).astype(np.int64)
    flat = ak.flatten(particles)
    if columns is None:
        variations = np.ones((len(offsets) - 1, len(VARIATIONS)))
    else:
        weights = ak.to_numpy(ak.to_regular(record.info.weights))
        variations = weights[:, columns] / weights[:, :1]
    return Particles(
        offsets=offsets,
        pdg=ak.to_numpy(flat.id),
        status=ak.to_numpy(flat.status),
        mother=ak.to_numpy(flat.mother1),
        px=ak.to_numpy(flat.p.px),
        py=ak.to_numpy(flat.p.py),
        pz=ak.to_numpy(flat.p.pz),
        energy=ak.to_numpy(flat.p.e),
        variations=variations,
        tried=tried,
    )
