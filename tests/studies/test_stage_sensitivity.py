"""The uncertainty of the signal strength with other scores of one stage."""

from dataclasses import replace

import numpy as np
import pytest
import xgboost as xgb

from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import Config
from cascadebdt.events import Events
from cascadebdt.events.folds import fold_of
from cascadebdt.studies.grid import Grid, Setting, StageGrid
from cascadebdt.studies.open_scores import OpenScores
from cascadebdt.studies.stage_sensitivity import StageSensitivity
from cascadebdt.studies.surrogate import Surrogate
from studies.toy_study import toy_study
from tiny_analysis import toy_events

STAGE = 1


@pytest.fixture(scope="module", params=["stage", "sorter"])
def trained(request: pytest.FixtureRequest) -> tuple[Config, Events, Cascade]:
    """A cascade with a discriminant of two parts and a fixed threshold at the stage."""
    final = {"kind": ["stages", "binary"], "features": ["x", "y"]}
    config = toy_study(request.param, n_events=3000).config.replace("cascade.final", final)
    config = config.replace(f"cascade.stages[{STAGE}].working_point", {"threshold": 0.3})
    events = toy_events(3000)
    return config, events, training.train(events, config.cascade, seed=1)


def with_boosters(cascade: Cascade, boosters: tuple[xgb.Booster, ...]) -> Cascade:
    stage = cascade.stages[STAGE]
    other = replace(stage, classifier=replace(stage.classifier, boosters=boosters))
    return replace(cascade, stages=(*cascade.stages[:STAGE], other, *cascade.stages[STAGE + 1 :]))


def sigma_mu(config: Config, events: Events, cascade: Cascade) -> float:
    """Return what the surrogate of a whole cascade says."""
    grid = Grid(tuple(StageGrid((stage.working_point.thresholds,), 0) for stage in cascade.stages))
    surrogate = Surrogate.of(OpenScores.of(cascade, events), config, grid)
    return surrogate.sigma_mu(Setting((0,) * len(cascade.stages), 5, 3))


@pytest.mark.parametrize("n_trees", [None, 2])
def test_exchanged_scores_give_what_a_cascade_with_these_boosters_gives(
    trained: tuple[Config, Events, Cascade], n_trees: int | None
) -> None:
    config, events, cascade = trained
    boosters = tuple(booster[:n_trees] for booster in cascade.stages[STAGE].classifier.boosters)
    scores = OpenScores.of(cascade, events)
    folds = fold_of(scores.events.event_id, cascade.n_folds)
    found = StageSensitivity(scores, config, STAGE, folds, cascade.n_folds)
    value, without = found.sigma_mu(dict(enumerate(boosters)))
    # The discriminant is rounded to float32 twice, which may move an event to the next fine bin.
    assert value == pytest.approx(sigma_mu(config, events, with_boosters(cascade, boosters)), rel=2e-3)
    assert np.abs(without - value).max() < 0.3 * value


def test_worse_scores_are_noticed(trained: tuple[Config, Events, Cascade]) -> None:
    config, events, cascade = trained
    scores = OpenScores.of(cascade, events)
    found = StageSensitivity(scores, config, STAGE, fold_of(scores.events.event_id, cascade.n_folds), cascade.n_folds)
    boosters = dict(enumerate(cascade.stages[STAGE].classifier.boosters))
    good, _ = found.sigma_mu(boosters)
    bad, _ = found.sigma_mu({fold: booster[:1] for fold, booster in boosters.items()})
    assert bad > 1.02 * good


def test_the_efficiency_of_the_working_point_stays(trained: tuple[Config, Events, Cascade]) -> None:
    config, events, cascade = trained
    scores = OpenScores.of(cascade, events)
    folds = fold_of(scores.events.event_id, cascade.n_folds)
    first = dict(enumerate(cascade.stages[0].classifier.boosters))
    value, _ = StageSensitivity(scores, config, 0, folds, cascade.n_folds).sigma_mu(first)
    assert value == pytest.approx(sigma_mu(config, events, cascade), rel=1e-6)
