import os
from pathlib import Path

import pytest

from cascadebdt import resources


def test_a_batch_slots_request_limits_the_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    assert resources.available_cpus() == 1
    monkeypatch.setenv("OMP_NUM_THREADS", "100000")
    assert 1 <= resources.available_cpus() <= (os.cpu_count() or 1)


@pytest.mark.parametrize(("text", "expected"), [("max 100000", None), ("150000 100000", 2), ("50000 100000", 1)])
def test_a_container_quota_is_rounded_up(tmp_path: Path, text: str, expected: int | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert resources._container_quota(tmp_path / "cpu.max") == expected


def test_a_meter_measures_time_and_memory() -> None:
    meter = resources.Meter()
    sum(range(100_000))
    used = meter.read()
    assert used["wall_s"] > 0
    assert used["cpu_s"] > 0
    assert 10 < used["peak_memory_mb"] < 1e6
