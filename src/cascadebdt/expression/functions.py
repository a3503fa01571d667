"""The functions of the language: the only names an expression may call, and what they compile to.

`CODE` maps each elementwise operator and function to Python source in terms of its arguments. Everything is float64;
truth values come from `CONDITIONS` (of numbers) and `LOGIC` (of truth values). A missing value is NaN: it propagates
through arithmetic, every comparison with it is false, ``!=`` included, and as a truth value it is false.
"""

from dataclasses import dataclass
from functools import reduce

from cascadebdt.expression.tree import Call, Field, Node, Number, Reduce

OPERATORS = {
    "+": "{0} + {1}",
    "-": "{0} - {1}",
    "*": "{0} * {1}",
    "/": "{0} / {1}",
    "%": "{0} % {1}",
    "**": "{0} ** {1}",
    "negative": "-{0}",
}
CONDITIONS = {
    "<": "{0} < {1}",
    "<=": "{0} <= {1}",
    ">": "{0} > {1}",
    ">=": "{0} >= {1}",
    "==": "{0} == {1}",
    "!=": "({0} < {1}) | ({0} > {1})",
    "isnan": "{0} != {0}",
}
LOGIC = {"and": "{0} & {1}", "or": "{0} | {1}", "not": "not {0}"}
MATHEMATICS = {
    "abs": "abs({0})",
    "floor": "np.floor({0})",
    "ceil": "np.ceil({0})",
    "pow": "{0} ** {1}",
    "atan2": "math.atan2({0}, {1})",
    "hypot": "math.hypot({0}, {1})",
    "where": "({1} if {0} else {2})",
    "min": "({0} if ({0} < {1}) | ({0} != {0}) else {1})",
    "max": "({0} if ({0} > {1}) | ({0} != {0}) else {1})",
} | {
    name: f"math.{name}({{0}})"
    for name in (
        *("sqrt", "exp", "log", "log10", "sin", "cos", "tan", "asin", "acos", "atan"),
        *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh"),
    )
}
KINEMATICS = {
    "delta_phi": "delta_phi({0}, {1})",
    "delta_r": "delta_r({0}, {1}, {2}, {3})",
    "transverse_mass": "transverse_mass({0}, {1}, {2}, {3})",
    "p_x": "p_x({0}, {1})",
    "p_y": "p_y({0}, {1})",
    "p_z": "p_z({0}, {1})",
    "energy": "energy({0}, {1}, {2})",
    "invariant_mass": "invariant_mass({0}, {1}, {2}, {3})",
    "planar_sphericity": "planar_sphericity({0}, {1}, {2})",
    "tensor_sphericity": "tensor_sphericity({0}, {1}, {2}, {3}, {4}, {5})",
    "tensor_aplanarity": "tensor_aplanarity({0}, {1}, {2}, {3}, {4}, {5})",
}
BITS = {
    "bit_and": "bit_and({0}, {1})",
    "bit_or": "bit_or({0}, {1})",
    "bit_not": "bit_not({0})",
    "shift_left": "shift_left({0}, {1})",
    "shift_right": "shift_right({0}, {1})",
    "xor": "bit_xor({0}, {1})",
}
CODE = OPERATORS | CONDITIONS | LOGIC | MATHEMATICS | KINEMATICS | BITS

REDUCTIONS = ("count", "any", "all", "sum", "min", "max")
ARITY = {name: max(n for n in range(4) if f"{{{n}}}" in code) + 1 for name, code in MATHEMATICS.items()} | {
    "pi": 0,
    "isnan": 1,
    "xor": 2,
    "delta_phi": 2,
    "transverse_mass": 4,
}
ALIASES = {"fabs": "abs", "power": "pow"} | {
    f"arc{name}": f"a{name}" for name in ("sin", "cos", "tan", "tan2", "sinh", "cosh", "tanh")
}


@dataclass(frozen=True)
class Particle:
    """Candidate `index` of an object, or each candidate if `index` is None."""

    object: str
    index: int | None

    def field(self, name: str) -> Field:
        """Return one of its fields."""
        return Field(self.object, name, self.index)


