"""Cut and feature strings -> checked syntax trees -> compiled kernels; unchecked text is never executed.

::

    text --parse--> tree --build--> Program --run--> arrays

The language is the arithmetic, comparisons and logic of Python, or of ROOT's ``TTree::Draw``, over bare names
(``MET_pt``, ``PSWeight[0]``) and fields of objects (``photon[0].pt``, ``jet.pt`` inside a reduction).

- Numbers are float64 throughout; ``/`` and ``%`` too, and they follow IEEE 754 (``1 / 0`` is infinite). The sign of
  ``%`` is Python's. ``!`` binds as in C++; chained comparisons mean what they mean in Python.
- What is missing is NaN: ``photon[0].pt`` without a photon, ``PSWeight[5]`` of a list of four. NaN propagates through
  arithmetic, `min` and `max`; a comparison with NaN is false, ``!=`` included; NaN as a condition is false.
- A number is true if it is neither 0 nor NaN; a condition used as a number is 1 or 0.
- ``&`` and ``|`` combine two conditions, or the bits of two whole numbers; ``<<``, ``>>`` and ``~`` are Python's, `xor`
  is a function since ``^`` is a power in ROOT. Bits of what is no whole number up to 2^53 are NaN.
- `ht`, `sphericity`, `aplanarity` and `transverse_sphericity` take a whole object, ``ht(jet)``.
- A program, or a Python file that a configuration names in `plugins`, may add functions with the decorator `register`.
- Over no candidates `count` and `sum` are 0, `any` is false, `all` is true, `min` and `max` are NaN.
"""

from cascadebdt.expression.compiler import Program, build
from cascadebdt.expression.parser import parse
from cascadebdt.expression.plugins import load as load_plugins
from cascadebdt.expression.registry import register, registered
from cascadebdt.expression.tree import (
    Call,
    Field,
    Node,
    Number,
    Reduce,
    Value,
    bits_in,
    numbers_in,
    objects_in,
    values_in,
    walk,
)

__all__ = [
    "Call",
    "Field",
    "Node",
    "Number",
    "Program",
    "Reduce",
    "Value",
    "bits_in",
    "build",
    "load_plugins",
    "numbers_in",
    "objects_in",
    "parse",
    "register",
    "registered",
    "values_in",
    "walk",
]
