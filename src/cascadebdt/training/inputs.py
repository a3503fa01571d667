"""Checks of the events that reach a stage, and of those that a cascade is applied to."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray, FloatArray, IntArray
from cascadebdt.config import DATA, NOMINAL, CascadeConfig
from cascadebdt.errors import InputError, TrainingError
from cascadebdt.events import Events
from cascadebdt.events.folds import Split
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quality import roc_auc
from cascadebdt.training.weights import effective_number

SAMPLE_SIZE = 1000  # events, enough to see that most features vary and do not separate the classes
SUSPICIOUS_AUC = 0.4  # |AUC - 1/2| in a sample, from which on all events are used
LEAKING_AUC = 0.4999  # |AUC - 1/2| of one feature that separates the classes
MIN_EVENTS_TO_REPEAT = 100  # of a process, to estimate how often a value repeats
MIN_CHANCE = 1e-9  # probability of equal values below which they are no accident


def shortage(weights: FloatArray, classes: Mapping[str, BoolArray], minimum: float) -> str | None:
    """Return which class has too few effective events, (sum w)^2 / sum w^2, as half a sentence; None if none has."""
    for name, mask in classes.items():
        found = effective_number(weights[mask])
        if not mask.any() or found < minimum:
            return (
                f"process {name} has {found:.1f} effective events ({int(mask.sum())} rows) left to train with, "
                f"expected at least {minimum:g} (cascade.min_effective_events)"
            )
    return None


def require_positive(weights: FloatArray, classes: Mapping[str, BoolArray], *, where: str) -> None:
    """Require that the true weights of each class sum to a positive number.

    Raises
    ------
    TrainingError
        Naming the stage and the processes.
    """
    for name, mask in classes.items():
        total = weights[mask].sum()
        if not total > 0:
            raise TrainingError(
                f"{where}: the weights of process {name} sum to {total:g} after the cuts of the earlier stages, "
                "expected more than 0; loosen the earlier working points or add simulation"
            )


def require_both(
    weights: FloatArray,
    classes: Mapping[str, BoolArray],
    splits: Mapping[int, Split],
    *,
    early_stopping: bool,
    where: str,
) -> None:
    """Require that in every fold either class has weight to train with and, with early stopping, to stop with.

    Parameters
    ----------
    weights : (n_events,) float64, those that train

    Raises
    ------
    TrainingError
        Naming stage, fold and process.
    """
    for fold, split in splits.items():
        parts = {"train": split.train, **({"stop the training": split.stop} if early_stopping else {})}
        for purpose, part in parts.items():
            for name, mask in classes.items():
                if not (weights[mask & part] > 0).any():
                    raise TrainingError(
                        f"{where}, fold {fold}: process {name} has no event of positive weight to {purpose} with; "
                        "loosen the earlier working points, use fewer folds or add simulation"
                    )


def constant(features: FeatureRows) -> list[str]:
    """Return the features that have one value in all events, or in none."""
    return [name for name in features.names if len(features) and _is_constant(features.column(name))]


def constant_in(features: FeatureRows, splits: Mapping[int, Split]) -> dict[str, list[int]]:
    """Return the features that have one value in all events that train the model of a fold, and these folds.

    Parameters
    ----------
    features : of n_events
    splits : fold -> the events that train its model
    """
    rows = {fold: np.flatnonzero(split.train) for fold, split in splits.items()}
    columns = ((name, features.column(name)) for name in features.names)
    found = {
        name: [fold for fold, of_fold in rows.items() if _is_constant(column, of_fold)] for name, column in columns
    }
    return {name: folds for name, folds in found.items() if folds}


def leaks(features: FeatureRows, weights: FloatArray, is_signal: BoolArray) -> list[str]:
    """Return the features that alone separate the classes perfectly: most likely they contain the label.

    Parameters
    ----------
    features : of n_events; a missing value counts as the lowest
    weights : (n_events,), none negative
    is_signal : (n_events,)
    """
    sample = np.random.default_rng(0).integers(0, len(features), SAMPLE_SIZE)

    def area(column: FeatureArray, rows: IntArray | slice) -> float:
        values = np.nan_to_num(column[rows], nan=-np.inf)
        return abs(roc_auc(values, weights[rows], is_signal[rows]) - 0.5)

    columns = ((name, features.column(name)) for name in features.names)
    return [
        name
        for name, column in columns
        # "not <=": the area of a sample without one of the classes is NaN and decides nothing
        if not area(column, sample) <= SUSPICIOUS_AUC and area(column, slice(None)) > LEAKING_AUC
    ]


def repetition(columns: Mapping[str, FeatureArray], masks: Iterable[BoolArray]) -> dict[str, float]:
    """Return, for each feature, the share of its most frequent value (a missing one included), largest over processes.

    Parameters
    ----------
    columns : feature -> (n_events,)
    masks : of the processes; those with few events are not used
    """
    groups = [rows for rows in map(np.flatnonzero, masks) if len(rows) >= MIN_EVENTS_TO_REPEAT]
    samples = [rows[:: max(1, len(rows) // SAMPLE_SIZE)] for rows in groups]
    return {
        name: max((_largest_share(column[rows]) for rows in samples), default=1.0) for name, column in columns.items()
    }


@dataclass(frozen=True)
class Range:
    """The number of events, of those without a value of a feature, and its lowest and highest value."""

    events: int
    missing: int
    low: float
    high: float

    def plus(self, other: "Range") -> "Range":
        """Return the range of the events of both."""
        return Range(
            self.events + other.events,
            self.missing + other.missing,
            min(self.low, other.low),
            max(self.high, other.high),
        )


def data_ranges(events: Events, features: Iterable[str]) -> dict[str, Range]:
    """Return the ranges of features in the data, ``inf`` to ``-inf`` where there is no value."""
    rows = np.flatnonzero(events.is_data & events.is_nominal)
    return {name: _range(events.columns[name][rows]) for name in features}


def require_alive(ranges: Mapping[str, Range], repeats: Mapping[str, float]) -> None:
    """Require that no feature is the same in all data, unless it is so often the same in simulation.

    Parameters
    ----------
    ranges : feature -> its range in data
    repeats : feature -> share of its most frequent value, as `repetition` gives it for the events that trained

    Raises
    ------
    InputError
        Naming the feature, if chance made all values equal with a probability below `MIN_CHANCE`.
    """
    for name, found in ranges.items():
        is_constant = found.missing == found.events or (found.missing == 0 and found.low == found.high)
        if is_constant and found.events > 1 and repeats.get(name, 1.0) ** found.events < MIN_CHANCE:
            what = "has no value" if found.missing else f"is {found.low:g}"
            raise InputError(
                f"{DATA}: feature '{name}' {what} in all {found.events} events, but varies in the simulation that "
                "trained the cascade; check its branches in the data files"
            )


def _range(column: FeatureArray) -> Range:
    known = column[~np.isnan(column)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (np.inf, -np.inf)
    return Range(len(column), len(column) - len(known), low, high)


def _is_constant(column: FeatureArray, rows: IntArray | slice = slice(None)) -> bool:
    """Whether all values of some rows are equal, or all are missing; a few rows decide for most columns that vary."""
    first = column[rows][:SAMPLE_SIZE] if isinstance(rows, slice) else column[rows[:SAMPLE_SIZE]]
    return _are_equal(first) and _are_equal(column[rows])


def _are_equal(values: FeatureArray) -> bool:
    return not len(values) or bool(np.isnan(values).all() or (values == values[0]).all())


def _largest_share(column: FeatureArray) -> float:
    return float(np.unique(column, return_counts=True, equal_nan=True)[1].max() / len(column))


def effective_events(events: Events) -> dict[str, float]:
    """Return the effective number of selected nominal events of every simulated process."""
    weights = events.weights[NOMINAL]
    rows = {name: events.is_nominal & events.of_process(name) for name in events.processes if name != DATA}
    return {name: effective_number(weights[of_process]) for name, of_process in rows.items()}


def too_few(found: Mapping[str, float], config: CascadeConfig) -> Iterator[str]:
    """Say of every stage which of its classes has too few effective events before any stage has rejected one.

    Parameters
    ----------
    found : process -> effective events
    """
    for stage in config.stages:
        for name in (config.signal, *stage.against):
            number = found.get(name, 0.0)
            if number < config.min_effective_events:
                yield (
                    f"stage {stage.name} would train with at most {number:.0f} effective events of {name}, "
                    f"asked for {config.min_effective_events:g}; add simulation or loosen the selection"
                )
