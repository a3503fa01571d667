"""The language of cuts and features: what it accepts, what it means, what it says when something is wrong."""

import math
import os
import pickle
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt.arrays import FloatArray
from cascadebdt.errors import ConfigError
from cascadebdt.expression import Number, Value, build, parse
from cascadebdt.expression.compiler import KERNELS
from cascadebdt.kernels import generated

OBJECTS = {"jet": ("pt", "eta", "phi", "mass"), "photon": ("pt", "eta", "phi", "mass")}
VALUES = ("x", "y", "MET_pt", "MET_phi")

# Two events: in the first x = 2, y = -3, jets of 50 and 30 GeV, a photon; in the second y is missing, and all objects.
X = np.array([[2.0, 2.0], [-3.0, math.nan], [40.0, 40.0], [1.0, 1.0]])
JETS = np.array([[50.0, 30.0], [0.5, -1.0], [3.0, -3.0], [10.0, 5.0]])
PHOTONS = np.array([[60.0], [1.0], [2.5], [0.0]])
EVENTS = [(np.array([0, 2, 2]), JETS), (np.array([0, 1, 1]), PHOTONS)]


def momentum(pt: float, eta: float, phi: float, mass: float) -> FloatArray:
    p = [pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)]
    return np.array([math.sqrt(sum(x * x for x in p) + mass * mass), *p])


def invariant_mass(*particles: FloatArray) -> float:
    e, *p = np.sum([momentum(*particle) for particle in particles], axis=0)
    return math.sqrt(e * e - sum(x * x for x in p))


