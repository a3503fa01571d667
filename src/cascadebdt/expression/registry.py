"""A user's own functions: Python, registered by one decorator, compiled with the expressions that call them.

A configuration can only name what a program, or a file in its `plugins`, has registered.
"""

import builtins
import hashlib
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any, TypeVar

import numba
import numpy as np

from cascadebdt.errors import ConfigError
from cascadebdt.expression.functions import BUILT_IN, CALLABLE

F = TypeVar("F", bound=Callable[..., float])


@dataclass(frozen=True)
class Registered:
    """A function of numbers that expressions may call; `digest` identifies its code."""

    name: str
    arity: int
    digest: str
    function: Callable[..., float]


_registered: dict[str, Registered] = {}


def register(function: F) -> F:
    """Let expressions call a Python function by its name; use it as a decorator.

    The function takes numbers (float64) and returns one, for one event or one candidate. Numba compiles it. It may use
    ``math`` and ``numpy`` (under any name) and builtins, but nothing else from outside, so that its code alone says
    what it does. Registering a name again replaces the function.

    Raises
    ------
    ConfigError
        If it is no such function, or if its name belongs to the language.

    Examples
    --------
    >>> @cb.register
    ... def recoil(pt, met, dphi):
    ...     return math.sqrt(pt**2 + met**2 + 2 * pt * met * math.cos(dphi))
    >>> feature = "recoil(electron[0].pt, MET_pt, 0.5)"  # in a configuration
    """
    name = getattr(function, "__name__", "")
    if not isinstance(function, FunctionType) or not name.isidentifier() or name.startswith("_"):
        raise ConfigError(f"register: expected a named Python function, got {function!r}")
    if name in BUILT_IN:
        raise ConfigError(f"register: '{name}' is a function of the language; give yours another name")
    parameters = inspect.signature(function).parameters.values()
    if any(p.kind is not p.POSITIONAL_OR_KEYWORD or p.default is not p.empty for p in parameters) or not parameters:
        raise ConfigError(f"register: '{name}' must take positional arguments without defaults, at least one")
    _require_closed(name, function)
    _registered[name] = Registered(name, len(parameters), _digest(function.__code__), function)
    return function


def callable_names() -> list[str]:
    """Return the names of all functions that an expression may call."""
    return sorted(CALLABLE | _registered.keys())


def registered() -> dict[str, Registered]:
    """Return the registered functions by name."""
    return dict(_registered)


def compiled(name: str, digest: str) -> Any:
    """Return the compiled form of a registered function: what generated code calls.

    Raises
    ------
    ConfigError
        If this process has not registered it, or has registered other code under its name.
    """
    own = _registered.get(name)
    if own is None or own.digest != digest:
        raise ConfigError(f"function '{name}' is not registered in this process, or with other code; register it first")
    # Numba's cache on disk names the module of a function, which a later process may not have under that name.
    function = FunctionType(own.function.__code__, own.function.__globals__, name)
    function.__module__ = __name__
    return numba.njit(nogil=True, error_model="numpy")(function)


def _require_closed(name: str, function: FunctionType) -> None:
    """Require that a function uses nothing that its own code does not show."""
    code = function.__code__
    if code.co_freevars or any(isinstance(constant, CodeType) for constant in code.co_consts):
        raise ConfigError(f"register: '{name}' must hold no inner functions and use no variables around it")
    for used in code.co_names:
        value = function.__globals__.get(used)
        if used in function.__globals__ and value is not math and value is not np and not hasattr(builtins, used):
            raise ConfigError(f"register: '{name}' may use math, numpy and builtins only, not '{used}'")


def _digest(code: CodeType) -> str:
    content = repr((code.co_code, code.co_consts, code.co_names, code.co_varnames))
    return hashlib.sha256(content.encode()).hexdigest()[:16]
