"""The command that tells what is in the folder of a run."""

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cascadebdt.cli.job import duration

if TYPE_CHECKING:
    from cascadebdt.scaleout import Remaining


@click.command("status")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--config", "config_path", type=click.Path(path_type=Path), help="Compare with CONFIG [that of the run].")
def status_command(folder: Path, config_path: Path | None) -> None:
    """List the products in DIR, whether each can be used, and if not why; of batch jobs, where each stands."""
    from cascadebdt import scaleout
    from cascadebdt.pipeline import status
    from cascadebdt.products.inventory import Inventory

    layout = scaleout.Layout.of_products(folder)
    is_submitted = layout.manifest.is_file()
    if is_submitted:
        layout = layout.submitted()
        jobs = scaleout.job_statuses(layout)
        click.echo(f"DAG      {scaleout.dag_status(layout)}")
        is_going_on = scaleout.in_queue(layout) is not None
        if is_going_on and (left := scaleout.remaining(layout.read(), jobs, datetime.now())):
            click.echo(f"left     {_estimate(left)}")
        for job in jobs:
            click.echo(f"{job.state:8s} {job.name}{f': {job.reason}' if job.reason else ''}")
        config_path = config_path or Path(layout.read().config)
    if is_submitted and not Inventory.read(folder).steps:
        return
    for line in status(folder, config_path):
        click.echo(f"{line.state:8s} {line.step:7s} {line.product}{f': {line.reason}' if line.reason else ''}")


def _estimate(left: "Remaining") -> str:
    """Return in words how long jobs still take."""
    beside = f"; nothing is known of {', '.join(left.unknown)}" if left.unknown else ""
    return f"about {duration(left.seconds)}, an estimate from the jobs that have finished{beside}"
