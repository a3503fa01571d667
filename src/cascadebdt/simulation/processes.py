"""The table of simulated processes: Pythia settings, cross sections with their sources, fakes.

The photon candidate of a process is either a prompt photon or a misidentified electron or jet, never both
in one file, so that one file holds weights of one size. Where two files could hold the same event, the
file with the prompt photon keeps it (see `Process.photon`).
"""

from dataclasses import dataclass
from typing import Literal

BEAMS = ("Beams:eCM = 13000.", "PartonLevel:MPI = off", "Random:setSeed = on", "Print:quiet = on")
"""Settings of every process; the soft term of the detector stands in for multiparton interactions."""

W_TO_LEPTONS = ("24:onMode = off", "24:onIfAny = 11 13 15")
Z_TO_LEPTONS = ("23:onMode = off", "23:onIfAny = 11 13 15")


@dataclass(frozen=True)
class Process:
    """One simulated sample.

    Attributes
    ----------
    name : file name without suffix
    process : physics contribution the sample belongs to
    settings : Pythia settings beyond `BEAMS`
    cross_section_pb : cross section of the generated phase space, decays included
    source : where the cross section comes from
    photon : ``"prompt"``, ``"electron"``, ``"jet"`` or ``"electron+jet"``: what is taken for the photon;
        unless it is ``"prompt"``, events with an isolated prompt photon are removed, because they belong to
        another sample
    lepton_is_fake : whether the lepton is a misidentified jet
    filter : events to generate to the end: all, those with a central lepton or photon in the hard process, or with
        a lepton there and one isolated photon after the shower; the tries count in ``genEventSumw``
    negative_fraction : fraction of events which get a negative weight
    block_events : generated events per block; a block is the unit of work and of random numbers
    blocks, data_blocks : number of blocks of the shipped simulation and data
    least_weight : rows lighter than this are kept with probability weight/least_weight and then weigh this
    photon_coupling : electromagnetic coupling at zero momentum transfer, the physical one for None
    data_factor : true rate over predicted rate in the shipped data
    """

    name: str
    process: str
    settings: tuple[str, ...]
    cross_section_pb: float
    source: str
    photon: Literal["prompt", "electron", "jet", "electron+jet"]
    lepton_is_fake: bool = False
    filter: Literal["none", "lepton", "photon", "lepton+photon"] = "none"
    negative_fraction: float = 0.0
    block_events: int = 10000
    blocks: int = 10
    data_blocks: int = 10
    least_weight: float = 0.0
    data_factor: float = 1.0
    photon_coupling: float | None = None


TTBAR_SOURCE = "831.76 pb, NNLO+NNLL, m(t) = 172.5 GeV, Top++ 2.0 (arXiv:1112.5675), recommended by the LHC Top WG"

RADIATION = 5
"""Enhancement of the photon radiation in ttgamma.

Prompt photons with pT > 24 GeV are so rare in the shower of top pairs (0.6 %) that the coupling of its QED part
is raised by this factor and the cross section lowered by it; events with two of them are dropped.
"""

RADIATION_CORRECTION = 1.22
"""Rate of such photons at the physical, running coupling over that of ttgamma; measured to 3 %.

Events with two photons, energy radiated by the leptons and the running of the coupling make the difference.
"""

