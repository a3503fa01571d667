"""Speed against cabinetry on the trial model: `python benchmarks/fitting/speed.py WORKSPACE.json`.

WORKSPACE.json is that of a run of configs/wh_dark_photon.yaml. Every call of ours starts from the workspace, reads it,
builds the model and fits; cabinetry's starts from the workspace, too. Imports are timed on their own, and kernels are
loaded from Numba's cache on disk by a first call that is shown apart (on a machine that never ran it, they are
compiled once). `--quick` leaves out cabinetry's limit and ranking, which take minutes.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import trial

ROUNDS = 5


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and result; a failure is its own result."""
    start = time.perf_counter()
    try:
        result = function()
    except Exception as error:  # whatever ends a program is its row of the table
        result = f"{type(error).__name__}: {error}"[:70]
    return time.perf_counter() - start, result


def imported(module: str) -> float:
    """Return the seconds that importing takes in a fresh process, start of Python included."""
    return min(
        timed(lambda: subprocess.run([sys.executable, "-c", f"import {module}"], check=True))[0] for _ in range(3)
    )


def fresh(question: Callable[[], Any]) -> Callable[[], Any]:
    """Return the question asked without a model remembered from before."""
    from cascadebdt.inference import likelihood

    def ask() -> Any:
        likelihood.compiled.cache_clear()
        return question()

    return ask


def _fit(mu: tuple[float, float], twice_nll: float) -> str:
    return f"{mu[0]:.3f} +- {mu[1]:.3f}, {twice_nll:.4f}"


def _fitted(result: Any) -> tuple[tuple[float, float], float]:
    """Return mu and -2 ln L of cabinetry's result."""
    index = result.labels.index("mu")
    return (result.bestfit[index], result.uncertainty[index]), result.best_twice_nll


def _band(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    print(
        f"import cascadebdt.inference {imported('cascadebdt.inference'):.2f} s, cabinetry {imported('cabinetry'):.2f} s"
    )
    import cabinetry

    from cascadebdt import inference

    logging.disable(logging.WARNING)
    content = trial.model(json.loads(arguments.workspace.read_text()))
    model_and_data = cabinetry.model_utils.model_and_data
    first, result = timed(lambda: inference.fit(content))
    print(f"{len(result.parameters)} parameters, {sum(len(o['data']) for o in content['observations'])} bins")
    print(f"first fit {first:.2f} s, kernels loaded")
    tasks: dict[str, tuple[Callable[[], Any], Callable[[], Any], bool]] = {
        "fit": (
            lambda: _fit(*(lambda r: (r.mu, r.twice_nll))(inference.fit(content))),
            lambda: _fit(*_fitted(cabinetry.fit.fit(*model_and_data(content)))),
            True,
        ),
        "significance": (
            lambda: f"{inference.significance(content).observed:.3f}",
            lambda: f"{cabinetry.fit.significance(*model_and_data(content)).observed_significance:.3f}",
            True,
        ),
        "limit": (
            lambda: _band(inference.limit(content).expected),
            lambda: _band(cabinetry.fit.limit(*model_and_data(content), bracket=(0.5, 30)).expected_limit),
            False,
        ),
        "ranking": (
            lambda: f"{len(inference.ranking(content).impacts)} parameters",
            lambda: f"{len(cabinetry.fit.ranking(*model_and_data(content)).labels)} parameters",
            False,
        ),
    }
    print("| task | cascadebdt | | cabinetry | | ratio |\n|---|---|---|---|---|---|")
    for task, (ours, theirs, is_short) in tasks.items():
        if arguments.quick and not is_short:
            runs = [(timed(fresh(ours)), (float("nan"), "not run")) for _ in range(3)]
        else:
            runs = [(timed(fresh(ours)), timed(theirs)) for _ in range(ROUNDS if is_short else 1)]
        (own, answer), (other, reply) = min(r[0] for r in runs), min(r[1] for r in runs)
        print(f"| {task} | {own:.2f} s | {answer} | {other:.1f} s | {reply} | {other / own:.0f} |", flush=True)


if __name__ == "__main__":
    main()
