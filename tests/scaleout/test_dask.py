"""The plan on the workers of a Dask scheduler in this process; each node is a process of its own."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from scaleout.folders import bits, call, numbers, write_analysis

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask, about how it ends


@pytest.fixture
def scheduler() -> Iterator[str]:
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


def test_what_is_left_runs_on_workers_with_the_same_bits(ntuples: Path, tmp_path: Path, scheduler: str) -> None:
    config, output, whole = write_analysis(tmp_path, ntuples), tmp_path / "out", tmp_path / "whole"
    assert call("run", config, "--output", whole, "--jobs", 1).exit_code == 0
    shutil.copytree(whole, output)
    (output / "fit.json").unlink()
    result = call("run", config, "--output", output, "--executor", "dask", "--scheduler", scheduler)
    assert result.exit_code == 0, result.output
    assert bits(output) == bits(whole)
    assert numbers(output) == numbers(whole)


def test_a_node_that_fails_ends_the_run_with_its_sentence(ntuples: Path, tmp_path: Path, scheduler: str) -> None:
    config = write_analysis(tmp_path, ntuples)
    config.write_text(config.read_text().replace('"MET_pt"', '"MET_px"'))
    result = call("run", config, "--output", tmp_path / "out", "--executor", "dask", "--scheduler", scheduler)
    assert result.exit_code == 2
    assert "MET_px" in result.output


def test_a_scheduler_goes_with_dask(tmp_path: Path) -> None:
    result = call("run", tmp_path / "tiny.yaml", "--executor", "dask")
    assert result.exit_code == 2
    assert "--executor dask and --scheduler go together" in result.output