NAN = math.nan
MEANING = {  # expression: its value in the first and in the second event
    "x & 3": (2.0, 2.0),
    "y & 7": (5.0, NAN),
    "x | 1": (3.0, 3.0),
    "~x": (-3.0, -3.0),
    "!x": (0.0, 0.0),
    "xor(x, 3)": (1.0, 1.0),
    "x << 3 | 1": (17.0, 17.0),
    "y >> 1": (-2.0, NAN),
    "x << -1": (NAN, NAN),
    "MET_pt / 7 & 1": (NAN, NAN),
    "(x & 2) == 2": (1.0, 1.0),
    "x & 2 and not x & 4": (1.0, 1.0),
    "~(x > 1) | (y < 0)": (1.0, 0.0),
    "count((jet.pt > 40) & (jet.eta > 0))": (1.0, 0.0),
    "count(jet.mass & 2)": (1.0, 0.0),
    "1 + 2 * 3 - 4 / 8": (6.5, 6.5),
    "x ** 3": (8.0, 8.0),
    "-x ** 2": (-4.0, -4.0),
    "y % 2": (1.0, NAN),
    "x % 0": (NAN, NAN),
    "1 / 0": (math.inf, math.inf),
    "y / 2": (-1.5, NAN),
    "y == y": (1.0, 0.0),
    "y != 5": (1.0, 0.0),
    "y < 0": (1.0, 0.0),
    "not y < 0": (0.0, 1.0),
    "not y": (0.0, 1.0),
    "!x == 0": (1.0, 1.0),
    "!(x == 0)": (1.0, 1.0),
    "1 < x < 3": (1.0, 1.0),
    "1 < x > 3": (0.0, 0.0),
    "x > 1 or y > 1 and x > 3": (1.0, 1.0),
    "((x > 1) | (y > 1)) & (x < 3)": (1.0, 1.0),
    "(x > 1) + (x > 0) + True": (3.0, 3.0),
    "10 if y > 0 else 20": (20.0, 20.0),
    "where(y < 0, x, y)": (2.0, NAN),
    "isnan(y)": (0.0, 1.0),
    "min(x, y, 7)": (-3.0, NAN),
    "max(3, x, y)": (3.0, NAN),
    "floor(y / 2) + ceil(x / 3)": (-1.0, NAN),
    "sqrt(y)": (NAN, NAN),
    "log(x - 2)": (-math.inf, -math.inf),
    "exp(log(x)) + log10(100)": (4.0, 4.0),
    "sin(x)**2 + cos(x)**2 + tan(0)": (1.0, 1.0),
    "asin(sin(1)) + acos(cos(1)) + atan(tan(1))": (3.0, 3.0),
    "asinh(sinh(1)) + acosh(cosh(1)) + atanh(tanh(1))": (3.0, 3.0),
    "arctan2(x, 0) / pi()": (0.5, 0.5),
    "hypot(3, 4) + pow(x, 2) + fabs(-x)": (11.0, 11.0),
    "jet[0].pt": (50.0, NAN),
    "jet[1].pt": (30.0, NAN),
    "jet[2].pt": (NAN, NAN),
    "photon[1].pt != 0": (0.0, 0.0),
    "count(jet)": (2.0, 0.0),
    "count(jet.pt > 40)": (1.0, 0.0),
    "count(40 < jet.pt and jet.eta > MET_phi)": (0.0, 0.0),
    "any(jet.pt > 40)": (1.0, 0.0),
    "all(jet.pt > 40)": (0.0, 1.0),
    "sum(jet.pt)": (80.0, 0.0),
    "sum(jet.pt * x)": (160.0, 0.0),
    "min(jet.pt)": (30.0, NAN),
    "max(jet.pt)": (50.0, NAN),
    "count(jet.pt > sum(jet.pt) / 2)": (1.0, 0.0),
    "min(delta_r(jet, photon[0]))": (math.hypot(0.5, 0.5), NAN),
    "mass(jet[0], jet[1])": (invariant_mass(JETS[:, 0], JETS[:, 1]), NAN),
    "mass(photon[0], jet[0], jet[1])": (invariant_mass(PHOTONS[:, 0], JETS[:, 0], JETS[:, 1]), NAN),
    "mass(jet[0])": (10.0, NAN),
    "max(mass(jet, photon[0]))": (
        max(invariant_mass(jet, PHOTONS[:, 0]) for jet in JETS.T),
        NAN,
    ),
    "pt(jet[0], jet[1])": (math.hypot(*(momentum(*JETS[:, 0]) + momentum(*JETS[:, 1]))[1:3]), NAN),
    "delta_phi(jet[0], jet[1])": (6.0 - 2 * math.pi, NAN),
    "delta_phi(jet[0].phi, MET_phi)": (2.0, NAN),
    "delta_r(jet[0], photon[0])": (math.hypot(0.5, 0.5), NAN),
    "transverse_mass(photon[0].pt, photon[0].phi, MET_pt, MET_phi)": (
        math.sqrt(2 * 60 * 40 * (1 - math.cos(1.5))),
        NAN,
    ),
}


@pytest.fixture(scope="module")
def meaning() -> dict[str, FloatArray]:
    """Values of all expressions above, from one program."""
    trees = [parse(text, path="features.f", objects=OBJECTS) for text in MEANING]
    program = build(numbers=trees, values=[Value(name) for name in VALUES], objects=OBJECTS)
    return dict(zip(MEANING, program.run(2, X, EVENTS)[2], strict=True))


@pytest.mark.parametrize("text", MEANING)
def test_an_expression_means(text: str, meaning: dict[str, FloatArray]) -> None:
    np.testing.assert_allclose(meaning[text], MEANING[text], rtol=1e-12)


