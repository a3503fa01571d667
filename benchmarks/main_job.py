"""Time and memory of the main job: `python benchmarks/main_job.py [CONFIG ...]`, one row per configuration.

Each configuration runs in a process of its own, as `cascadebdt run` does; the row before it is a run that only selects
the events (`cascadebdt check`), so that start-up, reading and training can be told apart.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

CONFIGS = Path(__file__).parents[1] / "configs"


def measure(command: str, config: Path) -> tuple[float, float, float]:
    """Return wall seconds, CPU seconds and peak memory in MB of one command."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = [command, str(config), "--output", folder, "--quiet"]
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "cascadebdt", *arguments])
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
    if status:
        raise SystemExit(f"{command} {config}: exit status {status}")
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1e3


def main() -> None:
    """Print the table."""
    configs = [Path(name) for name in sys.argv[1:]] or sorted(CONFIGS.glob("*.yaml"))
    print(f"{'configuration':24s} {'command':8s} {'wall s':>8s} {'CPU s':>8s} {'peak MB':>8s}")
    for config in configs:
        for command in ("check", "run"):
            wall, cpu, memory = measure(command, config)
            print(f"{config.stem:24s} {command:8s} {wall:8.1f} {cpu:8.1f} {memory:8.0f}", flush=True)


if __name__ == "__main__":
    main()
