"""Select against bare reading, compiled against Awkward operations, memory against size, reading beside computing.

Each figure is a ratio of two measurements of one run, the least of several repetitions each. Peers are
``uproot.iterate`` over the same branches, and the same objects, cuts and features written with Awkward operations.
With ``--files`` as many files of 100 events are selected, against one file of all their events.

    python benchmarks/reading.py [--events 500000] [--cores 1] [--codec ZSTD] [--copies 40] [--files 1000]
"""

import argparse
import gc
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHUNK = 100_000
BASKET = 25_000
FIELDS = {
    "Photon": ("pt", "eta", "phi"),
    "Electron": ("pt", "eta", "phi", "mass", "iso"),
    "Muon": ("pt", "eta", "phi", "mass", "iso"),
    "Jet": ("pt", "eta", "phi", "mass", "btag"),
}
MEAN = {"Photon": 0.7, "Electron": 0.8, "Muon": 0.8, "Jet": 4.0}


def generate(path: Path, n_events: int, *, codec: str = "ZLIB", first_event: int = 0) -> Path:
    """Write jagged events with NanoAOD names, one block of `CHUNK` events after the other."""
    import numpy as np
    import uproot

    rng = np.random.default_rng(1)
    with uproot.recreate(path, compression=getattr(uproot, codec)(1)) as file:
        blocks = [
            _block(rng, start, min(CHUNK, n_events - start)) for start in range(0, min(n_events, 5 * CHUNK), CHUNK)
        ]
        tree = file.mktree(
            "Events", {k: v.dtype if hasattr(v, "dtype") else v.type.content for k, v in blocks[0].items()}
        )
        for k, start in enumerate(range(0, n_events, CHUNK)):
            numbers = np.arange(start, start + min(CHUNK, n_events - start), dtype=np.uint64) + np.uint64(first_event)
            block = blocks[k % len(blocks)]
            whole = {**{name: values[: len(numbers)] for name, values in block.items()}, "event": numbers}
            for first in range(0, len(numbers), BASKET):
                tree.extend({name: values[first : first + BASKET] for name, values in whole.items()})
        file.mktree("Runs", {"genEventSumw": np.array([float(n_events)])})
    return path


