"""How kernels are compiled: one decorator, so that every kernel is compiled alike.

The GIL is released, machine code is cached on disk, division by zero follows IEEE 754 as in NumPy, and
``fastmath`` stays off: NaN is a value here (a missing feature), and sums must not depend on the compiler's mood.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])


def kernel(function: F) -> F:
    """Compile `function` with Numba; ``kernel(f).py_func`` is the plain Python function."""
    compiled: F = numba.njit(nogil=True, cache=True, error_model="numpy")(function)
    return compiled
