"""Time of the compiled kernels: `nox -s benchmarks`; `--benchmark-autosave` and `--benchmark-compare` tell runs apart.

Each runs on one core and on the same events: 200 000, with Poisson numbers of jets and photons.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import toy

from cascadebdt.arrays import FloatArray, IntArray
from cascadebdt.expression import Value, build, parse
from cascadebdt.kernels import ragged

N_EVENTS = 200_000
FIELDS = ("pt", "eta", "phi", "mass")
VALUES = ("MET_pt", "MET_phi")
Benchmark = Callable[..., Any]  # the fixture of pytest-benchmark
Objects = dict[str, tuple[IntArray, FloatArray]]


def candidates(rng: np.random.Generator, mean: float) -> tuple[IntArray, FloatArray]:
    """Return offsets ``(N_EVENTS + 1,)`` and a table ``(4, n)`` of pt, eta, phi and mass, pt falling in each event."""
    offsets = np.append(0, np.cumsum(rng.poisson(mean, N_EVENTS)))
    n = int(offsets[-1])
    event = np.repeat(np.arange(N_EVENTS), np.diff(offsets))
    pt = 20 + rng.exponential(40, n)
    eta, phi = rng.normal(0, 1.5, n), rng.uniform(-math.pi, math.pi, n)
    return offsets, np.stack([pt[np.lexsort((-pt, event))], eta, phi, np.full(n, 5.0)])


@pytest.fixture(scope="module")
def objects() -> Objects:
    rng = np.random.default_rng(1)
    return {"jet": candidates(rng, 4.0), "photon": candidates(rng, 1.5)}


@pytest.fixture(scope="module")
def values() -> FloatArray:
    rng = np.random.default_rng(2)
    return np.stack([rng.exponential(50, N_EVENTS), rng.uniform(-math.pi, math.pi, N_EVENTS)])


@pytest.mark.parametrize(
    "text",
    [
        "MET_pt > 30 and abs(photon[0].eta) < 2.4",
        "sum(jet.pt)",
        "count(jet.pt > 30 and abs(jet.eta) < 2.5)",
        "min(delta_r(jet, photon[0]))",
        "mass(photon[0], jet[0], jet[1])",
        "transverse_mass(photon[0].pt, photon[0].phi, MET_pt, MET_phi)",
        "sphericity(jet)",
    ],
)
def test_expression(text: str, objects: Objects, values: FloatArray, benchmark: Benchmark) -> None:
    """Loops over events, and the kinematic functions that they call."""
    fields = dict.fromkeys(objects, FIELDS)
    tree = parse(text, path="benchmark", objects=fields)
    program = build(numbers=[tree], values=[Value(name) for name in VALUES], objects=fields)
    numbers = benchmark(lambda: program.run(N_EVENTS, values, list(objects.values()))[2])
    assert np.isfinite(numbers).any()


def test_from_cartesian(objects: Objects, benchmark: Benchmark) -> None:
    _, (pt, eta, phi, mass) = objects["jet"]
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    table = benchmark(ragged.from_cartesian, px, py, pz, np.sqrt(px**2 + py**2 + pz**2 + mass**2))
    np.testing.assert_allclose(table[0], pt)


def test_select(objects: Objects, benchmark: Benchmark) -> None:
    offsets, (pt, *_) = objects["jet"]
    _, index = benchmark(ragged.select, offsets, pt > 40)
    assert len(index) == np.count_nonzero(pt > 40)


def test_apart(objects: Objects, benchmark: Benchmark) -> None:
    (offsets, (_, eta, phi, _)), (others, (_, other_eta, other_phi, _)) = objects["jet"], objects["photon"]
    keep = benchmark(ragged.apart, offsets, np.ones(len(eta), np.bool_), eta, phi, others, other_eta, other_phi, 0.4)
    assert 0 < np.count_nonzero(keep) < len(keep)


def test_arrange(objects: Objects, benchmark: Benchmark) -> None:
    offsets, (_, eta, *_) = objects["jet"]
    index = benchmark(ragged.arrange, offsets, np.arange(len(eta)), eta)
    assert len(index) == len(eta)


@pytest.mark.parametrize("depth", [3, 6])
def test_scoring(depth: int, benchmark: Benchmark) -> None:
    """A cascade of four stages with 100 trees each, half of the events rejected by each stage."""
    columns, _ = toy.events(N_EVENTS, 2)
    cascade = toy.cascade(toy.train(depth, trees=100, n_events=20_000), columns, 0.5)
    event_id = np.arange(N_EVENTS, dtype=np.uint64)
    scores = benchmark(cascade.score, columns, event_id)
    assert len(scores.region) == N_EVENTS
