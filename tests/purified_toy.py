"""A toy of one purified region and a signal region, in which the true mismodelling is known."""

import numpy as np

from cascadebdt.arrays import FloatArray
from cascadebdt.cascade import Scores
from cascadebdt.config import CorrectionConfig
from cascadebdt.corrections.normalisation import Normalisations
from cascadebdt.events import Events, identify

PROCESSES = ("signal", "main", "rest", "data")
KNOWN = Normalisations({"main": 1.0, "rest": 1.0}, np.zeros((2, 2)))


def asked(**changes: object) -> CorrectionConfig:
    """Return a correction of `main`."""
    content = {"process": "main", "from": "CR_main", "variables": ["x", "y"], **changes}
    return CorrectionConfig.model_validate(content)


def slope(x: FloatArray) -> FloatArray:
    """Return the true ratio of data to simulation of `main`."""
    return np.asarray(0.6 + 0.8 * x)


def toy(*, n: int = 6000, with_data: bool = True, tilted: bool = True, seed: int = 1) -> tuple[Events, Scores]:
    """Return events in [0, 1]^2: half of `main` in the control region, at low x more than at high x.

    The data are as many events as expected; `main` follows `slope` in them, unless it is not tilted.
    """
    rng = np.random.default_rng(seed)
    parts = []
    for code, (size, weight) in enumerate([(n // 10, 0.01), (n, 0.5), (n // 5, 0.5)]):
        parts.append((np.full(size, code), rng.random((size, 2)), np.full(size, weight)))
    if with_data:
        x = rng.random((n, 2))
        keep = rng.random(n) < 0.5 * (slope(x[:, 0]) if tilted else 1.0)
        seen = [x[keep], rng.random((rng.poisson(n / 10), 2))]
        parts.append((np.full(sum(map(len, seen)), 3), np.concatenate(seen), np.ones(sum(map(len, seen)))))
    process, values, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    region = (rng.random(len(process)) > 1 - 0.6 * values[:, 0]).astype(np.int8)
    events = Events(
        columns={"x": values[:, 0].astype(np.float32), "y": values[:, 1].astype(np.float32)},
        weights={"nominal": weights},
        event_id=identify([np.arange(len(process))], salt="toy"),
        process=process.astype(np.int16),
        sample=process.astype(np.int16),
        variation=np.zeros(len(process), np.int16),
        processes=PROCESSES[: 4 if with_data else 3],
        samples=PROCESSES[: 4 if with_data else 3],
    )
    margins = np.zeros((len(process), 1), np.float32)
    return events, Scores(margins, None, region, ("CR_main", "SR"), "signal")
