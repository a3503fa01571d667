"""Make the samples: blocks of events in a pool of processes, joined in order, written, and data drawn.

The size of a block and its random numbers do not depend on the number of jobs, and the result does not either.
"""

import logging
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.simulation import files, summary
from cascadebdt.simulation.blocks import DATA, SIMULATION, SIMULATION_RUN, Block, Sample, simulate_block
from cascadebdt.simulation.generator import load_extra
from cascadebdt.simulation.processes import PROCESSES, Process
from cascadebdt.simulation.pseudodata import draw, write_data, write_truth
from cascadebdt.simulation.rows import Columns

logger = logging.getLogger(__name__)

LUMINOSITY_FB = 5.0
"""Luminosity of the shipped data."""


Run = Callable[[Iterable[Block]], Iterable[Sample]]
"""Simulates blocks, in their order."""


@dataclass(frozen=True)
class Cost:
    """What the simulation of a process costs, and what it is worth.

    Attributes
    ----------
    name : of the process's file
    generated : number of generated events
    effective : (sum w)^2 / sum w^2 of the sums of rows of one event, after the selection of `summary`
    cpu_s : processor time of all jobs together
    """

    name: str
    generated: int
    effective: float
    cpu_s: float


@dataclass(frozen=True)
class Production:
    """The files of a production, and the cost of each simulated process."""

    paths: tuple[Path, ...]
    costs: tuple[Cost, ...]

    def table(self) -> str:
        """Return the costs as a Markdown table."""
        lines = ["| file | generated | CPU s | effective | effective per CPU s |", "|---|---|---|---|---|"]
        for cost in self.costs:
            rate = cost.effective / cost.cpu_s
            lines.append(f"| {cost.name} | {cost.generated} | {cost.cpu_s:.1f} | {cost.effective:.0f} | {rate:.3g} |")
        return "\n".join(lines)


def make(
    output: Path,
    *,
    scale: float = 1.0,
    jobs: int = 1,
    seed: int = 1,
    luminosity_fb: float = LUMINOSITY_FB,
    processes: Sequence[str] | None = None,
    with_data: bool = True,
    progress: Callable[[str], None] | None = None,
) -> Production:
    """Make the simulated samples and, with data, `data.root` and `truth.json`.

    Parameters
    ----------
    output : directory, made if missing
    scale : multiplies the number of blocks of simulation (at least one block is made)
    jobs : number of processes that share the blocks
    seed : every number follows from it, whatever `jobs` is
    luminosity_fb : integrated luminosity of the data
    processes : names of samples to make, all by default; the data contain the same
    with_data : make pseudo-data, too, which needs independent events of every process
    progress : called with a line after each finished block

    Returns
    -------
    the files written, and the cost of each simulated process

    Raises
    ------
    InputError
        If a process is unknown, a number is not positive, or pythia8mc or fastjet are missing.
    """
    selected = select(processes)
    if scale <= 0 or jobs < 1 or luminosity_fb <= 0 or seed < 0:
        raise InputError(
            "simulation: scale, jobs and luminosity_fb must be positive and seed not negative, "
            f"got {scale}, {jobs}, {luminosity_fb}, {seed}"
        )
    for module in ("pythia8mc", "fastjet"):
        load_extra(module)
    report = progress or logger.info
    return produce(
        selected,
        output,
        scale=scale,
        jobs=jobs,
        seed=seed,
        luminosity_fb=luminosity_fb,
        with_data=with_data,
        report=report,
    )


def produce(
    processes: Sequence[Process],
    output: Path,
    *,
    scale: float,
    jobs: int,
    seed: int,
    luminosity_fb: float,
    with_data: bool,
    report: Callable[[str], None],
) -> Production:
    """Make the samples of the given processes, as `make` describes."""
    output.mkdir(parents=True, exist_ok=True)
    paths, costs, drawn, truth = [], [], [], {}
    with workers(jobs) as run:
        for process in processes:
            n_blocks = max(1, round(process.blocks * scale))
            sample = simulate(process, SIMULATION, n_blocks, seed=seed, run=run, report=report)
            paths.append(write_simulation(output / f"{process.name}.root", sample))
            costs.append(cost_of(process, sample, paths[-1]))
            if not with_data:
                continue
            n_blocks = math.ceil(process.data_blocks * luminosity_fb / LUMINOSITY_FB)
            sample = simulate(process, DATA, n_blocks, seed=seed, run=run, report=report)
            columns, truth[process.name] = draw(process, sample, luminosity_fb=luminosity_fb, seed=seed)
            drawn.append(columns)
    if with_data:
        paths.append(write_data(output / "data.root", drawn, seed=seed))
        paths.append(write_truth(output / "truth.json", truth, luminosity_fb=luminosity_fb, seed=seed))
    return Production(tuple(paths), tuple(costs))


def cost_of(process: Process, sample: Sample, path: Path) -> Cost:
    """Return the cost of a simulated process, its effective events counted in the file written."""
    measured = summary.summarize(path, process, luminosity_fb=LUMINOSITY_FB)
    return Cost(process.name, sample.generated, measured.by_event, sample.cpu_s)


def select(names: Sequence[str] | None) -> list[Process]:
    """Return the processes with the given names, all for None."""
    known = {process.name: process for process in PROCESSES}
    for name in names or ():
        if name not in known:
            raise InputError(f"simulation: unknown process '{name}'{did_you_mean(name, known)}")
    return [process for process in PROCESSES if names is None or process.name in names]


def simulate(
    process: Process,
    stream: int,
    n_blocks: int,
    *,
    seed: int,
    run: Run,
    report: Callable[[str], None],
) -> Sample:
    """Return all blocks of one process, joined in their order."""
    source = "data" if stream == DATA else "simulation"
    parts: list[Sample] = []
    for part in run([Block(process, stream, number, seed) for number in range(n_blocks)]):
        parts.append(part)
        rows = len(part.columns["event"])
        report(f"{process.name}: {source} block {len(parts)} of {n_blocks}, {rows} rows")
    return Sample(
        columns=files.concatenate([part.columns for part in parts]),
        events=sum(part.events for part in parts),
        generated=sum(part.generated for part in parts),
        sum_of_weights=math.fsum(part.sum_of_weights for part in parts),
        cpu_s=math.fsum(part.cpu_s for part in parts),
    )


@contextmanager
def workers(jobs: int) -> Iterator[Run]:
    """Return a function that simulates blocks in their order, in fresh processes if there is more than one job."""
    if jobs == 1:
        yield partial(map, simulate_block)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=jobs, mp_context=context) as pool:
        yield partial(pool.map, simulate_block)


def write_simulation(path: Path, sample: Sample) -> Path:
    """Write one simulated sample with its tree of generated sums."""
    runs: Columns = {
        "run": np.array([SIMULATION_RUN], np.uint32),
        "genEventCount": np.array([sample.generated], np.int64),
        "genEventSumw": np.array([sample.sum_of_weights]),
    }
    return files.write(path, sample.columns, runs=runs)
