"""The plan on the workers of a Dask scheduler: real processes, of which some are killed, and each node is one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from scaleout.folders import bits, call, numbers, write_analysis

psutil = pytest.importorskip("psutil", reason="Dask is not installed")
pytest.importorskip("distributed", reason="Dask is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask, about how it ends

SECONDS = 300  # after which a process is taken for hanging


@dataclass(frozen=True)
class Cluster:
    """Processes of Dask: a scheduler, and workers that a nanny each watches."""

    scheduler: subprocess.Popen[bytes]
    workers: list[subprocess.Popen[bytes]]
    address: str

    @classmethod
    def start(cls, folder: Path, *, n_workers: int) -> "Cluster":
        file = folder / "scheduler.json"
        scheduler = _dask("scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", file, folder=folder)
        address = _until(lambda: file.exists() and _address(file))
        worker = ("worker", address, "--nthreads", "1", "--no-dashboard", "--local-directory", folder)
        return cls(scheduler, [_dask(*worker, folder=folder) for _ in range(n_workers)], address)

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            for child in _descendants(process.pid):
                child.kill()
            process.kill()
            process.wait(SECONDS)


def _dask(*arguments: object, folder: Path) -> subprocess.Popen[bytes]:
    with (folder / "dask.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "dask", *map(str, arguments)], stdout=log, stderr=log)


def _address(file: Path) -> str:
    return str(json.loads(file.read_text())["address"])


def _descendants(pid: int) -> list[Any]:
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def _until(look: Callable[[], Any]) -> Any:
    """Return what a function returns as soon as that is true."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if value := look():
            return value
        time.sleep(0.02)
    raise TimeoutError


def _node_at_work(cluster: Cluster, output: Path) -> Any:
    """Return the process of a node that holds the lock of the folder, which is the worst moment to be killed."""
    if not (output / ".lock").exists():
        return None
    started = [process for worker in cluster.workers for process in _descendants(worker.pid)]
    return next(filter(_is_node, started), None)


def _is_node(process: Any) -> bool:
    try:
        return "cascadebdt.scaleout.tether" in process.cmdline()
    except psutil.Error:  # it has just ended
        return False


def _command(config: Path, output: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cascadebdt", "run", config, "--output", output, "--executor", "dask", *options]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@dataclass(frozen=True)
class Analysis:
    """The tiny analysis and the products of `run`."""

    config: Path
    whole: Path

    def without(self, product: str, output: Path) -> Path:
        """Return a copy of the products that lacks one."""
        shutil.copytree(self.whole, output)
        (output / product).unlink()
        return output


@pytest.fixture(scope="module")
def analysis(ntuples: Path, tmp_path_factory: pytest.TempPathFactory) -> Analysis:
    folder = tmp_path_factory.mktemp("dask")
    config, whole = write_analysis(folder, ntuples), folder / "whole"
    assert call("run", config, "--output", whole, "--jobs", 1).exit_code == 0
    return Analysis(config, whole)


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[list[Cluster]]:
    started: list[Cluster] = []
    yield started
    for cluster in started:
        cluster.stop()


def test_a_node_whose_worker_is_killed_runs_again_with_the_same_bits(
    analysis: Analysis, tmp_path: Path, clusters: list[Cluster]
) -> None:
    output = analysis.without("fit.json", tmp_path / "out")
    cluster = Cluster.start(tmp_path, n_workers=2)
    clusters.append(cluster)
    command = _command(analysis.config, output, "--scheduler", cluster.address)
    node = _until(lambda: _node_at_work(cluster, output))
    worker = node.parent()
    os.kill(worker.parent().pid, signal.SIGKILL)  # its nanny, which would start it again
    os.kill(worker.pid, signal.SIGKILL)
    _until(lambda: not node.is_running() or node.status() == psutil.STATUS_ZOMBIE)
    said, _ = command.communicate(timeout=SECONDS)
    assert command.returncode == 0, said
    assert bits(output) == bits(analysis.whole)
    assert numbers(output) == numbers(analysis.whole)


def test_a_lost_scheduler_ends_the_run_with_a_sentence_and_the_same_command_does_what_is_left(
    analysis: Analysis, tmp_path: Path, clusters: list[Cluster]
) -> None:
    output = analysis.without("fit.json", tmp_path / "out")
    cluster = Cluster.start(tmp_path, n_workers=1)
    clusters.append(cluster)
    command = _command(analysis.config, output, "--scheduler", cluster.address)
    node = _until(lambda: _node_at_work(cluster, output))
    cluster.scheduler.kill()
    said, _ = command.communicate(timeout=SECONDS)
    assert command.returncode == 75, said
    assert said.count("the scheduler was lost; run the same command again, it does what is left") == 1
    assert "Traceback" not in said
    _until(lambda: not node.is_running())
    again = _command(analysis.config, output)
    said, _ = again.communicate(timeout=SECONDS)
    assert again.returncode == 0, said
    assert bits(output) == bits(analysis.whole)
    assert numbers(output) == numbers(analysis.whole)


def test_a_node_that_fails_ends_the_run_with_its_sentence(ntuples: Path, tmp_path: Path) -> None:
    config = write_analysis(tmp_path, ntuples)
    config.write_text(config.read_text().replace('"MET_pt"', '"MET_px"'))
    result = call("run", config, "--output", tmp_path / "out", "--executor", "dask", "--jobs", 2)
    assert result.exit_code == 2
    assert "MET_px" in result.output


def test_an_address_where_no_scheduler_is_ends_with_a_fault_that_may_pass(
    analysis: Analysis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT", "1s")
    command = _command(analysis.config, analysis.whole, "--scheduler", "tcp://127.0.0.1:9")
    said, _ = command.communicate(timeout=SECONDS)
    assert command.returncode == 75, said
    assert "cascadebdt: tcp://127.0.0.1:9: no scheduler answers there" in said


def test_an_address_that_is_none_is_refused(analysis: Analysis) -> None:
    result = call("run", analysis.config, "--output", analysis.whole, "--executor", "dask", "--scheduler", "a://b")
    assert result.exit_code == 2
    assert "--scheduler: expected an address such as tcp://host:8786, got 'a://b'" in result.output


def test_a_scheduler_goes_with_dask(tmp_path: Path) -> None:
    result = call("run", tmp_path / "tiny.yaml", "--scheduler", "tcp://host:8786")
    assert result.exit_code == 2
    assert "--scheduler goes with --executor dask" in result.output
