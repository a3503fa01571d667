"""The law of evaluation: every margin is XGBoost's float32 margin, bit for bit, and every region follows from it."""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from cascadebdt import training
from cascadebdt.arrays import AnyArray, FeatureArray
from cascadebdt.errors import InputError
from cascadebdt.events.folds import fold_of
from cascadebdt.forest import evaluator, target, trees
from cascadebdt.forest.borders import RegionBorders, Thresholds
from cascadebdt.forest.engines import EngineChain, Evaluation, KernelEngine, Member, XGBoostEngine
from cascadebdt.forest.evaluator import compile_members
from cascadebdt.forest.logistic import probability, smallest_margin
from cascadebdt.forest.target import Target
from cascadebdt.kernels import cpu
from tiny_analysis import toy_cascade, toy_events

SPECIAL = [0.0, -0.0, 1e-45, -1e-45, 1e-39, 3e38, -3e38, np.inf, -np.inf, np.nan, np.nan]
FEATURES = ("a", "b", "c", "d")
DROPOUT = {"booster": "dart", "rate_drop": 0.5}

# XGBoost 3.4 trains with dropout whatever the booster's name and deprecates `dart`; 3.2 needs that name.
allows_dart = pytest.mark.filterwarnings("ignore:.*booster=dart. is deprecated:UserWarning")


def plain(depth: int) -> Target:
    return target.plain(depth)


def avx2(depth: int) -> Target:
    return target.fastest(depth, "avx2")


def avx512(depth: int) -> Target:
    return target.fastest(depth, "avx512")


def _on(chosen: Any, *known: str) -> Any:
    """Return a target as a test parameter, skipped on CPUs that cannot run it."""
    cannot = pytest.mark.skipif(cpu.instructions() not in known, reason=f"this CPU has no {chosen.__name__}")
    return pytest.param(chosen, id=chosen.__name__, marks=cannot)


targets = pytest.mark.parametrize("chosen", [plain, _on(avx2, "avx2", "avx512"), _on(avx512, "avx512")])


