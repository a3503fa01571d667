"""Training on the workers of a Dask scheduler; two share this process, and XGBoost tells their threads apart."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cascadebdt import config as configuration
from cascadebdt import training
from cascadebdt.cascade import Cascade
from cascadebdt.config import CascadeConfig
from cascadebdt.errors import ConfigError
from cascadebdt.events import Events, disk
from tiny_analysis import tiny_config, toy_cascade, toy_events

distributed = pytest.importorskip("distributed", reason="Dask is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Dask, about how it ends


def config(*, is_distributed: bool, **changes: Any) -> CascadeConfig:
    raw = toy_cascade().model_dump(by_alias=True)
    for part in (*raw["stages"], raw["final"]):
        part |= {"distributed": is_distributed, **changes}
    return CascadeConfig.model_validate({**raw, "memory": "stream"})


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> Events:
    """Return simulated events whose features are in a file."""
    simulation = toy_events()
    simulation = simulation.take(~simulation.is_data)
    order = np.argsort(simulation.event_id, kind="stable")
    return disk.write(tmp_path_factory.mktemp("events") / "training.root", [simulation.take(order)])


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    import dask

    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=False, protocol="tcp://", dashboard_address=None
        ) as cluster,
        dask.config.set({"scheduler-address": cluster.scheduler_address}),
    ):
        yield


def raw_models(cascade: Cascade) -> list[bytes]:
    classifiers = [*(stage.classifier for stage in cascade.stages), cascade.final]
    return [bytes(booster.save_raw("ubj")) for one in classifiers if one for booster in one.boosters]


@pytest.fixture(scope="module")
def on_workers(events: Events, two_workers: None) -> Cascade:
    return training.train(events, config(is_distributed=True))


def test_the_models_of_two_workers_are_those_of_one_machine_up_to_rounding(events: Events, on_workers: Cascade) -> None:
    alone = training.train(events, config(is_distributed=False))
    for of_workers, of_one in zip(on_workers.stages, alone.stages, strict=True):
        assert of_workers.classifier.summary.auc == pytest.approx(of_one.classifier.summary.auc, abs=1e-4)
        assert of_workers.working_point.threshold == pytest.approx(of_one.working_point.threshold, abs=1e-3)


def test_the_same_number_of_workers_gives_the_same_bits(events: Events, on_workers: Cascade) -> None:
    assert raw_models(training.train(events, config(is_distributed=True))) == raw_models(on_workers)


def test_both_workers_take_part(events: Events, two_workers: None, capfd: pytest.CaptureFixture[str]) -> None:
    training.train(events, config(is_distributed=True, decorrelate={"spectator": "x"}))
    said = "".join(capfd.readouterr())
    assert "Task 000000 got rank 0" in said
    assert "Task 000001 got rank 1" in said


def test_without_a_scheduler_the_command_is_named(events: Events) -> None:
    import dask

    with (
        dask.config.set({"scheduler-address": None}),
        pytest.raises(ConfigError, match="do it with 'cascadebdt run --executor dask'"),
    ):
        training.train(events, config(is_distributed=True))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"memory": "ram"}, r"stages\[0\].distributed: workers read the events from files; set cascade.memory"),
        ({"decorrelate": {"spectator": "met", "method": "flatness"}}, "no flatness loss on many workers"),
    ],
)
def test_what_cannot_be_distributed_is_refused(changes: Any, message: str) -> None:
    raw = tiny_config()
    raw["cascade"]["memory"] = changes.get("memory", "stream")
    raw["cascade"]["stages"][0] |= {"distributed": True, "decorrelate": changes.get("decorrelate")}
    with pytest.raises(ConfigError, match=message):
        configuration.parse(raw, directory=Path())
