"""Normalisations in the control regions."""

from typing import Any

import hist
import numpy as np
import pytest

from cascadebdt.corrections import normalisation
from cascadebdt.histograms.yields import Histogram


def region(content: dict[str, list[float]]) -> Histogram:
    filled: Histogram = hist.Hist(
        hist.axis.StrCategory(list(content), name="process"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Variable(np.arange(len(next(iter(content.values()))) + 1.0), name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    cells: Any = filled.view()
    cells["value"][:, 0] = list(content.values())
    return filled


CONTROL = {"top": [80.0, 20.0], "other": [10.0, 40.0], "signal": [1.0, 1.0]}


def test_factors_in_the_data_are_found() -> None:
    data = [1.2 * 80 + 0.5 * 10 + 1, 1.2 * 20 + 0.5 * 40 + 1]
    found = normalisation.fit({"CR_top": region({**CONTROL, "data": data})}, ["top", "other"])
    assert found.values == pytest.approx({"top": 1.2, "other": 0.5}, rel=1e-4)


def test_the_signal_region_is_not_looked_at() -> None:
    data = {"data": [91.0, 61.0]}
    alone = {"CR_top": region({**CONTROL, **data})}
    signal = {"SR": region({**CONTROL, "data": [1e6, 1e6]})}
    assert normalisation.fit({**alone, **signal}, ["top"]).values == normalisation.fit(alone, ["top"]).values


def test_without_data_every_factor_is_one() -> None:
    found = normalisation.fit({"CR_top": region(CONTROL)}, ["top", "other"])
    assert found.values == pytest.approx({"top": 1.0, "other": 1.0}, rel=1e-6)


def test_the_covariance_is_that_of_poisson_counts() -> None:
    found = normalisation.fit({"CR_top": region({"top": [400.0], "data": [400.0]})}, ["top"])
    assert found.covariance[0, 0] == pytest.approx(1 / 400, rel=0.01)
