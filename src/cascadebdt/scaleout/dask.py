"""The plan of an analysis on the workers of a Dask scheduler, which see the same files."""

import logging
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError, TransientInputError, one_line
from cascadebdt.pipeline import Node, nodes, note_inputs
from cascadebdt.products import Products
from cascadebdt.products.lock import NODE
from cascadebdt.progress import Progress, silent
from cascadebdt.scaleout import tether

WRONG, MAY_PASS = 2, 75  # exit codes of the command line, see `cli`
SIDE_BY_SIDE = ("select", "model", "fill", "merge")  # categories of which many run at a time, with a thread each
AGAIN = "run the same command again, it does what is left"
log = logging.getLogger(__name__)


class LostWorkersError(TransientInputError):
    """Workers died while they ran a node."""


def run(
    config: Config,
    path: Path,
    products: Products,
    *,
    scheduler: str | None = None,
    options: Sequence[str] = (),
    jobs: int = 1,
    progress: Progress = silent,
) -> None:
    """Do on the workers of a scheduler what is missing or changed.

    A node whose worker dies goes to another one; where Dask gives a node up after some deaths, all that is left is
    given to it again, `batch.retries` times. Where the scheduler dies, this ends with an error, and the same call does
    what is left.

    Parameters
    ----------
    config : the analysis
    path : of its configuration
    products : where the products go
    scheduler : its address, such as ``tcp://host:8786``; None for one on this machine with `jobs` threads
    options : of the command line of every node
    jobs : input files looked at at a time
    progress : told of every node

    Raises
    ------
    ConfigError
        If Dask is not installed, or the address is none.
    TransientInputError
        If the scheduler does not answer or is lost, or workers die again and again, or a fault of a node does not pass.
    InputError
        With the sentence of a node that failed.
    """
    note_inputs(config, products, jobs=jobs)
    arguments = [os.path.abspath(path), "--output", os.path.abspath(products.directory), *options]
    with _client(scheduler, jobs) as client:
        if not client.scheduler_info()["workers"]:
            log.warning("%s has no workers yet; waiting for one", scheduler)
        retries = config.batch.retries
        for attempt in range(retries + 1):
            left = [node for node in nodes(config, products, jobs=jobs) if not node.is_done]
            try:
                _map(client, left, arguments, retries, attempt, progress)
                break
            except LostWorkersError as error:
                if attempt == retries:
                    raise
                log.warning("%s; it runs again", error)


@contextmanager
def _client(scheduler: str | None, threads: int) -> Iterator[Any]:
    """Connect to a scheduler, or to one in this process; nodes are processes of their own in either case."""
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise ConfigError("--executor dask: Dask is not installed; pip install 'cascadebdt[dask]'") from error
    for name in ("distributed.client", "distributed.core", "tornado.application"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # they print a traceback where a sentence is ours
    if scheduler is None:
        with (
            LocalCluster(
                n_workers=1, threads_per_worker=threads, processes=False, protocol="tcp://", dashboard_address=None
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = Client(scheduler, set_as_default=False)
    except OSError as error:
        raise TransientInputError(f"{scheduler}: no scheduler answers there ({one_line(str(error))})") from error
    except ValueError as error:
        raise ConfigError(f"--scheduler: expected an address such as tcp://host:8786, got '{scheduler}'") from error
    with client:
        yield client


def _map(
    client: Any, left: Sequence[Node], arguments: Sequence[str], retries: int, attempt: int, progress: Progress
) -> None:
    """Submit all nodes at once, each after those that it needs, and wait for them.

    Raises
    ------
    LostWorkersError
        If so many workers died with a node that Dask gave it up.
    """
    from distributed import KilledWorker

    futures: dict[str, Any] = {}
    for node in left:
        before = [futures[name] for name in node.after if name in futures]
        key = f"{node.name} {node.key} {attempt}"
        futures[node.name] = client.submit(do, node, (*node.arguments, *arguments), retries, before, key=key)
    try:
        for node in progress(left, "nodes"):
            futures[node.name].result()
    except CancelledError as error:
        raise TransientInputError(f"the scheduler was lost; {AGAIN}") from error
    except KilledWorker as error:
        name, n_workers = str(error.task).partition(" ")[0], error.allowed_failures + 1
        raise LostWorkersError(
            f"{name}: {n_workers} workers died while they ran it, most often for memory; see their logs"
        ) from error
    finally:
        if client.status == "running":
            client.cancel(list(futures.values()))


def do(node: Node, arguments: Sequence[str], retries: int, before: Sequence[None]) -> None:
    """Run the command line of a node in a process of its own, again where a fault may pass.

    Parameters
    ----------
    node : which
    arguments : of the command line
    retries : how often it runs again
    before : what it waits for

    Raises
    ------
    InputError, TransientInputError
        With the sentence that the command ended with.
    """
    from distributed import get_worker, secede

    worker = get_worker()
    threads = 1 if node.category in SIDE_BY_SIDE else worker.state.nthreads
    if node.is_distributed:
        secede()  # its own share of the training needs the thread
    variables = {NODE: node.name, "DASK_SCHEDULER_ADDRESS": worker.scheduler.address}
    for _ in range(retries + 1):
        ended = tether.run([*arguments, "--jobs", str(threads)], variables)
        if ended.returncode in (0, WRONG):
            break
    if ended.returncode:
        said = ended.stderr.strip().splitlines() or [f"{node.name}: exit code {ended.returncode}"]
        own = [line.removeprefix("cascadebdt: ") for line in said if line.startswith("cascadebdt: ")]
        failure = TransientInputError if ended.returncode == MAY_PASS else InputError
        raise failure((own or said)[-1])