@pytest.mark.parametrize(
    ("root", "python"),
    [
        ("x > 1 && y < 2 || !(x == y)", "x > 1 and y < 2 or not (x == y)"),
        ("x!=y", "x != y"),
        ("!x && y", "not x and y"),
        ("TMath::Abs(x) + fabs(y)", "abs(x) + abs(y)"),
        ("TMath::Sqrt(x)*TMath::Pi()", "sqrt(x) * pi()"),
        ("TMath::ATan2(x, y) + std::max(x, y)", "atan2(x, y) + max(x, y)"),
        ("TMath::Power(x, 2) + TMath::ASinH(y)", "pow(x, 2) + asinh(y)"),
        ("true&&x>1", "True and x > 1"),
        ("x > 1\n  && y > 1", "x > 1 and y > 1"),
        ("arctan2(x, y)", "atan2(x, y)"),
    ],
)
def test_roots_spelling_is_pythons(root: str, python: str) -> None:
    assert parse(root, path="") == parse(python, path="")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "count(jet) = = 1",
            r"p: cannot parse 'count\(jet\) = = 1': invalid syntax at column 12, near '>>>= = 1'; use ==",
        ),
        ("count(jet) >", r"invalid syntax at column 13, its end"),
        ("x > 1 &&\n&& y", r"cannot parse 'x > 1 && && y': invalid syntax at column 10, near '>>>&& y'"),
        ("(x > 3", r"'\(' was never closed at column 1"),
        ("x > 3)", r"unmatched '\)' at column 6, near '>>>\)'"),
        ("mass(jet[0] jet[1])", r"forgot a comma\? at column 6"),
        ("  ", "p: the expression is empty"),
        ("x ^ 2", r"column 3, near '>>>\^ 2'; use \*\* for powers"),
        ("x > 1 ? 2 : 3", "; use 'a if condition else b'"),
        ("x // 2", r"; use floor\(a / b\)"),
        ("'x'", "; text has no place in an expression"),
        ("x # comment", "invalid syntax at column 3"),
        ("1e999", "expected a finite number"),
        ("1j", "expected a finite number"),
        ("None", "expected a finite number"),
        ("2if x else 1", "invalid decimal literal"),
        ("lambda: 1", "Lambda is not part of the language at column 1"),
        ("[x for x in y]", "ListComp is not part"),
        ("x @ y", "near '>>>@ y'"),
        ("x & 2.5", r"bits are those of whole numbers in 'x & 2.5'"),
        ("(x > 1) & 2", r"combine two conditions, or the bits of two numbers in '\(x > 1\) & 2'"),
        ("(x > 1) << 2", "bits are those of whole numbers"),
        ("x & 4 == 4", r"in 'x & 4'; put comparisons in parentheses, or the bits, \(flags & 4\) == 4"),
        ("(x & 4 == 4)", "mean one thing in C"),
        ("max(x, 4 | y < 3)", "mean one thing in C"),
        ("x in y", "operator In is not part"),
        ("x > 1 & y > 2", r"mean one thing in C\+\+ and another in Python in '1 & y'; put comparisons in parentheses"),
        ("jet[0].__class__", "'__class__' is not part of the language"),
        ("jet[0].pt.real", "expected a candidate"),
        ("x.pt()", "only functions can be called"),
        ("jet[-1].pt", "an index is a whole number from 0 at column 5"),
        ("jet[x].pt", "an index is a whole number from 0"),
        ("jet[True].pt", "an index is a whole number from 0"),
        ("x[0][1]", r"expected a name or name\[index\]"),
        ("jett[0].pt", r"p: unknown object 'jett' in 'jett\[0\].pt'; did you mean 'jet'\?"),
        ("count(jett)", r"unknown object 'jett' in 'count\(jett\)'; did you mean 'jet'\?"),
        ("mass(x)", r"unknown object 'x' in 'mass\(x\)'"),
        ("mass(jet[0], 3)", r"expected a candidate such as photon\[0\] in 'mass\(jet\[0\], 3\)'"),
        ("mass()", r"mass\(\) takes one or more candidates, got none"),
        ("deltaphi(x, y)", r"unknown function 'deltaphi' in 'deltaphi\(x, y\)'; did you mean 'delta_phi'\?"),
        ("TMath::Foo(x)", r"unknown function 'foo' in 'TMath::Foo\(x\)'"),
        ("abs(x, y)", r"abs\(\) takes 1 argument, got 2"),
        ("delta_r(jet[0])", r"delta_r\(\) takes 2 arguments, got 1"),
        ("abs(*x)", "Starred is not part"),
        ("jet", r"an object is not a number in 'jet'; use count\(jet\)"),
        ("jet[0]", r"an object is not a number in 'jet\[0\]'; use a field, jet\[0\].pt"),
        ("jet.pt > 3", r"one value per 'jet' .* in 'jet.pt > 3'; reduce it \(count, any, .* or take one"),
        ("sum(x)", r"nothing to reduce in 'sum\(x\)'; sum\(\) takes one value per candidate, such as jet.pt > 30"),
        ("sum(jet.pt * photon.pt)", r"cannot combine each 'jet' with each 'photon' in 'jet.pt \* photon.pt'"),
        ("count(delta_r(jet, photon) < 1)", "cannot combine each 'jet' with each 'photon'"),
        ("(" * 300 + "x" + ")" * 300, "nested"),
        ("-" * 5000 + "x", "nested too deeply"),
        ("+".join(["x"] * 5000), "nested too deeply"),
        ("x" + " and x" * 150, "nested too deeply"),
    ],
)
def test_an_error_is_one_line_that_says_what_and_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        parse(text, path="p", objects=OBJECTS)
    assert "\n" not in str(error.value)


