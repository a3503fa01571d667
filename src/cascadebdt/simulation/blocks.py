"""One block of generated events, from the generator to the rows that pass the skim.

A block has its own random numbers, made from the seed of the user, the process, the stream (simulation or data) and
the number of the block.
"""

import time
import zlib
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.simulation import files
from cascadebdt.simulation.detector import measure
from cascadebdt.simulation.generator import Particles, generate, pythia_seed
from cascadebdt.simulation.hypotheses import hypotheses, thin
from cascadebdt.simulation.particles import final_state
from cascadebdt.simulation.processes import Process
from cascadebdt.simulation.rows import Columns, build

SIMULATION, DATA = 0, 1
"""Streams of random numbers."""

SIMULATION_RUN = 1


@dataclass(frozen=True)
class Block:
    """One block of one process: what to simulate, with which random numbers.

    Attributes
    ----------
    stream : `SIMULATION` or `DATA`
    number : of the block in its process and stream, from 0
    seed : of the user
    """

    process: Process
    stream: int
    number: int
    seed: int


@dataclass(frozen=True, eq=False)
class Sample:
    """Rows, and the generated events behind them.

    Attributes
    ----------
    columns : rows that pass the skim
    events : events that passed the filter of the process, by which rows are numbered
    generated, sum_of_weights : number and summed weight of all events, before the filter
    cpu_s : processor time spent on them, the generator's initialisation included
    """

    columns: Columns
    events: int
    generated: int
    sum_of_weights: float
    cpu_s: float


def simulate_block(block: Block) -> Sample:
    """Generate, measure and skim one block."""
    start = time.process_time()
    process, is_data = block.process, block.stream == DATA
    seed = pythia_seed(seed=block.seed, process=process.name, stream=block.stream, block=block.number)
    rng = random_numbers(block.seed, process.name, block.stream, block.number)
    fraction = 0.0 if is_data else process.negative_fraction
    parts, done, generated, sum_of_weights = [], block.number * process.block_events, 0, 0.0
    for particles in generate(process, events=process.block_events, seed=seed, with_variations=not is_data):
        sign = signs(len(particles), negative_fraction=fraction, rng=rng)
        parts.append(simulate_batch(process, particles, sign=sign, first=done, rng=rng))
        done += len(particles)
        generated += particles.tried
        sum_of_weights += particles.tried - len(particles) + sign.sum()
    columns = files.concatenate(parts)
    columns["luminosityBlock"] = np.full(len(columns["event"]), block.number + 1, np.uint32)
    return Sample(
        columns=columns,
        events=process.block_events,
        generated=generated,
        sum_of_weights=float(sum_of_weights),
        cpu_s=time.process_time() - start,
    )


def simulate_batch(
    process: Process, particles: Particles, *, sign: FloatArray, first: int, rng: np.random.Generator
) -> Columns:
    """Return the rows of one batch; its first event is the one after number `first` of its process."""
    objects = measure(final_state(particles), rng=rng)
    rows = thin(hypotheses(objects, process), least_weight=process.least_weight, rng=rng)
    columns, passes = build(objects, rows, rng=rng)
    columns |= {
        "run": np.full(len(rows), SIMULATION_RUN, np.uint32),
        "event": (first + rows.event + 1).astype(np.uint64),
        "hypothesis": np.minimum(rows.number, 255).astype(np.uint8),
        "genWeight": rows.weight * sign[rows.event],
        "nPSWeight": np.full(len(rows), particles.variations.shape[1], np.int64),
        "PSWeight": particles.variations[rows.event].ravel(),
    }
    return files.take(columns, np.flatnonzero(passes))


def random_numbers(seed: int, name: str, *numbers: int) -> np.random.Generator:
    """Return the random numbers of one purpose."""
    return np.random.default_rng([seed, zlib.crc32(name.encode()), *numbers])


def signs(n: int, *, negative_fraction: float, rng: np.random.Generator) -> FloatArray:
    """Return weights of both signs with mean 1, which emulate a generator in the manner of MC@NLO.

    A fraction f is negative, all have the size 1/(1 - 2f); see arXiv:hep-ph/0204244 for how real ones arise.
    """
    sign = np.where(rng.random(n) < negative_fraction, -1.0, 1.0)
    return sign / (1.0 - 2.0 * negative_fraction)
