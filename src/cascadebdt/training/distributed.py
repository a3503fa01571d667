"""The boosters of a stage whose events one machine does not hold: each trains on all workers of a Dask scheduler.

Dask places the work, XGBoost's collective communication, on which `xgboost.dask` rests too, sums the histograms of the
workers before each split. The functions of `xgboost.dask` itself keep the float32 features of all events in the memory
of the workers, beside their bins, five bytes for each value; here workers read the events from files, batch by batch,
and hold what a training on one machine holds: bins, by the same borders. So trees differ from those of one machine by
the order of summation alone, and are the same for the same number of workers.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from xgboost.collective import CommunicatorContext
from xgboost.tracker import RabitTracker

from cascadebdt.arrays import FeatureArray, IntArray
from cascadebdt.config import BDTConfig
from cascadebdt.errors import ConfigError, TransientInputError
from cascadebdt.events.folds import Split
from cascadebdt.forest import boosters
from cascadebdt.training import boosting
from cascadebdt.training.boosting import Fitted, Runtime, TrainingSample
from cascadebdt.training.feature_rows import FeatureRows
from cascadebdt.training.quantiser import Quantiser, borders, borders_matrix

MIN_ROWS = 100  # of a worker; below, messages take more time than events
WAIT_SECONDS = 60  # for a worker
LOOK_SECONDS = 0.2  # between looks at whether all workers are there
NO_SCHEDULER = "distributed training needs the workers of a Dask scheduler; do it with 'cascadebdt run --executor dask'"


@dataclass(frozen=True, eq=False)
class Share:
    """The events of one worker.

    Attributes
    ----------
    sample : events with their final weights
    split : which of them train and which stop the training
    borders : (max_bin, n_features) float32, of the bins of all workers
    """

    sample: TrainingSample
    split: Split
    borders: FeatureArray


def fit(sample: TrainingSample, splits: Sequence[Split], config: BDTConfig, runtime: Runtime) -> tuple[Fitted, ...]:
    """Train one booster per split, one after the other, as `boosting.fit` does.

    Raises
    ------
    ConfigError
        If no scheduler is known, or Dask is not installed.
    TransientInputError
        If a worker or the scheduler is lost.
    """
    parameters = boosting.parameters_of(sample, config, runtime, threads=1)
    of_bins = borders(sample.features, config.max_bin)
    with _workers() as (client, addresses):
        return tuple(
            _trained(client, addresses, _shares(sample, split, of_bins, len(addresses)), config, parameters, runtime)
            for split in splits
        )


@contextmanager
def _workers() -> Iterator[tuple[Any, list[str]]]:
    """Connect to the scheduler of Dask's configuration (``DASK_SCHEDULER_ADDRESS``), and find its workers."""
    try:
        import dask
        from distributed import Client
    except ImportError as error:
        raise ConfigError(NO_SCHEDULER) from error
    address = dask.config.get("scheduler-address", None)
    if address is None:
        raise ConfigError(NO_SCHEDULER)
    try:
        client = Client(address, set_as_default=False)
        client.wait_for_workers(1, timeout=WAIT_SECONDS)
    except OSError as error:
        raise TransientInputError(f"{address}: no scheduler with workers answers there") from error
    with client:
        yield client, sorted(client.nthreads())


