"""Kernels on particles against plain NumPy and known records."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.arrays import AnyArray, FloatArray
from cascadebdt.simulation import particles
from cascadebdt.simulation.generator import Particles

angles = st.floats(-20, 20, allow_nan=False)


def random_event(n: int, *, seed: int = 1) -> tuple[FloatArray, FloatArray, FloatArray]:
    rng = np.random.default_rng(seed)
    return rng.exponential(5.0, n), rng.uniform(-2, 2, n), rng.uniform(-np.pi, np.pi, n)


def record(rows: list[tuple[int, int, int, float]]) -> Particles:
    """Return one event with particles (pdg, status, mother, px) at pseudorapidity 0."""
    pdg, status, mother = (np.array([row[i] for row in rows], np.int32) for i in range(3))
    px = np.array([row[3] for row in rows])
    zero = np.zeros(len(rows))
    offsets = np.array([0, len(rows)])
    return Particles(offsets, pdg, status, mother, px, zero, zero, np.abs(px), np.ones((1, 4)), 1)


@given(angles, angles)
def test_delta_phi_lies_in_its_interval_and_differs_by_full_turns(a: float, b: float) -> None:
    difference = particles.delta_phi(a, b)
    assert -np.pi - 1e-12 <= difference <= np.pi + 1e-12
    assert np.sin(difference) == pytest.approx(np.sin(a - b), abs=1e-9)


def test_cone_sums_agree_with_numpy() -> None:
    pt, eta, phi = random_event(200)
    axis, sums = np.arange(0, 200, 20), np.zeros((10, 2))
    particles.cone_sums(np.array([0, 200]), pt, eta, phi, np.array([0, 10]), axis, sums)
    distance = np.hypot(eta - eta[axis, None], np.angle(np.exp(1j * (phi - phi[axis, None]))))
    other = (np.arange(200) != axis[:, None]) & (pt >= particles.ISOLATION_PT)
    for column, radius in enumerate((0.3, 0.4)):
        np.testing.assert_allclose(sums[:, column], np.sum(pt * (other & (distance < radius)), axis=1))


def test_compiled_and_plain_cone_sums_are_equal() -> None:
    pt, eta, phi = random_event(50, seed=2)
    arguments = (np.array([0, 50]), pt, eta, phi, np.array([0, 2]), np.array([3, 4]))
    compiled, plain = np.zeros((2, 2)), np.zeros((2, 2))
    particles.cone_sums(*arguments, compiled)
    particles.cone_sums.py_func(*arguments, plain)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(compiled, plain)


@pytest.mark.parametrize(
    ("pdg", "flavour"), [(511, 5), (-5122, 5), (421, 4), (4122, 4), (321, 0), (5, 0), (10441, 4), (22, 0)]
)
def test_the_flavour_of_a_hadron_is_read_from_its_quark_digits(pdg: int, flavour: int) -> None:
    assert particles.hadron_flavour(pdg) == flavour


def kinds(rows: list[tuple[int, int, int, float]]) -> AnyArray:
    return particles.final_state(record(rows)).kind


def test_a_lepton_from_a_tau_of_the_hard_process_is_prompt() -> None:
    rows = [(90, -11, 0, 0.0), (15, -23, 0, 60.0), (11, 91, 1, 30.0)]
    assert kinds(rows).tolist() == [particles.ELECTRON]


def test_leptons_and_photons_from_hadrons_are_not_prompt() -> None:
    rows = [(90, -11, 0, 0.0), (521, -83, 0, 99.0), (15, -91, 1, 50.0), (13, 91, 2, 30.0), (111, -83, 0, 60.0)]
    rows += [(22, 91, 4, 30.0)]
    assert kinds(rows).tolist() == [particles.HADRON, particles.ELECTROMAGNETIC]


def test_neutrinos_and_dark_photons_are_not_seen() -> None:
    assert kinds([(12, 1, 0, 50.0), (4900022, 1, 0, 50.0), (22, 1, 0, 50.0)]).tolist() == [particles.PHOTON]


def test_a_photon_inside_a_lepton_becomes_part_of_it() -> None:
    final = particles.final_state(record([(90, -11, 0, 0.0), (11, 23, 0, 40.0), (22, 51, 0, 5.0)]))
    assert final.kind.tolist() == [particles.ELECTRON]
    assert final.pt.tolist() == [45.0]
    assert final.energy.tolist() == [45.0]
