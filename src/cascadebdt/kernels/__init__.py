"""Numba kernels: pure functions of arrays and numbers, which check nothing; their callers do."""