PROCESSES: tuple[Process, ...] = (
    Process(
        name="whdark",
        process="signal",
        settings=(
            "HiggsSM:ffbar2HW = on",
            "25:m0 = 125.",
            "25:onMode = off",
            "25:addChannel = 1 1.0 103 22 4900022",
            "4900022:m0 = 0.",
            "4900022:mayDecay = off",
            *W_TO_LEPTONS,
        ),
        cross_section_pb=0.02237,
        source="1.373 pb (WH, NNLO QCD + NLO EW, arXiv:1610.07922) x 3 x 0.1086 (W to leptons, PDG)"
        " x 0.05 (reference branching fraction of H to photon and dark photon)",
        photon="prompt",
        data_factor=0.0,
        block_events=7000,
        blocks=4,
        data_blocks=1,
        least_weight=0.2,
    ),
    Process(
        name="wgamma",
        process="wgamma",
        settings=("WeakBosonAndParton:ffbar2Wgm = on", "PhaseSpace:pTHatMin = 25.", *W_TO_LEPTONS),
        cross_section_pb=19.1,
        source="9.53 pb (Pythia LO) x K = 2.0, of the size of the QCD corrections in arXiv:1504.01330",
        photon="prompt",
        data_factor=1.15,
        block_events=10000,
        blocks=9,
        data_blocks=10,
        least_weight=0.2,
    ),
    Process(
        name="zee",
        process="zee",
        settings=(
            "WeakSingleBoson:ffbar2gmZ = on",
            "23:onMode = off",
            "23:onIfAny = 11",
            "PhaseSpace:mHatMin = 60.",
        ),
        cross_section_pb=1950.0,
        source="1481 pb (Pythia LO) x K = 1.317 = 1.9 nb (NNLO QCD + NLO EW for 66 < m < 116 GeV, arXiv:1603.09222)"
        " / 1443 pb (Pythia LO, same range)",
        photon="electron",
        data_factor=0.90,
        block_events=20000,
        blocks=11,
        data_blocks=15,
    ),
    Process(
        name="zgamma",
        process="zgamma",
        settings=(
            "WeakBosonAndParton:ffbar2gmZgm = on",
            "PhaseSpace:pTHatMin = 25.",
            "23:mMin = 40.",
            *Z_TO_LEPTONS,
        ),
        cross_section_pb=4.17,
        source="2.78 pb (Pythia LO) x K = 1.5, of the size of the QCD corrections in arXiv:1504.01330",
        photon="prompt",
        block_events=5000,
        blocks=22,
        data_blocks=5,
        least_weight=0.3,
    ),
    Process(
        name="wjets",
        process="wjets",
        settings=(
            "WeakBosonAndParton:qqbar2Wg = on",
            "WeakBosonAndParton:qg2Wq = on",
            "PhaseSpace:pTHatMin = 25.",
            *W_TO_LEPTONS,
        ),
        cross_section_pb=11510.0,
        source="8561 pb (Pythia LO) x K = 1.345 = 61527 pb (W to leptons, NNLO, FEWZ, arXiv:1011.3540)"
        " / 45747 pb (Pythia LO)",
        photon="jet",
        negative_fraction=0.15,
        data_factor=1.30,
        filter="lepton",
        block_events=10000,
        blocks=9,
        data_blocks=4,
    ),
    Process(
        name="gammajet",
        process="gammajet",
        settings=(
            "PromptPhoton:qg2qgamma = on",
            "PromptPhoton:qqbar2ggamma = on",
            "PhaseSpace:pTHatMin = 28.",
        ),
        cross_section_pb=54000.0,
        source="54.0 nb (Pythia LO), K = 1",
        photon="prompt",
        lepton_is_fake=True,
        data_factor=0.95,
        filter="photon",
        block_events=20000,
        blocks=13,
        data_blocks=11,
    ),
    Process(
        name="ttbar",
        process="ttbar",
        settings=("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
        cross_section_pb=831.76,
        source=TTBAR_SOURCE,
        photon="electron+jet",
        filter="lepton",
        data_factor=1.05,
        block_events=4000,
        blocks=18,
        data_blocks=16,
        least_weight=0.004,
    ),
    Process(
        name="ttgamma",
        process="ttbar",
        photon_coupling=RADIATION * 0.00729735,
        settings=(
            "Top:gg2ttbar = on",
            "Top:qqbar2ttbar = on",
            "TimeShower:alphaEMorder = 0",
            "SpaceShower:alphaEMorder = 0",
        ),
        cross_section_pb=round(831.76 / RADIATION * RADIATION_CORRECTION, 1),
        source=TTBAR_SOURCE + f"; / {RADIATION} x {RADIATION_CORRECTION}: the shower radiates {RADIATION} times"
        " too many photons",
        photon="prompt",
        filter="lepton+photon",
        data_factor=1.05,
        block_events=500,
        blocks=30,
        data_blocks=45,
        least_weight=0.2,
    ),
)
