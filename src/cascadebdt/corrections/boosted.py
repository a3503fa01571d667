"""The method `boosted`: a ratio of densities by shallow boosted trees, which know of combinations of variables.

Each tree adds to the logarithm of the ratio in its leaves what moves the simulation to the data less the other
backgrounds there, a Newton step of the Poisson likelihood. Its hessian is the corrected yield of the simulation, so
that a leaf's step is (data - others - simulation) / (simulation + lambda): events that are subtracted need no negative
weights. lambda = 1 / prior^2 is the Gaussian prior of a leaf.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from cascadebdt.arrays import AnyArray, FeatureArray, FloatArray
from cascadebdt.corrections.purified import Purified
from cascadebdt.forest import boosters
from cascadebdt.records import Record

if TYPE_CHECKING:
    import xgboost as xgb

MAX_TREES = 200
PATIENCE = 10
MIN_YIELD = 40.0
"""Expected events of the process in a leaf."""
PARAMETERS = {
    "max_depth": 2,
    "eta": 0.1,
    "tree_method": "hist",
    "base_score": 0.0,
    "nthread": 1,
    "disable_default_eval_metric": 1,
}


@dataclass(frozen=True, eq=False)
class Boosted(Record):
    """The logarithm of a ratio: a sum of trees.

    Attributes
    ----------
    variables : in the order that the trees know
    model : XGBoost's UBJSON as base64 text; empty where no tree made anything better
    constant : added to the sum
    """

    variables: tuple[str, ...]
    model: str
    constant: float = 0.0

    def log_ratio(self, columns: Mapping[str, FeatureArray]) -> FloatArray:
        """Return the logarithm of the ratio, ``(n_events,)``."""
        if not self.model:
            return np.full(len(next(iter(columns.values()))), self.constant)
        margins = self._booster.predict(_matrix(self.variables, columns), output_margin=True)
        return np.asarray(margins, np.float64) + self.constant

    def shifted(self, constant: float) -> Self:
        """Return the same with another constant added."""
        return replace(self, constant=self.constant + constant)

    @cached_property
    def _booster(self) -> "xgb.Booster":
        return boosters.load(base64.b64decode(self.model))


def fit(sample: Purified, stop: Purified, *, prior: float, seed: int) -> Boosted:
    """Return the ratio of the data less the other backgrounds to the simulation, of the same sum of weights.

    Parameters
    ----------
    sample : events that train
    stop : other events, whose likelihood says how many trees there are
    prior : expected size of the logarithm of the ratio in a leaf
    seed : of XGBoost
    """
    import xgboost as xgb  # it loads pandas and scikit-learn, for which a fit need not wait

    trained, stopped = _Joined.of(sample), _Joined.of(stop)
    losses: dict[str, dict[str, list[float]]] = {}
    booster = xgb.train(
        {**PARAMETERS, "min_child_weight": MIN_YIELD, "reg_lambda": 1 / prior**2, "seed": seed},
        trained.matrix,
        MAX_TREES,
        evals=[(stopped.matrix, "stop")],
        obj=lambda margins, _: trained.derivatives(margins),
        custom_metric=lambda margins, _: ("loss", stopped.loss(margins)),
        early_stopping_rounds=PATIENCE,
        evals_result=losses,
        verbose_eval=False,
    )
    # No tree at all where even the first made it worse.
    best = 1 + booster.best_iteration if losses["stop"]["loss"][booster.best_iteration] < stopped.without_trees else 0
    text = base64.b64encode(bytes(booster[:best].save_raw("ubj"))).decode() if best else ""
    return sample.normalised(Boosted(tuple(sample.simulated), text))


@dataclass(frozen=True, eq=False)
class _Joined:
    """Simulation, data and others as one matrix; `weights` are those of the simulation, `pull` is minus the others'."""

    matrix: "xgb.DMatrix"
    weights: FloatArray
    pull: FloatArray

    @classmethod
    def of(cls, sample: Purified) -> Self:
        variables = tuple(sample.simulated)
        parts = (sample.simulated, sample.data, sample.others)
        columns = {name: np.concatenate([part[name] for part in parts]) for name in variables}
        lengths = [len(sample.weights), len(sample.weights_of_data), len(sample.weights_of_others)]
        # The simulation starts with the yield of the data: a tree is to learn shapes, not the normalisation.
        scale = (sample.weights_of_data.sum() - sample.weights_of_others.sum()) / sample.weights.sum()
        weights = np.concatenate([sample.weights * scale, np.zeros(lengths[1] + lengths[2])])
        pull = np.concatenate([np.zeros(lengths[0]), sample.weights_of_data, -sample.weights_of_others])
        return cls(_matrix(variables, columns), weights, pull)

    def derivatives(self, margins: AnyArray) -> tuple[FloatArray, FloatArray]:
        expected = self.weights * np.exp(margins)
        return expected - self.pull, expected

    def loss(self, margins: AnyArray) -> float:
        return float(self.weights @ np.exp(margins) - self.pull @ margins)

    @property
    def without_trees(self) -> float:
        return self.loss(np.zeros(len(self.weights)))


def _matrix(variables: tuple[str, ...], columns: Mapping[str, FeatureArray]) -> "xgb.DMatrix":
    import xgboost as xgb  # it loads pandas and scikit-learn, for which a fit need not wait

    return xgb.DMatrix(np.stack([columns[name] for name in variables], axis=1).astype(np.float32))
