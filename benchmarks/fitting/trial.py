"""The trial model: the regions of a run's workspace with random shape systematics, as many as fits find hard.

Every process has a free normalisation and a constrained one beside it, all have the luminosity and eight random
variations of shape and normalisation, and backgrounds have their statistical uncertainty per bin. Data are the rounded
nominal background.
"""

from typing import Any

import numpy as np

N_SHAPES = 8
SMALLEST = 1e-3


def model(
    workspace: dict[str, Any], *, signal: str = "signal", seed: int = 3, n_shapes: int = N_SHAPES
) -> dict[str, Any]:
    """Return the trial model.

    Parameters
    ----------
    workspace : content of a run's ``workspace.json``
    signal : its signal process
    seed : of the variations
    n_shapes : how many of them
    """
    rng = np.random.default_rng(seed)
    channels = [_channel(channel, signal, rng, n_shapes) for channel in workspace["channels"]]
    observations = [
        {"name": channel["name"], "data": np.round(_background(channel, signal)).tolist()} for channel in channels
    ]
    config = {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[-20, 60]], "inits": [1.0]}]}
    measurements = [{"name": "trial", "config": config}]
    return {"channels": channels, "observations": observations, "measurements": measurements, "version": "1.0.0"}


def _background(channel: dict[str, Any], signal: str) -> Any:
    return np.sum([sample["data"] for sample in channel["samples"] if sample["name"] != signal], axis=0)


def _channel(channel: dict[str, Any], signal: str, rng: np.random.Generator, n_shapes: int) -> dict[str, Any]:
    samples = [_sample(channel["name"], sample, signal, rng, n_shapes) for sample in channel["samples"]]
    return {"name": channel["name"], "samples": samples}


def _sample(
    region: str, sample: dict[str, Any], signal: str, rng: np.random.Generator, n_shapes: int
) -> dict[str, Any]:
    process, rates = sample["name"], np.maximum(sample["data"], SMALLEST)
    free = "mu" if process == signal else f"norm_{process}"
    modifiers = [
        {"name": free, "type": "normfactor", "data": None},
        {"name": "lumi", "type": "normsys", "data": {"hi": 1.017, "lo": 0.983}},
        {"name": f"rate_{process}", "type": "normsys", "data": {"hi": 1.05, "lo": 0.95}},
        *({**m, "name": f"mcstat_{region}"} for m in sample["modifiers"] if m["type"] == "staterror"),
    ]
    for number in range(n_shapes):
        tilt = rng.normal(0, 0.03) + rng.normal(0, 0.01) * np.linspace(-1, 1, len(rates))
        shapes = {"hi_data": (rates * (1 + tilt)).tolist(), "lo_data": (rates * (1 - tilt)).tolist()}
        modifiers.append({"name": f"shape_{number}", "type": "histosys", "data": shapes})
    return {"name": process, "data": rates.tolist(), "modifiers": modifiers}