def _block(rng: Any, start: int, n: int) -> dict[str, Any]:
    import awkward as ak
    import numpy as np

    def collection(name: str) -> Any:
        counts = rng.poisson(MEAN[name], n)
        total = int(counts.sum())
        made = {
            "pt": 20 + rng.exponential(30, total),
            "eta": rng.uniform(-2.5, 2.5, total),
            "phi": rng.uniform(-3.14, 3.14, total),
            "mass": rng.uniform(0, 10, total),
        }
        made |= {"iso": rng.uniform(0, 0.3, total), "btag": rng.uniform(0, 1, total)}
        return ak.zip({field: ak.unflatten(made[field].astype(np.float32), counts) for field in FIELDS[name]})

    return {
        "run": np.ones(n, np.uint32),
        "luminosityBlock": (np.arange(start, start + n) // 1000).astype(np.uint32),
        "event": np.arange(start, start + n, dtype=np.uint64),
        "MET_pt": rng.exponential(40, n).astype(np.float32),
        "MET_phi": rng.uniform(-3, 3, n).astype(np.float32),
        "genWeight": np.ones(n, np.float32),
        **{name: collection(name) for name in FIELDS},
    }


def configuration(path: Path) -> Any:
    """Return an analysis of the generated file: its events as signal, with three objects, two cuts, eight features."""
    from cascadebdt import config

    lepton = {"from": ["Electron", "Muon"], "where": "pt > 25 and abs(eta) < 2.5 and iso < 0.15", "order": "-pt"}
    photon = {"from": "Photon", "where": "pt > 35 and abs(eta) < 2.37 and not (1.37 < abs(eta) < 1.52)", "order": "-pt"}
    jet = {"from": "Jet", "where": "pt > 30", "order": "-pt", "away_from": {"photon": 0.4, "lepton": 0.4}}
    sample = {"files": str(path), "cross_section_pb": 1.0}
    empty = {"name": "other", "process": "other", "files": str(path.with_name("other.root")), "cross_section_pb": 1.0}
    stage = {"name": "other", "against": "other", "features": ["ht"], "working_point": {"threshold": 0.5}}
    return config.parse(
        {
            "analysis": "benchmark",
            "luminosity_fb": 1.0,
            "ntuples": {"sum_of_weights": "Runs:genEventSumw", "weight": "genWeight", "chunk_entries": CHUNK},
            "samples": [{"name": "signal", "process": "signal", **sample}, empty],
            "objects": {"photon": photon, "lepton": lepton, "jet": jet},
            "selection": [
                {"name": "photon", "cut": "count(photon) >= 1"},
                {"name": "lepton", "cut": "count(lepton) >= 1"},
            ],
            "features": {
                "photon_pt": "photon[0].pt",
                "m_lg": "mass(lepton[0], photon[0])",
                "mt": "transverse_mass(lepton[0].pt, lepton[0].phi, MET_pt, MET_phi)",
                "n_jet": "count(jet)",
                "ht": "sum(jet.pt)",
                "dr": "delta_r(lepton[0], photon[0])",
                "m_jj": "mass(jet[0], jet[1])",
                "n_b": "count(jet.btag > 0.5)",
            },
            "cascade": {"stages": [stage]},
        }
    )


def by_awkward(chunk: Any) -> dict[str, Any]:
    """Return the same features of the same events, with Awkward operations."""
    import awkward as ak
    import numpy as np

    def collection(name: str, **more: Any) -> Any:
        return ak.zip({field: ak.values_astype(chunk[f"{name}_{field}"], np.float64) for field in FIELDS[name]} | more)

    def ordered(objects: Any) -> Any:
        return objects[ak.argsort(-objects.pt, axis=1, stable=True)]

    def distance(a: Any, b: Any) -> Any:
        return np.hypot(a.eta - b.eta, (a.phi - b.phi + np.pi) % (2 * np.pi) - np.pi)

    def momentum(p: Any) -> list[Any]:
        mass = p.mass if "mass" in p.fields else 0.0
        energy = np.sqrt((p.pt * np.cosh(p.eta)) ** 2 + mass**2)
        return [energy, p.pt * np.cos(p.phi), p.pt * np.sin(p.phi), p.pt * np.sinh(p.eta)]

    def mass(a: Any, b: Any) -> Any:
        e, x, y, z = (one + other for one, other in zip(momentum(a), momentum(b), strict=True))
        return np.sqrt(np.maximum(e**2 - x**2 - y**2 - z**2, 0))

    photon = collection("Photon")
    eta = abs(photon.eta)
    photon = ordered(photon[(photon.pt > 35) & (eta < 2.37) & ~((eta > 1.37) & (eta < 1.52))])
    lepton = ak.concatenate([collection("Electron"), collection("Muon")], axis=1)
    lepton = ordered(lepton[(lepton.pt > 25) & (abs(lepton.eta) < 2.5) & (lepton.iso < 0.15)])
    passed = (ak.num(photon) >= 1) & (ak.num(lepton) >= 1)
    photon, lepton, chunk = photon[passed], lepton[passed], chunk[passed]
    jet = collection("Jet")
    jet = jet[jet.pt > 30]
    for other in (photon, lepton):
        one, two = ak.unzip(ak.cartesian([jet, other], nested=True))
        jet = jet[ak.all(distance(one, two) >= 0.4, axis=-1)]
    jet = ordered(jet)
    first, second = photon[:, 0], lepton[:, 0]
    pair = ak.pad_none(jet, 2)
    return {
        "photon_pt": first.pt,
        "m_lg": mass(second, first),
        "mt": np.sqrt(2 * second.pt * chunk["MET_pt"] * (1 - np.cos(second.phi - chunk["MET_phi"]))),
        "n_jet": ak.num(jet),
        "ht": ak.sum(jet.pt, axis=1),
        "dr": distance(second, first),
        "m_jj": mass(pair[:, 0], pair[:, 1]),
        "n_b": ak.sum(jet.btag > 0.5, axis=1),
    }


def least(action: Callable[[], Any], repetitions: int = 5) -> float:
    """Return the least wall time of several calls, in seconds."""
    times = []
    for _ in range(repetitions):
        gc.collect()
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return min(times)


def least_cpu(*actions: Callable[[], Any], repetitions: int = 7) -> list[float]:
    """Return the least CPU time of several calls of each, in turns, in seconds."""
    times = [float("inf")] * len(actions)
    for _ in range(repetitions):
        for k, action in enumerate(actions):
            gc.collect()
            start = time.process_time()
            action()
            times[k] = min(times[k], time.process_time() - start)
    return times


def small_files(folder: Path, number: int, *, n_events: int = 100) -> None:
    """Print the CPU time that a small file costs beyond its events, bare uproot beside it."""
    import uproot

    from cascadebdt.events import loading
    from cascadebdt.events.sources import all_sources

    paths = [generate(folder / f"small_{k}.root", n_events, first_event=k * n_events) for k in range(number)]
    whole = configuration(generate(folder / "whole.root", number * n_events))
    sample = whole.samples[0].model_copy(update={"files": (str(folder / "small_*.root"),)})
    many = whole.model_copy(update={"samples": (sample, whole.samples[1])})
    source = all_sources(whole, nominal_only=True)[0]
    branches = sorted(source.branches | set(whole.ntuples.event_id))

    def bare() -> None:
        for path in paths:
            with uproot.open(path) as file:
                file["Runs"]["genEventSumw"].array(library="np")
                file["Events"].arrays(branches)

    def one() -> None:
        loading.select(whole, nominal_only=True)

    def select() -> None:
        loading.select(many, nominal_only=True)

    one()
    times = least_cpu(one, select, bare, repetitions=3)
    of_one, of_many, of_bare = (seconds * 1e3 / number for seconds in times)
    print(f"  {number} files: {of_many - of_one:.1f} ms of CPU a file beyond its events; uproot alone {of_bare:.1f} ms")


def speed(path: Path, jobs: int, n_events: int) -> None:
    """Print the cost of select against bare reading, and of computing against Awkward operations."""
    import awkward as ak
    import numpy as np
    import uproot

    from cascadebdt import ntuple
    from cascadebdt.events import loading
    from cascadebdt.events.sources import all_sources

    config = configuration(path)
    source = all_sources(config, nominal_only=True)[0]
    branches = sorted(source.branches | set(config.ntuples.event_id))
    with ntuple.Reader(config.ntuples) as reader:
        chunk = reader.read(ntuple.ranges(source.files[0], entries=CHUNK)[0], branches)
    (plan,) = source.plans.values()
    table, expected = plan.apply(chunk, passing_only=True), by_awkward(chunk)
    for name, column in expected.items():
        plain = ak.to_numpy(ak.fill_none(column, np.nan)).astype(np.float32)
        np.testing.assert_allclose(table.columns[name], plain, rtol=1e-4, atol=1e-2)

    def iterate() -> None:
        for _ in uproot.iterate({str(path): "Events"}, branches, step_size=CHUNK):
            pass

    def select() -> None:
        loading.select(config, jobs=jobs, nominal_only=True)

    select()
    bare, ours = least_cpu(iterate, select)
    compiled, awkward = least(lambda: plan.apply(chunk, passing_only=True)), least(lambda: by_awkward(chunk))
    ns = 1e9 / n_events
    print(f"{len(branches)} branches, {n_events} events, {jobs} core(s)")
    print(
        f"  select / uproot.iterate      {ours / bare:5.2f}   ({ours * ns:.0f} and {bare * ns:.0f} ns of CPU an event)"
    )
    ns = 1e9 / len(chunk)
    print(
        f"  awkward / compiled, computing {awkward / compiled:5.1f}   ({awkward * ns:.0f} and {compiled * ns:.0f} ns)"
    )


def overlap(path: Path) -> None:
    """Print how much of the waiting for a slow source is hidden behind computing, with one job on one core."""
    from cascadebdt import ntuple
    from cascadebdt.events import loading

    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
    config, pause = configuration(path), 0.02
    ntuples = config.ntuples.model_copy(update={"chunk_entries": CHUNK // 4})
    config = config.model_copy(update={"ntuples": ntuples})
    real, n_read = ntuple.Reader.read, 0

    def slow(self: Any, *arguments: Any, **names: Any) -> Any:
        nonlocal n_read
        n_read += 1
        time.sleep(pause)
        return real(self, *arguments, **names)

    def select() -> None:
        loading.select(config, nominal_only=True)

    base = least(select)
    ntuple.Reader.read = slow  # type: ignore[method-assign]
    waiting = least(select)
    ntuple.Reader.read = real  # type: ignore[method-assign]
    waits = pause * n_read / 5
    print(f"  slow source / fast source     {waiting / base:5.2f}   (one after the other: {1 + waits / base:.2f})")


def memory(path: Path, jobs: int, *, copies: int) -> float:
    """Return the peak resident memory, in MB, of a process that selects a file for as many samples as `copies`.

    The samples weight it differently: otherwise its events would count twice, which is refused.
    """
    code = (
        f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); import reading; from pathlib import Path; "
        "from cascadebdt.events import loading; "
        f"config = reading.configuration(Path({str(path)!r})); "
        "first, other = config.samples; "
        f"more = [{{'name': f'copy_{{k}}', 'weight': f'genWeight * {{k}}'}} for k in range(2, {copies} + 1)]; "
        "samples = (first, other, *(first.model_copy(update=change) for change in more)); "
        "config = config.model_copy(update={'samples': samples}); "
        "tight = config.selection[0].model_copy(update={'cut': 'photon[0].pt > 250'}); "
        "config = config.model_copy(update={'selection': (tight, *config.selection[1:])}); "
        f"read = loading.select(config, jobs={jobs}, nominal_only=True).cutflow.read; "
        "status = dict(line.split(':', 1) for line in Path('/proc/self/status').read_text().splitlines()); "
        "print(read, int(status['VmHWM'].split()[0]) / 1024)"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    n_events, peak = result.stdout.split()
    print(f"  peak memory {float(peak):.0f} MB for {n_events} events")
    return float(peak)


def main() -> None:
    """Run everything and print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--cores", type=int, default=1)
    parser.add_argument("--codec", choices=["ZLIB", "LZ4", "ZSTD"], default="ZLIB")
    parser.add_argument("--copies", type=int, default=0, help="size of the memory test's input; 0 leaves it out")
    parser.add_argument("--files", type=int, default=0, help="number of small files; 0 leaves them out")
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as folder:
        path = generate(Path(folder) / "events.root", options.events, codec=options.codec)
        generate(Path(folder) / "other.root", 100)
        speed(path, options.cores, options.events)
        if options.copies:
            small = memory(path, options.cores, copies=1)
            large = memory(path, options.cores, copies=options.copies)
            print(f"  peak memory of large / small  {large / small:5.2f}")
        if options.files:
            small_files(Path(folder), options.files)
        overlap(generate(path, 5 * CHUNK))


if __name__ == "__main__":
    main()
