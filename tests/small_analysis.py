"""Hand-made yields of one control region and a signal region, and the configuration that goes with them."""

from collections.abc import Mapping
from typing import Any

import hist
import numpy as np

from cascadebdt import config as configuration
from cascadebdt.config import Config
from cascadebdt.histograms.yields import Histogram

VARIATIONS = ["nominal", "scale_up", "scale_down", "generator_up"]
NOMINAL: dict[str, dict[str, list[float]]] = {
    "CR_top": {"signal": [0.5, 1.0], "top": [60.0, 40.0], "other": [10.0, 12.0], "data": [75.0, 50.0]},
    "SR": {"signal": [2.0, 5.0, 8.0], "top": [20.0, 10.0, 4.0], "other": [9.0, 6.0, 3.0], "data": [31.0, 18.0, 9.0]},
}
SYSTEMATICS: list[dict[str, Any]] = [
    {"name": "lumi", "kind": "normalisation", "size": 0.02},
    {"name": "scale", "kind": "weight", "up": "w", "down": "w"},
    {"name": "generator", "kind": "sample", "process": "top", "files": "alternative.root"},
]


def small_config(*, unblind: str | bool = False, free: tuple[str, ...] = ("top",), systematics: Any = None) -> Config:
    """Return a configuration; `systematics` None stands for all."""
    processes = ("signal", "top", "other", "data")
    stage = {"name": "top", "against": "top", "features": ["pt"], "working_point": {"threshold": 0.5}}
    return configuration.parse(
        {
            "analysis": "small",
            "luminosity_fb": 1.0,
            "samples": [{"name": name, "process": name, "files": f"{name}.root"} for name in processes],
            "features": {"pt": "MET_pt"},
            "cascade": {"stages": [stage]},
            "systematics": SYSTEMATICS if systematics is None else systematics,
            "fit": {"signal": "signal", "free": list(free), "unblind": unblind},
        }
    )


def small_yields(
    changes: Mapping[tuple[str, str], list[float]] | None = None, *, weight: float = 0.5, skip: str = ""
) -> dict[str, Histogram]:
    """Return yields of events of equal weight, without the process `skip`.

    `changes` replaces nominal yields of (region, process).
    """
    yields: dict[str, Histogram] = {}
    for region, content in NOMINAL.items():
        processes = {process: values for process, values in content.items() if process != skip}
        n_bins = len(processes["signal"])
        histogram: Histogram = hist.Hist(
            hist.axis.StrCategory(list(processes), name="process"),
            hist.axis.StrCategory(VARIATIONS, name="variation"),
            hist.axis.Variable(np.arange(n_bins + 1.0), name="score", flow=False),
            storage=hist.storage.Weight(),
        )
        tilt = 1 + 0.1 * np.linspace(-1, 1, n_bins)
        factors = {"nominal": 1, "scale_up": 1.05 * tilt, "scale_down": (2 - tilt) / 1.05, "generator_up": 1.1 * tilt}
        cells: Any = histogram.view()
        for p, process in enumerate(processes):
            nominal = np.array((changes or {}).get((region, process), processes[process]))
            for v, variation in enumerate(VARIATIONS):
                if variation == "nominal" or process != "data":
                    cells["value"][p, v] = nominal * factors[variation]
                    cells["variance"][p, v] = np.abs(nominal) * weight
        yields[region] = histogram
    return yields
