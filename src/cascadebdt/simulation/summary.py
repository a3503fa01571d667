"""Measure the samples: the numbers of the table in their README.

The selection here is the loosest one of the benchmark analysis, written with awkward alone, because this part
of the package stands apart from the others.
"""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import awkward as ak
import numpy as np
import uproot

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.simulation.detector import measure
from cascadebdt.simulation.generator import generate
from cascadebdt.simulation.hypotheses import hypotheses
from cascadebdt.simulation.particles import final_state
from cascadebdt.simulation.processes import PROCESSES, Process
from cascadebdt.simulation.rows import build

HEADER = (
    "| file | process | cross section, pb | generated | sum of weights | rows | selected rows "
    "| effective | by event | yield per /fb | largest weight | MB |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Summary:
    """Numbers of one simulated file.

    Attributes
    ----------
    process : entry of the table of processes
    generated, sum_of_weights : of all generated events
    rows, selected : before and after the selection
    effective, by_event : (sum w)^2 / sum w^2 of the selected rows, and of the sums of rows of one event
    yield_per_fb : expected selected events at 1 /fb
    largest : largest weight of a selected row at the luminosity asked for
    megabytes : size of the file
    """

    process: Process
    generated: int
    sum_of_weights: float
    rows: int
    selected: int
    effective: float
    by_event: float
    yield_per_fb: float
    largest: float
    megabytes: float


def selection(events: ak.Array) -> BoolArray:
    """Return the rows with one photon, exactly one lepton and missing transverse momentum.

    Photon: pT > 35 GeV, |eta| < 2.37 outside 1.37 to 1.52; lepton: pT > 25 GeV, |eta| < 2.5, relative isolation
    below 0.15; missing transverse momentum above 20 GeV.
    """
    eta = abs(events.Photon_eta)
    good = (events.Photon_pt > 35) & (eta < 2.37) & ((eta < 1.37) | (eta > 1.52))
    electron = (events.Electron_pt > 25) & (abs(events.Electron_eta) < 2.5)
    muon = (events.Muon_pt > 25) & (abs(events.Muon_eta) < 2.5)
    electron = electron & (events.Electron_pfRelIso03_all < 0.15)
    muon = muon & (events.Muon_pfRelIso04_all < 0.15)
    leptons = ak.sum(electron, axis=1) + ak.sum(muon, axis=1)
    mask: BoolArray = ak.to_numpy((ak.sum(good, axis=1) == 1) & (leptons == 1) & (events.MET_pt > 20))
    return mask


def effective_number(weight: FloatArray) -> float:
    """Return (sum w)^2 / sum w^2, 0 without events."""
    return float(weight.sum() ** 2 / np.sum(weight**2)) if len(weight) else 0.0


def summarize(path: Path, process: Process, *, luminosity_fb: float) -> Summary:
    """Return the numbers of one simulated file, weights normalised to `luminosity_fb`."""
    with uproot.open(path) as file:
        runs = file["Runs"].arrays(["genEventCount", "genEventSumw"], library="np")
        events = file["Events"].arrays(filter_name=["Photon_*", "Electron_*", "Muon_*", "MET_pt", "genWeight", "event"])
    total = math.fsum(runs["genEventSumw"])
    per_fb = process.cross_section_pb * 1000.0 / total
    selected = selection(events)
    weight = ak.to_numpy(events.genWeight).astype(np.float64)[selected] * per_fb
    _, event = np.unique(ak.to_numpy(events.event)[selected], return_inverse=True)
    return Summary(
        process=process,
        generated=int(runs["genEventCount"].sum()),
        sum_of_weights=total,
        rows=len(events),
        selected=len(weight),
        effective=effective_number(weight),
        by_event=effective_number(np.bincount(event, weight).astype(np.float64)),
        yield_per_fb=float(weight.sum()),
        largest=float(np.abs(weight).max(initial=0.0)) * luminosity_fb,
        megabytes=path.stat().st_size / 1e6,
    )


def table(directory: Path, *, luminosity_fb: float) -> str:
    """Return the Markdown table of the simulated files in `directory`, largest weights at `luminosity_fb`."""
    lines = [HEADER]
    for process in PROCESSES:
        path = directory / f"{process.name}.root"
        if path.exists():
            s = summarize(path, process, luminosity_fb=luminosity_fb)
            lines.append(
                f"| {process.name}.root | {process.process} | {process.cross_section_pb:.6g} | {s.generated} "
                f"| {s.sum_of_weights:.1f} | {s.rows} | {s.selected} | {s.effective:.0f} | {s.by_event:.0f} "
                f"| {s.yield_per_fb:.4g} | {s.largest:.3g} | {s.megabytes:.2f} |"
            )
    return "\n".join(lines)


def settings_table() -> str:
    """Return the Markdown table of Pythia settings and sources of cross sections."""
    lines = ["| file | Pythia settings | filter | photon candidate | cross section |", "|---|---|---|---|---|"]
    for process in PROCESSES:
        settings = ", ".join(f"`{setting.rstrip('.')}`" for setting in process.settings)
        if process.photon_coupling is not None:
            settings += f", `StandardModel:alphaEM0 = {process.photon_coupling:.5f}`"
        lines.append(f"| {process.name} | {settings} | {process.filter} | {process.photon} | {process.source} |")
    return "\n".join(lines)


def speed(process: Process, *, seed: int = 1) -> dict[str, float]:
    """Return events per second of Pythia and of the detector with fakes, for one block of `process`."""
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    batches = list(generate(process, events=process.block_events, seed=seed, with_variations=True))
    middle = time.perf_counter()
    for particles in batches:
        objects = measure(final_state(particles), rng=rng)
        build(objects, hypotheses(objects, process), rng=rng)
    end = time.perf_counter()
    return {"pythia": process.block_events / (middle - start), "detector": process.block_events / (end - middle)}
