"""Every result type survives JSON: from_json takes what to_json gives, and gives it back."""

import json
import math
from dataclasses import dataclass, field
from typing import Literal

import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cascadebdt.arrays import BoolArray, FloatArray
from cascadebdt.cascade.summary import (
    Difference,
    Distance,
    LearningCurve,
    NegativeWeights,
    Overtraining,
    ScorePair,
    ScoreShares,
    Sculpting,
    SeparationCurve,
    TrainingSummary,
    WeightCount,
)
from cascadebdt.errors import InputError
from cascadebdt.events.selection import Cutflow
from cascadebdt.histograms.contents import Flow, Histograms, RegionSummary, YieldTable
from cascadebdt.histograms.migration import Migration, MigrationTable
from cascadebdt.histograms.yields import Histogram
from cascadebdt.inference import (
    Breakdown,
    Exclusion,
    Failure,
    Finding,
    FitResult,
    Impact,
    LimitResult,
    Limits,
    Lint,
    Piece,
    ProjectedRegion,
    Projection,
    PValues,
    Ranking,
    Scan,
    SignificanceResult,
    ToyAnswers,
    ToyLimit,
    ToyPoint,
    Toys,
    ToyTest,
    ValidatedRegion,
    Validation,
)
from cascadebdt.products.cutflow import CutflowReport, CutflowRow, CutflowTable, EventCounts, SkippedFile
from cascadebdt.products.figures import Figures
from cascadebdt.products.layout import Result
from cascadebdt.products.manifest import InputFile, Manifest
from cascadebdt.products.results import Contours
from cascadebdt.products.summary import FileSummary, FitSummary, LimitSummary, Summary
from cascadebdt.records import ABSENT, Record
from cascadebdt.workspace import Workspace
from cascadebdt.workspace.assembly import Notes
from cascadebdt.workspace.templates import BinNote
from cascadebdt.workspace.treatment import VariationNote
from small_models import counting

