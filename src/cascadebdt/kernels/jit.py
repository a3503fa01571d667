"""How kernels are compiled: one decorator, so that every kernel is compiled alike.

The GIL is released, machine code is cached on disk, division by zero follows IEEE 754 as in NumPy, and
``fastmath`` stays off: NaN is a value here (a missing feature), and sums must not depend on compiler optimisations.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def step(function: F) -> F:
    """Compile `function` for use by kernels only, without what Python would need to call it: quicker to compile."""
    options = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    compiled: F = numba.njit(**options)(function)
    return compiled


def kernel(function: F) -> F:
    """Compile `function` with Numba; ``kernel(f).py_func`` is the plain Python function."""
    options = {"nogil": True, "error_model": "numpy"}
    try:
        compiled: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # no folder to cache in is writable, as in some batch slots
        compiled = numba.njit(**options)(function)
    return compiled
