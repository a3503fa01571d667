import base64
import copy
import os
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import hist
import numpy as np
import pytest

from cascadebdt import report
from cascadebdt.cascade import Cascade, Classifier, Stage, WorkingPoint
from cascadebdt.cascade.multiclass import Multiclass
from cascadebdt.cascade.summary import TrainingSummary
from cascadebdt.errors import InputError
from cascadebdt.histograms.contents import Histograms
from cascadebdt.histograms.migration import MigrationTable
from cascadebdt.histograms.yields import Histogram
from cascadebdt.inference import Breakdown, FitResult, Limits, Lint, Ranking, Scan, Validation
from cascadebdt.products import Products
from cascadebdt.products.cutflow import CutflowReport
from cascadebdt.products.inventory import Inventory
from cascadebdt.products.manifest import Manifest
from cascadebdt.products.results import Answers, Applied, Inferred
from cascadebdt.products.summary import Summary
from cascadebdt.report.studies import StudyAnswer, StudyTable
from cascadebdt.workspace.assembly import Notes

PNG = b"\x89PNG\r\n\x1a\n"
STAGE = {
    "name": "zee",
    "against": ["zee"],
    "features": ["met", "m_lg"],
    "models": [],
    "threshold": {"value": 0.4213, "hex": "0x1.af6944673p-2"},
    "signal_efficiency": 0.95,
    "efficiencies": {"signal": 0.951, "zee": 0.0413},
    "training": {
        "auc": 0.97345,
        "best_iterations": [1, 0, 1],
        "effective_events": {"signal": 2000.0, "zee": 1500.0},
        "negative_weights": {
            "policy": "absolute",
            "processes": {
                "signal": {
                    "events": 2000,
                    "negative_events": 0,
                    "used_events": 2000,
                    "sum_true": 41.0,
                    "sum_negative": 0.0,
                    "sum_used": 41.0,
                    "bias": 0.0,
                },
                "zee": {
                    "events": 1500,
                    "negative_events": 77,
                    "used_events": 1499,
                    "sum_true": 900.0,
                    "sum_negative": -30.0,
                    "sum_used": 960.0,
                    "bias": 0.0667,
                },
            },
        },
        "auc_uncertainty": 0.00123,
        "auc_of_folds": [0.97, 0.98, 0.97],
        "auc_spread": 0.00456,
        "average_precision": 0.1234,
        "curve": {
            "signal_efficiency": [0.5, 1.0],
            "background_efficiency": [0.1, 1.0],
            "precision": [0.3, 0.1],
        },
        "learning_curves": [{"round": [1, 2], "train": [0.6, 0.5], "stop": [0.6, 0.55]}] * 3,
        "overtraining": {
            "auc": {"train": 0.98, "out_of_fold": 0.97, "difference": 0.0111, "uncertainty": 0.0007},
            "signal_efficiency": {"train": 0.9, "out_of_fold": 0.9, "difference": -0.0021, "uncertainty": 0.0013},
            "background_efficiency": {"train": None, "out_of_fold": 0.1, "difference": None, "uncertainty": 0.0},
            "distance": {
                "signal": {"distance": 0.02, "p_value": 0.37},
                "background": {"distance": None, "p_value": None},
            },
            "scores": {
                name: {
                    which: {"shares": [0.4, 0.6], "uncertainties": [0.01, 0.02]} for which in ("train", "out_of_fold")
                }
                for name in ("signal", "background")
            },
        },
        "importance": {"met": 0.75, "m_lg": 0.25},
        "leaks": [],
        "constant": {},
        "hyperparameters": {"n_estimators": 400, "early_stopping_rounds": 20},
        "device": "cpu",
    },
}
FINAL = {key: STAGE[key] for key in ("name", "against", "features", "models", "training")} | {"name": "final"}
REGION = {
    "data": [110.0, 90.0],
    "predicted": [100.0, 95.0],
    "uncertainty": [5.0, 4.0],
    "processes": {"zee": [90.0, 80.0], "wjets": [10.0, 15.0]},
    "pulls": [0.9, -0.5],
    "total": 195.0,
    "total_uncertainty": 8.0,
    "total_p_value": 0.77,
    "p_value": 0.42,
}
CONTENT: dict[str, Any] = {
    "summary": {
        "analysis": "wh_dark_photon",
        "events": {"read": 1234567, "selected": 20450, "lost": 0},
        "regions": {
            "CR_zee": {"yields": {"signal": [0.7, 0.08], "zee": [1300.0, 51.0]}, "purity": 0.9994, "data": 1400},
            "SR": {"yields": {"signal": [7.5, 0.27], "zee": [412.0, 28.7]}, "purity": 0.0179, "data": None},
        },
        "fit": {
            "mu": [0.0, 1.572],
            "normalisation": {"zee": [1.081, 0.0123]},
            "goodness_of_fit": 0.43,
            "blind": True,
            "at_bound": [],
            "pulled": {},
            "constrained": {},
            "agreement": 1e-7,
            "total": [1.55, 1.61],
            "statistical": [1.2, 1.3],
            "systematic": [None, 0.95],
        },
        "limit": {"expected": [1.61, 2.21, 3.12, 4.52, 6.33], "observed": None},
        "significance": {"expected": 0.664, "observed": None},
        "resources": {"wall_s": 61.2, "cpu_s": 118.0, "peak_memory_mb": 1432.1, "events_per_s": 20000.0},
    },
    "manifest": {
        "analysis": "wh_dark_photon",
        "config": {"luminosity_fb": 139.0},
        "directory": "/analysis",
        "config_hash": "0123456789abcdef",
        "seed": 7,
        "unblind": None,
        "versions": {"python": "3.11.2", "xgboost": "3.0.1"},
        "functions": {},
        "files": [
            {
                "sample": "zee",
                "file": "zee.root",
                "tree": "Events",
                "entries": 54321,
                "read": 54321,
                "selected": 2345,
                "skipped": None,
                "size_bytes": 2_500_000,
                "identity": "x",
                "bytes_read": 2_000_000,
                "checksum": "xxh3:0123456789abcdef",
            }
        ],
        "missing": {},
        "used_in_training": {},
        "warnings": [],
    },
    "cascade": {"format": 2, "signal": "signal", "mode": "cross_fit", "folds": 3, "stages": [STAGE], "final": FINAL},
    "cutflow": {
        "cuts": ["all events", "met > 40"],
        "samples": {"zee": {"entries": [54321, 2345], "sumw": [9000.0, 1712.0], "uncertainty": [90.0, 35.0]}},
        "processes": {},
        "cascade": {"steps": ["zee", "SR"], "yields": {"signal": [8.2, 7.5], "zee": [1712.0, 412.0]}},
        "events": {"read": 1234567, "selected": 20450, "lost": 0},
        "skipped": [],
    },
    "fit": {
        "blind": True,
        "mu": [0.0, 1.572],
        "normalisation": {"zee": [1.081, 0.0123]},
        "pulls": {"lumi": [0.1, 0.95], "mcstat_SR[0]": [3.0, 1.0]},
        "postfit": {
            "CR_zee": {"signal": [0.0, 0.0], "zee": [1000.0, 405.0]},
            "SR": {"signal": [0.0, 0.0], "zee": [400.0, 45.0]},
        },
        "total": {"CR_zee": [1000.0, 405.0], "SR": [400.0, 45.0]},
        "total_uncertainty": {"CR_zee": [30.0, 20.0], "SR": [20.0, 5.0]},
        "at_bound": {},
        "degenerate": [],
        "parameters": ["mu", "norm_zee", "lumi"],
        "values": [0.0, 1.081, 0.1],
        "uncertainties": [1.572, 0.0123, 0.95],
        "covariance": [[2.47, -0.006, 0.15], [-0.006, 0.00015, -0.006], [0.15, -0.006, 0.9]],
        "twice_nll": 93.1,
        "goodness_of_fit": 0.43,
        "poi": "mu",
        "agreement": 0.0,
        "correlation": [[1.0, -0.3, 0.1], [-0.3, 1.0, -0.5], [0.1, -0.5, 1.0]],
        "intervals": {"mu": [-1.5, 1.61], "norm_zee": [1.0688, 1.0941]},
    },
    "lint": {
        "counts": {"no effect": 1},
        "findings": [{"check": "no effect", "text": "region 'SR', process 'zee': 'lumi' has no effect"}],
    },
    "ranking": {
        "mu": [0.0, 1.572],
        "impacts": [
            {
                "parameter": "norm_zee",
                "value": [1.081, 0.012],
                "pull": None,
                "postfit": [0.2, -0.19],
                "prefit": None,
            },
            {
                "parameter": "lumi",
                "value": [0.1, 0.95],
                "pull": [0.1, 0.95],
                "postfit": [0.1, None],
                "prefit": [0.11, -0.1],
            },
        ],
    },
    "scan": {"parameters": ["mu"], "values": [[-3.0, 0.0, 3.0]], "increases": [None, 0.0, 3.6], "best": [0.0]},
    "breakdown": {
        "parameter": "mu",
        "value": 0.0,
        "total": [1.55, 1.61],
        "statistical": [1.2, 1.3],
        "systematic": [None, 0.95],
        "data": [1.1, 1.2],
        "groups": {"lumi": [0.11, 0.12], "MC statistics": [0.81, 0.83]},
        "members": {"lumi": ["lumi"], "MC statistics": ["mcstat_SR[0]", "mcstat_SR[1]"]},
    },
    "limits": {
        "limit": {"level": 0.05, "expected": [1.61, 2.21, 3.12, 4.52, 6.33], "observed": None},
        "significance": {"expected": 0.664, "observed": None},
        "exclusions": [{"mu": 1.0, "expected": [0.03, 0.1, 0.28, 0.56, 0.81], "observed": None}],
    },
    "validation": None,
    "treatment": {
        "merged": {"CR_zee": [0.0, 0.5, 1.0]},
        "bins": [
            {
                "region": "SR",
                "process": "zee",
                "bins": [1, 4],
                "action": "floored",
                "added": 0.002,
                "uncertainty": [0.7],
            }
        ],
        "variations": [
            {
                "region": region,
                "process": "zee",
                "systematic": "jet_scale",
                "parameter": "jet_scale",
                "normalisation": [1.03, size],
                "shape": [0.011, 0.0123],
                "actions": ["353QH smoothing", "shape pruned"],
            }
            for region, size in (("CR_zee", 0.98), ("SR", 0.957))
        ],
    },
    "migration": {
        "jet_scale_up": {
            "zee": {
                "regions": ["CR_zee", "SR", "not selected"],
                "entries": [[8, 1, 1], [2, 8, 0], [3, 0, 0]],
                "sumw": [[8.0, 1.0, 1.0], [2.0, 8.0, 0.0], [3.0, 0.0, 0.0]],
                "reweighted": [0.0, 0.0, 0.0],
            }
        }
    },
}


