"""A small analysis's yields and fit, made by hand: two control regions, the signal region, three processes."""

from typing import Any

import hist
import numpy as np
import pytest

from cascadebdt.histograms.yields import Histogram, Yields
from cascadebdt.inference import FitResult

SIMULATED = {
    "CR_zee": {"signal": [0.5, 0.2], "zee": [900.0, 400.0], "ttbar": [50.0, 30.0]},
    "CR_ttbar": {"signal": [0.1, 0.3, 0.4], "zee": [20.0, 10.0, 0.0], "ttbar": [80.0, 200.0, 90.0]},
    "SR": {"signal": [0.5, 1.0, 2.0, 4.0], "zee": [300.0, 90.0, 20.0, 2.0], "ttbar": [100.0, 60.0, 30.0, 4.0]},
}
DATA = {"CR_zee": [990.0, 410.0], "CR_ttbar": [95.0, 230.0, 0.0], "SR": [410.0, 140.0, 55.0, 9.0]}
WEIGHT = {"signal": 0.01, "zee": 2.0, "ttbar": 0.5}


def histogram(region: str, *, data: list[float] | None, names: tuple[str, ...] = ("data",)) -> Histogram:
    """Return a region's histogram with unequal bins; squared weights are those of one weight per process."""
    values = SIMULATED[region]
    edges = np.linspace(0, 1, len(values["zee"]) + 1) ** 2
    filled: Histogram = hist.Hist(
        hist.axis.StrCategory([*values, *names], name="process"),
        hist.axis.StrCategory(["nominal", "pileup_up"], name="variation"),
        hist.axis.Variable(edges, name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    cells: Any = filled.view()
    for index, (name, numbers) in enumerate(values.items()):
        cells["value"][index] = [numbers, np.multiply(numbers, 7)]
        cells["variance"][index] = cells["value"][index] * WEIGHT[name]
    if data is not None:
        cells["value"][-1, 0] = cells["variance"][-1, 0] = data
    return filled


@pytest.fixture
def blind_yields() -> Yields:
    return {region: histogram(region, data=None if region == "SR" else DATA[region]) for region in SIMULATED}


@pytest.fixture
def simulation() -> Histogram:
    """Return the signal region of an analysis without data."""
    return histogram("SR", data=None, names=())


@pytest.fixture
def open_yields() -> Yields:
    return {region: histogram(region, data=DATA[region]) for region in SIMULATED}


def fitted(*, blind: bool) -> FitResult:
    mu, scale = (0.0 if blind else 2.0), {"zee": 1.1, "ttbar": 1.2}
    postfit = {
        region: {name: scale.get(name, mu) * np.array(numbers) for name, numbers in processes.items()}
        for region, processes in SIMULATED.items()
    }
    total = {region: np.sum([*processes.values()], axis=0) for region, processes in postfit.items()}
    return FitResult(
        parameters=("mu",),
        values=np.array([mu]),
        uncertainties=np.array([1.5]),
        covariance=np.array([[2.25]]),
        correlation=np.eye(1),
        twice_nll=0.0,
        goodness_of_fit=None,
        blind=blind,
        poi="mu",
        mu=(mu, 1.5),
        normalisation={"zee": (1.1, 0.05), "ttbar": (1.2, 0.1)},
        pulls={"lumi": (0.1, 0.9), "photon_scale": (-2.5, 0.8), "mcstat_SR[3]": (0.2, 1.0)},
        postfit=postfit,
        total=total,
        total_uncertainty={region: 0.1 * values for region, values in total.items()},
        at_bound={},
        degenerate=(),
        agreement=0.0,
    )


@pytest.fixture
def blind_fit() -> FitResult:
    return fitted(blind=True)


@pytest.fixture
def open_fit() -> FitResult:
    return fitted(blind=False)
