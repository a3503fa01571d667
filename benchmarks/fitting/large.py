"""Speed on a model of 174 parameters: `python benchmarks/fitting/large.py WORKSPACE.json [--noise 0.01] [--quick]`.

The trial model with 118 shape variations instead of eight, each with statistical noise of its own in every bin, up and
down, so that -2 ln L is far from a parabola and every parameter may make another minimum. CPU seconds of one process,
because threads of linear algebra wait for each other. cabinetry's limit and ranking take hours: of its limit one value
of CLs is computed, the band of which is 0.05 in the middle, and of its ranking the four fits of one parameter.
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


def one_cls(content: Any, mu: float) -> Any:
    """Return cabinetry's CLs at one signal strength, of which its limit needs some thirty."""
    import cabinetry
    import pyhf

    model, data = cabinetry.model_utils.model_and_data(content)
    pyhf.set_backend("numpy", pyhf.optimize.minuit_optimizer(verbose=0))
    return pyhf.infer.hypotest(mu, data, model, test_stat="qtilde", return_expected_set=True)


def one_impact(content: Any, name: str, fitted: Any) -> tuple[float, ...]:
    """Return the changes of mu with a parameter at its post-fit and pre-fit ends: four fits in cabinetry."""
    import cabinetry

    model, data = cabinetry.model_utils.model_and_data(content)
    index, poi = fitted.labels.index(name), model.config.poi_index
    best, error = fitted.bestfit[index], fitted.uncertainty[index]
    changes = []
    for value in (best - error, best + error, best - 1.0, best + 1.0):
        start, fixed = model.config.suggested_init(), model.config.suggested_fixed()
        start[index], fixed[index] = value, True
        result = cabinetry.fit.fit(model, data, init_pars=start, fix_pars=fixed)
        changes.append(float(result.bestfit[poi] - fitted.bestfit[poi]))
    return tuple(changes)


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
        shape = next(impact for impact in ranking.impacts if impact.parameter.startswith("shape"))
        print(f"{shape.parameter}: {shape.postfit} {shape.prefit}")
        other, changes = timed(lambda: one_impact(content, shape.parameter, theirs))
        print(f"cabinetry, {shape.parameter} alone: {other:.1f} s, {changes}")
        other, (_, band) = timed(lambda: one_cls(content, limit.expected[2]))
        print(f"cabinetry, one CLs: {other:.1f} s, {' '.join(f'{float(value):.4f}' for value in band)}")


if __name__ == "__main__":
    main()
