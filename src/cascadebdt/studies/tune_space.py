"""The hyperparameters that are tuned, the values they may take, and how Optuna draws them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

import numpy as np

from cascadebdt.config import BDTConfig

if TYPE_CHECKING:
    import optuna

Sampler = Literal["tpe", "random", "grid"]
Values = dict[str, Any]

WHOLE = {"max_depth": (2, 8)}
"""Ranges of whole numbers; trees deeper than 8 are evaluated by XGBoost, not by the kernels."""

LOGARITHMIC = {"learning_rate": (0.02, 0.4), "min_child_weight": (1.0, 100.0), "reg_lambda": (0.1, 100.0)}
LINEAR = {"subsample": (0.5, 1.0), "colsample_bytree": (0.3, 1.0), "gamma": (0.0, 1.0)}
NUMBER_OF_TREES = (20, 1000)
"""Range without early stopping, which otherwise finds the number."""

GRID: Mapping[str, tuple[float, ...]] = {
    "max_depth": (3, 4, 6),
    "learning_rate": (0.05, 0.1, 0.2),
    "min_child_weight": (1.0, 5.0, 20.0),
}
N_GRID = int(np.prod([len(values) for values in GRID.values()]))


def draw(trial: "optuna.Trial", configured: BDTConfig, sampler: Sampler) -> Values:
    """Return the values of a trial; the other hyperparameters stay as configured."""
    if sampler == "grid":
        return {name: trial.suggest_categorical(name, values) for name, values in GRID.items()}
    values: Values = {name: trial.suggest_int(name, *limits) for name, limits in WHOLE.items()}
    values |= {name: trial.suggest_float(name, *limits, log=True) for name, limits in LOGARITHMIC.items()}
    values |= {name: trial.suggest_float(name, *limits) for name, limits in LINEAR.items()}
    if configured.early_stopping_rounds is None:
        values["n_estimators"] = trial.suggest_int("n_estimators", *NUMBER_OF_TREES, log=True)
    return values


def sampler_of(kind: Sampler, *, seed: int, stage: str, n_finished: int) -> "optuna.samplers.BaseSampler":
    """Return the sampler of one trial: what it draws depends on the seed and on the trials before it alone.

    A study that was interrupted goes on as if it had not been.
    """
    import optuna

    if kind == "grid":
        return optuna.samplers.GridSampler(GRID, seed=seed)
    own = int(np.random.SeedSequence([seed, crc32(stage.encode()), n_finished]).generate_state(1)[0])
    return optuna.samplers.TPESampler(seed=own) if kind == "tpe" else optuna.samplers.RandomSampler(seed=own)


def with_values(configured: BDTConfig, values: Values) -> BDTConfig:
    """Return hyperparameters with other values, checked."""
    return BDTConfig.model_validate({**configured.model_dump(), **values})
