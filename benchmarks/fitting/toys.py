"""Pulls and coverage of pseudo-experiments: `python benchmarks/fitting/toys.py [WORKSPACE.json] [--toys 500] [--mu 1]`.

WORKSPACE.json is any, such as that of a run of configs/wh_dark_photon.yaml; without one, the model has eight bins of
0.2 to 0.8 expected events of background. Pulls of mu and of every free normalisation should have mean 0 and width 1,
the 68 % interval of the profile should hold the truth in 68.3 % of the fits, and the 95 % CLs limit should lie above
the true mu in at least 95 %.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from cascadebdt import inference
from cascadebdt.inference.blinding import Target, prepare
from cascadebdt.inference.likelihood import Objective
from cascadebdt.inference.limits import log_cls
from cascadebdt.inference.profile import Profile
from cascadebdt.inference.pseudo import drawn
from cascadebdt.inference.search import global_minimum

LEVEL = 0.05


def few_events() -> dict[str, Any]:
    """Return a model of eight bins with less than one event of background each, known to 20 %."""
    background = np.linspace(0.8, 0.2, 8)
    signal = np.linspace(0.2, 1.0, 8)
    error = {"name": "rate", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8}}
    samples = [
        {
            "name": "signal",
            "data": signal.tolist(),
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        },
        {"name": "background", "data": background.tolist(), "modifiers": [error]},
    ]
    config = {"poi": "mu", "parameters": [{"name": "mu", "bounds": [[-5, 20]], "inits": [1.0]}]}
    return {
        "channels": [{"name": "SR", "samples": samples}],
        "observations": [{"name": "SR", "data": np.round(background + signal).tolist()}],
        "measurements": [{"name": "few events", "config": config}],
        "version": "1.0.0",
    }


def is_below_limit(toy: Objective, mu: float) -> bool:
    """Return whether the observed 95 % CLs limit of a pseudo-experiment lies above mu."""
    target = Target(toy, is_blind=False, declared=np.inf)
    poi, best = toy.likelihood.poi, target.best
    mu_hat = float(best.theta[poi])
    asimov, background = target.without_signal
    q = Profile(toy, poi, best if mu_hat > 0 else target.background)(mu) if mu > mu_hat else 0.0
    return bool(log_cls(q, Profile(asimov, poi, background)(mu)) > np.log(LEVEL))


def coverage_of_limits(content: dict[str, Any], n: int, *, seed: int, mu: float) -> str:
    """Return the part of pseudo-experiments whose limit lies above the true mu, and its uncertainty."""
    target = prepare(content)
    truth = global_minimum(target.everything, fixed={target.likelihood.poi: mu})
    likelihood, weights = target.likelihood, target.likelihood.fillable.astype(np.float64)
    experiments = (drawn(likelihood, truth.theta, weights, (seed, number)) for number in range(n))
    covered = np.mean([is_below_limit(toy, mu) for toy in experiments])
    return f"{covered:.3f} ± {np.sqrt(covered * (1 - covered) / n):.3f}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path, nargs="?")
    parser.add_argument("--toys", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mu", type=float, help="true signal strength [that of the fit]; needed for limits")
    arguments = parser.parse_args()
    content = few_events() if arguments.workspace is None else json.loads(arguments.workspace.read_text())
    start = time.perf_counter()
    fitted = inference.toys(content, arguments.toys, seed=arguments.seed, mu=arguments.mu)
    print("| parameter | mean of pulls | width of pulls | coverage |\n|---|---|---|---|")
    for name, row in fitted.summary().items():
        cells = (f"{row[key]:.3f} ± {row[f'{key}_uncertainty']:.3f}" for key in ("mean", "width", "coverage"))
        print(f"| {name} | {' | '.join(cells)} |")
    print(f"{len(fitted.values)} toys fitted, {len(fitted.failures)} failed, {time.perf_counter() - start:.0f} s")
    for failure in fitted.failures:
        print(f"toy {failure.toy}: {failure.reason}")
    if arguments.mu is not None:
        covered = coverage_of_limits(content, arguments.toys, seed=arguments.seed, mu=arguments.mu)
        print(f"95 % CLs limits above mu = {arguments.mu:g}: {covered}")


if __name__ == "__main__":
    main()
