"""Make the samples: blocks of events in a pool of processes, joined in order, written, and data drawn.

The size of a block and its random numbers do not depend on the number of jobs, and so does not the result.
"""

import logging
import math
import multiprocessing
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np

from cascadebdt.errors import InputError, did_you_mean
from cascadebdt.simulation import files
from cascadebdt.simulation.blocks import DATA, SIMULATION, SIMULATION_RUN, Sample, Task, simulate_block
from cascadebdt.simulation.generator import load_extra
from cascadebdt.simulation.processes import PROCESSES, Process
from cascadebdt.simulation.pseudodata import draw, write_data, write_truth
from cascadebdt.simulation.rows import Columns

logger = logging.getLogger(__name__)

LUMINOSITY_FB = 5.0
"""Luminosity of the shipped data."""


Run = Callable[[Iterable[Task]], Iterable[Sample]]
"""Simulates tasks, in their order."""


def make(
    output: Path,
    *,
    scale: float = 1.0,
    jobs: int = 1,
    seed: int = 1,
    luminosity_fb: float = LUMINOSITY_FB,
    processes: Sequence[str] | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Make the simulated samples, the data and `truth.json`.

    Parameters
    ----------
    output : directory, made if missing
    scale : multiplies the number of blocks of simulation (at least one block is made)
    jobs : number of processes that share the blocks
    seed : every number follows from it, whatever `jobs` is
    luminosity_fb : integrated luminosity of the data
    processes : names of samples to make, all by default; the data contain the same
    progress : called with a line after each finished block

    Returns
    -------
    list of the files written

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
    return produce(selected, output, scale=scale, jobs=jobs, seed=seed, luminosity_fb=luminosity_fb, report=report)


def produce(
    processes: Sequence[Process],
    output: Path,
    *,
    scale: float,
    jobs: int,
    seed: int,
    luminosity_fb: float,
    report: Callable[[str], None],
) -> list[Path]:
    """Make the samples of the given processes, as `make` describes."""
    output.mkdir(parents=True, exist_ok=True)
    paths, drawn, truth = [], [], {}
    with workers(jobs) as run:
        for process in processes:
            n_blocks = max(1, round(process.blocks * scale))
            sample = simulate(process, SIMULATION, n_blocks, seed=seed, run=run, report=report)
            paths.append(write_simulation(output / f"{process.name}.root", sample))
            n_blocks = math.ceil(process.data_blocks * luminosity_fb / LUMINOSITY_FB)
            sample = simulate(process, DATA, n_blocks, seed=seed, run=run, report=report)
            columns, truth[process.name] = draw(process, sample, luminosity_fb=luminosity_fb, seed=seed)
            drawn.append(columns)
    paths.append(write_data(output / "data.root", drawn, seed=seed))
    paths.append(write_truth(output / "truth.json", truth, luminosity_fb=luminosity_fb, seed=seed))
    return paths


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
    tasks = [Task(process, stream, block, seed) for block in range(n_blocks)]
    blocks: list[Sample] = []
    for block in run(tasks):
        blocks.append(block)
        kind = "data" if stream == DATA else "simulation"
        rows = len(block.columns["event"])
        report(f"{process.name}: {kind} block {len(blocks)} of {n_blocks}, {rows} rows")
    return Sample(
        columns=files.concatenate([block.columns for block in blocks]),
        events=sum(block.events for block in blocks),
        generated=sum(block.generated for block in blocks),
        sum_of_weights=math.fsum(block.sum_of_weights for block in blocks),
    )


@contextmanager
def workers(jobs: int) -> Iterator[Run]:
    """Return a function that simulates tasks in their order, in fresh processes if there is more than one job."""
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
