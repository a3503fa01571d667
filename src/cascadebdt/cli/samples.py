"""The commands around the samples of the benchmark analysis."""

import logging
import sys
from pathlib import Path

import click

from cascadebdt.resources import available_cpus


@click.group("samples")
def samples_group() -> None:
    """Make the simulated samples of the benchmark analysis."""


@samples_group.command("make")
@click.argument("output", type=click.Path(path_type=Path))
@click.option(
    "--scale",
    type=click.FloatRange(min=0, min_open=True),
    default=1.0,
    show_default=True,
    help="Multiple of the shipped simulation.",
)
@click.option("--jobs", type=click.IntRange(min=1), help="Processes [the CPUs this process may use].")
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--luminosity", type=click.FloatRange(min=0, min_open=True), help="Of the data, in /fb [that of the shipped data]."
)
@click.option("--processes", metavar="A,B,...", help="Files to make, without .root [all].")
@click.option("--no-data", is_flag=True, help="Make no pseudo-data.")
def samples_make_command(
    output: Path,
    scale: float,
    jobs: int | None,
    seed: int,
    luminosity: float | None,
    processes: str | None,
    no_data: bool,
) -> None:
    """Generate simulation and pseudo-data with Pythia 8 into OUTPUT, and print the cost of each process."""
    from cascadebdt.simulation import production

    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    produced = production.make(
        output,
        scale=scale,
        jobs=jobs or available_cpus(),
        seed=seed,
        luminosity_fb=production.LUMINOSITY_FB if luminosity is None else luminosity,
        processes=None if processes is None else [name.strip() for name in processes.split(",")],
        with_data=not no_data,
    )
    for path in produced.paths:
        click.echo(f"wrote {path}")
    click.echo(produced.table())