def _sum(function: str, particles: list[Particle], *fields: str) -> Node:
    """Return the sum over the particles of a function of their fields."""
    terms: list[Node] = [Call(function, tuple(particle.field(name) for name in fields)) for particle in particles]
    return reduce(lambda left, right: Call("+", (left, right)), terms)


def mass(particles: list[Particle]) -> Node:
    """Return the invariant mass of the sum of the four-momenta, ``M^2 = (sum E)^2 - (sum p)^2``, at least 0.

    The mass of one particle is taken as it is, which loses no digits.
    """
    if len(particles) == 1:
        return Call("max", (particles[0].field("mass"), Number(0.0)))
    return Call(
        "invariant_mass",
        (
            _sum("energy", particles, "pt", "eta", "mass"),
            _sum("p_x", particles, "pt", "phi"),
            _sum("p_y", particles, "pt", "phi"),
            _sum("p_z", particles, "pt", "eta"),
        ),
    )


def pt(particles: list[Particle]) -> Node:
    """Return the transverse momentum of the sum, ``pt^2 = (sum px)^2 + (sum py)^2``."""
    return Call("hypot", (_sum("p_x", particles, "pt", "phi"), _sum("p_y", particles, "pt", "phi")))


def delta_phi(particles: list[Particle]) -> Node:
    """Return the azimuthal distance of two particles."""
    return Call("delta_phi", tuple(particle.field("phi") for particle in particles))


def delta_r(particles: list[Particle]) -> Node:
    """Return the distance of two particles in pseudorapidity and azimuth."""
    return Call("delta_r", tuple(particle.field(name) for particle in particles for name in ("eta", "phi")))


PHYSICS = {"mass": mass, "pt": pt, "delta_phi": delta_phi, "delta_r": delta_r}


def ht(name: str) -> Node:
    """Return the scalar sum of the transverse momenta of an object's candidates, ``sum pt``."""
    return Reduce("sum", name, Field(name, "pt"))


def transverse_sphericity(name: str) -> Node:
    """Return ``2 l2 / (l1 + l2)`` of the tensor ``sum p_i p_j``, i and j in x, y, with eigenvalues l1 >= l2."""
    return Call("planar_sphericity", _tensor(name, ("xx", "yy", "xy")))


def sphericity(name: str) -> Node:
    """Return ``3/2 (l2 + l3)`` of the tensor ``sum p_i p_j / sum p^2`` with eigenvalues l1 >= l2 >= l3."""
    return Call("tensor_sphericity", _tensor(name, ("xx", "yy", "zz", "xy", "xz", "yz")))


def aplanarity(name: str) -> Node:
    """Return ``3/2 l3`` of the tensor of `sphericity`."""
    return Call("tensor_aplanarity", _tensor(name, ("xx", "yy", "zz", "xy", "xz", "yz")))


def _tensor(name: str, elements: tuple[str, ...]) -> tuple[Node, ...]:
    """Return elements of the momentum tensor, sums over the candidates."""
    each = Particle(name, None)
    momentum = {
        "x": Call("p_x", (each.field("pt"), each.field("phi"))),
        "y": Call("p_y", (each.field("pt"), each.field("phi"))),
        "z": Call("p_z", (each.field("pt"), each.field("eta"))),
    }
    return tuple(Reduce("sum", name, Call("*", (momentum[i], momentum[j]))) for i, j in map(tuple, elements))


SHAPES = {
    "ht": ht,
    "sphericity": sphericity,
    "aplanarity": aplanarity,
    "transverse_sphericity": transverse_sphericity,
}
CALLABLE = frozenset({*ARITY, *ALIASES, *REDUCTIONS, *PHYSICS, *SHAPES})
BUILT_IN = CALLABLE | frozenset(CODE)


def is_condition(node: Node) -> bool:
    """Return whether `node` is a truth value, not a number."""
    if isinstance(node, Reduce):
        return node.function in ("any", "all")
    return isinstance(node, Call) and (node.function in CONDITIONS or node.function in LOGIC)
