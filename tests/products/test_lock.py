import json
import multiprocessing
import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cascadebdt.errors import InputError
from cascadebdt.products.lock import NAME, STALE_SECONDS, locked

HOLD = "import sys, time; from pathlib import Path; from cascadebdt.products.lock import locked\n"
HOLD += "with locked(Path(sys.argv[1])): print('held', flush=True); time.sleep(60)"


def enter(folder: Path) -> None:
    with locked(folder):
        pass


def hold_in_another_process(folder: Path) -> "subprocess.Popen[str]":
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_until_the_first_dies_however_it_dies(tmp_path: Path) -> None:
    with hold_in_another_process(tmp_path) as process:
        with pytest.raises(InputError, match=rf"process {process.pid} on .* is at work there; wait for it"):
            enter(tmp_path)
        process.kill()
    enter(tmp_path)


def test_a_lock_is_free_after_an_error_in_its_block(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), locked(tmp_path):
        raise KeyboardInterrupt
    enter(tmp_path)


@pytest.mark.parametrize("silent", [0.0, STALE_SECONDS + 60])
def test_the_holder_on_another_machine_counts_as_alive_as_long_as_it_touches_the_lock(
    tmp_path: Path, silent: float
) -> None:
    (tmp_path / NAME).write_text(json.dumps({"host": f"not {platform.node()}", "pid": 1}))
    os.utime(tmp_path / NAME, (time.time() - silent,) * 2)
    if silent:
        enter(tmp_path)
    else:
        with pytest.raises(InputError, match=r"process 1 on not .* is at work there"):
            enter(tmp_path)


def test_half_a_lock_of_a_killed_process_does_not_hold(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"host": "x')
    enter(tmp_path)


def attempt(folder: Path, barrier: "multiprocessing.synchronize.Barrier", wins: "multiprocessing.Queue[int]") -> None:
    barrier.wait()
    try:
        with locked(folder):
            wins.put(1)
            time.sleep(1.0)
    except InputError:
        wins.put(0)


def test_of_many_that_come_at_once_one_gets_the_lock(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier, wins = context.Barrier(8), context.Queue()
    processes = [context.Process(target=attempt, args=(tmp_path, barrier, wins)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sum(wins.get() for _ in processes) == 1


def test_a_batch_job_that_starts_anew_elsewhere_takes_the_lock_of_its_lost_self(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = {"host": f"not {platform.node()}", "pid": 1, "node": "apply"}
    (tmp_path / NAME).write_text(json.dumps(lost))
    monkeypatch.setenv("CASCADEBDT_NODE", "fit")
    with pytest.raises(InputError, match="is at work there"):
        enter(tmp_path)
    monkeypatch.setenv("CASCADEBDT_NODE", "apply")
    enter(tmp_path)
