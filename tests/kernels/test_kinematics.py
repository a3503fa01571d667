"""Kinematics against the vector package and against what must hold whatever the numbers."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import vector
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.kernels import kinematics

angle = st.floats(-20.0, 20.0)
azimuth = st.floats(-math.pi, math.pi)
eta = st.floats(-5.0, 5.0)
energy = st.floats(0.1, 3000.0)
mass = st.floats(0.0, 200.0)
particle = st.tuples(energy, eta, azimuth, mass | st.floats(-0.1, 0.0))
physical = st.tuples(energy, eta, azimuth, mass)


def four_momentum(pt: float, eta: float, phi: float, mass: float) -> "np.ndarray[Any, np.dtype[np.float64]]":
    return np.array(
        [
            kinematics.energy(pt, eta, mass),
            kinematics.p_x(pt, phi),
            kinematics.p_y(pt, phi),
            kinematics.p_z(pt, eta),
        ]
    )


@given(angle, angle)
def test_delta_phi_lies_in_its_range_and_differs_by_full_turns(phi1: float, phi2: float) -> None:
    distance = kinematics.delta_phi(phi1, phi2)
    turns = (phi1 - phi2 - distance) / (2 * math.pi)
    assert -math.pi <= distance < math.pi
    assert turns == pytest.approx(round(turns), abs=1e-12)


@given(azimuth, azimuth)
def test_delta_phi_is_antisymmetric_except_for_opposite_directions(phi1: float, phi2: float) -> None:
    there, back = kinematics.delta_phi(phi1, phi2), kinematics.delta_phi(phi2, phi1)
    assert there == pytest.approx(-back, abs=1e-12) or abs(there) == pytest.approx(math.pi)


@pytest.mark.parametrize("phi", [math.pi, -math.pi, 3 * math.pi, -5 * math.pi, np.nextafter(math.pi, 4)])
def test_delta_phi_of_opposite_directions_is_never_plus_pi(phi: float) -> None:
    assert -math.pi <= kinematics.delta_phi(phi, 0.0) < math.pi
    assert abs(kinematics.delta_phi(phi, 0.0)) == pytest.approx(math.pi)


@pytest.mark.parametrize(("phi1", "phi2"), [(math.pi, 0.0), (0.0, math.pi), (math.pi / 2, -math.pi / 2)])
def test_delta_phi_at_exactly_half_a_turn_is_minus_pi(phi1: float, phi2: float) -> None:
    assert kinematics.delta_phi(phi1, phi2) == -math.pi


def test_delta_phi_just_below_half_a_turn_the_other_way_is_not_plus_pi() -> None:
    below = np.nextafter(-math.pi, -4)
    assert kinematics.delta_phi(below, 0.0) == -math.pi


@pytest.mark.parametrize("distance", [1e-300, -1e-300, 3.0, -3.0, np.nextafter(math.pi, 0)])
def test_delta_phi_is_exact_where_no_turn_is_needed(distance: float) -> None:
    assert kinematics.delta_phi(distance, 0.0) == distance


@pytest.mark.parametrize("phi", [math.nan, math.inf])
def test_delta_phi_of_no_angle_is_nan(phi: float) -> None:
    assert math.isnan(kinematics.delta_phi(phi, 0.0))


@given(eta, azimuth, eta, azimuth)
def test_delta_r_agrees_with_vector_and_is_symmetric(eta1: float, phi1: float, eta2: float, phi2: float) -> None:
    first, second = vector.obj(pt=1.0, eta=eta1, phi=phi1), vector.obj(pt=1.0, eta=eta2, phi=phi2)
    distance = kinematics.delta_r(eta1, phi1, eta2, phi2)
    assert distance == pytest.approx(first.deltaR(second), abs=1e-9)
    assert distance == pytest.approx(kinematics.delta_r(eta2, phi2, eta1, phi1), abs=1e-12)


@given(particle)
def test_four_momenta_agree_with_vector(particle: tuple[float, float, float, float]) -> None:
    pt, eta, phi, mass = particle
    expected = vector.obj(pt=pt, eta=eta, phi=phi, mass=mass)
    energy, *momentum = four_momentum(pt, eta, phi, mass)
    # Rounding is of the size of the last digits of the momentum and of its square: the energy is the root of a
    # difference, which a negative squared mass can make as small as one likes.
    size = pt * math.cosh(eta)
    assert momentum == pytest.approx([expected.px, expected.py, expected.pz], rel=1e-12, abs=1e-14 * size)
    assert energy**2 == pytest.approx(expected.E**2, rel=1e-12, abs=1e-14 * size**2)


@given(st.lists(particle, min_size=2, max_size=4))
def test_invariant_masses_agree_with_vector(particles: list[tuple[float, float, float, float]]) -> None:
    total = sum((four_momentum(*particle) for particle in particles), np.zeros(4))
    vectors = [vector.obj(pt=pt, eta=eta, phi=phi, mass=mass) for pt, eta, phi, mass in particles]
    expected = sum(vectors, start=vector.obj(px=0.0, py=0.0, pz=0.0, E=0.0))
    # M^2 is a difference of squares of the energy: that is where digits are lost.
    assert kinematics.invariant_mass(*total) ** 2 == pytest.approx(max(expected.M2, 0.0), abs=1e-12 * total[0] ** 2)


@given(physical, physical)
def test_invariant_mass_is_at_least_the_sum_of_masses(
    first: tuple[float, float, float, float], second: tuple[float, float, float, float]
) -> None:
    total = four_momentum(*first) + four_momentum(*second)
    found = kinematics.invariant_mass(*total)
    assert found >= 0.0
    assert found**2 >= (first[3] + second[3]) ** 2 - 1e-12 * total[0] ** 2


@given(energy, azimuth, energy, azimuth)
def test_transverse_mass_follows_its_definition(pt1: float, phi1: float, pt2: float, phi2: float) -> None:
    square = 2 * pt1 * pt2 * (1 - math.cos(phi1 - phi2))
    found = kinematics.transverse_mass(pt1, phi1, pt2, phi2)
    assert found**2 == pytest.approx(square, rel=1e-9, abs=1e-14 * pt1 * pt2)
    assert 0.0 <= found <= 2 * math.sqrt(pt1 * pt2) * (1 + 1e-15)
    assert found == pytest.approx(kinematics.transverse_mass(pt2, phi2, pt1, phi1))


@given(st.lists(st.tuples(*[st.floats(-1.0, 1.0)] * 3), min_size=1, max_size=6), st.floats(1e-3, 1e6))
def test_shapes_are_those_of_the_eigenvalues_of_the_momentum_tensor(
    momenta: list[tuple[float, float, float]], scale: float
) -> None:
    p = np.array([*momenta, (1.0, 0.0, 0.0)]) * scale
    tensor = p.T @ p
    smallest, middle, _ = np.linalg.eigvalsh(tensor) / np.trace(tensor)
    elements = [tensor[i, j] for i, j in ((0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2))]
    # Two equal eigenvalues are a double root of the cubic: half of the digits are lost.
    assert kinematics.tensor_sphericity(*elements) == pytest.approx(1.5 * (smallest + middle), abs=1e-7)
    assert kinematics.tensor_aplanarity(*elements) == pytest.approx(1.5 * smallest, abs=1e-7)
    planar = np.linalg.eigvalsh(tensor[:2, :2])
    expected = 2 * planar[0] / planar.sum()
    assert kinematics.planar_sphericity(tensor[0, 0], tensor[1, 1], tensor[0, 1]) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("diagonal", "sphericity", "aplanarity", "planar"),
    [((1.0, 1.0, 1.0), 1.0, 0.5, 1.0), ((1.0, 0.0, 0.0), 0.0, 0.0, 0.0), ((2.0, 1.0, 0.0), 0.5, 0.0, 2 / 3)],
)
def test_shapes_of_round_straight_and_flat_events(
    diagonal: tuple[float, float, float], sphericity: float, aplanarity: float, planar: float
) -> None:
    assert kinematics.tensor_sphericity(*diagonal, 0.0, 0.0, 0.0) == pytest.approx(sphericity, abs=1e-15)
    assert kinematics.tensor_aplanarity(*diagonal, 0.0, 0.0, 0.0) == pytest.approx(aplanarity, abs=1e-15)
    assert kinematics.planar_sphericity(*diagonal[:2], 0.0) == pytest.approx(planar, abs=1e-15)


@pytest.mark.parametrize("kernel", [kinematics.tensor_sphericity, kinematics.tensor_aplanarity])
def test_shapes_of_nothing_are_nan(kernel: Callable[..., float]) -> None:
    assert math.isnan(kernel(*[0.0] * 6))
    assert math.isnan(kinematics.planar_sphericity(0.0, 0.0, 0.0))


@pytest.mark.parametrize(
    ("kernel", "arguments"),
    [
        (kinematics.delta_phi, (3.0, -3.0)),
        (kinematics.delta_r, (1.0, 3.0, -1.0, -3.0)),
        (kinematics.p_z, (30.0, 1.5)),
        (kinematics.energy, (30.0, 1.5, 0.1)),
        (kinematics.invariant_mass, (100.0, 10.0, 20.0, 30.0)),
        (kinematics.transverse_mass, (30.0, 0.1, 50.0, 2.0)),
    ],
)
def test_compiled_and_plain_python_agree(kernel: Callable[..., float], arguments: tuple[float, ...]) -> None:
    plain: Callable[..., float] = kernel.py_func  # type: ignore[attr-defined]
    assert kernel(*arguments) == pytest.approx(plain(*arguments), rel=1e-14)
