from pathlib import Path

import numpy as np
import pytest

from cascadebdt import training
from cascadebdt.config import RegionsConfig
from cascadebdt.errors import InputError
from cascadebdt.histograms import contents, yields
from cascadebdt.histograms.contents import Histograms, YieldTable
from cascadebdt.inference import FitResult, LimitResult
from cascadebdt.products import Products
from tiny_analysis import toy_cascade, toy_events


def test_histograms_survive_the_disk_exactly(tmp_path: Path) -> None:
    events = toy_events()
    scores = training.train(events, toy_cascade()).score(events)
    filled, by_stage = yields.fill(events, scores, RegionsConfig()), contents.score_histograms(events, scores)
    products = Products(tmp_path)
    products.write("histograms", Histograms(filled, by_stage))
    histograms = products.read(Histograms, "histograms", made_by="apply")
    read, read_by_stage = histograms.regions, histograms.scores
    assert all(read[name] == filled[name] for name in filled)
    assert all(read_by_stage[name] == by_stage[name] for name in by_stage)
    assert list(read["SR"].axes["process"]) == ["signal", "zee", "wjets", "data"]


def test_a_missing_product_names_the_command_that_makes_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"fit.json: no such product; make it with 'cascadebdt fit'"):
        Products(tmp_path).read(FitResult, "fit", made_by="fit")


def test_a_damaged_product_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "fit.json").write_text('{"mu": ')
    with pytest.raises(InputError, match=r"fit.json: not valid JSON .*; make it again: 'cascadebdt fit'"):
        Products(tmp_path).read(FitResult, "fit", made_by="fit")


def test_a_product_of_another_type_names_the_entry_and_the_command(tmp_path: Path) -> None:
    for content, message in (
        (
            '{"expected": []}',
            "limits.json: there is no 'level', which a LimitResult has; make it again: 'cascadebdt fit'",
        ),
        ('{"level": "x"}', "limits.json: level: expected float, got 'x'; make it again: 'cascadebdt fit'"),
        ("[1]", r"limits.json: expected the fields of a LimitResult, got \[1\]; make it again"),
    ):
        (tmp_path / "limits.json").write_text(content)
        with pytest.raises(InputError, match=message):
            Products(tmp_path).read(LimitResult, "limits", made_by="fit")


def test_yields_hold_every_variation_and_nominal_data() -> None:
    events = toy_events()
    scores = training.train(events, toy_cascade()).score(events)
    content = YieldTable.of(yields.fill(events, scores, RegionsConfig())).regions
    assert list(content["CR_zee"]["zee"]) == ["nominal", "pileup_up", "pileup_down"]
    assert list(content["CR_zee"]["data"]) == ["nominal"]
    nominal, up = content["CR_zee"]["zee"]["nominal"], content["CR_zee"]["zee"]["pileup_up"]
    np.testing.assert_allclose(up, np.multiply(nominal, 1.1))
