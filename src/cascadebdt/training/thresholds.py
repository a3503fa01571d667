"""The thresholds of a stage, found on scores of events that the models never saw."""

import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray
from cascadebdt.cascade import WorkingPoint, efficiency_of, threshold_at
from cascadebdt.config import DATA, WorkingPointConfig
from cascadebdt.training.context import Context


def find(wanted: WorkingPointConfig, alive: BoolArray, scores: FeatureArray, context: Context) -> WorkingPoint:
    """Return the working point that a configuration asks for, its efficiencies not yet known.

    Parameters
    ----------
    alive : (n_events,) bool, events that reach the stage
    scores : (n_events,) float32
    """
    signal = alive & context.events.of_process(context.config.signal)

    def threshold(efficiency: float | None, fixed: float | None) -> np.float32:
        if efficiency is None:
            return np.float32(fixed)
        return threshold_at(efficiency, scores=scores[signal], weights=context.weights[signal])

    tight = threshold(wanted.signal_efficiency, wanted.threshold)
    loose = threshold(wanted.validation_efficiency, wanted.validation_threshold) if wanted.is_validated else None
    return WorkingPoint(tight, wanted.signal_efficiency, {}, loose)


def efficiencies(threshold: np.float32, alive: BoolArray, scores: FeatureArray, context: Context) -> dict[str, float]:
    """Return the weighted fraction of every simulated process that passes a threshold, of the events that reach it."""
    masks = {name: alive & context.events.of_process(name) for name in context.events.processes if name != DATA}
    return {
        name: efficiency_of(threshold, scores=scores[mask], weights=context.weights[mask])
        for name, mask in masks.items()
        if mask.any()
    }
