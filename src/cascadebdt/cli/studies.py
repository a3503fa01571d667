"""The commands of the studies: each takes the options of a step and a few of its own, and answers with a table."""

from typing import Unpack

import click

from cascadebdt.cli.job import Job, Options, common


@click.command("rank")
@common
@click.option(
    "--sets/--no-sets", default=True, show_default=True, help="Look for smaller sets of features, which trains a lot."
)
def rank_command(sets: bool, **options: Unpack[Options]) -> None:
    """Say which feature works against which background, and which features a stage can do without."""
    from cascadebdt.cli import study_tables
    from cascadebdt.studies import rank

    job = Job.of(options)
    result = rank.study(job.config, job.products, with_proposals=sets, jobs=job.jobs, progress=job.progress)
    job.say(study_tables.ranking(result))
    job.say(f"wrote {job.products.json('rank')}")


STUDIES: tuple[click.Command, ...] = (rank_command,)
"""What the command line has of them, in this order."""
