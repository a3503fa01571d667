"""The plan of an analysis on the workers of a Dask scheduler, which see the same files."""

import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import CancelledError
from pathlib import Path
from typing import Any

from cascadebdt.config import Config
from cascadebdt.errors import ConfigError, InputError, TransientInputError, one_line
from cascadebdt.pipeline import Node, nodes, note_inputs
from cascadebdt.products import Products
from cascadebdt.progress import Progress, silent

MAY_PASS = 75  # exit code of the command line, see `cli`


def run(
    config: Config,
    path: Path,
    products: Products,
    *,
    scheduler: str,
    options: Sequence[str] = (),
    jobs: int = 1,
    progress: Progress = silent,
) -> None:
    """Do on the workers of a scheduler what is missing or changed.

    A node whose worker dies goes to another one. Where the scheduler dies, this ends with an error, and the same call
    does what is left.

    Parameters
    ----------
    config : the analysis
    path : of its configuration
    products : where the products go
    scheduler : its address, such as ``tcp://host:8786``
    options : of the command line of every node
    jobs : input files looked at at a time
    progress : told of every node

    Raises
    ------
    ConfigError
        If Dask is not installed.
    CascadeBDTError
        What a node says, or that the scheduler does not answer.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise ConfigError("--executor dask: Dask is not installed; pip install 'cascadebdt[dask]'") from error
    note_inputs(config, products, jobs=jobs)
    left = [node for node in nodes(config, products, jobs=jobs) if not node.is_done]
    arguments = [os.path.abspath(path), "--output", os.path.abspath(products.directory), *options]
    try:
        client = Client(scheduler, set_as_default=False)
    except OSError as error:
        raise TransientInputError(f"{scheduler}: no scheduler answers there ({one_line(str(error))})") from error
    with client:
        _map(client, left, arguments, config.batch.retries, progress)


def _map(client: Any, left: Sequence[Node], arguments: Sequence[str], retries: int, progress: Progress) -> None:
    """Submit all nodes at once, each after those that it needs, and wait for them."""
    futures: dict[str, Any] = {}
    for node in left:
        before = [futures[name] for name in node.after if name in futures]
        futures[node.name] = client.submit(
            do, (*node.arguments, *arguments), retries, before, key=f"{node.name}-{node.key}", pure=False
        )
    try:
        for node in progress(left, "nodes"):
            futures[node.name].result()
    except CancelledError as error:
        raise TransientInputError("the scheduler was lost; run the same command again, it does what is left") from error
    finally:
        client.cancel(list(futures.values()))


def do(arguments: Sequence[str], retries: int, before: Sequence[None]) -> None:
    """Run a command line of the package in a process of its own, again where a fault may pass.

    Parameters
    ----------
    arguments : of the command line
    retries : how often it runs again
    before : what it waits for

    Raises
    ------
    InputError
        With the sentence that the command ended with.
    """
    command = [sys.executable, "-m", "cascadebdt", *arguments]
    for _ in range(retries + 1):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != MAY_PASS:
            break
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        own = [line.removeprefix("cascadebdt: ") for line in said if line.startswith("cascadebdt: ")]
        raise InputError((own or said)[-1])