PAIR = (1.25, 0.5)
BINS = np.array([1.5, 0.0, 7.25])
FIT = FitResult(
    parameters=("mu", "lumi"),
    values=np.array([0.5, 0.1]),
    uncertainties=np.array([1.5, 0.9]),
    covariance=np.array([[2.25, 0.1], [0.1, 0.81]]),
    correlation=np.eye(2),
    twice_nll=91.2,
    goodness_of_fit=None,
    blind=True,
    poi="mu",
    mu=PAIR,
    normalisation={"zee": PAIR},
    pulls={"lumi": PAIR},
    postfit={"SR": {"zee": BINS}},
    total={"SR": BINS},
    total_uncertainty={"SR": BINS},
    at_bound={"mu": (0.0, None)},
    degenerate=({"norm_a": 0.7, "norm_b": -0.7},),
    agreement=1e-9,
    intervals={"mu": (-1.0, 2.0)},
)
LIMIT, SIGNIFICANCE = LimitResult(0.05, (1.0, 2.0, 3.0, 4.0, 5.0), None), SignificanceResult(0.7, 1.1)
LIMITS = Limits(LIMIT, SIGNIFICANCE)
PARTS = Breakdown("mu", 0.5, (None, 1.5), (None, 1.2), (None, 0.9), (0.8, 1.0), {"jet": (None, 0.9)}, {"jet": ("jes",)})
TOY_LIMIT = ToyLimit(
    0.05, (math.nan, 2.0, 3.0, 4.0, 5.0), 2.5, 0.1, (ToyPoint(1.0, (0.1, 0.2, 0.3, 0.4, 0.5), 0.2, 0.01),), 400, ()
)
FINDING = Finding("no effect", "'lumi' has no effect", region="SR", parameter="lumi", number=0.0)
FAILURE = Failure(3, "no minimum")
FLOW = Flow(("zee", "SR"), {"signal": (8.0, 7.5)})
ROW = CutflowRow((10, 5), (9.5, 4.5), (3.0, 2.0))
COUNTS = EventCounts(read=10, selected=5, lost=0, used_in_training=2)
REGION = RegionSummary({"zee": PAIR}, None, 7)
VALIDATED = ValidatedRegion(BINS, BINS, BINS, {"zee": BINS}, BINS, 8.75, 1.0, 0.4, 0.3)
SHARES = ScorePair(ScoreShares((0.5, 0.5), (0.1, 0.1)), ScoreShares((), ()))
DIFFERENCE = Difference(0.9, 0.8, 0.1, None)
RESULTS: list[Result] = [
    Cutflow(("all events", "met"), ("zee",), np.array([[10, 5]]), np.array([[9.5, 4.5]]), np.array([[9.0, 4.0]])),
    CutflowTable(("all events", "met"), {"zee": ROW}, {"zee": ROW}),
    CutflowReport(("all events",), {"zee": ROW}, {}, FLOW, COUNTS, (SkippedFile("zee", "a.root", "not readable"),)),
    COUNTS,
    FLOW,
    REGION,
    YieldTable({"SR": {"zee": {"nominal": PAIR, "scale_up": PAIR}}}),
    MigrationTable(
        {"scale_up": {"zee": Migration(("SR", "not selected"), np.eye(2, dtype=np.int64), np.eye(2), BINS)}}
    ),
    FIT,
    LIMITS,
    Lint.of([FINDING, FINDING]),
    PARTS,
    FileSummary.of(FIT, LIMITS, PARTS, {"fixed": {"lumi": 1.0}}),
    Ranking(PAIR, (Impact("mcstat_SR[0]", PAIR, PAIR, PAIR, PAIR),), 0.25),
    Ranking(PAIR, (Impact("lumi", PAIR, PAIR, (0.1, None), (None, 0.2)), Impact("norm_zee", PAIR, None, PAIR, None))),
    Scan(("mu",), (BINS,), np.array([math.inf, 0.0, 3.5]), (0.0,)),
    Scan(("mu", "nu"), (BINS[:1], BINS[:2]), np.array([[math.inf, 0.0]]), (0.0, 1.0)),
    Toys(("mu",), np.ones(1), np.ones((2, 1)), np.ones((2, 1)), np.array([[True], [False]]), (FAILURE,)),
    ToyTest(3.5, 0.05, 0.01, 400, (FAILURE,)),
    Piece(np.array([[0.1, 2.0]]), (FAILURE,)),
    ToyAnswers(400, 1, ToyTest(3.5, 0.05, 0.01, 400, ()), None, TOY_LIMIT),
    Exclusion(1.0, (0.1, 0.2, 0.3, 0.4, 0.5), PValues(2.0, 0.04, 0.5, 0.08)),
    Limits(LIMIT, SIGNIFICANCE, exclusions=(Exclusion(1.0, (0.1, 0.2, 0.3, 0.4, 0.5), None),)),
    Projection(
        PAIR, {"norm_zee": PAIR}, 0.4, {"SR": ProjectedRegion(False, BINS, BINS, {"zee": BINS}, None, 8.75, 1.0)}
    ),
    Contours((Scan(("mu", "nu"), (BINS[:1], BINS[:2]), np.array([[1.0, 0.0]]), (0.0, 1.0)),)),
    Validation({"VR_zee": VALIDATED}, 0.3),
    Notes(
        {"SR": (0.0, 1.0)},
        (BinNote("SR", "zee", (0, 2), "floored", 0.1, (0.3, 0.3)),),
        (VariationNote("SR", "zee", "scale", "scale", PAIR, PAIR, ("mirrored up",)),),
    ),
    Manifest(
        analysis="tiny",
        config={"seed": 1, "samples": [{"name": "zee"}]},
        directory="/analysis",
        config_hash="ab",
        seed=1,
        unblind=None,
        versions={"python": "3.11"},
        functions={},
        files=(InputFile("zee", "a.root", "Events", 10, 10, None, None, 1000, "uuid", 900, "xxh3:0"),),
        missing={"met": {"zee": 0.25}},
        used_in_training={"zee": 0},
        warnings=("sample 'zee': one event has half of the weight",),
    ),
    Figures({"flow.png": "ab12"}),
    Summary("tiny", COUNTS, {"SR": REGION}, FitSummary.of(FIT, PARTS), LimitSummary.of(LIMIT), SIGNIFICANCE),
    TrainingSummary(untrained="process zee has 3 events"),
    TrainingSummary(
        auc=0.9,
        auc_of_folds=(0.9, None),
        curve=SeparationCurve((0.5, 1.0), (0.1, 1.0), (0.9, 0.5)),
        best_iterations=(3, 5),
        learning_curves=(LearningCurve((1.0, 2.0), (0.6, 0.5), None),),
        overtraining=Overtraining(
            auc=DIFFERENCE,
            signal_efficiency=DIFFERENCE,
            distance={"signal": Distance(0.1, 0.5)},
            scores={"signal": SHARES},
        ),
        sculpting=Sculpting(
            spectator="m", method="planing", bins=20, strength=1.0, jensen_shannon=0.1, kolmogorov_smirnov=None
        ),
        importance={"met": 1.0},
        negative_weights=NegativeWeights("keep", {"zee": WeightCount(9, 1, 9, 8.0, -1.0, 8.0, None)}),
        constant={"met": (0, 2)},
        hyperparameters={"max_depth": 3, "early_stopping_rounds": None},
    ),
    Workspace(counting(observed=[3], signal=[1], background=[2])),
]


