"""Pseudo-data: events of independent blocks, drawn with the injected factors."""

import json
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cascadebdt.arrays import AnyArray, FloatArray, IntArray
from cascadebdt.atomic import write_text
from cascadebdt.simulation import files
from cascadebdt.simulation.blocks import Sample, random_numbers
from cascadebdt.simulation.processes import Process
from cascadebdt.simulation.rows import Columns

logger = logging.getLogger(__name__)

RUN = 300_001
EVENTS_PER_LUMINOSITY_BLOCK = 1000
HIDDEN = ("genWeight", "PSWeight", "nPSWeight", "Photon_genPartFlav", "hypothesis")
"""Columns of the simulation that data do not have."""


def draw(process: Process, sample: Sample, *, luminosity_fb: float, seed: int) -> tuple[Columns, dict[str, object]]:
    """Draw the data events of one process, and return them with the truth about them.

    Of the generated events a Poisson-distributed number is used (thinning a Poisson process), and of each event
    at most one hypothesis, with its expected yield as probability; a yield above 1 gives more than one copy.
    """
    rng = random_numbers(seed, f"draw {process.name}")
    columns = sample.columns
    # Five standard deviations below the events at hand, so that a larger Poisson number, which `min` would cut,
    # has a probability below 3e-7.
    mean = max(sample.events - 5.0 * math.sqrt(sample.events), 1.0)
    n_used = min(rng.poisson(mean), sample.events)
    rate = process.data_factor * process.cross_section_pb * luminosity_fb * 1000.0
    expected = rate * columns["genWeight"] / sample.sum_of_weights
    weight = np.where(columns["event"] <= n_used, expected * sample.events / mean, 0.0)
    copies = accept(columns["event"], weight, rng=rng)
    largest = float(event_sums(columns["event"], weight).max(initial=0.0))
    if largest > 1.0:
        logger.warning("%s: data events have weights up to %.2f", process.name, largest)
    rows = np.repeat(np.arange(len(copies)), copies)
    truth: dict[str, object] = {
        "process": process.process,
        "cross_section_pb": process.cross_section_pb,
        "factor": process.data_factor,
        "expected_rows": float(expected.sum()),
        "drawn_rows": len(rows),
        "largest_event_weight": largest,
    }
    visible = {name: values for name, values in columns.items() if name not in HIDDEN}
    return files.take(visible, rows), truth


def event_sums(event: AnyArray, weight: FloatArray) -> FloatArray:
    """Return the sums over runs of equal numbers in `event`."""
    starts = np.flatnonzero(np.diff(event, prepend=-1))
    return np.add.reduceat(weight, starts) if len(weight) else weight


def accept(event: AnyArray, weight: FloatArray, *, rng: np.random.Generator) -> IntArray:
    """Return how often each row is taken: one random number per event, on average the weight of the row."""
    starts = np.flatnonzero(np.diff(event.astype(np.int64), prepend=-1))
    counts = np.diff(np.append(starts, len(event)))
    upper = np.cumsum(weight)
    before = np.concatenate([np.zeros(1), upper])[:-1]
    begin = np.repeat(before[starts], counts)
    u = np.repeat(rng.random(len(starts)), counts)
    copies: IntArray = (np.ceil(upper - begin - u) - np.ceil(before - begin - u)).astype(np.int64)
    return copies


def write_data(path: Path, drawn: Sequence[Columns], *, seed: int) -> Path:
    """Write the data in random order, numbered anew."""
    columns = files.concatenate(drawn)
    n = len(columns["event"])
    order = random_numbers(seed, "order of data").permutation(n)
    columns = files.take(columns, order)
    columns["run"] = np.full(n, RUN, np.uint32)
    columns["event"] = np.arange(1, n + 1, dtype=np.uint64)
    columns["luminosityBlock"] = (1 + np.arange(n) // EVENTS_PER_LUMINOSITY_BLOCK).astype(np.uint32)
    return files.write(path, columns, runs=None)


def write_truth(path: Path, processes: dict[str, dict[str, object]], *, luminosity_fb: float, seed: int) -> Path:
    """Write the factors, the expected and the drawn rows of the data."""
    content = {"luminosity_fb": luminosity_fb, "seed": seed, "samples": processes}
    write_text(path, json.dumps(content, indent=2) + "\n")
    return path
