"""Kinematics of particles given by transverse momentum, pseudorapidity, azimuth and mass.

Every kernel takes and returns float64 numbers; other kernels call it and inline it.
Momenta, energies and masses are in GeV, angles in rad. NaN in, NaN out.

References
----------
R.L. Workman et al. (Particle Data Group), Prog. Theor. Exp. Phys. 2022, 083C01, review "Kinematics": four-momenta in
terms of pseudorapidity, invariant mass of a system, transverse mass.
"""

import math

from cascadebdt.kernels.jit import kernel

TWO_PI = 2.0 * math.pi


@kernel
def delta_phi(phi1: float, phi2: float) -> float:
    """Return the azimuthal distance ``phi1 - phi2``, brought to [-pi, pi) by full turns; exact where none is needed."""
    # The interval is that of ROOT's TVector2::Phi_mpi_pi and of the package vector: opposite directions give -pi.
    distance = phi1 - phi2
    if -math.pi <= distance < math.pi:
        return distance
    # The remainder of a tiny negative number rounds to a full turn, which would give +pi.
    distance = (distance + math.pi) % TWO_PI - math.pi
    return -math.pi if distance >= math.pi else distance


@kernel
def delta_r(eta1: float, phi1: float, eta2: float, phi2: float) -> float:
    """Return the distance ``sqrt((eta1 - eta2)^2 + delta_phi^2)`` in the plane of pseudorapidity and azimuth."""
    d_eta = eta1 - eta2
    d_phi = delta_phi(phi1, phi2)
    return math.sqrt(d_eta * d_eta + d_phi * d_phi)


@kernel
def p_x(pt: float, phi: float) -> float:
    """Return the momentum component ``pt cos(phi)``."""
    return pt * math.cos(phi)


@kernel
def p_y(pt: float, phi: float) -> float:
    """Return the momentum component ``pt sin(phi)``."""
    return pt * math.sin(phi)


@kernel
def p_z(pt: float, eta: float) -> float:
    """Return the momentum component along the beam, ``pt sinh(eta)``.

    Written with ``exp(eta)``, like `energy`, so that the two share their one costly step.
    """
    exp_eta = math.exp(eta)
    return 0.5 * pt * (exp_eta - 1.0 / exp_eta)


@kernel
def energy(pt: float, eta: float, mass: float) -> float:
    """Return the energy ``sqrt((pt cosh(eta))^2 + mass |mass|)``.

    A negative mass, which rounding leaves of light particles in some ntuples, stands for a negative mass squared, as
    in ROOT's ``SetPtEtaPhiM``.
    """
    exp_eta = math.exp(eta)
    momentum = 0.5 * pt * (exp_eta + 1.0 / exp_eta)
    square = momentum * momentum + mass * abs(mass)
    return 0.0 if square <= 0.0 else math.sqrt(square)


@kernel
def invariant_mass(e: float, px: float, py: float, pz: float) -> float:
    """Return the mass ``sqrt(E^2 - p^2)`` of a four-momentum; 0 where rounding makes the square negative."""
    square = e * e - (px * px + py * py + pz * pz)
    return 0.0 if square <= 0.0 else math.sqrt(square)


@kernel
def transverse_mass(pt1: float, phi1: float, pt2: float, phi2: float) -> float:
    """Return the transverse mass of two massless particles, of which one may be missing momentum.

    ``m_T^2 = 2 pt1 pt2 (1 - cos(phi1 - phi2))``, the PDG's definition for the decay W -> l nu, written with
    ``1 - cos(x) = 2 sin^2(x / 2)``, which loses no digits at small angles.
    """
    return 2.0 * math.sqrt(pt1 * pt2) * abs(math.sin(0.5 * (phi1 - phi2)))


@kernel
def planar_sphericity(xx: float, yy: float, xy: float) -> float:
    """Return ``2 l2 / (l1 + l2)`` for the eigenvalues l1 >= l2 of a symmetric 2 x 2 matrix; NaN if its trace is 0."""
    # 2 l2 is the trace less the difference of the eigenvalues, sqrt((xx - yy)^2 + 4 xy^2).
    trace = xx + yy
    return 1.0 - math.hypot(xx - yy, 2.0 * xy) / trace


@kernel
def _eigenvalue(xx: float, yy: float, zz: float, xy: float, xz: float, yz: float, angle: float) -> float:
    """Return an eigenvalue, over the trace, of a symmetric 3 x 3 matrix: the largest for `angle` 0.

    The three eigenvalues belong to angles 2 pi / 3 apart; 2 pi / 3 gives the smallest.

    References
    ----------
    O.K. Smith, Communications of the ACM 4 (1961) 168, doi:10.1145/355578.366316.
    """
    # Smith solves for the matrix itself. Divided by its trace first, its elements are of order 1 whatever the unit of
    # the momenta, and the mean of the eigenvalues, which he subtracts, is 1/3.
    trace = xx + yy + zz
    a, b, c = xx / trace - 1.0 / 3.0, yy / trace - 1.0 / 3.0, zz / trace - 1.0 / 3.0
    d, e, f = xy / trace, xz / trace, yz / trace
    p = math.sqrt((a * a + b * b + c * c + 2.0 * (d * d + e * e + f * f)) / 6.0)
    if p == 0.0:
        return 1.0 / 3.0
    r = (a * (b * c - f * f) - d * (d * c - f * e) + e * (d * f - b * e)) / (2.0 * p * p * p)
    # |r| <= 1 exactly, but rounding can leave it above, where acos is NaN.
    return 1.0 / 3.0 + 2.0 * p * math.cos(math.acos(min(1.0, max(-1.0, r))) / 3.0 + angle)


@kernel
def tensor_sphericity(xx: float, yy: float, zz: float, xy: float, xz: float, yz: float) -> float:
    """Return ``3/2 (l2 + l3)`` for the eigenvalues l1 >= l2 >= l3 of a tensor of momenta, over its trace.

    References
    ----------
    J.D. Bjorken, S.J. Brodsky, Phys. Rev. D 1 (1970) 1416, doi:10.1103/PhysRevD.1.1416.
    """
    # Two eigenvalues for the price of one: those of a matrix divided by its trace sum to 1.
    rest = 1.0 - _eigenvalue(xx, yy, zz, xy, xz, yz, 0.0)
    return 0.0 if rest < 0.0 else 1.5 * rest


@kernel
def tensor_aplanarity(xx: float, yy: float, zz: float, xy: float, xz: float, yz: float) -> float:
    """Return ``3/2 l3`` for the smallest eigenvalue l3 of a tensor of momenta, over its trace."""
    smallest = _eigenvalue(xx, yy, zz, xy, xz, yz, TWO_PI / 3.0)
    return 0.0 if smallest < 0.0 else 1.5 * smallest
