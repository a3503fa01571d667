"""Working points of the stages, of one training.

    python benchmarks/strategies/points.py --other FOLDER [--cascade FOLDER]

The thresholds of a cascade are moved to other signal efficiencies, found on the events that trained; its models stay as
they were trained with the configured ones. Bins are found on the same events, and all is judged on independent ones.
There is no validation region.
"""

from dataclasses import replace

import numpy as np
from compare import edges_of, judge
from pair import Pair

from cascadebdt.cascade import Cascade, WorkingPoint, threshold_at
from cascadebdt.config import NOMINAL
from cascadebdt.events import Events

CONFIGURED = {"zee": 0.99, "gammajet": 0.99, "ttbar": 0.99, "wjets": 0.99, "zgamma": 0.80, "wgamma": 1.0}
CHOICES = {
    "0.99, zgamma 0.80, wgamma only sorts": CONFIGURED,
    "0.99, zgamma and wgamma only sort": {**CONFIGURED, "zgamma": 1.0},
    "0.99, zgamma 0.80, wgamma 0.93": {**CONFIGURED, "wgamma": 0.93},
    "0.93 six times": dict.fromkeys(CONFIGURED, 0.93),
}


def at(cascade: Cascade, events: Events, efficiencies: dict[str, float]) -> Cascade:
    """Return the cascade with stages that keep these shares of the signal that reaches them."""
    open_stages = [replace(stage, working_point=WorkingPoint(np.float32(0), None, {})) for stage in cascade.stages]
    signal = events.take(events.of_process(cascade.signal) & events.is_nominal)
    scores = replace(cascade, stages=tuple(open_stages)).score(signal, unblind=True).scores
    alive = np.ones(len(signal), np.bool_)
    stages = []
    for k, stage in enumerate(cascade.stages):
        share = efficiencies[stage.name]
        reaching, weights = scores[alive, k], signal.weights[NOMINAL][alive]
        threshold = np.float32(0) if share == 1 else threshold_at(share, scores=reaching, weights=weights)
        alive &= scores[:, k] >= threshold
        stages.append(replace(stage, working_point=WorkingPoint(threshold, None, {})))
    return replace(cascade, stages=tuple(stages))


def main() -> None:
    """Print a row per choice."""
    pair = Pair.of_command_line()
    for name, efficiencies in CHOICES.items():
        moved = at(pair.cascade, pair.trained, efficiencies)
        edges = edges_of(name, moved.score(pair.trained, unblind=True, jobs=pair.jobs), pair.trained, pair.config)
        judgement = judge(moved.score(pair.judged, unblind=True, jobs=pair.jobs), pair.judged, pair.config, edges)
        errors = " ".join(f"{error:.3f}" for error in judgement.normalisation.values())
        print(f"| {name} | {judgement.limit:.2f} | {judgement.sigma_mu:.2f} | {errors} |", flush=True)


if __name__ == "__main__":
    main()