@pytest.fixture
def content() -> dict[str, Any]:
    return copy.deepcopy(CONTENT)


def cascade_of(content: dict[str, Any]) -> Cascade:
    """Return a cascade without boosters."""

    def classifier(entry: dict[str, Any]) -> Classifier:
        return Classifier(
            entry["name"],
            tuple(entry["against"]),
            tuple(entry["features"]),
            (),
            TrainingSummary.from_json(entry["training"]),
        )

    def point(entry: dict[str, Any]) -> WorkingPoint:
        looser = entry.get("validation_threshold")
        threshold = np.float32(entry["threshold"]["value"])
        looser = None if looser is None else np.float32(looser["value"])
        return WorkingPoint(threshold, entry["signal_efficiency"], entry["efficiencies"], looser)

    cascade = content["cascade"]
    stages = tuple(Stage(classifier(entry), point(entry)) for entry in cascade["stages"])
    return Cascade(cascade["signal"], cascade["folds"], stages, classifier(cascade["final"]), cascade["mode"])


def applied_of(content: dict[str, Any]) -> Applied:
    processes = {"signal": [0.4, 0.3], "zee": [900.0, 400.0]}
    control, signal = (filled({**processes, "data": data}, nominal=True) for data in ([950.0, 450.0], [0.0, 0.0]))
    scores = {name: filled(processes, nominal=False) for name in ("zee", "final")}
    return Applied(
        Histograms({"CR_zee": control, "SR": signal}, scores),
        MigrationTable.from_json(content["migration"]),
        CutflowReport.from_json(content["cutflow"]),
        Manifest.from_json(content["manifest"]),
    )


