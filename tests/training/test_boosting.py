"""Boosters: XGBoost's own, whatever the jobs, threads and memory; stopped where they are best; kept to constraints."""

import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb
from pydantic import ValidationError
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from cascadebdt.arrays import AnyArray, IntArray
from cascadebdt.config import BDTConfig, CascadeConfig, ConstraintsConfig, Memory
from cascadebdt.events.folds import Split
from cascadebdt.forest import trees
from cascadebdt.training import boosting, quantiser
from cascadebdt.training.boosting import Fitted, Runtime, TrainingSample
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quality import roc_auc
from cascadebdt.training.quantiser import Quantiser
from tiny_analysis import toy_cascade

N = 3000
QUICK = BDTConfig(n_estimators=60, max_depth=3, learning_rate=0.3, early_stopping_rounds=4)
FEATURES = ("a", "b", "c")


@pytest.fixture(scope="module")
def sample() -> TrainingSample:
    rng = np.random.default_rng(5)
    is_signal = rng.random(N) < 0.5
    columns = {
        name: (rng.normal(size=N) + shift * is_signal).astype(np.float32)
        for name, shift in zip("abc", (1, 0.5, 0), strict=True)
    }
    columns["c"] += columns["a"] * columns["b"] * is_signal
    columns["b"][::9] = np.nan
    weights = rng.exponential(size=N)
    features = FeatureRows(columns, FEATURES, np.arange(N))
    return TrainingSample(features, is_signal, weights, np.zeros(N, np.int16), "events")


@pytest.fixture(scope="module")
def splits() -> list[Split]:
    part = np.arange(N) % 3
    return [Split(part == (k + 1) % 3, part == (k + 2) % 3) for k in range(3)]


def bits(fitted: tuple[Fitted, ...]) -> list[bytes]:
    return [bytes(one.booster.save_raw("ubj")) for one in fitted]


@pytest.fixture(scope="module")
def fitted(sample: TrainingSample, splits: list[Split]) -> tuple[Fitted, ...]:
    return boosting.fit(sample, splits, QUICK, Runtime(1, 1, "cpu"))


