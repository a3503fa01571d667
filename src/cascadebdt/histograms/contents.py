"""Numbers about stages and regions, as histograms and plain dictionaries."""

from collections.abc import Mapping
from typing import Any

import hist
import numpy as np

from cascadebdt.arrays import BoolArray, FeatureArray
from cascadebdt.cascade import Scores
from cascadebdt.config import DATA, NOMINAL
from cascadebdt.config.region_names import SIGNAL_REGION, stage_of
from cascadebdt.events import Events
from cascadebdt.histograms.yields import Histogram, Yields, total


def score_histograms(events: Events, scores: Scores, *, n_bins: int = 50) -> dict[str, Histogram]:
    """Histogram, per stage, the score of every simulated process that reaches it, and the final discriminant.

    Returns
    -------
    stage name -> histogram with axes ``process`` and ``score`` in [0, 1]
    """
    simulated = events.is_nominal & ~events.is_data
    found = {name: _scores_of(events, scores.scores[:, k], simulated, n_bins) for k, name in enumerate(scores.stages)}
    if scores.final is not None:
        found["final"] = _scores_of(events, scores.final, simulated, n_bins)
    return found


def _scores_of(events: Events, scores: FeatureArray, simulated: BoolArray, n_bins: int) -> Histogram:
    processes = [name for name in events.processes if name != DATA]
    histogram = hist.Hist(
        hist.axis.StrCategory(processes, name="process"),
        hist.axis.Regular(n_bins, 0.0, 1.0, name="score", flow=False),
        storage=hist.storage.Weight(),
    )
    reached = simulated & ~np.isnan(scores)
    for name in processes:
        rows = reached & events.of_process(name)
        histogram.fill(name, np.minimum(scores[rows], np.nextafter(1.0, 0.0)), weight=events.weights[NOMINAL][rows])
    return histogram


def flow(events: Events, scores: Scores) -> dict[str, Any]:
    """Sum the nominal weights of each simulated process that reach each stage and the signal region.

    Returns
    -------
    ``{"steps": [stage names, "SR"], "yields": {process: [sum of weights that reach each step]}}``
    """
    simulated = events.is_nominal & ~events.is_data
    weight = events.weights[NOMINAL]
    steps = [*scores.stages, SIGNAL_REGION]
    return {
        "steps": steps,
        "yields": {
            name: [
                float(weight[simulated & events.of_process(name) & (scores.reached >= step)].sum())
                for step in range(len(steps))
            ]
            for name in events.processes
            if name != DATA
        },
    }


def region_table(yields: Yields, against: Mapping[str, tuple[str, ...]], signal: str) -> dict[str, Any]:
    """Summarise every region: yields with statistical uncertainties, purity, data.

    The purity is the share, in the total prediction, of the processes a control or validation region is made for, or of
    the signal in the signal region. Data are the number of events, 0 where a region holds none.
    """
    table = {}
    for region, histogram in yields.items():
        processes = [name for name in histogram.axes["process"] if name != DATA]
        found = {name: total(histogram, name) for name in processes}
        target = against.get(stage_of(region) or "", (signal,))
        prediction = sum(value for value, _ in found.values())
        wanted = sum(found[name][0] for name in target)
        has_data = DATA in histogram.axes["process"]
        table[region] = {
            "yields": {name: list(value) for name, value in found.items()},
            "purity": wanted / prediction if prediction else None,
            "data": round(total(histogram, DATA)[0]) if has_data else None,
        }
    return table