def inferred_of(content: dict[str, Any]) -> Inferred:
    answers = Answers(
        Lint.from_json(content["lint"]),
        FitResult.from_json(content["fit"]),
        Limits.from_json(content["limits"]),
        Ranking.from_json(content["ranking"]),
        Scan.from_json(content["scan"]),
        Breakdown.from_json(content["breakdown"]),
    )
    validation = Validation.from_json(content["validation"]) if content["validation"] else None
    return Inferred(answers, Notes.from_json(content["treatment"]), validation, Summary.from_json(content["summary"]))


def build(content: dict[str, Any], **more: Any) -> str:
    parts = {"cascade": cascade_of(content), "applied": applied_of(content), "inferred": inferred_of(content)}
    return report.build(**{"figures": {}, **parts, **more})


def findings(content: dict[str, Any]) -> list[str]:
    applied, inferred = applied_of(content), inferred_of(content)
    return report.findings(cascade=cascade_of(content), cutflow=applied.cutflow, inferred=inferred)


@pytest.mark.parametrize(
    "text",
    [
        "<b>−1.6 +1.6</b>",
        "statistical −1.2 +1.3, systematic (to the bound) +0.95",
        '<td>MC statistics</td><td>−0.81</td><td>+0.83</td><td class="text">2 parameters</td>',
        "Pulled by more than one standard deviation of the constraint: mcstat_SR[0] (+3.00).",
        "agrees within 0 in −2 ln L",
        '<td>1</td><td>0.28</td><td class="text">68 %: 0.1 – 0.56, 95 %: 0.03 – 0.81</td><td>–</td>',
        "<b>3.12</b>",
        "68 %: 2.21 – 4.52, 95 %: 1.61 – 6.33",
        "<b>0.66 σ</b>",
        "<b>0.43</b>",
        '412 <span class="pm">± 29</span>',
        "99.9 %",
        "1,400",
        '1.081 <span class="pm">± 0.012</span>',
        "0.4213",
        "0.9735",
        "0 – 1",
        "met, m_lg",
        "54,321",
        "0.9735 ± 0.0012",
        "0.0046",
        "0.0111 ± 0.0007",
        "-0.0021 ± 0.0013",
        "0.37",
        "met 75.0 %, m_lg 25.0 %",
        "signal 2,000, zee 1,500",
        "<td>6.7 %</td>",
        "Every event is scored by the model that never saw its fold.",
        "1,712",
        "xgboost 3.0.1",
        "0123456789abcdef",
        "139 fb⁻¹",
        "edges left:\n0.0, 0.5, 1.0",
        '<td class="text">1, 4</td>\n<td class="text">floored</td><td>0.002</td>',
        '<td>4.3 %</td><td class="text">zee in SR</td>',
        "353QH smoothing (2 ×), shape pruned (2 ×)",
        "<td>15.0 %</td><td>5.0 %</td>\n<td>15.0 %</td>",
    ],
)
def test_the_page_has_every_number(content: dict[str, Any], text: str) -> None:
    assert text in build(content)


