"""Cut strings in ROOT's spelling mean what scikit-hep's formulate says, as far as it knows them."""

import numpy as np
import pytest

from cascadebdt.expression import Value, build, parse

formulate = pytest.importorskip("formulate", reason="formulate is not installed")
NAMES = ("x", "y", "n")


@pytest.mark.parametrize(
    "text",
    [
        "x > 1 && y < 2 || n == 3",
        "x>1||y<2&&n==3",
        "!(x > 1) && !(y < 0)",
        "TMath::Abs(x) < 1 && abs(y) > 0.5",
        "sqrt(x*x + y*y) > 1.5",
        "TMath::Sqrt(x*x+y*y)/2 >= 5e-1",
        "-x**2 + 2**-1 > - 1",
        "pow(x, 2) != 4 && TMath::Power(y, 2) < 4",
        "n % 2 == 0 && x - -1 > .5",
        "cos(x - y) > 0 && TMath::Pi() * x < 3.0",
        "atan2(y, x) < 1 && (exp(-x) > 1 || log10(abs(x)) > 0)",
        "((x*(y+1)/2)) > 0 && true",
    ],
)
def test_expressions_in_roots_spelling_agree(text: str) -> None:
    rng = np.random.default_rng(0)
    table = np.stack([rng.normal(0, 2, 200), rng.normal(0, 2, 200), rng.integers(0, 5, 200)])
    program = build(conditions=[parse(text, path="cut")], values=[Value(name) for name in NAMES])
    found = program.run(200, table)[0][0]
    python = formulate.from_root(text).to_python()
    expected = eval(python, {"np": np, **dict(zip(NAMES, table, strict=True))})
    assert 0 < expected.sum() < 200
    np.testing.assert_array_equal(found, expected)