def _shares(sample: TrainingSample, split: Split, of_bins: FeatureArray, n_workers: int) -> list[Share]:
    """Divide the events that train, and those that stop the training, evenly among workers."""
    train, stop = np.flatnonzero(split.train), np.flatnonzero(split.stop)
    weighting = boosting.Weighting.of(sample, train)
    weights = np.zeros(len(sample.weights))
    weights[train] = weighting.weights(train)
    if len(stop):
        weights[stop] = weighting.weights(stop)
    n_shares = max(1, min(n_workers, min(len(part) for part in (train, stop) if len(part)) // MIN_ROWS))
    parts = zip(np.array_split(train, n_shares), np.array_split(stop, n_shares), strict=True)
    return [_share(sample, split, weights, np.sort(np.concatenate(rows)), of_bins) for rows in parts]


def _share(sample: TrainingSample, split: Split, weights: Any, rows: IntArray, of_bins: FeatureArray) -> Share:
    """Return the events in some rows."""
    features = sample.features
    part = TrainingSample(
        features=FeatureRows(features.columns, features.names, features.rows[rows]),
        is_signal=sample.is_signal[rows],
        weights=weights[rows],
        process=sample.process[rows],
        class_balance="none",  # the weights are balanced
        constraints=sample.constraints,
    )
    return Share(part, Split(split.train[rows], split.stop[rows]), of_bins)


def _trained(
    client: Any,
    addresses: Sequence[str],
    shares: Sequence[Share],
    config: BDTConfig,
    parameters: Mapping[str, Any],
    runtime: Runtime,
) -> Fitted:
    """Train a booster, a share on each worker; the first of them returns it."""
    from distributed import KilledWorker
    from distributed.utils import get_ip

    host, _, _ = client.scheduler.address.rpartition("/")[2].rpartition(":")
    tracker = RabitTracker(len(shares), host_ip=get_ip(host), sortby="task")
    tracker.start()
    futures = []
    for rank, (share, address) in enumerate(zip(shares, addresses, strict=False)):
        link = {**tracker.worker_args(), "dmlc_task_id": f"{rank:06d}"}  # ranks follow the order of these
        data = client.scatter(share, workers=[address], hash=False)
        futures.append(
            client.submit(
                train_share,
                data,
                config,
                {**parameters},
                runtime.memory == "disk",
                link,
                address,
                pure=False,
                workers=[address],
                allow_other_workers=True,  # which refuses; to wait for one that is lost would be for ever
            )
        )
    try:
        _wait(client, futures, addresses[: len(shares)])
        raw, curves = futures[0].result()
    except (CancelledError, KilledWorker, xgb.core.XGBoostError, LookupError) as error:
        raise TransientInputError("a worker was lost while a model trained on all of them; train it again") from error
    finally:
        if client.status == "running":
            client.cancel(futures)
    tracker.wait_for()
    return Fitted(boosters.load(raw), curves)


def _wait(client: Any, futures: Sequence[Any], addresses: Sequence[str]) -> None:
    """Wait for all workers, as long as none of them fails or is lost, for which the others would wait for ever.

    Raises
    ------
    LookupError
        If one is lost.
    """
    while not all(future.done() for future in futures):
        if lost := set(addresses) - set(client.nthreads()):
            raise LookupError(f"worker {min(lost)} was lost")
        for future in futures:
            if future.status == "error":
                future.result()
        time.sleep(LOOK_SECONDS)


def train_share(
    share: Share, config: BDTConfig, parameters: dict[str, Any], on_disk: bool, link: Mapping[str, Any], address: str
) -> tuple[bytes, Mapping[str, Sequence[float]]]:
    """Train a booster on a share of the events, together with the workers that do so on the others.

    Parameters
    ----------
    share : the events
    config, parameters : of the booster
    on_disk : whether the bins are kept in files
    link : how XGBoost finds the other workers
    address : of the worker that this is for

    Returns
    -------
    The booster in XGBoost's binary form, and its learning curves, as in `Fitted`; they are the same on all workers

    Raises
    ------
    LookupError
        If this is another worker.
    """
    from distributed import get_worker

    worker = get_worker()
    if worker.address != address:
        raise LookupError(f"worker {address} was lost")
    threads = worker.state.nthreads
    with tempfile.TemporaryDirectory(prefix="cascadebdt-") as folder:
        matrix = borders_matrix(share.borders)  # before there are others, who would take part in it
        quantiser = Quantiser(
            share.sample.features, matrix, config.max_bin, threads, Path(folder) if on_disk else None, bins_all=True
        )
        with CommunicatorContext(**link):
            training = boosting.train(
                share.sample, share.split, config, {**parameters, "nthread": threads}, quantiser, None
            )
            fitted = boosting.finished(training)
    return bytes(fitted.booster.save_raw("ubj")), fitted.curves
