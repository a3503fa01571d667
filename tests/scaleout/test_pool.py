"""The tiny analysis on a real HTCondor pool: the bits of `run`, through everything that happens to jobs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cascadebdt.scaleout import Layout, dag_status, in_queue, job_statuses
from cascadebdt.scaleout.jobs import ABORTED, EVICTED, HELD, last_event
from scaleout.folders import bits, call, numbers, write_analysis, write_config

MINUTES = 8


def pool_is_there() -> bool:
    if shutil.which("condor_submit_dag") is None:
        return False
    return subprocess.run(["condor_q", "-totals"], capture_output=True, check=False).returncode == 0


pytestmark = [
    pytest.mark.htcondor,
    pytest.mark.skipif(not pool_is_there(), reason="no HTCondor pool answers condor_q here"),
]


@pytest.fixture(scope="module")
def reference(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Products of `run`."""
    folder = tmp_path_factory.mktemp("reference")
    result = call("run", write_analysis(folder, ntuples), "--output", folder / "out", "--jobs", 1)
    assert result.exit_code == 0, result.output
    return folder / "out"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder whose DAG leaves the queue when the test ends."""
    yield tmp_path
    for layout in Layout.of_products(tmp_path / "out").all():
        if (cluster := in_queue(layout)) is not None:
            condor("condor_rm", cluster)


def condor(*arguments: object) -> str:
    return subprocess.run([str(a) for a in arguments], capture_output=True, text=True, check=False).stdout


def submitted(config: Path, output: Path, *options: object) -> Layout:
    result = call("submit", config, "--output", output, *options)
    assert result.exit_code == 0, result.output
    assert "submitted job" in result.output
    return Layout.of_products(output).submitted()


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60 * MINUTES
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.2)


def has_ended(layout: Layout) -> bool:
    return last_event(layout.dag_log) is not None and in_queue(layout) is None


def of_state(layout: Layout, *states: str) -> list[str]:
    return [job.name for job in job_statuses(layout) if job.state in states]


def job_of(layout: Layout, node: str) -> int:
    event = last_event(layout.jobs / f"{node}.log")
    assert event is not None
    return event.cluster


def dagman_of(layout: Layout) -> int:
    """Return the process that works in the folder of a submission and is DAGMan."""
    pids = [path for path in Path("/proc").iterdir() if path.name.isdigit()]
    (pid,) = (
        int(path.name)
        for path in pids
        if b"condor_dagman" in (path / "cmdline").read_bytes() and (path / "cwd").resolve() == layout.directory
    )
    return pid


def disturb(layout: Layout, effect: int, *command: str) -> str:
    """Do something to a job that trains a model, until a log says that it took effect; return the node."""
    disturbed: list[str] = []

    def has_effect() -> bool:
        for node in of_state(layout, "running", *(() if effect == EVICTED else ("queued",))):
            if node.startswith("train_"):
                condor(*command, job_of(layout, node))
                time.sleep(2)
                if f"\n{effect:03d} (" in (layout.jobs / f"{node}.log").read_text():
                    disturbed.append(node)
                    return True
        return False

    until(has_effect)
    return disturbed[0]


def assert_same(output: Path, reference: Path) -> None:
    assert bits(output) == bits(reference)
    assert numbers(output) == numbers(reference)


def test_jobs_that_are_killed_vacated_and_held_change_no_bit(ntuples: Path, reference: Path, folder: Path) -> None:
    config = write_analysis(folder, ntuples, held_seconds=10)
    layout = submitted(config, folder / "out")
    disturb(layout, EVICTED, "condor_vacate_job", "-fast")
    node = disturb(layout, HELD, "condor_hold")
    assert of_state(layout, "held") == [node]
    disturb(layout, ABORTED, "condor_rm")
    until(lambda: "train" in of_state(layout, "queued", "running", "done"))
    os.kill(dagman_of(layout), signal.SIGKILL)
    until(lambda: has_ended(layout))
    assert dag_status(layout) == "ended"
    assert of_state(layout, "done") == [job.name for job in job_statuses(layout)]
    assert_same(folder / "out", reference)


def test_after_an_unreadable_input_and_condor_rm_and_a_change_the_same_command_does_what_is_left(
    ntuples: Path, reference: Path, folder: Path
) -> None:
    config = write_analysis(folder, ntuples, shared_file_system=True)
    data, away = folder / "ntuples" / "data.root", folder / "away.root"
    layout = submitted(config, folder / "out")
    until(lambda: "train_zee_0" in of_state(layout, "done"))
    data.rename(away)
    until(lambda: has_ended(layout))
    assert dag_status(layout) == "ended before all was done; submit it again"
    away.rename(data)
    failed = [job for job in job_statuses(layout) if job.state == "failed"]
    assert "report" in [job.name for job in failed]  # it ran although others had failed
    assert all("data.root" in job.reason for job in failed)
    submitted(config, folder / "out")
    assert "train_zee_0" in of_state(layout, "done")
    assert call("submit", config, "--output", folder / "out").exit_code == 2
    until(lambda: "train_wjets_0" in of_state(layout, "done"))
    condor("condor_rm", in_queue(layout))
    until(lambda: has_ended(layout))
    assert dag_status(layout) == "ended before all was done; submit it again"
    assert "report" in of_state(layout, "waiting")
    write_config(folder, shared_file_system=True, model={"cpus": 1, "memory_mb": 1000}, retries=1)
    submitted(config, folder / "out")
    assert "train_wjets_0" in of_state(layout, "done")
    until(lambda: has_ended(layout))
    assert_same(folder / "out", reference)
    result = call("submit", config, "--output", folder / "out")
    assert "25 of 25 nodes are done already" in result.output


def test_pseudo_experiments_and_studies_made_in_jobs_are_those_of_one_process(ntuples: Path, folder: Path) -> None:
    config = write_analysis(folder, ntuples, toys_per_job=20)
    raw = json.loads(config.read_text())
    raw["fit"]["toys"] = 40
    config.write_text(json.dumps(raw))
    whole, output = folder / "whole", folder / "out"
    assert call("run", config, "--output", whole, "--jobs", 1).exit_code == 0
    shutil.copytree(whole, output)
    shutil.rmtree(output / "toys")
    (output / "fit.json").unlink()
    layout = submitted(config, output)
    until(lambda: has_ended(layout))
    assert dag_status(layout) == "ended"
    assert_same(output, whole)
    assert (output / "toys.json").read_bytes() == (whole / "toys.json").read_bytes()
    assert call("tune", config, "--output", whole, "--trials", 2, "--jobs", 1).exit_code == 0
    layout = submitted(config, output, "--study", "tune", "--", "--trials", 2)
    until(lambda: has_ended(layout))
    assert dag_status(layout) == "ended"
    assert (output / "tune.json").read_bytes() == (whole / "tune.json").read_bytes()


def test_a_full_disk_and_too_much_memory_pass_and_the_job_asks_for_more_memory(
    ntuples: Path, reference: Path, folder: Path
) -> None:
    """The fit finds a disk that takes no file of 1 kB, then uses 700 MB, then nothing is in its way."""
    faulty = folder / "faulty.sh"
    faulty.write_text(
        f"""#!/bin/sh
if mkdir {folder}/full 2> /dev/null; then
    export PYTHONDONTWRITEBYTECODE=1  # of which Python writes truncated files there
    ulimit -f 1
elif mkdir {folder}/greedy 2> /dev/null; then
    exec {sys.executable} -c 'import time; block = b"1" * (700 << 20); time.sleep(300)'
fi
exec {sys.executable} "$@"
"""
    )
    faulty.chmod(0o755)
    hold = {"periodic_hold": "JobStatus == 2 && MemoryUsage > RequestMemory"}  # as sites do that enforce no limits
    config = write_analysis(folder, ntuples, python=str(faulty), held_seconds=20, fit={"memory_mb": 500}, commands=hold)
    shutil.copytree(reference, folder / "out")
    (folder / "out" / "fit.json").unlink()
    layout = submitted(config, folder / "out")
    until(lambda: has_ended(layout))
    assert dag_status(layout) == "ended"
    log = (layout.jobs / "fit.log").read_text()
    assert "return value 75" in log
    assert log.count("Job was held") == 1
    asked = condor("condor_history", job_of(layout, "fit"), "-af", "RequestMemory")
    assert 1000 < int(asked) < 1300
    assert_same(folder / "out", reference)