def test_a_blind_page_explains_what_blind_means_and_shows_no_data_of_the_signal_region(content: dict[str, Any]) -> None:
    page = build(content)
    assert "<strong>Blind.</strong>" in page
    assert "<td>blinded</td>" in page


def test_an_unblinded_page_shows_observed_results_and_the_reason(content: dict[str, Any]) -> None:
    content["summary"]["fit"] |= {"blind": False, "mu": [1.31, 1.2]}
    content["summary"]["limit"]["observed"] = 4.05
    content["summary"]["significance"]["observed"] = 1.13
    content["summary"]["regions"]["SR"]["data"] = 431
    content["manifest"]["unblind"] = "approved by the group"
    page = build(content)
    for text in ("<b>1.3 −1.6 +1.6</b>", "<b>4.05</b>", "<b>1.13 σ</b>", "<td>431</td>", "approved by the group"):
        assert text in page
    assert "blinded</td>" not in page


def test_text_from_outside_is_escaped(content: dict[str, Any]) -> None:
    content["cutflow"]["cuts"][1] = "<script>alert(1)</script>"
    page = build(content, warnings=["a < b"])
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "a &lt; b" in page


def test_figures_are_embedded_so_that_the_page_stands_alone(content: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "flow.png"
    path.write_bytes(PNG + b"flow")
    page = build(content, figures={"regions": PNG, "flow": path, "own": PNG + b"own"})
    for image in (PNG, PNG + b"flow", PNG + b"own"):
        assert f"data:image/png;base64,{base64.b64encode(image).decode()}" in page
    assert "src=" not in page.replace('src="data:', "")
    assert "href=" not in page.replace('href="#', "")


def test_every_link_of_the_contents_leads_to_a_section(content: dict[str, Any]) -> None:
    page = build(content)
    links, places = re.findall(r'href="#(.*?)"', page), re.findall(r'<section id="(.*?)"', page)
    assert links == places
    assert {"regions", "fit", "cascade", "provenance"} <= set(links)


def test_a_section_without_content_is_left_out(content: dict[str, Any]) -> None:
    assert 'id="validation"' not in build(content)


def test_warnings_are_ranked_and_the_gravest_comes_first(content: dict[str, Any]) -> None:
    content["summary"]["events"]["lost"] = 3
    content["summary"]["regions"]["CR_zee"]["purity"] = 0.3
    content["manifest"]["warnings"] = ["one event is heavy"]
    texts = re.findall(r'<li class="rank-\d">(.*?)</li>', build(content))
    places = [next(i for i, text in enumerate(texts) if word in text) for word in ("lost", "heavy", "only 30.0 %")]
    assert places == sorted(places)


def test_every_table_is_there_in_latex(content: dict[str, Any]) -> None:
    page = build(content)
    assert page.count("<table") == page.count(r"\begin{tabular}") >= 8
    assert r"MC statistics &amp; $-$0.81 &amp; +0.83 &amp; 2 parameters \\" in page


def test_what_was_assumed_is_told_before_the_first_section(content: dict[str, Any]) -> None:
    head = build(content).partition("<section")[0]
    for text in ("<dd>blind</dd>", "<dd>139 fb⁻¹</dd>", "xgboost 3.0.1", "of the control regions"):
        assert text in head


def test_what_is_remarkable_in_the_input_is_a_warning(content: dict[str, Any]) -> None:
    content["manifest"]["warnings"] = ["one event has 90% of the sum of all weights"]
    assert '<li class="rank-1">one event has 90% of the sum of all weights</li>' in build(content)


def test_nothing_to_say_is_no_warning(content: dict[str, Any]) -> None:
    assert findings(content) == []
    assert "Warnings" not in build(content)


@pytest.mark.parametrize(
    ("path", "value", "warning"),
    [
        (("summary", "events", "lost"), 1200, "1,200 events were lost"),
        (("summary", "regions", "CR_zee", "purity"), 0.31, "Region CR_zee: only 31.0 %"),
        (("fit", "goodness_of_fit"), 0.003, "p-value is 0.003"),
        (("fit", "at_bound"), {"norm_zee": [0.1, 0.0]}, "norm_zee is at its bound"),
        (("fit", "pulls", "lumi"), [-2.6, 0.9], "lumi is pulled by -2.6"),
        (("cascade", "stages", 0, "training", "best_iterations"), [399, 20, 399], "Stage zee: 2 of 3 boosters"),
        (
            ("cascade", "stages", 0, "training", "negative_weights", "processes", "zee", "sum_negative"),
            -300.0,
            "33.3 % of the yield of zee",
        ),
        (("cascade", "stages", 0, "training", "untrained"), "process zee has 3 events", "zee has 3 events."),
        (("cascade", "stages", 0, "training", "leaks"), ["met"], "Stage zee: feature met alone separates signal from"),
        (
            ("cascade", "stages", 0, "training", "constant"),
            {"met": [0, 2]},
            "Stage zee: feature met has one value in all events that train the models of folds 0, 2.",
        ),
    ],
)
def test_what_casts_doubt_on_a_result_is_a_warning(
    content: dict[str, Any], path: tuple[str | int, ...], value: object, warning: str
) -> None:
    place: Any = content
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (found,) = [text for text in dict.fromkeys(findings(content)) if "Stage final" not in text]
    assert warning in found


def test_data_that_contradict_the_prediction_of_a_validation_region_are_a_warning(content: dict[str, Any]) -> None:
    content["validation"] = {
        "regions": {"VR_zee": REGION | {"data": [80.0, 40.0], "p_value": 0.0013}},
        "p_value": 0.0013,
    }
    page = build(content)
    assert "Region VR_zee: the other regions predict 195.0 events, 120 are seen; the p-value of all its bins" in page
    assert '<td>195.0 <span class="pm">± 8.0</span></td><td>120</td>' in page


def test_the_looser_threshold_stands_beside_the_threshold(content: dict[str, Any]) -> None:
    assert "validation from" not in build(content)
    content["cascade"]["stages"][0]["validation_threshold"] = {"value": 0.3125, "hex": "0x1.4p-2"}
    assert "0.4213 (validation from 0.3125)" in build(content)


def test_a_stage_with_a_spectator_tells_how_far_its_cut_sculpts_it(content: dict[str, Any]) -> None:
    assert "Spectators" not in build(content)
    found = {
        "spectator": "m_lg",
        "method": "flatness",
        "bins": 20,
        "strength": 1.0,
        "jensen_shannon": 0.01234,
        "kolmogorov_smirnov": None,
    }
    content["cascade"]["stages"][0]["training"]["sculpting"] = found
    page = build(content)
    assert '<td class="text">m_lg</td><td class="text">flatness</td><td>0.0123</td><td>–</td>' in page.replace("\n", "")


def test_numbers_that_do_not_exist_are_dashes(content: dict[str, Any]) -> None:
    content["summary"]["fit"]["goodness_of_fit"] = None
    content["fit"]["normalisation"] = {}
    content["summary"]["regions"]["CR_zee"]["purity"] = None
    content["cascade"]["stages"][0]["training"]["auc"] = None
    page = build(content)
    assert "<td>nan" not in page
    assert "<b>–</b>" in page
    assert "No background floats." in page


def test_the_page_is_written_from_the_products_alone(content: dict[str, Any], tmp_path: Path) -> None:
    products = write_products(content, tmp_path)
    assert write_report(products) == products.report
    page = products.report.read_text()
    drawn = {path.name for path in products.plots.iterdir()}
    names = ["regions", "regions_before_fit", "region_CR_zee", "region_SR", "purity", "fit", "flow"]
    names += [f"{what}_{stage}" for what in ("scores", "quality") for stage in ("zee", "final")]
    names += ["ranking", "breakdown", "correlations", "scan", "limits", "pruning"]
    assert drawn == {f"{name}.{suffix}" for name in names for suffix in ("png", "pdf")}
    assert page.count("<img ") == len(names)


def test_values_from_memory_give_the_page_of_values_from_disk(content: dict[str, Any], tmp_path: Path) -> None:
    write_report(write_products(content, tmp_path / "disk"))
    memory = Products(tmp_path / "memory")
    parts = {"cascade": cascade_of(content), "applied": applied_of(content), "inferred": inferred_of(content)}
    report.write(memory, **parts)  # type: ignore[arg-type]
    assert memory.report.read_bytes() == (tmp_path / "disk" / "report.html").read_bytes()


def test_a_missing_product_is_named_with_the_command_that_makes_it(content: dict[str, Any], tmp_path: Path) -> None:
    products = write_products(content, tmp_path)
    products.json("fit").unlink()
    with pytest.raises(InputError, match=r"fit\.json: no such product; make it with 'cascadebdt fit'"):
        write_report(products)


def write_products(content: dict[str, Any], directory: Path) -> Products:
    products = Products(directory)
    cascade_of(content).save(products.cascade)
    applied = applied_of(content)
    applied.write(products)
    Inventory(products.directory, about=applied.manifest.to_json()).write()
    inferred_of(content).write(products)
    return products


def write_report(products: Products) -> Path:
    """Write the page from what is on disk."""
    return report.write(
        products,
        cascade=Cascade.load(products.cascade),
        applied=Applied.read(products),
        inferred=Inferred.read(products),
    )


def filled(values: dict[str, list[float]], *, nominal: bool) -> Histogram:
    axes: list[Any] = [
        hist.axis.StrCategory(list(values), name="process"),
        hist.axis.Regular(2, 0, 1, name="score", flow=False),
    ]
    if nominal:
        axes.insert(1, hist.axis.StrCategory(["nominal"], name="variation"))
    histogram: Histogram = hist.Hist(*axes, storage=hist.storage.Weight())
    view: Any = histogram.view()
    numbers = np.array(list(values.values()))
    view["value"] = view["variance"] = numbers[:, None] if nominal else numbers
    return histogram


def test_a_skipped_file_is_a_warning_and_processes_have_their_own_sums(content: dict[str, Any]) -> None:
    content["cutflow"]["skipped"] = [{"sample": "zee", "file": "/d/zee_1.root", "reason": "not a readable ROOT file"}]
    content["cutflow"]["processes"] = content["cutflow"]["samples"]
    page = build(content)
    assert "Sample zee was normalised without zee_1.root, which was skipped: not a readable ROOT file." in page
    assert "<th>Process</th>" in page


def test_the_page_tells_what_became_of_events_that_only_trained(content: dict[str, Any]) -> None:
    content["cascade"]["mode"] = "holdout"
    content["summary"]["events"]["used_in_training"] = 12345
    assert "12,345 selected events only trained" in build(content)
    content["cascade"]["mode"] = "nested"
    assert "nor did the models that chose what this one trained on" in build(content)


def test_a_stage_that_everything_passes_has_a_row_of_dashes(content: dict[str, Any]) -> None:
    content["cascade"]["stages"][0]["training"] = {"untrained": "process zee has 3 events", "best_iterations": []}
    page = build(content)
    assert "Stage zee was not trained and passes everything: process zee has 3 events." in page
    assert "<td>zee</td><td>–</td>" in page


def test_the_lint_and_the_intervals_of_normalisations_are_on_the_page(content: dict[str, Any]) -> None:
    page = build(content)
    assert "<td>-0.012 / +0.013</td>" in page
    assert "no effect (1 ×)" in page
    assert "<li>region &#39;SR&#39;, process &#39;zee&#39;: &#39;lumi&#39; has no effect</li>" in page
    content["lint"] = {"counts": {}, "findings": []}
    assert "The lint of the model has no findings." in build(content)


def test_validation_regions_have_a_table_where_there_are_any(content: dict[str, Any], tmp_path: Path) -> None:
    assert "Validation regions" not in build(content)
    content["validation"] = {"regions": {"VR_zee": REGION, "VR_ttbar": REGION}, "p_value": 0.31}
    page = build(content)
    for text in (
        "<td>VR_zee</td><td>195.0 <",
        "<td>200</td>",
        "<td>0.77</td><td>0.42</td>",
        "<td>together</td>",
        "0.31",
    ):
        assert text in page
    products = write_products(content, tmp_path)
    write_report(products)
    assert (products.plots / "validation.png").stat().st_size > 5000


BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FRAME = """<iframe id="page" src="page.html" width="{width}" height="800"></iframe><script>
  const frame = document.getElementById("page");
  frame.onload = () => {{
    const page = frame.contentDocument;
    page.querySelectorAll("details").forEach(part => {{ part.open = true; }});
    document.title = `overflow ${{page.documentElement.scrollWidth - page.documentElement.clientWidth}}`;
  }};
</script>"""


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
@pytest.mark.parametrize("width", [360, 1400])
def test_in_a_browser_nothing_is_wider_than_the_page_and_nothing_fails(
    content: dict[str, Any], tmp_path: Path, width: int
) -> None:
    content["cutflow"]["cuts"] = [f"a_cut_with_quite_a_long_name_{number}" for number in range(2)]
    (tmp_path / "page.html").write_text(build(content))
    (tmp_path / "frame.html").write_text(FRAME.format(width=width))
    command = [str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--allow-file-access-from-files", f"--user-data-dir={tmp_path}", "--enable-logging=stderr"]
    command += ["--virtual-time-budget=2000", "--dump-dom", (tmp_path / "frame.html").as_uri()]
    environment = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, env=environment)
    assert re.findall("<title>(.*?)</title>", done.stdout) == ["overflow 0"]
    assert not re.search("Uncaught|CONSOLE.*error", done.stderr)


class Order(HTMLParser):
    """What a reader without eyes meets, in order: headings, anchors of sections, links, images, tables."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.places: list[str] = []
        self.links: list[str] = []
        self.descriptions: list[str] = []
        self.first_rows: list[set[str]] = []  # the kinds of cells in the first row of every table
        self._row = -1
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        elif tag == "section":
            self.places.append(given["id"] or "")
        elif tag == "a":
            self.links.append((given["href"] or "").removeprefix("#"))
        elif tag == "img":
            self.descriptions.append((given.get("alt") or "").strip())
        elif tag == "table":
            self.first_rows.append(set())
            self._row = -1
        elif tag == "tr":
            self._row += 1
        elif tag in ("th", "td") and self._row == 0:
            self.first_rows[-1].add(tag)


@pytest.fixture
def order(content: dict[str, Any]) -> Order:
    table = StudyTable("Reach", ("strategy", "limit"), (("cascade", "2.81"),))
    picture = {"source": "data:image/png;base64,AA", "caption": "Limits."}
    answer = StudyAnswer("Comparison of strategies", ("All are judged alike.",), (table,), {}, (picture,))
    names = ("regions", "quality_zee", "scores_zee", "flow", "a_figure_of_my_own")
    return Order(build(content, studies=(answer,), figures=dict.fromkeys(names, PNG)))


def test_headings_come_in_order_without_a_jump(order: Order) -> None:
    assert order.headings[0] == 1
    assert order.headings.count(1) == 1
    assert {2, 3, 4} <= set(order.headings)
    assert all(after <= before + 1 for before, after in pairwise(order.headings))


def test_the_contents_name_the_sections_in_their_order(order: Order) -> None:
    assert len(order.places) == len(set(order.places)) > 5
    assert order.links == order.places


def test_every_image_has_a_text_of_its_own_in_its_place(order: Order) -> None:
    assert len(order.descriptions) == 6
    assert "" not in order.descriptions
    assert len(set(order.descriptions)) == len(order.descriptions)


def test_every_table_begins_with_header_cells(order: Order) -> None:
    assert len(order.first_rows) > 8
    assert all(kinds == {"th"} for kinds in order.first_rows)


def test_the_answer_of_a_study_has_its_tables_and_figures(content: dict[str, Any]) -> None:
    table = StudyTable("Reach", ("strategy", "limit"), (("cascade", "2.81"),))
    picture = {"source": "data:image/png;base64,AA", "caption": "Limits."}
    answer = StudyAnswer("Comparison of strategies", ("All are judged alike.",), (table,), {}, (picture,))
    assert "Comparison of strategies" not in build(content)
    page = build(content, studies=(answer,))
    assert "<h3>Comparison of strategies</h3>\n<p>All are judged alike.</p>" in page
    assert "<td>cascade</td><td>2.81</td>" in page
    assert '<img src="data:image/png;base64,AA" alt="Limits."' in page


def test_the_table_of_a_study_is_aligned_on_a_terminal() -> None:
    table = StudyTable("Reach", ("strategy", "limit"), (("one_bdt", "10.7"), ("cascade", "2.81")))
    assert table.text().splitlines() == ["Reach", "strategy  limit", "one_bdt    10.7", "cascade    2.81"]


def test_bins_of_the_signal_region_with_a_conservative_floor_are_named(content: dict[str, Any]) -> None:
    content["summary"]["floors"] = ["CR_zee bin 1: floor for zee", "SR bins 6, 7: floor for gammajet"]
    (found,) = findings(content)
    assert found == "Bins without events of a process have a conservative floor: SR bins 6, 7: floor for gammajet."


def test_effective_events_of_every_process_and_region_are_on_the_page(content: dict[str, Any]) -> None:
    content["summary"]["regions"]["CR_zee"]["yields"]["zee"] = [1300.0, 13.0]
    assert "<td>10,000</td>" in build(content)


def test_the_sorter_has_a_row_per_class(content: dict[str, Any]) -> None:
    summary = {
        "auc": {"zee": 0.91, "wjets": 0.875},
        "effective_events": {"zee": 5400.4, "wjets": 321.0},
        "best_iterations": [7, 12],
    }
    sorter = Multiclass("sorter", ("zee", "wjets"), ("met", "m_lg"), (), summary)
    page = build(content, cascade=replace(cascade_of(content), sorter=sorter))
    assert '<td>sorter</td><td class="text">wjets</td><td>0.8750</td><td>321</td>' in page
    assert "Multiclass BDTs" not in build(content)
