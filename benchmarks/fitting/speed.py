"""Speed against cabinetry on the trial model: `python benchmarks/fitting/speed.py WORKSPACE.json`.

WORKSPACE.json is that of a run of configs/wh_dark_photon.yaml. Every call of ours starts from the workspace, reads it,
builds the model and fits; cabinetry's starts from the workspace, too. Imports are timed on their own, and kernels are
loaded from Numba's cache on disk by a first call that is shown apart (on a machine that never ran it, they are
compiled once). `--public` compares public models, too. `--quick` leaves out cabinetry's limit and ranking, which take
minutes.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import trial

ROUNDS = 5


def timed(function: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds, which other work on the machine disturbs least, and result; a failure is its own result."""
    start = time.process_time()
    try:
        result = function()
    except Exception as error:  # whatever ends a program is its row of the table
        result = f"{type(error).__name__}: {error}"[:70]
    return time.process_time() - start, result


def imported(module: str) -> float:
    """Return the CPU seconds that importing takes in a fresh process, start of Python included."""

    def once() -> float:
        before = os.times()
        subprocess.run([sys.executable, "-c", f"import {module}"], check=True)
        after = os.times()
        return after.children_user + after.children_system - before.children_user - before.children_system

    return min(once() for _ in range(3))


def fresh(question: Callable[[], Any]) -> Callable[[], Any]:
    """Return the question asked without a model remembered from before."""
    from cascadebdt.inference import blinding, likelihood

    def ask() -> Any:
        likelihood.compiled.cache_clear()
        blinding.remembered.cache_clear()
        return question()

    return ask


def _fit(mu: tuple[float, float], twice_nll: float) -> str:
    return f"{mu[0]:.3f} +- {mu[1]:.3f}, {twice_nll:.4f}"


def _fitted(result: Any, poi: str) -> tuple[tuple[float, float], float]:
    """Return mu and -2 ln L of cabinetry's result."""
    index = result.labels.index(poi)
    return (result.bestfit[index], result.uncertainty[index]), result.best_twice_nll


def _band(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def tasks(content: Any) -> dict[str, tuple[Callable[[], Any], Callable[[], Any], bool]]:
    """Return per task ours, cabinetry's, and whether it is short."""
    import cabinetry

    from cascadebdt import inference

    def theirs() -> Any:
        return cabinetry.model_utils.model_and_data(content)

    poi = content["measurements"][0]["config"]["poi"]
    return {
        "fit": (
            lambda: _fit(*(lambda r: (r.mu, r.twice_nll))(inference.fit(content))),
            lambda: _fit(*_fitted(cabinetry.fit.fit(*theirs()), poi)),
            True,
        ),
        "significance": (
            lambda: f"{inference.significance(content).observed:.3f}",
            lambda: f"{cabinetry.fit.significance(*theirs()).observed_significance:.3f}",
            True,
        ),
        "limit": (
            lambda: _band(inference.limit(content).expected),
            lambda: _band(cabinetry.fit.limit(*theirs(), bracket=(0.5, 30)).expected_limit),
            False,
        ),
        "ranking": (
            lambda: f"{len(inference.ranking(content).impacts)} parameters",
            lambda: f"{len(cabinetry.fit.ranking(*theirs()).labels)} parameters",
            False,
        ),
    }


def compare(name: str, content: Any, *, quick: bool) -> None:
    """Print the rows of one model."""
    from cascadebdt import inference

    first, result = timed(lambda: inference.fit(content))
    bins = sum(len(item["data"]) for item in content["observations"])
    print(f"{name}: {len(result.parameters)} parameters, {bins} bins; first fit {first:.2f} s, kernels loaded")
    for task, (ours, theirs, is_short) in tasks(content).items():
        if quick and not is_short:
            runs = [(timed(fresh(ours)), (float("nan"), "not run")) for _ in range(3)]
        else:
            runs = [(timed(fresh(ours)), timed(theirs)) for _ in range(ROUNDS if is_short else 1)]
        (own, answer), (other, reply) = min(r[0] for r in runs), min(r[1] for r in runs)
        print(f"| {name}, {task} | {own:.2f} s | {answer} | {other:.1f} s | {reply} | {other / own:.0f} |", flush=True)


def public(folder: Path) -> Iterator[tuple[str, Any]]:
    """Yield the public models of ../shared/data/stat."""
    patch = json.loads((folder / "sbottom_regionC/patch.sbottom_600_280_150.json").read_text())
    background = json.loads((folder / "sbottom_regionC/BkgOnly.json").read_text())
    yield "ATLAS sbottom", jsonpatch.JsonPatch(patch).apply(background)
    yield "Combine part 3", json.loads((folder / "combine/pyhf_longex_part3_cr.json").read_text())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--public", type=Path, help="folder ../shared/data/stat, whose models are compared as well")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    print(
        f"import cascadebdt.inference {imported('cascadebdt.inference'):.2f} s, cabinetry {imported('cabinetry'):.2f} s"
    )
    logging.disable(logging.WARNING)
    print("| task | cascadebdt | | cabinetry | | ratio |\n|---|---|---|---|---|---|")
    models = [("trial", trial.model(json.loads(arguments.workspace.read_text())))]
    for name, content in [*models, *(public(arguments.public) if arguments.public else ())]:
        compare(name, content, quick=arguments.quick)


if __name__ == "__main__":
    main()
