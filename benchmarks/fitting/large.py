"""Speed on a model of 174 parameters: `python benchmarks/fitting/large.py WORKSPACE.json [--noise 0.01] [--quick]`.

The trial model with 118 shape variations instead of eight, each with statistical noise of its own in every bin, up and
down, so that -2 ln L is far from a parabola and every parameter may make another minimum. CPU seconds of one process,
because threads of linear algebra wait for each other; cabinetry's fit is run once, its ranking is not: it takes hours.
"""

import argparse
import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trial

N_SHAPES = 118


def model(workspace: dict[str, Any], noise: float, *, seed: int = 5) -> dict[str, Any]:
    """Return the trial model with more shapes and noise, relative to the yields, in their templates."""
    rng = np.random.default_rng(seed)
    content = trial.model(workspace, n_shapes=N_SHAPES)
    for channel in content["channels"]:
        for sample in channel["samples"]:
            rates = np.array(sample["data"])
            for modifier in sample["modifiers"]:
                if modifier["type"] == "histosys":
                    for side, shape in modifier["data"].items():
                        noisy = shape + rates * rng.normal(0, noise, len(rates))
                        modifier["data"][side] = np.maximum(noisy, 0.0).tolist()
    return content


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and result."""
    start = time.process_time()
    result = function()
    return time.process_time() - start, result


def main() -> None:
    """Print the table."""
    import cabinetry

    from cascadebdt import inference

    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--noise", type=float, default=0.01)
    parser.add_argument("--quick", action="store_true", help="only the fit")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    workspace = json.loads(arguments.workspace.read_text())
    content = model(workspace, arguments.noise)
    inference.fit(trial.model(workspace))  # kernels are loaded
    own, ours = timed(lambda: inference.fit(content))
    other, theirs = timed(lambda: cabinetry.fit.fit(*cabinetry.model_utils.model_and_data(content)))
    index = theirs.labels.index("mu")
    print(f"{len(ours.parameters)} parameters, noise {arguments.noise:.0%}")
    print(f"fit: {own:.2f} s, {ours.mu[0]:.3f} +- {ours.mu[1]:.3f}, -2 ln L {ours.twice_nll:.4f}")
    print(f"cabinetry: {other:.1f} s, {theirs.bestfit[index]:.3f} +- {theirs.uncertainty[index]:.3f}, "
          f"{theirs.best_twice_nll:.4f}; ratio {other / own:.0f}")  # fmt: skip
    if not arguments.quick:
        own, limit = timed(lambda: inference.limit(content))
        print(f"limit: {own:.1f} s, {' '.join(f'{value:.3f}' for value in limit.expected)}")
        own, ranking = timed(lambda: inference.ranking(content))
        print(f"ranking of {len(ranking.impacts)} parameters: {own:.1f} s")


if __name__ == "__main__":
    main()
