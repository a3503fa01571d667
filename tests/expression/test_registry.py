"""A user's own function in expressions: one decorator, and nothing that its code does not show."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import cascadebdt as cb
from cascadebdt.errors import ConfigError
from cascadebdt.expression import Value, build, parse
from cascadebdt.expression.registry import compiled

FACTOR = 2.0


@cb.register
def balance(a: float, b: float) -> float:
    return math.sqrt(abs(a - b)) / (a + b) if a > b else -1.0


def evaluate(text: str) -> list[float]:
    values = [Value("x"), Value("y")]
    program = build(numbers=[parse(text, path="f", objects=["jet"])], values=values, objects={"jet": ["pt"]})
    jets = (np.array([0, 2, 2]), np.array([[3.0, 5.0]]))
    result: list[float] = program.run(2, np.array([[5.0, 1.0], [1.0, 2.0]]), [jets])[2][0].tolist()
    return result


def test_a_registered_function_is_called_like_any_other() -> None:
    assert evaluate("balance(x, y) + 1") == [2 / 6 + 1, 0.0]
    assert evaluate("sum(balance(jet.pt, 1))") == [math.sqrt(2) / 4 + 2 / 6, 0.0]


def test_another_function_under_the_same_name_takes_its_place() -> None:
    def twice(a: float) -> float:
        return a * 2

    cb.register(twice)
    assert evaluate("twice(x)") == [10.0, 2.0]

    def thrice(a: float) -> float:
        return a * 3

    thrice.__name__ = "twice"
    cb.register(thrice)
    assert evaluate("twice(x)") == [15.0, 3.0]


def outside(a: float) -> float:
    return a * FACTOR


def default(a: float, b: float = 1.0) -> float:
    return a + b


def around() -> Callable[[float], float]:
    factor = 3.0

    def inner(a: float) -> float:
        return a * factor

    return inner


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (outside, "'outside' may use math, numpy and builtins only, not 'FACTOR'"),
        (default, "must take positional arguments without defaults"),
        (around(), "use no variables around it"),
        (lambda a: a, "expected a named Python function"),
        (math.sqrt, "expected a named Python function"),
    ],
)
def test_a_function_that_depends_on_more_than_its_code_is_refused(function: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        cb.register(function)


def test_the_names_of_the_language_stay_its_own() -> None:
    def mass(a: float) -> float:
        return a

    with pytest.raises(ConfigError, match="'mass' is a function of the language"):
        cb.register(mass)


def test_arguments_are_counted_and_other_processes_must_register_too() -> None:
    with pytest.raises(ConfigError, match=r"balance\(\) takes 2 arguments, got 1"):
        parse("balance(x)", path="f")
    with pytest.raises(ConfigError, match="function 'unknown' is not registered in this process"):
        compiled("unknown", "")
