"""A cascade of four stages on toy events: a signal and four backgrounds, 30 float32 columns, absent jets as NaN."""

import numpy as np
import xgboost as xgb

from cascadebdt.arrays import FeatureArray
from cascadebdt.cascade import Cascade, Classifier, Stage, WorkingPoint

N_COLUMNS = 30
STAGES = (  # the columns that each stage sees
    (12, 13, 14, 15, 16, 24, 27, 29),
    (12, 13, 29, 0, 1, 2, 17, 18, 25, 27, 28, 20),
    (12, 14, 29, 0, 3, 4, 5, 6, 16, 17, 19, 21, 22, 24, 26, 27),
    (12, 13, 29, 1, 3, 5, 7, 8, 9, 10, 11, 15, 18, 19, 20, 22, 23, 25, 26, 28),
)
Columns = dict[str, FeatureArray]


def events(n: int, seed: int) -> tuple[Columns, np.ndarray]:
    """Return toy columns and the process of each event, 0 for signal."""
    rng = np.random.default_rng(seed)
    process = rng.choice(5, n, p=[0.2, 0.25, 0.25, 0.15, 0.15])
    shared = rng.normal(size=n)
    x = np.empty((N_COLUMNS, n))
    for j in range(12):
        x[j] = 0.6 * shared + 0.8 * rng.normal(size=n) + np.where(process == 0, 0.7, 0.15 * (process * (j % 3)))
    scale = np.array([110, 45, 60, 70, 25])[process]
    for j in range(12, 20):
        x[j] = 20 + rng.exponential(1, n) * (scale if j < 14 else 30 + 0.25 * scale)
    for j in range(20, 27):
        x[j] = rng.uniform(-2.5, 2.5, n) * (1 - 0.08 * process)
    x[27] = rng.poisson(np.array([2.0, 2.2, 5, 3, 2.5])[process])
    x[28] = rng.poisson(np.array([0.1, 0.1, 1.6, 0.6, 0.2])[process])
    x[29] = x[12] / np.sqrt(x[13])
    for column, jets in ((17, 2), (18, 3), (19, 4), (26, 2)):
        x[column][x[27] < jets] = np.nan
    return {f"c{j}": row.astype(np.float32) for j, row in enumerate(x)}, process


def train(depth: int, *, trees: int, n_events: int) -> list[Classifier]:
    """Train one booster per stage."""
    columns, process = events(n_events, 1)
    return [_train(columns, process, depth, trees, stage) for stage in range(len(STAGES))]


def _train(columns: Columns, process: np.ndarray, depth: int, trees: int, stage: int) -> Classifier:
    names = tuple(f"c{j}" for j in STAGES[stage])
    rows = (process == 0) | (process == stage + 1)
    data = xgb.QuantileDMatrix(
        np.stack([columns[name][rows] for name in names], axis=1), label=process[rows] == 0, feature_names=list(names)
    )
    parameters = {
        "objective": "binary:logistic",
        "base_score": 0.5,
        "max_depth": depth,
        "learning_rate": 0.05,
        "subsample": 0.8,
        "colsample_bytree": 0.8,
        "min_child_weight": 5,
        "seed": stage,
        "nthread": 1,
    }
    return Classifier(f"s{stage}", (f"b{stage}",), names, (xgb.train(parameters, data, trees),))


def cascade(classifiers: list[Classifier], columns: Columns, rejection: float) -> Cascade:
    """Return the cascade whose stages each reject this fraction of the events that reach them."""
    alive = np.ones(len(columns["c0"]), np.bool_)
    stages = []
    for classifier in classifiers:
        table = np.stack([columns[name] for name in classifier.features], axis=1)
        score = classifier.boosters[0].inplace_predict(table)
        threshold = np.float32(np.quantile(score[alive], rejection))
        alive &= score >= threshold
        stages.append(Stage(classifier, WorkingPoint(threshold, None, {})))
    return Cascade("signal", 1, tuple(stages))
