"""Published likelihoods and the answers that other programs gave. The numbers are in published.py."""

import cabinetry
import numpy as np
import pytest

from cascadebdt import inference
from inference.published import MODELS, STATISTICS, tutorial_workspace

pytestmark = pytest.mark.skipif(not STATISTICS.is_dir(), reason="the folder of published models is absent")


@pytest.mark.parametrize("model", MODELS)
def test_answers_are_the_published_ones(model: str) -> None:
    rows = list(MODELS[model]())
    assert rows
    assert [row for row in rows if not row.agrees] == []


def test_cabinetry_gives_its_printed_digits_on_our_workspace_of_its_tutorial() -> None:
    content = tutorial_workspace()
    model, data = cabinetry.model_utils.model_and_data(content)
    theirs, ours = cabinetry.fit.fit(model, data), inference.fit(content)
    found = dict(zip(theirs.labels, zip(theirs.bestfit, theirs.uncertainty, strict=True), strict=True))
    # its numerical uncertainties move by 0.0001 with the last bits of the yields
    assert found["Signal_norm"] == pytest.approx((1.5938, 0.9757), abs=1.5e-4)
    assert found["Modeling"] == pytest.approx((-0.2753, 0.5683), abs=1.5e-4)
    assert found["WeightBasedModeling"] == pytest.approx((-0.5277, 0.6477), abs=1.5e-4)
    assert found["Luminosity"] == pytest.approx((-0.0794, 0.9910), abs=1.5e-4)
    assert ours.twice_nll <= theirs.best_twice_nll
    assert np.array(ours.values) == pytest.approx(theirs.bestfit, abs=1e-3)