def test_without_objects_none_can_be_used() -> None:
    with pytest.raises(ConfigError, match=r"unknown object 'jet' in 'jet\[0\].pt'; no objects can be used here"):
        parse("jet[0].pt", path="objects.photon.where")


@given(st.text(max_size=30) | st.text("()[]xjet.pt0123+-*/<>=!&|, ", max_size=30))
def test_any_text_is_parsed_or_refused_in_one_line(text: str) -> None:
    message = ""
    try:
        parse(text, path="p", objects=OBJECTS)
    except ConfigError as error:
        message = str(error)
    assert "\n" not in message


Event = dict[str, Any]
Meaning = Callable[[Event, FloatArray | None], np.float64]


def random_number(rng: random.Random, depth: int, *, ragged: bool) -> tuple[str, Meaning]:
    """Return a random numeric expression of exact operations, and plain Python that evaluates it for one event."""
    if depth == 0:
        return random_leaf(rng, ragged=ragged)
    kind = rng.choice(["arithmetic", "arithmetic", "function", "choice", "reduction"])
    if kind == "reduction" and not ragged:
        return random_reduction(rng, depth)
    a, f = random_number(rng, depth - 1, ragged=ragged)
    b, g = random_number(rng, depth - 1, ragged=ragged)
    if kind == "choice":
        c, h = random_condition(rng, depth - 1, ragged=ragged)
        return f"({a} if {c} else {b})", lambda e, k: f(e, k) if h(e, k) else g(e, k)
    if kind == "function":
        return rng.choice(
            [
                (f"abs({a})", lambda e, k: np.abs(f(e, k))),
                (f"floor({a})", lambda e, k: np.floor(f(e, k))),
                (f"sqrt({a})", lambda e, k: np.sqrt(f(e, k))),
                (f"min({a}, {b})", lambda e, k: np.minimum(f(e, k), g(e, k))),
                (f"max({a}, {b})", lambda e, k: np.maximum(f(e, k), g(e, k))),
            ]
        )
    return rng.choice(
        [
            (f"({a} + {b})", lambda e, k: f(e, k) + g(e, k)),
            (f"({a} - {b})", lambda e, k: f(e, k) - g(e, k)),
            (f"({a} * {b})", lambda e, k: f(e, k) * g(e, k)),
            (f"({a} / {b})", lambda e, k: f(e, k) / g(e, k)),
        ]
    )


def random_leaf(rng: random.Random, *, ragged: bool) -> tuple[str, Meaning]:
    if ragged and rng.random() < 0.6:
        row = rng.randrange(4)
        return f"jet.{OBJECTS['jet'][row]}", lambda _, k: np.float64(k[row] if k is not None else NAN)
    if rng.random() < 0.4:
        index, row = rng.randrange(3), rng.randrange(4)
        field = OBJECTS["jet"][row]
        return f"jet[{index}].{field}", lambda e, _: np.float64(
            e["jet"][row, index] if index < e["jet"].shape[1] else NAN
        )
    if rng.random() < 0.3:
        number = rng.choice([0.0, 0.5, 2.0, 3.25])
        return repr(number), lambda _e, _k: np.float64(number)
    name = rng.choice(["x", "y"])
    return name, lambda e, _: np.float64(e[name])


