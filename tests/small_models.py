"""Models small enough to be solved by hand."""

from collections.abc import Sequence
from typing import Any


def counting(
    *,
    observed: Sequence[float],
    signal: Sequence[float],
    background: Sequence[float],
    relative_error: float | None = None,
) -> dict[str, Any]:
    """Return a one-region experiment; `relative_error` is a log-normal one of the background."""
    modifiers = []
    if relative_error is not None:
        factors = {"hi": 1 + relative_error, "lo": 1 / (1 + relative_error)}
        modifiers = [{"name": "error", "type": "normsys", "data": factors}]
    samples = [
        {"name": "s", "data": list(signal), "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": list(background), "modifiers": modifiers},
    ]
    return workspace([{"name": "SR", "samples": samples}], {"SR": observed})


def workspace(channels: list[dict[str, Any]], observed: dict[str, Sequence[float]]) -> dict[str, Any]:
    """Return a workspace whose parameter of interest is `mu`."""
    config = {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[-20, 20]], "inits": [1.0]}]}
    return {
        "channels": channels,
        "observations": [{"name": name, "data": list(data)} for name, data in observed.items()],
        "measurements": [{"name": "m", "config": config}],
        "version": "1.0.0",
    }


def on_off(*, on: float, off: float, ratio: float, signal: float) -> dict[str, Any]:
    """Return a signal region and a control region with `ratio` times its background, which floats."""
    free = [{"name": "norm_b", "type": "normfactor", "data": None}]
    samples = [
        {"name": "s", "data": [signal], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
        {"name": "b", "data": [10.0], "modifiers": free},
    ]
    control = [{"name": "b", "data": [10.0 * ratio], "modifiers": free}]
    channels = [{"name": "SR", "samples": samples}, {"name": "CR", "samples": control}]
    return workspace(channels, {"SR": [on], "CR": [off]})
