"""What of the log is shown: details only on request, what repeats once and counted."""

import logging
import time
from collections.abc import Iterator

import pytest

from cascadebdt.cli import job
from cascadebdt.cli.messages import Repeats


def shown(repeats: Repeats, name: str, level: int, text: str, *numbers: object, counted: str | None = None) -> bool:
    record = logging.LogRecord(name, level, "", 0, text, numbers, None)
    if counted is not None:
        record.counted = counted
    return bool(repeats.filter(record))


def test_warnings_of_one_kind_are_shown_twice_and_then_counted() -> None:
    repeats = Repeats(verbose=False)
    passed = [shown(repeats, "cascadebdt.workspace", logging.WARNING, "region %s: limited", n) for n in range(5)]
    assert passed == [True, True, False, False, False]
    assert shown(repeats, "cascadebdt.workspace", logging.WARNING, "another kind")
    assert repeats.told() == ["WARNING: 3 more like 'region 0: limited'; --verbose shows them"]


def test_restarts_are_added_up_and_told_once() -> None:
    repeats = Repeats(verbose=False)
    sentence = "restarted {} times, and always agreed"
    passed = [shown(repeats, "x", logging.DEBUG, "agree after %d", n, counted=sentence) for n in (1, 3, 77)]
    assert passed == [False, False, False]
    assert repeats.told() == ["INFO: restarted 81 times, and always agreed"]


def test_details_are_told_on_request_only() -> None:
    for verbose in (False, True):
        repeats = Repeats(verbose=verbose)
        assert shown(repeats, "cascadebdt.workspace.treatment", logging.INFO, "symmetrised") is verbose
        assert shown(repeats, "cascadebdt.training.trainer", logging.INFO, "stage %s", "zee")
    assert repeats.told() == []


def test_a_long_loop_without_a_terminal_tells_the_remaining_time(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def clock() -> Iterator[float]:
        yield from (0.0, 10.0, 40.0, 80.0, 120.0)

    ticks = clock()
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    with caplog.at_level(logging.INFO, logger="cascadebdt"):
        assert list(job.show_progress(["a", "b", "c", "d"], "training")) == ["a", "b", "c", "d"]
    assert caplog.messages == [
        "training: 2 of 4, about 40.0 s left",
        "training: 3 of 4, about 26.7 s left",
        "training: 4 in 2 min",
    ]