def random_condition(rng: random.Random, depth: int, *, ragged: bool) -> tuple[str, Callable[..., bool]]:
    if depth > 0 and rng.random() < 0.5:
        a, f = random_condition(rng, depth - 1, ragged=ragged)
        b, g = random_condition(rng, depth - 1, ragged=ragged)
        return rng.choice(
            [
                (f"({a} && {b})", lambda e, k: f(e, k) and g(e, k)),
                (f"({a} or {b})", lambda e, k: f(e, k) or g(e, k)),
                (f"(not {a})", lambda e, k: not f(e, k)),
            ]
        )
    a, p = random_number(rng, max(depth - 1, 0), ragged=ragged)
    b, q = random_number(rng, max(depth - 1, 0), ragged=ragged)
    return rng.choice(
        [
            (f"({a} < {b})", lambda e, k: bool(p(e, k) < q(e, k))),
            (f"({a} >= {b})", lambda e, k: bool(p(e, k) >= q(e, k))),
            (f"({a} != {b})", lambda e, k: bool(p(e, k) < q(e, k) or p(e, k) > q(e, k))),
            (f"isnan({a})", lambda e, k: bool(np.isnan(p(e, k)))),
        ]
    )


def random_reduction(rng: random.Random, depth: int) -> tuple[str, Meaning]:
    a, f = random_number(rng, depth - 1, ragged=True)
    c, h = random_condition(rng, depth - 1, ragged=True)
    a, c = f"({a} + 0 * jet.pt)", f"({c} or jet.pt > 1e9)"  # so that both are ragged for sure

    def numbers(e: Event) -> list[np.float64]:
        return [f(e, k) + 0 * k[0] for k in e["jet"].T]

    def conditions(e: Event) -> list[bool]:
        return [h(e, k) for k in e["jet"].T]

    return rng.choice(
        [
            (f"count({c})", lambda e, _: np.float64(sum(conditions(e)))),
            (f"any({c})", lambda e, _: np.float64(any(conditions(e)))),
            (f"all({c})", lambda e, _: np.float64(all(conditions(e)))),
            (f"sum({a})", lambda e, _: sum(numbers(e), np.float64(0))),
            (f"min({a})", lambda e, _: np.min(numbers(e)) if e["jet"].size else np.float64(NAN)),
            (f"max({a})", lambda e, _: np.max(numbers(e)) if e["jet"].size else np.float64(NAN)),
        ]
    )


RANDOM = [random_number(random.Random(seed), 3, ragged=False) for seed in range(40)]
PROGRAM = build(
    numbers=[parse(text, path="p", objects=OBJECTS) for text, _ in RANDOM],
    values=[Value("x"), Value("y")],
    objects={"jet": OBJECTS["jet"]},
)
real = st.sampled_from([0.0, 1.0, -1.5, NAN, 2.0]) | st.floats(-100, 100)
jets = st.lists(st.tuples(real, real, real, real), max_size=3).map(lambda rows: np.array(rows).reshape(-1, 4).T.copy())
event = st.fixed_dictionaries({"x": real, "y": real, "jet": jets})


@settings(max_examples=30)
@given(st.lists(event, max_size=4))
def test_a_compiled_expression_is_its_evaluation_event_by_event(events: list[Event]) -> None:
    values = np.array([[e["x"] for e in events], [e["y"] for e in events]]).reshape(2, len(events))
    offsets = np.cumsum([0, *(e["jet"].shape[1] for e in events)])
    table = np.concatenate([np.empty((4, 0)), *(e["jet"] for e in events)], axis=1)
    *_, found = PROGRAM.run(len(events), values, [(offsets, table)])
    with np.errstate(all="ignore"):
        expected = [[meaning(e, None) for e in events] for _, meaning in RANDOM]
    np.testing.assert_array_equal(found, np.array(expected).reshape(found.shape))