def name_of(result: object) -> str:
    return type(result).__name__


@pytest.mark.parametrize("result", RESULTS, ids=name_of)
def test_a_result_survives_json(result: Result) -> None:
    text = json.dumps(result.to_json(), allow_nan=False)
    read = type(result).from_json(json.loads(text))
    assert type(read) is type(result)
    assert json.dumps(read.to_json(), allow_nan=False) == text


@pytest.mark.parametrize("result", [result for result in RESULTS if isinstance(result, Record)], ids=name_of)
def test_fields_come_back_with_their_types(result: Record) -> None:
    read = type(result).from_json(json.loads(json.dumps(result.to_json())))
    for name, value in vars(result).items():
        assert type(getattr(read, name)) is type(value)
        if isinstance(value, np.ndarray):
            np.testing.assert_array_equal(getattr(read, name), value)
            assert getattr(read, name).dtype == value.dtype


def test_histograms_survive_json_with_axes_and_variances() -> None:
    filled: Histogram = hist.Hist(
        hist.axis.StrCategory(["zee"], name="process"),
        hist.axis.Variable([0, 1, 5], name="met", flow=False),
        storage=hist.storage.Weight(),
    )
    filled.fill("zee", [0.5, 2.0, 3.0], weight=[0.3, -1.5, 0.1])
    histograms = Histograms({"SR": filled}, {"zee": filled})
    read = Histograms.from_json(json.loads(json.dumps(histograms.to_json())))
    assert (read.regions["SR"], read.scores["zee"]) == (filled, filled)


@dataclass(frozen=True, eq=False)
class Example(Record):
    number: float
    count: int
    is_open: bool
    kind: Literal["a", "b"]
    pair: tuple[int, float]
    words: tuple[str, ...]
    table: dict[str, dict[str, float | None]]
    values: FloatArray
    flags: BoolArray
    note: str | None
    extra: int | None = field(default=None, metadata=ABSENT)


numbers = st.floats(allow_nan=False, allow_infinity=False)
examples = st.builds(
    Example,
    number=numbers,
    count=st.integers(),
    is_open=st.booleans(),
    kind=st.sampled_from(["a", "b"]),
    pair=st.tuples(st.integers(), numbers),
    words=st.lists(st.text()).map(tuple),
    table=st.dictionaries(st.text(), st.dictionaries(st.text(), st.none() | numbers)),
    values=st.lists(numbers, min_size=1).map(np.array),
    flags=st.lists(st.booleans(), min_size=1).map(np.array),
    note=st.none() | st.text(),
    extra=st.none() | st.integers(),
)


@given(examples)
def test_any_record_survives_json(example: Example) -> None:
    read = Example.from_json(json.loads(json.dumps(example.to_json())))
    for name, value in vars(example).items():
        np.testing.assert_array_equal(getattr(read, name), value)
    assert ("extra" in example.to_json()) == (example.extra is not None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"number": "1"}, "number: expected float, got '1'"),
        ({"count": True}, "count: expected int, got True"),
        ({"is_open": 1}, "is_open: expected bool, got 1"),
        ({"kind": "c"}, "kind: expected one of a, b, got 'c'"),
        ({"pair": [1]}, "pair: expected 2 values, got"),
        ({"words": "text"}, "words: expected a list, got 'text'"),
        ({"table": []}, "table: expected a mapping, got"),
        ({"values": ["x"]}, "values: expected numbers, got"),
    ],
)
def test_wrong_content_is_named(change: dict[str, object], message: str) -> None:
    good = Example(1.0, 2, True, "a", (1, 2.0), (), {}, np.ones(2), np.ones(2, np.bool_), None).to_json()
    with pytest.raises(InputError, match=message):
        Example.from_json({**good, **change})
