"""Ends runs of a tiny analysis at random moments, runs them again, and compares every product with an undisturbed run.

    python benchmarks/faults/kills.py --number 200 --seed 1

Half of the runs start in an empty folder, half over the products of another configuration. After the signal one of the
single steps is tried first, which must refuse or give right numbers; then the run is repeated. Counted are wrong
products, tracebacks and hangs; each line says what was done, so that it can be done again.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "tests"))
from cascadebdt.config import document
from tiny_analysis import SAMPLES, tiny_config, write_ntuple

SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
PATIENCE = 300.0  # seconds after which a run counts as hanging
EXITS = {0, 2, 75, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, 128 + signal.SIGTERM, 128 + signal.SIGINT, 1}
# What differs from run to run by nature: times, and the moment at which input files were last changed.
VOLATILE = {"summary.json": ("resources",), "manifest.json": ("products", "sha256")}


@dataclass(frozen=True)
class Setting:
    """Two configurations of an analysis, and the undisturbed products of the first."""

    config: Path
    other: Path
    reference: Path
    stale: Path
    seconds: float


def prepare(folder: Path) -> Setting:
    """Write ntuples and configurations; run both undisturbed."""
    for index, (process, (n_events, *_)) in enumerate(SAMPLES.items()):
        write_ntuple(folder / f"{process}_0.root", process, n_events, 10 * index)
    write_ntuple(folder / "data.root", "zee", 800, 99, is_data=True)
    raw = tiny_config()
    other = tiny_config()
    other["luminosity_fb"] = 2.0
    other["cascade"]["stages"][0]["working_point"] = {"signal_efficiency": 0.92}
    for name, content in (("config", raw), ("other", other)):
        (folder / f"{name}.yaml").write_text(document.write(content))
    start = time.monotonic()
    _run(folder / "config.yaml", folder / "reference")
    seconds = time.monotonic() - start
    _run(folder / "other.yaml", folder / "stale")
    return Setting(folder / "config.yaml", folder / "other.yaml", folder / "reference", folder / "stale", seconds)


def disturbed(setting: Setting, output: Path, rng: random.Random) -> tuple[str, list[str]]:
    """End a run, try a single step, run again; return what was done and what went wrong."""
    over_stale = rng.random() < 0.5
    if over_stale:
        shutil.copytree(setting.stale, output)
    moment, chosen = rng.uniform(0.0, setting.seconds), rng.choice(SIGNALS)
    step = rng.choice(("apply", "fit", "report", "fit"))
    done = f"{chosen.name} after {moment:.2f} s{' over stale products' if over_stale else ''}, then {step}"
    with _start("run", setting.config, output) as process:
        time.sleep(moment)
        process.send_signal(chosen)
        faults = _judge("run", process)
    with _start(step, setting.config, output) as process:
        faults += _judge(step, process)
    with _start("run", setting.config, output) as process:
        faults += _judge("rerun", process)
        if process.returncode != 0:
            faults.append(f"rerun: exit {process.returncode}")
    return done, faults + [f"wrong: {name}" for name in wrong(setting.reference, output)]


def wrong(reference: Path, output: Path) -> list[str]:
    """Return the products that differ from those of the undisturbed run, are missing, or should not be there."""
    expected, found = (
        {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
        for folder in (reference, output)
    )
    names = expected ^ found
    for name in expected & found:
        if Path(name).suffix not in (".pdf", ".html") and _content(reference, name) != _content(output, name):
            names.add(name)
    return sorted(names)


def _content(folder: Path, name: str) -> Any:
    if name not in VOLATILE:
        return (folder / name).read_bytes()
    content = json.loads((folder / name).read_text())
    return {key: value for key, value in content.items() if key not in VOLATILE[name]}


def _start(step: str, config: Path, output: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "cascadebdt", step, str(config), "--output", str(output), "--quiet", "--jobs", "1"]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=dict(os.environ))


def _judge(what: str, process: "subprocess.Popen[str]") -> list[str]:
    """Wait for a process; return a hang or a traceback that is not that of an interrupt."""
    try:
        _, said = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return [f"{what}: hangs"]
    if "Traceback" in said and "KeyboardInterrupt" not in said:
        return [f"{what}: traceback: {said.strip().splitlines()[-1]}"]
    return [] if process.returncode in EXITS else [f"{what}: exit {process.returncode}"]


def _run(config: Path, output: Path) -> None:
    with _start("run", config, output) as process:
        faults = _judge("run", process)
    if faults or process.returncode:
        raise RuntimeError(f"the undisturbed run of {config} failed: {faults or process.returncode}")


def main() -> None:
    """Run the campaign and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--number", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    counted: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as name:
        setting = prepare(Path(name))
        print(f"an undisturbed run takes {setting.seconds:.1f} s")
        for number in range(options.number):
            output = Path(name) / f"run_{number}"
            done, faults = disturbed(setting, output, rng)
            counted.update(fault.split(":")[0 if fault.startswith("wrong") else 1].strip() for fault in faults)
            counted["right" if not faults else "not right"] += 1
            if faults:
                print(f"{number}: {done}: {'; '.join(faults)}", flush=True)
            shutil.rmtree(output)
    print(", ".join(f"{what}: {n}" for what, n in counted.items()))


if __name__ == "__main__":
    main()
