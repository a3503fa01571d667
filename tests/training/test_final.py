"""The final discriminant and its parts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.errors import InputError
from cascadebdt.events import Events
from cascadebdt.forest.logistic import probability
from cascadebdt.training.quality import roc_auc
from tiny_analysis import toy_cascade, toy_events

FEATURES = {"features": ["x", "y"]}


@pytest.fixture(scope="module")
def events() -> Events:
    return toy_events(12000)


def train(events: Events, **final: Any) -> Cascade:
    return training.train(events, toy_cascade(final={**FEATURES, **final}))


@pytest.fixture(scope="module")
def everything(events: Events) -> Cascade:
    return train(events, kind=["binary", "multiclass", "stages"], train_on="all", repeats=2)


def true_ratio(events: Events) -> Any:
    """Return the logarithm of the true ratio of the signal to the sum of the backgrounds, for events without NaN."""
    x, y = (np.nan_to_num(events.columns[name].astype(np.float64)) for name in ("x", "y"))
    signal, zee, wjets = (-((x - a) ** 2 + (y - b) ** 2) / 2 for a, b in ((2, 2), (0, 1), (1, 0)))
    return signal - np.logaddexp(zee, wjets)


def test_a_stage_that_trains_on_all_events_has_the_models_of_a_stage_alone(events: Events) -> None:
    stages = [stage.model_dump() for stage in toy_cascade().stages]
    parallel = training.train(events, toy_cascade(stages=[{**stage, "train_on": "all"} for stage in stages]))
    alone = training.train(events, toy_cascade(stages=stages[1:]))
    assert models(parallel.stages[1].classifier.boosters) == models(alone.stages[0].classifier.boosters)
    rejected = parallel.score(events, unblind=True).region == 0
    assert np.isnan(parallel.score(events, unblind=True).margins[rejected, 1]).all()


def test_the_final_discriminant_alone_has_the_models_of_the_whole_training(events: Events, everything: Cascade) -> None:
    config = toy_cascade(final={**FEATURES, "kind": ["binary", "multiclass"], "train_on": "all"})
    alone, whole = training.train_final(events, config), everything.discriminant
    assert whole is not None
    assert models(alone.binary[0].boosters) == models(whole.binary[0].boosters)
    assert models(alone.ratios[0].model.boosters) == models(whole.ratios[0].model.boosters)
    assert alone.ratios[0].offsets == whole.ratios[0].offsets


def models(boosters: tuple[xgb.Booster, ...]) -> list[bytes]:
    return [bytes(booster.save_raw("ubj")) for booster in boosters]


@pytest.mark.parametrize("kind", ["multiclass", "stages"])
def test_a_likelihood_ratio_is_the_true_one(events: Events, kind: str) -> None:
    bdt = {"n_estimators": 60, "max_depth": 3, "learning_rate": 0.3, "early_stopping_rounds": 8}
    model = training.train(events, toy_cascade(bdt=bdt, final={**FEATURES, "kind": kind, "train_on": "all"}))
    found = model.score(events, unblind=True).final_margin
    assert found is not None
    known = ~np.isnan(found) & ~np.isnan(events.columns["y"])
    expected = (true_ratio(events) + np.log(2))[known]  # equal yields of both backgrounds
    # Trees and regularisation compress large ratios; a forgotten yield or training weight would shift by log 2 = 0.69.
    assert abs(np.median(found[known] - expected)) < 0.3
    assert np.corrcoef(found[known], expected)[0, 1] > 0.9


def test_the_discriminant_is_the_mean_of_its_parts(everything: Cascade, events: Events) -> None:
    assert everything.discriminant is not None
    assert everything.discriminant.parts == ("binary", "multiclass", "stages")
    whole = everything.score(events, unblind=True).final_margin
    assert whole is not None
    rows = np.flatnonzero(~np.isnan(whole))
    scores = everything.score(events, unblind=True)
    folds = (events.event_id % np.uint64(3)).astype(np.int64)
    matrix = np.column_stack([events.columns["x"], events.columns["y"]])[rows]
    binary = np.mean([_margin(one.boosters, matrix, folds[rows]) for one in everything.discriminant.binary], axis=0)
    ratio = np.mean([one.margin(events.columns, folds, rows) for one in everything.discriminant.ratios], axis=0)
    assert everything.discriminant.stages is not None
    stages = everything.discriminant.stages.margin(scores.margins[rows])
    np.testing.assert_allclose(whole[rows], (binary + ratio + stages) / 3, rtol=1e-5, atol=1e-6)


def _margin(boosters: Any, matrix: Any, folds: Any) -> Any:
    found = np.empty(len(folds))
    for fold, booster in enumerate(boosters):
        found[folds == fold] = booster.inplace_predict(matrix[folds == fold], predict_type="margin")
    return found


def test_repeats_are_different_models(everything: Cascade) -> None:
    assert everything.discriminant is not None
    for models in (everything.discriminant.binary, [ratio.model for ratio in everything.discriminant.ratios]):
        first, second = (bytes(model.boosters[0].save_raw("ubj")) for model in models)
        assert first != second


def test_a_saved_discriminant_scores_plain_columns_alone(everything: Cascade, events: Events, tmp_path: Path) -> None:
    everything.save(tmp_path)
    loaded = Cascade.load(tmp_path).score(dict(events.columns), events.event_id)
    np.testing.assert_array_equal(loaded.final, everything.score(events, unblind=True).final)


def test_saving_removes_models_of_an_earlier_discriminant(everything: Cascade, events: Events, tmp_path: Path) -> None:
    everything.save(tmp_path)
    train(events, kind="stages").save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"cascade.json", "zee", "wjets"}


def test_the_stages_alone_need_no_features_and_no_bdt(events: Events) -> None:
    model = training.train(events, toy_cascade(final={"kind": "stages"}))
    assert model.final is None
    found = model.score(events, unblind=True)
    assert found.final is not None
    np.testing.assert_array_equal(np.isnan(found.final), found.region != 2)


def test_training_on_all_events_is_not_training_on_survivors(events: Events) -> None:
    models = [train(events, train_on=which) for which in ("all", "survivors")]
    finals = [model.final for model in models if model.final is not None]
    effective = [sum((final.summary.effective_events or {}).values()) for final in finals]
    assert effective[0] > 1.2 * effective[1]


def test_fitted_normalisations_change_the_discriminant_without_training(events: Events) -> None:
    model = train(events, kind=["multiclass", "stages"], train_on="all")
    changed = model.with_normalisations({"zee": 100.0, "wjets": 1e-6})
    before, after = (found.score(events, unblind=True).final_margin for found in (model, changed))
    assert before is not None
    assert after is not None
    x, y = (events.columns[name].astype(np.float64) for name in ("x", "y"))
    against_zee = -((x - 2) ** 2 + (y - 2) ** 2) / 2 + ((x - 0) ** 2 + (y - 1) ** 2) / 2
    known = ~np.isnan(before) & ~np.isnan(events.columns["y"])
    assert np.corrcoef(after[known], against_zee[known])[0, 1] > np.corrcoef(before[known], against_zee[known])[0, 1]
    same = model.with_normalisations({}).score(events, unblind=True).final_margin
    np.testing.assert_array_equal(same, before)


def test_a_binary_bdt_takes_no_normalisations(events: Events) -> None:
    with pytest.raises(InputError, match=r"which takes no yields; train it with final\.kind 'multiclass' or 'stages'"):
        train(events).with_normalisations({"zee": 2.0})


def test_permuted_labels_leave_no_stage_and_no_part_anything_to_learn(events: Events) -> None:
    simulated = events.take(~events.is_data)
    order = np.random.default_rng(1).permutation(len(simulated))
    shuffled = replace(simulated, columns={name: column[order] for name, column in simulated.columns.items()})
    model = train(shuffled, kind=["binary", "multiclass", "stages"], train_on="all")
    for stage in model.stages:
        summary = stage.classifier.summary
        assert summary.auc is not None
        assert summary.auc_uncertainty is not None
        assert abs(summary.auc - 0.5) < 4 * summary.auc_uncertainty < 0.1
    found = model.score(shuffled, unblind=True)
    assert found.final_margin is not None
    kept = ~np.isnan(found.final_margin)
    auc = roc_auc(
        probability(found.final_margin[kept]), shuffled.weights["nominal"][kept], shuffled.of_process("signal")[kept]
    )
    assert abs(auc - 0.5) < 0.04


def test_parts_that_need_features_ask_for_them() -> None:
    with pytest.raises(ValueError, match="kind multiclass needs features, got none"):
        toy_cascade(final={"kind": "multiclass"})


def test_constraints_are_of_the_binary_bdt() -> None:
    with pytest.raises(ValueError, match="add 'binary' to kind"):
        toy_cascade(final={**FEATURES, "kind": "multiclass", "constraints": {"monotone": {"x": "increasing"}}})