@pytest.mark.parametrize(("jobs", "memory"), [(2, "ram"), (7, "ram"), (1, "stream"), (2, "stream"), (1, "disk")])
def test_neither_jobs_nor_threads_nor_memory_change_a_bit(
    sample: TrainingSample,
    splits: list[Split],
    fitted: tuple[Fitted, ...],
    jobs: int,
    memory: Memory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if memory != "ram":
        monkeypatch.setattr(quantiser, "BATCH", 250)
        monkeypatch.setattr(boosting, "BATCH", 250)
    found = boosting.fit(sample, splits, QUICK, Runtime(1, jobs, "cpu", memory))
    assert bits(found) == bits(fitted)
    assert [one.curves for one in found] == [one.curves for one in fitted]


def test_sampling_of_rows_and_columns_depends_on_the_seed_alone(sample: TrainingSample, splits: list[Split]) -> None:
    config = QUICK.model_copy(update={"subsample": 0.6, "colsample_bytree": 0.7})
    one, two, other = (
        boosting.fit(sample, splits, config, Runtime(seed, jobs, "cpu")) for seed, jobs in [(1, 1), (1, 5), (2, 1)]
    )
    assert bits(one) == bits(two) != bits(other)


def test_a_booster_is_what_xgboost_makes_of_the_same_bins(
    sample: TrainingSample, splits: list[Split], fitted: tuple[Fitted, ...]
) -> None:
    rows = np.flatnonzero(splits[0].train)
    borders = Quantiser.of(sample.features, QUICK.max_bin).borders
    label = sample.is_signal[rows]
    weights = sample.weights[rows]
    for mask in (label, ~label):
        weights[mask] *= mask.sum() / weights[mask].sum()
    data = xgb.QuantileDMatrix(
        sample.features[rows], label=label, weight=weights, ref=borders, feature_names=FEATURES, nthread=1
    )
    parameters = {
        "objective": "binary:logistic",
        "base_score": 0.5,
        "max_depth": 3,
        "eta": 0.3,
        "min_child_weight": 5,
        "nthread": 1,
    }
    expected = xgb.train(parameters, data, fitted[0].booster.num_boosted_rounds())
    everything = sample.features[np.arange(N)]
    np.testing.assert_array_equal(fitted[0].predict(everything), expected.inplace_predict(everything))


def test_the_curves_are_the_losses_and_the_booster_ends_at_the_lowest(
    sample: TrainingSample, splits: list[Split], fitted: tuple[Fitted, ...]
) -> None:
    for split, one in zip(splits, fitted, strict=True):
        n_rounds = one.booster.num_boosted_rounds()
        index = list(one.curves["round"]).index(n_rounds)
        assert one.curves["stop"][index] == min(one.curves["stop"])
        assert one.curves["round"][-1] - n_rounds in (QUICK.early_stopping_rounds, 60 - n_rounds)
        for name, mask in (("train", split.train), ("stop", split.stop)):
            rows = np.flatnonzero(mask)
            label, weights = sample.is_signal[rows], sample.weights[rows].copy()
            for part in (label, ~label):
                weights[part] *= part.sum() / weights[part].sum()
            loss = log_loss(label, one.predict(sample.features[rows]), sample_weight=weights)
            assert one.curves[name][index] == pytest.approx(loss, rel=1e-5)


def test_without_early_stopping_every_tree_is_kept(sample: TrainingSample, splits: list[Split]) -> None:
    config = BDTConfig(n_estimators=25, max_depth=2, early_stopping_rounds=None)
    one, *_ = boosting.fit(sample, splits, config, Runtime(1, 2, "cpu"))
    assert one.booster.num_boosted_rounds() == 25
    assert list(one.curves["round"]) == [10, 20, 25]
    assert set(one.curves) == {"round", "train"}


@pytest.mark.parametrize("direction", ["increasing", "decreasing"])
def test_a_monotone_score_never_turns(sample: TrainingSample, splits: list[Split], direction: str) -> None:
    bound = replace(sample, constraints=ConstraintsConfig.model_validate({"monotone": {"c": direction}}))
    scan = np.linspace(-4, 4, 200, dtype=np.float32)

    def steps(sample: TrainingSample) -> list[float]:
        models = boosting.fit(sample, splits, QUICK, Runtime(1, 2, "cpu"))
        points = [
            np.stack([np.full(200, a), np.full(200, b), scan], 1).astype(np.float32)
            for a, b in [(0, 0), (2, -1), (-1, 1)]
        ]
        return [float(step) for model in models for at in points for step in np.diff(model.predict(at))]

    sign = 1 if direction == "increasing" else -1
    assert min(sign * step for step in steps(bound)) >= 0
    assert min(sign * step for step in steps(sample)) < 0


def test_features_of_different_groups_never_meet(sample: TrainingSample, splits: list[Split]) -> None:
    def pairs(constraints: ConstraintsConfig) -> set[frozenset[int]]:
        found = set()
        for one in boosting.fit(replace(sample, constraints=constraints), splits, QUICK, Runtime(1, 2, "cpu")):
            forest = trees.read(one.booster)
            paths = [(root, frozenset[int]()) for root in forest.root]
            while paths:
                node, above = paths.pop()
                found |= {frozenset(pair) for pair in [above] if len(pair) > 1}
                if forest.is_split[node]:
                    below = above | {int(forest.feature[node])}
                    paths += [(forest.left[node], below), (forest.right[node], below)]
        return found

    assert pairs(ConstraintsConfig(interactions=(("a", "b"),))) == {frozenset({0, 1})}
    assert frozenset({0, 2}) in pairs(ConstraintsConfig())


@pytest.mark.parametrize(
    ("constraints", "message"),
    [
        ({"monotone": {"z": "increasing"}}, "'z' is no feature of this stage"),
        ({"interactions": [["x"], ["yy"]]}, r"'yy' .*; did you mean 'y'\?"),
        ({"monotone": {"x": "up"}}, "'increasing' or 'decreasing'"),
    ],
)
def test_constraints_on_what_is_no_feature_are_refused(constraints: object, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        toy_cascade(final={"features": ["x", "y"], "constraints": constraints})


def test_it_separates_at_least_as_well_as_the_gradient_boosting_of_scikit_learn(
    sample: TrainingSample, splits: list[Split], fitted: tuple[Fitted, ...]
) -> None:
    def area(scores: AnyArray, rows: IntArray) -> float:
        return roc_auc(scores, sample.weights[rows], sample.is_signal[rows])

    for split, one in zip(splits, fitted, strict=True):
        train, unseen = np.flatnonzero(split.train), np.flatnonzero(~split.train & ~split.stop)
        n_trees = one.booster.num_boosted_rounds()
        other = HistGradientBoostingClassifier(
            max_iter=n_trees, max_depth=3, learning_rate=0.3, early_stopping=False, random_state=0
        )
        other.fit(sample.features[train], sample.is_signal[train], sample.weights[train])
        own = area(one.predict(sample.features[unseen]), unseen)
        assert own > 0.75
        assert own > area(other.predict_proba(sample.features[unseen])[:, 1], unseen) - 0.02


def test_threads_of_the_command_line_wait_without_spinning() -> None:
    code = "import cascadebdt.cli, xgboost"
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("OMP_", "GOMP_"))}
    shown = subprocess.run(
        [sys.executable, "-c", code],
        env={**clean, "OMP_DISPLAY_ENV": "true"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "OMP_WAIT_POLICY = 'PASSIVE'" in shown.stderr


def test_where_it_trains_and_keeps_events_is_no_part_of_the_analysis() -> None:
    assert CascadeConfig.model_fields["memory"].default == "ram"
    assert toy_cascade(memory="disk").memory == "disk"


@pytest.mark.skipif(boosting.resolve_device("auto") != "cuda", reason="no CUDA device here")
def test_a_gpu_separates_as_the_cpu_does(sample: TrainingSample, splits: list[Split]) -> None:
    unseen = np.flatnonzero(~splits[0].train & ~splits[0].stop)
    areas = []
    for device in ("cpu", "cuda"):
        model, *_ = boosting.fit(sample, splits, QUICK, Runtime(1, 1, device))
        scores = model.predict(sample.features[unseen])
        areas.append(roc_auc(scores, sample.weights[unseen], sample.is_signal[unseen]))
    assert areas[1] == pytest.approx(areas[0], abs=0.005)