def test_a_common_subexpression_is_computed_once() -> None:
    trees = [parse(text, path="p", objects=OBJECTS) for text in ("sqrt(x) + 1", "sqrt(x) + 2", "sum(jet.pt * sqrt(x))")]
    source = build(numbers=trees, values=[Value("x")], objects=OBJECTS).source
    assert source.count("math.sqrt") == 1


def test_no_name_of_the_user_reaches_the_source() -> None:
    tree = parse("some_branch + jet[0].pt", path="p", objects=OBJECTS)
    source = build(numbers=[tree], values=[Value("some_branch")], objects=OBJECTS).source
    assert "some_branch" not in source
    assert "jet" not in source


def test_the_results_have_the_dtypes_of_conditions_features_and_numbers() -> None:
    program = build(conditions=[Number(0.5)], features=[Number(1e300), Number(0.1)], numbers=[Number(0.1)])
    conditions, features, numbers = program.run(3, np.empty((0, 3)))
    assert conditions.tolist() == [[True] * 3]
    assert features.dtype == np.float32
    assert features[:, 0].tolist() == [math.inf, np.float32(0.1)]
    assert numbers.tolist() == [[0.1] * 3]


def test_a_program_can_be_sent_to_another_process() -> None:
    program = build(numbers=[Number(2.0)])
    assert pickle.loads(pickle.dumps(program)).run(1, np.empty((0, 1)))[2].tolist() == [[2.0]]


SCRIPT = """
from cascadebdt.expression import build, parse, Value
from cascadebdt.expression.compiler import KERNELS
from cascadebdt.kernels import generated
import numpy as np
program = build(numbers=[parse("sqrt(x) + 1", path="p")], values=[Value("x")])
print(program.run(2, np.array([[4.0, 9.0]]))[2].tolist(), generated.load(program.source, KERNELS).stats.cache_hits)
"""


def test_processes_that_start_at_once_share_one_cache(tmp_path: Path) -> None:
    environment = {k: v for k, v in os.environ.items() if k != "NUMBA_CACHE_DIR"} | {"XDG_CACHE_HOME": str(tmp_path)}

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen([sys.executable, "-c", SCRIPT], env=environment, stdout=subprocess.PIPE, text=True)

    first = [process.communicate()[0] for process in (start(), start())]
    assert [line.startswith("[[3.0, 4.0]]") for line in first] == [True, True]
    assert "[[3.0, 4.0]] Counter({(" in start().communicate()[0], "the machine code comes from the cache"
    assert len(list(tmp_path.rglob("*.py"))) == 1
    assert not list(tmp_path.rglob("*.tmp"))


def test_numbas_own_cache_directory_is_preferred(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    generated.load(build(numbers=[Number(123.25)]).source, KERNELS)
    assert len(list((tmp_path / "cascadebdt").glob("*.py"))) == 1


def test_an_unwritable_cache_is_done_without(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert build(numbers=[Number(321.25)]).run(1, np.empty((0, 1)))[2].tolist() == [[321.25]]


WHOLE = st.integers(-(2**53), 2**53)


@settings(max_examples=40)
@given(WHOLE, WHOLE, st.integers(0, 60))
def test_bits_are_those_of_whole_numbers(a: int, b: int, n: int) -> None:
    texts = ("a & b", "a | b", "xor(a, b)", "~a", "a >> n", "a << n")
    expected = (a & b, a | b, a ^ b, ~a, a >> n, a << n)
    values = [Value(name) for name in "abn"]
    program = build(numbers=[parse(text, path="") for text in texts], values=values)
    (_, _, numbers) = program.run(1, np.array([[float(a)], [float(b)], [float(n)]]))
    for text, number, whole in zip(texts, numbers[:, 0], expected, strict=True):
        assert number == whole or (math.isnan(number) and abs(whole) > 2**53), text
