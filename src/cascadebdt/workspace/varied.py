"""A workspace -> the yields of a process with a parameter one standard deviation up and down."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from cascadebdt.arrays import FloatArray

Sides = tuple[FloatArray, FloatArray]


def effect(workspace: Mapping[str, Any], region: str, process: str, parameter: str) -> Sides | None:
    """Return the relative change of every bin by a parameter, up and down, ``(n_bins,)`` each; None if it has none.

    A normalisation (``normsys``) multiplies the change of the shape (``histosys``), as the treatment split them.
    """
    channel = next((one for one in workspace["channels"] if one["name"] == region), None)
    samples = channel["samples"] if channel else []
    sample = next((one for one in samples if one["name"] == process), None)
    modifiers = [one for one in sample["modifiers"] if one["name"] == parameter] if sample else []
    if not sample or not modifiers:
        return None
    nominal = np.asarray(sample["data"], np.float64)
    up, down = np.ones(len(nominal)), np.ones(len(nominal))
    for modifier in modifiers:
        if modifier["type"] == "normsys":
            up, down = up * modifier["data"]["hi"], down * modifier["data"]["lo"]
        if modifier["type"] == "histosys":
            up, down = (
                side * np.divide(modifier["data"][key], nominal, out=np.ones(len(nominal)), where=nominal > 0)
                for side, key in ((up, "hi_data"), (down, "lo_data"))
            )
    return up - 1, down - 1