def booster(seed: int, *, depth: int = 3, rounds: int = 7, stop: int | None = None, **parameters: Any) -> xgb.Booster:
    """Train on noise with missing, repeated, tiny and huge values."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(400, 4)) * np.array([1.0, 1e-41, 1e30, 1.0])
    x[:, 3] = rng.integers(-2, 3, 400)
    x[rng.random(x.shape) < 0.15] = np.nan
    label = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 3]) + rng.normal(size=400) > 0).astype(np.float32)
    data = xgb.DMatrix(x.astype(np.float32), label, feature_names=list(FEATURES))
    chosen = {
        "objective": "binary:logistic",
        "max_depth": depth,
        "eta": 0.4,
        "nthread": 1,
        "seed": seed,
        "base_score": 0.5,
    }
    watched = {"evals": [(data, "stop")], "early_stopping_rounds": 2, "verbose_eval": False} if stop else {}
    trained = xgb.train(chosen | parameters, data, rounds, **watched)
    return trained[: trained.best_iteration + 1] if stop else trained


def members(seed: int, n_folds: int, n_stages: int, **options: Any) -> list[Member]:
    """Return stages whose boosters see different features in different orders, and a final discriminant."""
    made: list[Member] = []
    for stage in range(n_stages + 1):
        boosters = tuple(booster(seed + 100 * stage + fold, **options) for fold in range(n_folds))
        features = tuple(FEATURES[(stage + k) % 4] for k in range(4))
        made.append(Member(f"s{stage}", features, boosters))
    return made


def thresholds(made: list[Member]) -> list[Thresholds | None]:
    """Return thresholds of the stages, of which every other has a validation region, and none of the last member."""
    validation = [np.float32(0.3), None]
    return [*(Thresholds(np.float32(0.4), validation[k % 2]) for k in range(len(made) - 1)), None]


def hard_columns(made: list[Member], size: int, seed: int) -> dict[str, FeatureArray]:
    """Return events on the thresholds of the models, one number beside them, and on special values."""
    rng = np.random.default_rng(seed)
    values = [trees.read(model).value for member in made for model in member.boosters]
    on = np.concatenate([np.array(SPECIAL, np.float32), rng.normal(size=20).astype(np.float32), *values])
    with np.errstate(over="ignore"):
        pool = np.concatenate([on, np.nextafter(on, np.float32(np.inf)), np.nextafter(on, np.float32(-np.inf))])
    return {name: rng.choice(pool, size) for name in FEATURES}


def by_xgboost(
    made: list[Member], cuts: list[Thresholds | None], n_folds: int, columns: Mapping[str, AnyArray], event_id: AnyArray
) -> Evaluation:
    """Evaluate in the plainest way: every model on every event, then cut on probabilities."""
    size, code = len(event_id), 0
    margins, region = np.full((len(made), size), np.nan, np.float32), np.zeros(size, np.int8)
    alive = np.ones(size, np.bool_)
    for index, (member, cut) in enumerate(zip(made, cuts, strict=True)):
        if size:
            x = np.stack([np.asarray(columns[name], np.float32) for name in member.features], axis=1)
            every = [model.inplace_predict(x, predict_type="margin") for model in member.boosters]
            values = [model.inplace_predict(x) for model in member.boosters]
            margins[index, alive] = np.choose(fold_of(event_id, n_folds), every)[alive]
            score = np.choose(fold_of(event_id, n_folds), values)
        else:
            score = np.zeros(0, np.float32)
        if cut is not None:
            rejected = alive & (score < cut.passing)
            region[rejected] = code
            code += 1
            if cut.validation is not None:
                region[rejected & (score >= cut.validation)] = code
                code += 1
            alive &= score >= cut.passing
    region[alive] = code
    return Evaluation(margins, region)


def require_law(
    made: list[Member],
    n_folds: int,
    columns: Mapping[str, AnyArray],
    chosen: Any,
    jobs: int = 1,
    cuts: list[Thresholds | None] | None = None,
    engine: type = KernelEngine,
) -> None:
    event_id = np.random.default_rng(1).integers(0, 1 << 63, len(columns["a"])).astype(np.uint64)
    cuts = thresholds(made) if cuts is None else cuts
    compiled = compile_members(made, n_folds, choose_target=chosen)
    assert isinstance(compiled.engine, engine)
    found = compiled.run(columns, event_id, RegionBorders.at(cuts), jobs=jobs, with_margins=True)
    expected = by_xgboost(made, cuts, n_folds, columns, event_id)
    np.testing.assert_array_equal(found.margins.view(np.int32), expected.margins.view(np.int32))
    np.testing.assert_array_equal(found.region, expected.region)
    alone = compiled.run(columns, event_id, RegionBorders.at(cuts), jobs=jobs, with_margins=False)
    np.testing.assert_array_equal(alone.region, expected.region)


@targets
@settings(max_examples=10)
@given(
    seed=st.integers(0, 10_000),
    n_folds=st.integers(1, 4),
    n_stages=st.integers(1, 3),
    rounds=st.integers(1, 14),
    size=st.one_of(st.integers(0, 70), st.integers(500, 1100)),
)
def test_margins_and_regions_are_those_of_xgboost(
    chosen: Any, seed: int, n_folds: int, n_stages: int, rounds: int, size: int
) -> None:
    made = members(seed, n_folds, n_stages, rounds=rounds)
    require_law(made, n_folds, hard_columns(made, size, seed), chosen)


@targets
@pytest.mark.parametrize("depth", range(1, 9))
def test_every_supported_depth_is_exact(chosen: Any, depth: int) -> None:
    made = members(depth, 2, 2, depth=depth, min_child_weight=0.1)
    assert max(trees.read(model).depth for member in made for model in member.boosters) == depth
    require_law(made, 2, hard_columns(made, 700, depth), chosen)


def test_the_fastest_target_of_this_cpu_is_taken() -> None:
    made = members(1, 1, 1)
    engine = compile_members(made, 1).engine
    assert isinstance(engine, KernelEngine)
    assert engine.target.name == (cpu.instructions() or "plain")


@pytest.mark.skipif(cpu.instructions() == "", reason="this CPU has no avx2")
@pytest.mark.parametrize("instructions", ["avx2", ""])
def test_machine_code_for_an_older_cpu_is_exact(instructions: str) -> None:
    """What Numba compiles for an older CPU runs here too; `compile_members` compares it with XGBoost."""
    features = ["sse2", "sse4.1", "sse4.2", "popcnt", *(["avx", "avx2", "fma", "bmi", "bmi2"] if instructions else [])]
    code = (
        "import test_evaluator as t\n"
        f"assert t.cpu.instructions() == {instructions!r}\n"
        "for depth in (3, 7):\n"
        "    made = t.members(depth, 1, 1, depth=depth, min_child_weight=0.1)\n"
        "    t.require_law(made, 1, t.hard_columns(made, 700, depth), None)\n"
    )
    old = {"NUMBA_CPU_NAME": "haswell" if instructions else "nehalem"}
    old |= {"NUMBA_CPU_FEATURES": ",".join(f"+{name}" for name in features)}
    paths = [str(Path(__file__).parent), str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    subprocess.run([sys.executable, "-c", code], check=True, env=os.environ | old | {"PYTHONPATH": ":".join(paths)})


@targets
def test_trees_of_one_leaf_are_exact(chosen: Any) -> None:
    made = members(3, 2, 2, gamma=1e9, base_score=0.3)
    assert all("split" not in dump for dump in made[0].boosters[0].get_dump())
    require_law(made, 2, hard_columns(made, 100, 3), chosen)


@targets
def test_early_stopped_models_are_exact(chosen: Any) -> None:
    made = members(5, 2, 2, rounds=40, stop=2)
    require_law(made, 2, hard_columns(made, 600, 5), chosen)


@targets
def test_a_base_score_found_by_xgboost_is_exact(chosen: Any) -> None:
    made = members(6, 2, 1, base_score=None)
    require_law(made, 2, hard_columns(made, 600, 6), chosen)


@pytest.fixture(scope="module")
def two_stages() -> list[Member]:
    return members(11, 3, 2)


@targets
def test_blocks_of_every_size_are_exact(chosen: Any, two_stages: list[Member]) -> None:
    columns = hard_columns(two_stages, 600, 0)
    for size in [*range(20), *range(120, 136), *range(250, 262), 511, 512, 513, 600]:
        require_law(two_stages, 3, {name: column[:size] for name, column in columns.items()}, chosen)


@targets
@pytest.mark.parametrize("jobs", [1, 2, 5])
def test_threads_and_blocks_do_not_change_the_result(
    chosen: Any, jobs: int, two_stages: list[Member], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "BLOCK", 137)
    require_law(two_stages, 3, hard_columns(two_stages, 1500, 7), chosen, jobs)


@targets
@pytest.mark.parametrize("n_folds", [1, 3])
def test_events_at_the_working_point_pass(chosen: Any, n_folds: int, two_stages: list[Member]) -> None:
    made = [replace(member, boosters=member.boosters[:n_folds]) for member in two_stages]
    columns = hard_columns(made, 400, 2)
    first, *others = thresholds(made)
    reached = by_xgboost(made, [first, *others], n_folds, columns, np.arange(400, dtype=np.uint64)).margins[0]
    for score in np.unique(probability(reached))[:5]:
        for beside in (score, np.nextafter(score, np.float32(2)), np.nextafter(score, np.float32(-1))):
            require_law(made, n_folds, columns, chosen, cuts=[Thresholds(beside), *others])
            require_law(made, n_folds, columns, chosen, cuts=[Thresholds(np.float32(0.9), beside), *others])


@targets
@pytest.mark.parametrize("dtype", ["f8", "f2", "i4", "i8", "u1", "?", ">f4", ">f8"])
def test_columns_of_any_type_are_cast_as_xgboost_would(chosen: Any, dtype: str, two_stages: list[Member]) -> None:
    values = np.random.default_rng(0).normal(scale=3, size=(4, 300))
    columns = {name: np.abs(row).astype(dtype) for name, row in zip(FEATURES, values, strict=True)}
    require_law(two_stages, 3, columns, chosen)


@targets
def test_strided_and_readonly_columns_are_exact(chosen: Any, two_stages: list[Member]) -> None:
    columns = hard_columns(two_stages, 300, 4)
    table = np.stack(list(columns.values()), axis=1)
    table.flags.writeable = False
    require_law(two_stages, 3, {name: table[:, k] for k, name in enumerate(FEATURES)}, chosen)


@given(st.floats(0, 1, width=32))
def test_a_cut_on_margins_is_the_cut_on_probabilities(threshold: float) -> None:
    cut = smallest_margin(np.float32(threshold))
    beside = np.array([cut, np.nextafter(cut, np.float32(-np.inf)), np.nextafter(cut, np.float32(np.inf))], np.float32)
    np.testing.assert_array_equal(beside >= cut, probability(beside) >= np.float32(threshold))


def test_nothing_passes_a_threshold_above_one() -> None:
    assert np.isnan(smallest_margin(np.float32(1.5)))
    assert smallest_margin(np.float32(0.0)) == -np.inf


@allows_dart
@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (DROPOUT, "its trees have weights from dropout"),
        ({"depth": 9, "min_child_weight": 0, "rounds": 3}, "its trees are deeper than 8"),
        (
            {"tree_method": "exact", "depth": 8, "rounds": 150, "subsample": 0.3, "min_child_weight": 0},
            r"a feature has .* cuts, more than 255",
        ),
    ],
)
def test_other_models_go_through_xgboost_and_one_line_says_why(
    options: dict[str, Any], reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    made = members(2, 2, 2, **options)
    columns = dict(zip(FEATURES, np.random.default_rng(0).normal(size=(4, 300)).astype(np.float32), strict=True))
    with caplog.at_level(logging.WARNING):
        compile_members(made, 2)
    (line,) = [record.getMessage() for record in caplog.records]
    assert re.fullmatch(f"scoring through XGBoost, which is slower: (model 0 of 's0': )?{reason}", line)
    require_law(made, 2, columns, None, jobs=2, engine=XGBoostEngine)


@allows_dart
@pytest.mark.parametrize("unfit", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_only_the_stages_that_the_kernels_cannot_evaluate_go_through_xgboost(
    unfit: tuple[int, ...], caplog: pytest.LogCaptureFixture
) -> None:
    fit, dart = members(4, 2, 2), members(4, 2, 2, **DROPOUT)
    made = [dart[k] if k in unfit else fit[k] for k in range(3)]
    with caplog.at_level(logging.WARNING):
        compile_members(made, 2)
    (line,) = [record.getMessage() for record in caplog.records]
    names = ", ".join(f"'{made[k].name}'" for k in unfit)
    assert line.startswith(f"scoring {names} through XGBoost, which is slower: model 0 of '{made[unfit[0]].name}'")
    require_law(made, 2, hard_columns(fit, 700, 4), None, engine=EngineChain)


def test_regions_alone_are_those_of_the_scores() -> None:
    events = toy_events()
    trained = training.train(events, toy_cascade())
    for unblind in (False, True):
        scores = trained.score(events, unblind=unblind, jobs=2)
        np.testing.assert_array_equal(trained.classify(events, unblind=unblind), scores.region)
    np.testing.assert_array_equal(scores.scores, probability(scores.margins))


def test_a_missing_column_is_one_sentence(two_stages: list[Member]) -> None:
    borders = RegionBorders.at(thresholds(two_stages))
    with pytest.raises(InputError, match="columns: no feature 'd'"):
        compile_members(two_stages, 3).run(
            {name: np.zeros(3) for name in "abc"}, np.zeros(3, np.uint64), borders, jobs=1, with_margins=True
        )
